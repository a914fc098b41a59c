"""Verdicts before and now -> text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.executors.rescore import Rescored
from runner.registry.facts import Record
from runner.report.outcome import COLOURS
from runner.report.text import printable


def rescored_text(what: str, before: Record | None, found: Rescored, *, coloured: bool) -> str:
    """Render what the gates say now, each after what it said before where it was there already.

    Args:
        what: name and version.
        before: the record of the gate that was judged last; None when there is none.
        found: what the gates say now.
        coloured: whether the terminal shows ANSI colours.
    """
    earlier = {verdict["gate"]: verdict for verdict in before.metrics["verdicts"]} if before else {}
    lines = [f"{what}: {_changed(before, found)}"]
    for verdict in found.gate["verdicts"]:
        was = earlier.pop(verdict["gate"], None)
        lines.append(
            f"  {_word(verdict['outcome'], coloured=coloured)} {printable(verdict['gate'])}{_was(was, verdict)}"
        )
        lines.append(f"    {printable(verdict['reason'])}")
    lines += [f"  gone: {printable(gate)} ({verdict['outcome']})" for gate, verdict in earlier.items()]
    return "\n".join([*lines, *_ending(found)])


def _changed(before: Record | None, found: Rescored) -> str:
    now = str(found.gate["outcome"])
    if before is None:
        return now
    return now if before.metrics["outcome"] == now else f"{before.metrics['outcome']} → {now}"


def _word(outcome: str, *, coloured: bool) -> str:
    return f"\x1b[{COLOURS[outcome]}m{outcome}\x1b[0m" if coloured else outcome


def _was(was: dict[str, Any] | None, verdict: dict[str, Any]) -> str:
    if was is None:
        return " (new)"
    return "" if was["outcome"] == verdict["outcome"] else f" (was {was['outcome']})"


def _ending(found: Rescored) -> Iterator[str]:
    if not found.ran:
        yield "nothing differs from what the registry has"
    elif found.released:
        yield f"computed from stored answers: {', '.join(found.ran)}; nothing was kept, its release stands"
    else:
        yield f"computed from stored answers: {', '.join(found.ran)}; nothing was kept, `gitune apply` records it"
