"""The proof of a released version, checked offline link by link: data → adapter → answers → scores → verdicts → alias.

Every link says what it verified: a key is the sha256 of its record's inputs, outputs match their digests, and each
step's inputs name the outputs of the step before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.digest import digest_json
from runner.errors import RegistryError
from runner.plan.keys import template_digest
from runner.plan.walk import PREDICT_STEPS, SUBJECTS
from runner.registry.facts import STEPS, Deployment, Record, RegistryReader, Step, Version


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain."""

    what: str
    """Step, version or deployment."""
    detail: str
    """Key, digests and numbers for a person."""
    broken: str | None = None
    """What does not verify, if anything."""


def prove(version: Version, log: list[Deployment], registry: RegistryReader) -> list[Link]:
    """Verify everything that led to a version, and list where it was deployed, and undeployed."""
    records = dict(_records(version, registry))
    links = [Link("spec", f"commit {version.commit[:12]}, {version.name} {version.version}")]
    for step in STEPS[:-1]:
        key = version.keys.get(step)
        if key is None:
            links.append(Link(step, "not part of this release"))
        elif step not in records:
            links.append(Link(step, f"key {key[:8]}", "its record or an artifact is missing"))
        else:
            links.append(_link(step, records, version, registry))
    links.append(_release(version, records))
    return links + [_move(entry) for entry in log if (entry.version or entry.previous) == version.version]


def _move(entry: Deployment) -> Link:
    what = "deployment" if entry.version else "undeployment"
    return Link(what, f"{entry.alias} #{entry.number} at {entry.deployed:%Y-%m-%d %H:%M} by {entry.commit[:12]}")


def _records(version: Version, registry: RegistryReader) -> Iterator[tuple[Step, Record]]:
    for step, key in version.keys.items():
        if key is None:
            continue
        homes = PREDICT_STEPS if step in PREDICT_STEPS else (step,)
        for home in homes:
            if (record := registry.record(home, key)) is not None:
                yield step, record
                break


def _link(step: Step, records: Mapping[Step, Record], version: Version, registry: RegistryReader) -> Link:
    record = records[step]
    outputs = " ".join(f"{name}:{artifact.digest[:8]}" for name, artifact in sorted(record.outputs.items()))
    broken = _broken_key(record) or _broken_input(step, records, version) or _broken_bytes(record, registry)
    return Link(step, f"key {record.key[:8]} → {outputs}", broken)


def _broken_key(record: Record) -> str | None:
    return None if digest_json(record.inputs) == record.key else "the key is not the digest of its inputs"


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
        case "predict_champion":
            return output("prepare", "prompts")
        case "score":
            answers: dict[str, object] = {
                f"answers.{subject}": records[predict].outputs["answers"].digest
                for subject, predict in SUBJECTS.items()
                if predict in records
            }
            return output("prepare", "test") | answers
        case "gate":
            return output("score", "scores")
        case _:
            return {}


def _at(inputs: Mapping[str, object], path: str) -> object:
    value: object = inputs
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _broken_bytes(record: Record, registry: RegistryReader) -> str | None:
    for name, artifact in record.outputs.items():
        try:
            registry.fetch(artifact)
        except RegistryError as error:
            return f"{name}: {error.message}"
    return None


def _release(version: Version, records: Mapping[Step, Record]) -> Link:
    trained, gate = records.get("train"), records.get("gate")
    broken = None
    if trained is not None and trained.outputs["adapter"] != version.content.adapter:
        broken = "its adapter is not what training yielded"
    elif trained is not None and trained.key != version.content.train_key:
        broken = "it names another training"
    elif gate is not None and not gate.metrics["release"]:
        broken = "its gates did not allow a release"
    elif gate is not None and gate.metrics["outcome"] != version.verdict:
        broken = f"its gates said {gate.metrics['outcome']}"
    return Link("version", f"{version.version} released {version.released:%Y-%m-%d %H:%M}, {version.verdict}", broken)
