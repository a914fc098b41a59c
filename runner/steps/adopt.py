"""ADOPT: what a pull request's runs already trained and answered -> main's registry, verified, so that a merge is free.

Only trainings and answers are taken over, and each only when its key is the sha256 of its inputs, every byte has its
digest, and its answers are to the prompts that were asked, each once. Data is prepared again: its digests are the
inputs of what was adopted, so other data finds nothing. Scores and verdicts are always made here, from those answers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from runner.digest import digest_json
from runner.errors import RegistryError
from runner.plan.decision import PREDICT_STEPS
from runner.plan.rivals import CHAMPION
from runner.plan.walk import Walk
from runner.registry.chain import homes
from runner.registry.facts import Artifact, Record
from runner.registry.namespaces import ADOPTABLE
from runner.registry.views import RegistryReader, RegistryWriter


def adopt(walk: Walk, namespace: str, source: RegistryReader, registry: RegistryWriter) -> Iterator[Record]:
    """Copy the trainings and answers that a spec needs and main lacks; yield each record that was written.

    Args:
        walk: a walk over the namespace's view of the registry that has looked at every step.
        namespace: such as `pr/12`; written into the records' environment.
        source: the namespace's view.
        registry: main's.

    Raises:
        RegistryError: when a record or a byte of it does not verify.
    """
    for step in ADOPTABLE:
        record = walk.decisions[step].record
        if record is None or known(record, registry) is not None:
            continue
        try:
            verify(record, source, walk.records["prepare"].outputs["prompts"])
            for artifact in record.outputs.values():
                _copy(artifact, source, registry)
        except RegistryError as error:
            raise RegistryError(
                f"{step} of {walk.subject.spec.name} is not adopted from {namespace}: {error.message}",
                hint="apply without --adopt to run it here",
            ) from error
        adopted = record.model_copy(update={"environment": {**record.environment, "adopted_from": namespace}})
        registry.add_record(adopted)
        yield adopted


def known(record: Record, registry: RegistryReader) -> Record | None:
    """Return what a registry has of a record's key, under whichever step: the record itself, else the newest."""
    found = [own for home in homes(record.step) for own in registry.records_of(home, record.key)]
    return record if record in found else next(iter(found), None)


def verify(record: Record, source: RegistryReader, prompts: Artifact) -> None:
    """Hold a record against its key, its artifacts against their digests, and its answers against what was asked.

    Args:
        record: a training or a prediction.
        source: where its bytes are.
        prompts: what models are asked.

    Raises:
        RegistryError: when anything does not verify.
    """
    _require_own_key(record)
    for artifact in record.outputs.values():
        source.fetch(artifact)
    # Earlier answers of a rival whose weights are lost are to other prompts.
    if record.step in PREDICT_STEPS and record.inputs.get("prompts") == prompts.digest:
        asked = set(_ids(source.read(prompts), "id"))
        for output in record.outputs:
            if output.partition(".")[0] == "answers":
                _require_answers(output, record, source, asked)


def _require_answers(output: str, record: Record, source: RegistryReader, asked: set[str]) -> None:
    """Refuse answers that leave out a prompt, add one or count one twice: scores would be those of other rows."""
    subject = output.partition(".")[2] or CHAMPION
    if "earlier" in record.inputs.get("rivals", {}).get(subject, {}):
        return
    samples = Counter(_ids(source.read(record.outputs[output]), "prompt_id"))
    errors = record.outputs.get(output.replace("answers", "errors", 1))
    refused = set(_ids(source.read(errors), "prompt_id")) if errors else set()
    if samples.keys() | refused != asked or samples.keys() & refused:
        raise RegistryError(f"its {output} are not those to the prompts of the test set")
    if len(set(samples.values())) > 1:
        raise RegistryError(f"its {output} hold some prompts more often than others")


def _ids(data: bytes, name: str) -> list[str]:
    try:
        return [str(json.loads(line)[name]) for line in data.split(b"\n") if line]
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError("its answers cannot be read") from error


def _require_own_key(record: Record) -> None:
    if digest_json(record.inputs) != record.key:
        raise RegistryError("its key is not the digest of its inputs")


def _copy(artifact: Artifact, source: RegistryReader, registry: RegistryWriter) -> None:
    """Copy bytes that `fetch` verified; what is stored must come out under the same digest and size."""
    path = source.fetch(artifact)
    copied = registry.put_tree(path) if artifact.kind == "tree" else registry.put_file(path)
    if copied != artifact:
        raise RegistryError(f"artifact {artifact.digest} came out as {copied.digest}")
