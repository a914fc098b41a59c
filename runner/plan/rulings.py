"""What people's decisions mean for a deployment: what is held, and which INCONCLUSIVE candidate was approved.

An approval counts for one version and one set of scores: any other scores make it void. A FAIL cannot be approved; who
wants it released changes the gate in the spec, where everybody sees it.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.registry.facts import Ruling


def approval_of(rulings: Sequence[Ruling], version: str, scores: str) -> Ruling | None:
    """Return the newest approval of a version with these scores.

    Args:
        rulings: every decision about the name, oldest first.
        version: its number.
        scores: digest of the scores its gates judged.
    """
    fitting = (one for one in reversed(rulings) if one.kind == "approve" and one.version == version)
    return next((one for one in fitting if one.scores == scores), None)


def hold_on(rulings: Sequence[Ruling], version: str, *, released: bool) -> Ruling | None:
    """Return the hold that keeps a version from being deployed.

    A hold of a version counts until it is lifted, also on the way back to it; one of the whole name only keeps new
    versions back, so that a rollback to a released one stays possible.
    """
    holds = standing_holds(rulings)
    return next((one for one in holds if one.version == version or (one.version is None and not released)), None)


def standing_holds(rulings: Sequence[Ruling]) -> list[Ruling]:
    """Return the holds that nobody has lifted, oldest first."""
    holds: dict[str | None, Ruling] = {}
    for ruling in rulings:
        if ruling.kind == "hold":
            holds[ruling.version] = ruling
        elif ruling.kind == "lift":
            holds.pop(ruling.version, None)
    return list(holds.values())


def words(hold: Ruling) -> str:
    """Say a hold and how it ends: `1.1.0 is on hold by Ada since 2026-11-22: …`."""
    what = hold.version or f"whatever is new of {hold.name}"
    option = f" --version {hold.version}" if hold.version else ""
    return (
        f"{what} is on hold by {name_of(hold)} since {hold.at:%Y-%m-%d}: {hold.reason} "
        f"(`gitune gate lift {hold.name}{option}` ends it)"
    )


def name_of(ruling: Ruling) -> str:
    """Return who decided, without the address."""
    return ruling.who.partition(" <")[0] or ruling.who
