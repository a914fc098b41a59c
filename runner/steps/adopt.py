"""ADOPT: what a pull request's runs already trained and answered -> main's registry, verified, so that a merge is free.

Only trainings and answers are taken over, and each only when its key is the sha256 of its inputs and every byte has its
digest. Data is prepared again (its digests are the inputs of what was adopted, so other data finds nothing), and scores
and verdicts are always made here, from the adopted answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.digest import digest_json
from runner.errors import RegistryError
from runner.plan.walk import Walk
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
        if record is None or registry.record(record.step, record.key) is not None:
            continue
        try:
            _require_own_key(record)
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


def verify(record: Record, source: RegistryReader) -> None:
    """Hold a record against its key, and every byte of its artifacts against their digests.

    Raises:
        RegistryError: when anything does not verify.
    """
    _require_own_key(record)
    for artifact in record.outputs.values():
        source.fetch(artifact)


def _require_own_key(record: Record) -> None:
    if digest_json(record.inputs) != record.key:
        raise RegistryError("its key is not the digest of its inputs")


def _copy(artifact: Artifact, source: RegistryReader, registry: RegistryWriter) -> None:
    """Copy bytes that `fetch` verified; what is stored must come out under the same digest and size."""
    path = source.fetch(artifact)
    copied = registry.put_tree(path) if artifact.kind == "tree" else registry.put_file(path)
    if copied != artifact:
        raise RegistryError(f"artifact {artifact.digest} came out as {copied.digest}")
