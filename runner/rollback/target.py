"""The log of an alias -> the version to go back to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.errors import RegistryError, UsageError
from runner.plan.rulings import standing_holds, words
from runner.registry.facts import Deployment, Ruling, Version
from runner.registry.views import RegistryReader
from runner.spec.semver import parse


@dataclass(frozen=True, slots=True)
class Target:
    """What to go back to, and from what."""

    live: Deployment
    """Last entry of the log: what goes; it has no version where nothing is live any more."""
    entry: Deployment
    """Newest entry that deployed the version under this alias; its commit holds the spec that asked for it."""
    version: Version
    """What comes back."""

    @property
    def name(self) -> str:
        """Name of the spec."""
        return self.live.name

    @property
    def alias(self) -> str:
        """The pointer that moves."""
        return self.live.alias


def find_target(reader: RegistryReader, name: str, alias: str, wanted: str | None) -> Target:
    """Find the version to go back to.

    Args:
        reader: what the registry holds.
        name: of the spec, which may be gone.
        alias: whose log counts.
        wanted: a version; None for what was live before and is not on hold.

    Raises:
        UsageError: when there is none, or the wanted one cannot be it.
        RegistryError: when its file is lost.
    """
    log = reader.deployments(name, alias)
    if not log:
        raise UsageError(f"{name} has never been deployed as {alias}: there is nothing to go back to")
    holds = {hold.version: hold for hold in standing_holds(reader.rulings(name))}
    number = wanted or _one_before(log, holds)
    if wanted is not None:
        _require_possible(reader, log, wanted, holds)
    version = reader.version(name, number)
    if version is None:
        raise RegistryError(
            f"versions/{name}/{number}.json is missing from the registry",
            hint="restore it from a copy of the store, or go back to another version with --to",
        )
    return Target(log[-1], next(entry for entry in reversed(log) if entry.version == number), version)


def earlier(log: Iterable[Deployment], left_out: Iterable[str | None]) -> list[str]:
    """Return the versions that were live, the last one first, without some."""
    order = dict.fromkeys(entry.version for entry in reversed(list(log)))
    return [version for version in order if version is not None and version not in set(left_out)]


def _one_before(log: list[Deployment], holds: dict[str | None, Ruling]) -> str:
    live = log[-1]
    found = earlier(log[:-1], [live.version, *holds])
    if found:
        return found[0]
    on_hold = ", ".join(version for version in earlier(log[:-1], [live.version]) if version in holds)
    what = f"all that was live before is on hold: {on_hold}" if on_hold else "nothing else was ever live"
    hint = f"`gitune release --unhold {live.name}@VERSION` ends a hold" if on_hold else ""
    raise UsageError(f"{live.name} has no version to go back to as {live.alias}: {what}", hint=hint)


def _require_possible(
    reader: RegistryReader, log: list[Deployment], wanted: str, holds: dict[str | None, Ruling]
) -> None:
    live = log[-1]
    name, possible = live.name, ", ".join(earlier(log, [live.version, *holds])) or "none"
    parse(wanted)
    if wanted == live.version:
        raise UsageError(f"{name} {wanted} is live as {live.alias} already", hint=f"to go back to: {possible}")
    if reader.version(name, wanted) is None:
        raise UsageError(f"{name} {wanted} is not released", hint=f"to go back to: {possible}")
    if all(entry.version != wanted for entry in log):
        raise UsageError(
            f"{name} {wanted} was never live as {live.alias}: that would be no way back",
            hint=f"to go back to: {possible}; anything else is a change of the spec",
        )
    if (hold := holds.get(wanted)) is not None:
        raise UsageError(words(hold))
