"""What became of one spec's apply, for a terminal: verdicts first, then what is live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runner.reconcile import Outcome
from runner.report.accuracy import took_lines

COLOURS = {"PASS": "32", "FAIL": "31", "INCONCLUSIVE": "33"}


def render_outcome(outcome: Outcome, *, coloured: bool) -> str:
    """Render verdicts, what ran, and what is live or why it is not."""
    lines = [f"{outcome.name} {outcome.version}"]
    if outcome.gate is not None:
        lines += [_verdict(verdict, coloured=coloured) for verdict in outcome.gate.metrics["verdicts"]]
    lines.append(f"  ran: {', '.join(outcome.ran) or 'nothing'}")
    lines += took_lines(outcome.took)
    lines += [f"  {ending}" for ending in _endings(outcome)]
    return "\n".join(lines)


def _verdict(verdict: dict[str, Any], *, coloured: bool) -> str:
    outcome = f"{verdict['outcome']:<12}"
    if coloured:
        outcome = f"\x1b[{COLOURS[verdict['outcome']]}m{outcome}\x1b[0m"
    return f"  {outcome} {verdict['gate']}: {verdict['reason']}"


def _endings(outcome: Outcome) -> Iterator[str]:
    if outcome.error is not None:
        yield "failed: " + str(outcome.error).replace("\n", "\n  ")
    if (entry := outcome.deployment) is not None:
        was = f" (was {entry.previous})" if entry.previous else ""
        yield f"deployed: {entry.alias} is now {entry.version}{was}, entry {entry.number}"
    elif outcome.blocked is not None:
        yield f"not deployed; {outcome.blocked}"
    elif outcome.error is None:
        yield f"not deployed: {outcome.idle}" if "gate" in outcome.ran else f"nothing to deploy: {outcome.idle}"
