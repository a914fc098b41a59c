"""Released models that gates compare with: `champion`, `version:1.2.0`, `spec:other` -> versions and their predictions.

All of them answer the test set in the step `predict_champion`, each with its own weights, engine and settings. Answers
have the key that any other prediction of the same weights has, so that what a release answered once is found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.errors import RegistryError
from runner.plan.keys import Inputs, rivals_inputs, step_key, version_inputs
from runner.registry.chain import sealed_record
from runner.registry.facts import Record, Version
from runner.registry.views import RegistryReader
from runner.spec.models import Spec

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Rival:
    """One released model, and how it answers this test set."""

    subject: str
    """What gates and scores call it."""
    version: Version
    """What it is."""
    prompts: str
    """Digest of what it is asked."""
    earlier: Record | None = field(default=None)
    """What it answered of other prompts, where its weights are lost."""

    @property
    def inputs(self) -> Inputs:
        """The inputs of its own prediction."""
        return version_inputs(self.version.content, self.prompts)

    @property
    def key(self) -> str:
        """The key of its own prediction."""
        return step_key(self.inputs)

    @property
    def name(self) -> str:
        """Its spec and number."""
        return name_of_version(self.version)


def name_of_version(version: Version) -> str:
    """Return a version's spec and number."""
    return f"{version.name}@{version.version}"


def find_named(spec: Spec, reader: RegistryReader, released: Version | None) -> dict[str, Version]:
    """Return the versions that gates name, by `version:1.2.0` and `spec:other`.

    Args:
        spec: the spec with the gates.
        reader: what the registry holds.
        released: the released version of the spec's number; what was there when it was judged counts for it.

    Raises:
        RegistryError: naming every one that is not there; for a released version none is needed.
    """
    rivals = {gate.rival for gate in spec.evaluation.gates if gate.rival}
    names = sorted(rival for rival in rivals if rival.startswith(("version:", "spec:")))
    if released is not None:
        was = sealed_record(released, "predict_champion", reader) if names else None
        pins = {name: _pinned(name, released, was, reader) for name in names}
        return {name: version for name, version in pins.items() if version is not None}
    found = {name: _resolve(name, spec, reader) for name in names}
    if faults := [fault for fault in found.values() if isinstance(fault, str)]:
        raise RegistryError("; ".join(faults))
    return {name: version for name, version in found.items() if isinstance(version, Version)}


def _pinned(rival: str, released: Version, was: Record | None, reader: RegistryReader) -> Version | None:
    """Return what a rival's name stood for when a version was released; a gate that came later compares nothing."""
    kind, _, name = rival.partition(":")
    if kind == "version":
        # Without the record nobody knows; it has to be made again.
        asked = released.keys.get("predict_champion") and (was is None or rival in was.inputs.get("rivals", ()))
        return reader.version(released.name, name) if asked else None
    number = released.rivals.get(rival, "").rpartition("@")[2]
    return reader.version(name, number) if number else None


def _resolve(rival: str, spec: Spec, reader: RegistryReader) -> Version | str:
    """Return the version that a rival's name stands for now, or say why there is none."""
    kind, _, name = rival.partition(":")
    if kind == "version":
        released = ", ".join(version.version for version in reader.versions(spec.name)) or "none"
        missing = f"a gate compares with {rival}, which was never released (released: {released}); name one of those"
        return reader.version(spec.name, name) or missing
    live = {alias: reader.live(name, alias) for of, alias in reader.logs() if of == name}
    numbers = {alias: entry.version for alias, entry in live.items() if entry and entry.version}
    own = spec.deployment.alias
    # A spec has one alias; one that was moved may have left another behind.
    number = numbers.get(own) or (next(iter(numbers.values())) if len(numbers) == 1 else None)
    if number is None:
        what = f"{name} is live as {', '.join(sorted(numbers))}" if numbers else f"nothing of {name} is live"
        return f"a gate compares with {rival}, but {what}; it must be live as {own}"
    return reader.version(name, number) or f"{name} {number}, which a gate compares with, is missing from the registry"


def combined(rivals: Sequence[Rival]) -> Inputs:
    """Return the inputs of a prediction of several rivals."""
    return rivals_inputs(
        rivals[0].prompts,
        {rival.subject: {"earlier": rival.earlier.key} if rival.earlier else rival.inputs for rival in rivals},
    )


def is_champion_alone(rivals: Sequence[Rival]) -> bool:
    """Whether the step is the prediction of one model, the champion, and has its key."""
    return [rival.subject for rival in rivals] == [CHAMPION]
