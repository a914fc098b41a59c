"""Other content under a released number -> the number to give it instead, and why: major, minor or patch.

One table decides, by what a caller would notice (docs/releases.md prints it). The largest change wins; what differs is
told from the newest release, because the new number has to come after that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from runner.errors import Problem
from runner.plan import keys
from runner.plan.changes import describe, explain_miss
from runner.plan.history import History
from runner.plan.model import Change
from runner.plan.subject import Subject
from runner.registry.facts import Version
from runner.registry.views import RegistryReader
from runner.spec.semver import next_major, next_minor, next_patch

Bump = Literal["major", "minor", "patch"]

NEXT: Mapping[Bump, Callable[[str], str]] = {"major": next_major, "minor": next_minor, "patch": next_patch}

RULES: Mapping[str, tuple[Bump, str]] = {
    "base_model": ("major", "another base model answers differently in ways that no test set covers"),
    "evaluation.output_format": ("major", "callers get answers in another format"),
    "dataset.system_prompt": ("major", "it is told to do something else"),
    "dataset.label": ("major", "another field is what it decides"),
    "train": ("minor", "it learned from other rows"),
    "validation": ("minor", "it learned from other rows"),
    "training.objective": ("minor", "it learns something else from its rows"),
    "training.method": ("minor", "another kind of training"),
    "training.train_on": ("minor", "it learns from other parts of its rows"),
    "training.train_on_prompt": ("minor", "it learns from other parts of its rows"),
    "chat_template": ("minor", "it reads conversations differently"),
    "evaluation.generation": ("minor", "answers are written with other settings"),
    "backend": ("patch", "the same rows and base, trained elsewhere"),
    "training": ("patch", "the same rows and base, trained with other settings"),
    "engine": ("patch", "the same weights, answered by another engine"),
    "implementation": ("patch", "the same rows and base, trained by a newer tool"),
}
"""By path of a change; the longest one that fits counts."""

SIZES: Sequence[Bump] = ("patch", "minor", "major")


def bump_for(paths: Sequence[str]) -> tuple[Bump, str, str]:
    """Return the largest bump that any of the changed paths asks for, why, and the path that asks for it.

    Args:
        paths: what changed, as plans tell it: `training.learning_rate`, `train`, `evaluation.output_format`.
    """
    found = [(*_rule(path), path) for path in paths]
    if not found:
        return "minor", "its content differs", ""
    return max(found, key=lambda rule: SIZES.index(rule[0]))


def _rule(path: str) -> tuple[Bump, str]:
    parts = path.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    # What no rule knows is a change all the same.
    return next((RULES[prefix] for prefix in prefixes if prefix in RULES), ("minor", "its content differs"))


def version_taken(train: keys.Inputs, released: Version, subject: Subject, reader: RegistryReader) -> Problem:
    """Say that a spec differs from the released version of its number, in what, and which number to give it.

    Args:
        train: the inputs of its train step.
        released: the version of its number.
        subject: the spec as it is now.
        reader: what the registry holds.
    """
    spec = subject.spec
    differs = list(content_changes(released, train, subject, reader))
    why = f" ({describe(differs, subject)})" if differs else ""
    newest = reader.versions(spec.name)[-1]
    if newest.version != released.version:
        differs = list(content_changes(newest, train, subject, reader))
    bump, because, path = bump_for([change.path for change in differs])
    number = NEXT[bump](newest.version)
    cause = f"{path} changed: {because}" if path else because
    after = "" if newest.version == released.version else f", after {newest.version}, the newest"
    return Problem(
        f"{spec.name} {released.version} is released and never changes, but this spec differs{why}",
        subject.loaded.where("version"),
        f"give it a new version: `version: {number}` ({bump}: {cause}{after})",
    )


def content_changes(version: Version, train: keys.Inputs, subject: Subject, reader: RegistryReader) -> Iterator[Change]:
    """Yield what differs between a released version and the spec as it is now, as far as its records are there."""
    if (made := reader.record("train", version.content.train_key)) is not None:
        yield from explain_miss(train, made, subject, History(reader))
    yield from _served_changes(version, subject)
    prepared = reader.record("prepare", version.keys.get("prepare") or "none")
    if prepared is not None:
        spec = subject.spec
        now = {"label": spec.dataset.label, "contract": subject.contract}
        before = prepared.model_copy(update={"inputs": {name: prepared.inputs.get(name) for name in now}})
        yield from explain_miss(now, before, subject, History(reader))


def _served_changes(version: Version, subject: Subject) -> Iterator[Change]:
    """Yield what a version keeps of its serving: none of it is an input of the training."""
    spec, content = subject.spec, version.content
    settings = keys.effective(spec.evaluation.generation)
    pairs = {
        "dataset.system_prompt": (content.system_prompt, spec.dataset.system_prompt),
        "engine": (content.engine, spec.engine),
        **{
            f"evaluation.generation.{name}": (content.generation.get(name), settings.get(name))
            for name in sorted(content.generation.keys() | settings.keys())
        },
    }
    for path, (old, new) in pairs.items():
        if old != new:
            yield Change(path=path, old=old, new=new, line=subject.loaded.where(path).line)
