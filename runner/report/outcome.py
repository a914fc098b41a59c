"""What became of one spec's apply, for a terminal: verdicts first, then what is live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from runner.reconcile import Outcome
from runner.report.accuracy import took_lines

_ENDS_BY_CODE = {3: "gate failed", 4: "gate inconclusive", 5: "data check failed"}
_ENDS = ("deployed", "undeployed", "evaluated", "nothing to do", *_ENDS_BY_CODE.values(), "blocked", "failed")

COLOURS = {"PASS": "32", "FAIL": "31", "INCONCLUSIVE": "33"}


def render_outcome(outcome: Outcome, *, coloured: bool) -> str:
    """Render verdicts, what ran, and what is live or why it is not."""
    lines = [f"{outcome.name} {outcome.version}"]
    if outcome.gate is not None:
        lines += [_verdict(verdict, coloured=coloured) for verdict in outcome.gate.metrics["verdicts"]]
    if outcome.deployment is None or outcome.deployment.version is not None:
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
    """Render one line for each of several specs, and how many came to which end."""
    width = max(len(f"{outcome.name} {outcome.version}") for outcome in outcomes)
    ends = [_end(outcome) for outcome in outcomes]
    counts = Counter(ends)
    total = ", ".join(f"{counts[end]} {end}" for end in dict.fromkeys([*_ENDS, *ends]) if counts[end])
    rows = [f"  {f'{o.name} {o.version}':<{width}}  {end}" for o, end in zip(outcomes, ends, strict=True)]
    return "\n".join([f"{len({outcome.name for outcome in outcomes})} specs: {total}", *rows])


def _end(outcome: Outcome) -> str:
    if outcome.exit_code in _ENDS_BY_CODE:
        return _ENDS_BY_CODE[outcome.exit_code]
    if outcome.exit_code:
        return "failed" if outcome.error is not None else "blocked"
    if outcome.deployment is not None:
        return "deployed" if outcome.deployment.version else "undeployed"
    return "evaluated" if outcome.ran else "nothing to do"
