"""Plan -> text for a terminal, in the manner of Terraform: a sign and a reason per step, one line that sums it up.

Specs that need nothing are only counted. Values come from users' files, so control characters are shown, not sent.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runner.plan.changes import words_of
from runner.plan.model import Action, MemoryNeed, Plan, PlannedStep, SpecPlan
from runner.registry.facts import STEPS
from runner.report.costs import step_cost, total_lines


class _Sign(NamedTuple):
    sign: str
    meaning: str
    colour: str


# In the order of the legend. `-` means removal, as in Terraform and diff.
_SIGNS: Mapping[Action, _Sign] = {
    "RUN": _Sign("+", "run", "32"),
    "REUSE": _Sign("=", "reuse", "36"),
    "DEPENDS": _Sign("?", "depends on an earlier step", "33"),
    "WAIT": _Sign("~", "wait for another run", "33"),
    "UNDEPLOY": _Sign("-", "undeploy", "31"),
    "BLOCKED": _Sign("!", "blocked", "31"),
    "NONE": _Sign(".", "nothing to do", "2"),
}

NARROW = 30
"""Columns for reasons below which a terminal had better wrap lines itself."""

_STEP_WIDTH = max(map(len, STEPS))
_ACTION_WIDTH = max(map(len, _SIGNS))
_INDENT = " " * (4 + _STEP_WIDTH + 2 + _ACTION_WIDTH + 2)


def render_plan(plan: Plan, color: bool, width: int | None = None) -> str:  # noqa: FBT001 - as terminals are
    """Render what an apply would do, and why.

    Args:
        plan: the plan.
        color: whether the terminal shows ANSI colours.
        width: its columns; None wraps no line.
    """
    specs, removed = split_removed(plan)
    busy, going = ([spec for spec in group if not up_to_date(spec)] for group in (specs, removed))
    staying = [spec for spec in removed if up_to_date(spec)]
    if not busy and not going:
        return "\n".join([f"No changes. {_count(len(specs))} up to date.", *_elsewhere(specs), *_removals(staying)])
    shown = ("\n".join(_spec(spec, color=color, width=width)) for spec in busy)
    blocks = [_legend(busy + going, color=color), *shown]
    if removals := "\n".join(_removals(going, color=color)):
        blocks.append(removals)
    if idle := [spec for spec in specs if up_to_date(spec)]:
        blocks.append("\n".join([f"{_count(len(idle))} up to date.", *_elsewhere(idle)]))
    if staying:
        blocks.append("\n".join(_removals(staying)))
    blocks.append(_summary(plan))
    return "\n\n".join(blocks)


def up_to_date(spec: SpecPlan) -> bool:
    """Whether a spec needs nothing."""
    return all(step.action in ("REUSE", "NONE") for step in spec.steps)


def _elsewhere(specs: list[SpecPlan]) -> Iterator[str]:
    """Say which specs need nothing only because this is not the branch that deploys them."""
    for spec in specs:
        reason = spec.step("deploy").reason
        if reason.startswith("deploys from "):
            yield printable(f"  {spec.name} {spec.version} is not deployed here: {reason}")


def split_removed(plan: Plan) -> tuple[list[SpecPlan], list[SpecPlan]]:
    """Return the plans of specs that are there, and those that take a deployment away."""
    return (
        [spec for spec in plan.specs if spec.removed is None],
        [spec for spec in plan.specs if spec.removed is not None],
    )


def _removals(specs: list[SpecPlan], *, color: bool = False) -> Iterator[str]:
    """Say in a line each what is live and not asked for any more, and what becomes of it."""
    for spec in specs:
        step = spec.step("deploy")
        sign = _SIGNS[step.action]
        verb = "undeploy" if step.action in ("UNDEPLOY", "DEPENDS") else "still live:"
        what = printable(f"{spec.name} {spec.version} as {spec.removed}")
        yield f"{_paint(f'{sign.sign} {verb}', sign, color=color)} {what}: {printable(step.reason)}"


def _count(specs: int) -> str:
    return f"{specs} spec{' is' if specs == 1 else 's are'}"


def _legend(specs: list[SpecPlan], *, color: bool) -> str:
    used = {step.action for spec in specs for step in (spec.steps[-1:] if spec.removed else spec.steps)}
    entries = (f"{_paint(sign.sign, sign, color=color)} {sign.meaning}" for act, sign in _SIGNS.items() if act in used)
    return "Gitune will do the following:\n  " + "   ".join(entries)


def _spec(spec: SpecPlan, *, color: bool, width: int | None) -> Iterator[str]:
    head = printable(f"{spec.name} {spec.version}")
    if color:
        head = f"\x1b[1m{head}\x1b[0m"
    change = f"  change: {spec.change}" if spec.change else ""
    yield f"{head} ({printable(spec.file)})  champion: {printable(spec.champion or 'none')}{change}"
    for step in spec.steps:
        sign = _SIGNS[step.action]
        row = f"{sign.sign} {step.step:<{_STEP_WIDTH}}  {step.action:<{_ACTION_WIDTH}}"
        reasons, cost = _reasons(step, spec.file.rpartition("/")[2]), step_cost(step)
        first, *more = _wrapped(reasons, f"[{cost}]" if cost else "", width)
        yield f"  {_paint(row, sign, color=color)}  {first}".rstrip()
        for reason in more:
            yield f"{_INDENT}{reason}"
        for note in _wrapped([printable(note) for note in step.notes], "", width):
            yield f"{_INDENT}{note}"
    if (need := spec.step("train").estimate.memory) is not None:
        yield from _memory(need)


def _memory(need: MemoryNeed) -> Iterator[str]:
    # Only a plan with something to train needs this.
    from runner.training.sizing import MemoryEstimate, gigabytes

    parts = MemoryEstimate(**need.model_dump(exclude={"total", "available", "device", "remedy"}))
    place = "on the GPU" if need.device == "cuda" else "of memory"
    yield f"  train needs about {parts} of {gigabytes(need.available)} GB {place}"
    if need.remedy:
        yield f"    which does not fit: {need.remedy}"


def _wrapped(lines: list[str], cost: str, width: int | None) -> list[str]:
    """Cut lines into what fits beside the column of actions, unless that is hardly anything; the cost stays whole."""
    room = sys.maxsize if width is None or width - len(_INDENT) < NARROW else width - len(_INDENT)
    wrapped: list[str] = []
    for line in lines:
        # `wrap` would join the two spaces that set off a key.
        fits = len(line) <= room
        wrapped += [line] if fits else textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    if not cost:
        return wrapped
    if len(wrapped[-1]) + 2 + len(cost) > room:
        return [*wrapped, cost]
    return [*wrapped[:-1], f"{wrapped[-1]}  {cost}"]


def _reasons(step: PlannedStep, file: str) -> list[str]:
    """Say why: one line for each change, and one for each root cause further back."""
    lines = [printable(line) for line in _told(step, file)]
    if step.action == "REUSE" and step.key:
        lines[0] = f"{step.key[:8]}  {lines[0]}"
    return lines


def _summary(plan: Plan) -> str:
    return "\n".join([counts_of(plan), *map(printable, total_lines(plan))])


def _told(step: PlannedStep, file: str) -> list[str]:
    if not step.changes or step.reason_code == "retried" or step.action == "WAIT":
        return [step.reason]
    changes = [words_of(change, file) for change in step.changes]
    if step.action == "DEPENDS":
        return [step.reason.partition("; ")[0], *changes]
    return [*changes, *(f"because {cause.because}" for cause in step.cause[1:] if cause.root)]


def counts_of(plan: Plan) -> str:
    """Say how many steps there are of each action."""
    counts = [
        f"{plan.summary.get('run', 0)} to run",
        f"{plan.summary.get('reuse', 0)} to reuse",
        f"{plan.summary.get('depends', 0)} depending",
        f"{plan.summary.get('blocked', 0)} blocked",
    ]
    if waiting := plan.summary.get("wait", 0):
        counts.append(f"{waiting} waiting")
    if removed := plan.summary.get("undeploy", 0):
        counts.append(f"{removed} to undeploy")
    uncertain = "at most " if any(spec.step("train").action in ("DEPENDS", "WAIT") for spec in plan.specs) else ""
    counts.append(f"train steps: {uncertain}{plan.summary.get('train', 0)}")
    return f"Plan: {', '.join(counts)}."


def printable(text: str) -> str:
    """Show control characters as escapes, so that no file can move the cursor or repaint the screen."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _paint(text: str, sign: _Sign, *, color: bool) -> str:
    return f"\x1b[{sign.colour}m{text}\x1b[0m" if color else text
