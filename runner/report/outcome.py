"""What became of each spec of an apply, for a terminal: verdicts first, then what is live, then a line for each."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from runner.reconcile import Outcome
from runner.report.accuracy import took_lines
from runner.report.text import NARROW

_ENDS_BY_CODE = {3: "gate failed", 4: "gate inconclusive", 5: "data check failed"}
_ENDS = ("deployed", "undeployed", "evaluated", "nothing to do", *_ENDS_BY_CODE.values(), "blocked", "failed")

COLOURS = {"PASS": "32", "FAIL": "31", "INCONCLUSIVE": "33"}


_VERDICT_WIDTH = max(map(len, COLOURS))
_INDENT = " " * (2 + _VERDICT_WIDTH + 1)


def render_outcomes(outcomes: Sequence[Outcome], *, coloured: bool, width: int | None = None) -> str:
    """Render what became of each spec, and of several together; of those, what needed nothing is only counted.

    Args:
        outcomes: one or more specs.
        coloured: whether the terminal shows ANSI colours.
        width: its columns; None wraps no line.
    """
    shown = (
        outcomes if len(outcomes) == 1 else [one for one in outcomes if one.exit_code or _end(one) != "nothing to do"]
    )
    blocks = [render_outcome(outcome, coloured=coloured, width=width) for outcome in shown]
    return "\n\n".join([*blocks, *([summarize(outcomes)] if len(outcomes) > 1 else [])])


def render_outcome(outcome: Outcome, *, coloured: bool, width: int | None = None) -> str:
    """Render verdicts, what ran, and what is live or why it is not."""
    lines = [f"{outcome.name} {outcome.version}"]
    if outcome.gate is not None:
        lines += [_verdict(verdict, width, coloured=coloured) for verdict in outcome.gate.metrics["verdicts"]]
    if outcome.deployment is None or outcome.deployment.version is not None:
        lines.append(f"  ran: {', '.join(outcome.ran) or 'nothing'}")
    lines += took_lines(outcome.took)
    lines += [f"  {ending}" for ending in _endings(outcome)]
    return "\n".join(lines)


def _verdict(verdict: dict[str, Any], width: int | None, *, coloured: bool) -> str:
    outcome = f"{verdict['outcome']:<{_VERDICT_WIDTH}}"
    if coloured:
        outcome = f"\x1b[{COLOURS[verdict['outcome']]}m{outcome}\x1b[0m"
    lines = [f"{verdict['gate']}: {verdict['reason']}"]
    if width is not None and (room := width - len(_INDENT)) >= NARROW:
        lines = textwrap.wrap(lines[0], room, break_long_words=False, break_on_hyphens=False)
    return f"  {outcome} " + f"\n{_INDENT}".join(lines)


def _endings(outcome: Outcome) -> Iterator[str]:
    if outcome.error is not None:
        yield "failed: " + str(outcome.error).replace("\n", "\n  ")
        yield from (f"log of {step}: {log}" for step, log in outcome.logs.items() if step not in outcome.ran)
    if (entry := outcome.deployment) is not None and entry.version is None:
        yield f"undeployed: {entry.alias} is no longer {entry.previous}, entry {entry.number}"
    elif entry is not None:
        was = f" (was {entry.previous})" if entry.previous else ""
        yield f"deployed: {entry.alias} is now {entry.version}{was}, entry {entry.number}"
    elif outcome.blocked is not None:
        yield f"not deployed; {outcome.blocked}"
    elif outcome.error is None:
        yield f"not deployed: {outcome.idle}" if "gate" in outcome.ran else f"nothing to deploy: {outcome.idle}"


def summarize(outcomes: Sequence[Outcome]) -> str:
    """Render how many of several specs came to which end, and a line for each that did not need nothing."""
    width = max(len(f"{outcome.name} {outcome.version}") for outcome in outcomes)
    ends = [_end(outcome) for outcome in outcomes]
    counts = Counter(ends)
    total = ", ".join(f"{counts[end]} {end}" for end in dict.fromkeys([*_ENDS, *ends]) if counts[end])
    told = ((f"{o.name} {o.version}", end) for o, end in zip(outcomes, ends, strict=True) if end != "nothing to do")
    rows = [f"  {name:<{width}}  {end}" for name, end in told]
    return "\n".join([f"{len(outcomes)} specs: {total}", *rows])


def _end(outcome: Outcome) -> str:
    if outcome.exit_code in _ENDS_BY_CODE:
        return _ENDS_BY_CODE[outcome.exit_code]
    if outcome.exit_code:
        return "failed" if outcome.error is not None else "blocked"
    if (entry := outcome.deployment) is not None:
        return "undeployed" if entry.version is None else "deployed"
    return "evaluated" if outcome.ran else "nothing to do"
