"""The proof of a released version, checked offline link by link: data → adapter → answers → scores → verdicts → alias.

Every link says what it verified: a key is the sha256 of its record's inputs, outputs match their digests, each step's
inputs name the outputs of the step before, the records are those that the version was released with, and the deployment
log is whole (`registry.chain`). The first link compares all that with the git commit it names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.digest import digest_json
from runner.errors import RegistryError
from runner.evaluation.gates import Verdict, overall
from runner.plan.decision import answered
from runner.plan.keys import beside_rows, template_digest
from runner.plan.rulings import name_of
from runner.registry.chain import record_digest, sealed_records
from runner.registry.facts import STEPS, Record, Step, Version
from runner.registry.views import RegistryReader
from runner.report.committed import check_commit


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain."""

    what: str
    """Step, version or deployment."""
    detail: str
    """Key, digests and numbers for a person."""
    broken: str | None = None
    """What does not verify, if anything."""


def prove(version: Version, alias: str, registry: RegistryReader, root: Path) -> list[Link]:
    """Verify everything that led to a version, and the log of an alias with where it was deployed.

    Args:
        version: the released version.
        alias: the alias whose log is verified.
        registry: where the facts are.
        root: the repository, for the commit that the version names.
    """
    return [*prove_release(version, registry, root), *_deployments(version, alias, registry)]


def prove_release(version: Version, registry: RegistryReader, root: Path) -> list[Link]:
    """Verify everything that led to a version, whether or not it was ever deployed; see `prove`."""
    records = sealed_records(version, registry)
    commit = check_commit(version, records, root)
    links = [Link("spec", commit.detail, commit.broken)]
    for step in STEPS[:-1]:
        key = version.keys.get(step)
        if key is None:
            links.append(Link(step, "not part of this release"))
        elif step not in records:
            links.append(Link(step, f"key {key[:8]}", "its record or an artifact is missing"))
        else:
            links.append(_link(step, records, version, registry))
    return [*links, _release(version, records, registry)]


def _deployments(version: Version, alias: str, registry: RegistryReader) -> Iterator[Link]:
    """Verify the whole log of the alias, and tell each entry that deployed the version."""
    log = registry.deployments(version.name, alias)
    faults = registry.broken_links(version.name, alias)
    proven = sum(entry.proof is not None for entry in log)
    older = f"; {len(log) - proven} carry no proof: written by an older gitune" if proven < len(log) else ""
    if log:
        detail = f"{alias}: {proven} of {len(log)} entries chained to the one before{older}"
        yield Link("log", detail, "; ".join(faults.values()) or None)
    for entry in log:
        if (entry.version or entry.previous) == version.version:
            what = "deployment" if entry.version else "undeployment"
            at = f"{alias} #{entry.number} at {entry.deployed:%Y-%m-%d %H:%M} by {entry.commit[:12]}"
            yield Link(what, at, faults.get(entry.number))


def _link(step: Step, records: Mapping[Step, Record], version: Version, registry: RegistryReader) -> Link:
    record = records[step]
    outputs = " ".join(f"{name}:{artifact.digest[:8]}" for name, artifact in sorted(record.outputs.items()))
    broken = (
        _broken_key(record)
        or _broken_seal(step, record, version)
        or _broken_input(step, records, version)
        or _broken_bytes(record, registry)
    )
    return Link(step, f"key {record.key[:8]} → {outputs}", broken)


def _broken_key(record: Record) -> str | None:
    return None if digest_json(record.inputs) == record.key else "the key is not the digest of its inputs"


def _broken_seal(step: Step, record: Record, version: Version) -> str | None:
    """Compare a record with what the version says of it; releases of an older gitune say nothing."""
    sealed = (version.records or {}).get(step)
    return None if sealed in (None, record_digest(record)) else "it is not the record that was released"


def _broken_input(step: Step, records: Mapping[Step, Record], version: Version) -> str | None:
    """Compare what a step says it read with what the step before it says it wrote."""
    for path, expected in _expected(step, records, version).items():
        if _at(records[step].inputs, path) != expected:
            return f"its {path} is not what led to this version"
    return None


def _expected(step: Step, records: Mapping[Step, Record], version: Version) -> dict[str, object]:
    def output(of: Step, name: str) -> dict[str, object]:
        return {name: records[of].outputs[name].digest} if of in records else {}

    content = version.content
    template = template_digest(content.chat_template)
    base: dict[str, object] = {"base_model": content.base_digest, "chat_template": template}
    served = {**base, "engine": content.engine, "generation": content.generation}
    match step:
        case "train":
            return output("prepare", "train") | output("prepare", "validation") | base
        case "predict_base" | "predict_tuned":
            adapter = content.adapter.digest if step == "predict_tuned" else None
            return output("prepare", "prompts") | served | {"adapter": adapter}
        case "score":
            answers: dict[str, object] = {
                f"answers.{subject}": record.outputs["answers"].digest for subject, record in answered(records).items()
            }
            beside = beside_rows(records["prepare"]) if "prepare" in records else {}
            return output("prepare", "test") | beside | answers
        case "gate":
            return output("score", "scores")
        case _:
            # Of rivals too: one whose weights are lost may have answered other prompts, and rows both answered count.
            return {}


def _at(inputs: Mapping[str, object], path: str) -> object:
    value: object = inputs
    for part in path.split(".", 1):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _broken_bytes(record: Record, registry: RegistryReader) -> str | None:
    for name, artifact in record.outputs.items():
        try:
            registry.fetch(artifact)
        except RegistryError as error:
            return f"{name}: {error.message}"
    return None


def _release(version: Version, records: Mapping[Step, Record], registry: RegistryReader) -> Link:
    trained, gate = records.get("train"), records.get("gate")
    broken = None
    if trained is not None and trained.outputs["adapter"] != version.content.adapter:
        broken = "its adapter is not what training yielded"
    elif trained is not None and trained.key != version.content.train_key:
        broken = "it names another training"
    elif gate is not None:
        broken = _broken_verdict(version, gate, records, registry)
    unsealed = "; its records are not sealed: released by an older gitune" if version.records is None else ""
    approval = f", approved by {name_of(version.approval)}" if version.approval else ""
    verdict = f"{version.verdict}{approval}{unsealed}"
    return Link("version", f"{version.version} released {version.released:%Y-%m-%d %H:%M}, {verdict}", broken)


def _broken_verdict(
    version: Version, gate: Record, records: Mapping[Step, Record], registry: RegistryReader
) -> str | None:
    """Judge the release again from the stored verdicts, and from the approval where they alone did not allow it."""
    try:
        verdicts = json.loads(registry.read(gate.outputs["verdicts"]))
    except RegistryError as error:
        return error.message
    outcome = overall([Verdict.model_validate(verdict) for verdict in verdicts])
    if outcome != version.verdict:
        return f"its gates said {outcome}"
    if gate.metrics["release"]:
        return None
    approval, scored = version.approval, records.get("score")
    if approval is None or outcome == "FAIL":
        return "its gates did not allow a release"
    if scored is not None and approval.scores != scored.outputs["scores"].digest:
        return "its approval is bound to other scores"
    known = any(approval.is_same(ruling) for ruling in registry.rulings(version.name))
    return None if known else "its approval is not among the decisions"
