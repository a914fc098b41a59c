"""Plan -> text for a terminal, in the manner of Terraform: a sign and a reason per step, one line that sums it up.

Specs that need nothing are only counted. Values come from users' files, so control characters are shown, not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runner.plan.model import Action, MemoryNeed, Plan, PlannedStep, SpecPlan
from runner.registry.facts import STEPS


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

_STEP_WIDTH = max(map(len, STEPS))
_ACTION_WIDTH = max(map(len, _SIGNS))
_INDENT = " " * (4 + _STEP_WIDTH + 2 + _ACTION_WIDTH + 2)


def render_plan(plan: Plan, color: bool) -> str:  # noqa: FBT001 - the only choice there is
    """Render what an apply would do, and why.

    Args:
        plan: the plan.
        color: whether the terminal shows ANSI colours.
    """
    specs, removed = split_removed(plan)
    busy, going = ([spec for spec in group if not _up_to_date(spec)] for group in (specs, removed))
    staying = [spec for spec in removed if _up_to_date(spec)]
    if not busy and not going:
        return "\n".join([f"No changes. {_count(len(specs))} up to date.", *_elsewhere(specs), *_removals(staying)])
    blocks = [_legend(busy + going, color=color), *("\n".join(_spec(spec, color=color)) for spec in busy)]
    if removals := "\n".join(_removals(going, color=color)):
        blocks.append(removals)
    if idle := [spec for spec in specs if _up_to_date(spec)]:
        blocks.append("\n".join([f"{_count(len(idle))} up to date.", *_elsewhere(idle)]))
    if staying:
        blocks.append("\n".join(_removals(staying)))
    blocks.append(_summary(plan))
    return "\n\n".join(blocks)


def _up_to_date(spec: SpecPlan) -> bool:
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


def _spec(spec: SpecPlan, *, color: bool) -> Iterator[str]:
    head = printable(f"{spec.name} {spec.version}")
    if color:
        head = f"\x1b[1m{head}\x1b[0m"
    change = f"  change: {spec.change}" if spec.change else ""
    yield f"{head} ({printable(spec.file)})  champion: {printable(spec.champion or 'none')}{change}"
    for step in spec.steps:
        sign = _SIGNS[step.action]
        row = f"{sign.sign} {step.step:<{_STEP_WIDTH}}  {step.action:<{_ACTION_WIDTH}}"
        first, *more = _reasons(step)
        yield f"  {_paint(row, sign, color=color)}  {first}".rstrip()
        for reason in more:
            yield f"{_INDENT}{reason}"
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


def _reasons(step: PlannedStep) -> list[str]:
    """Say why, one line for each change where the reason lists several."""
    reason = printable(step.reason)
    parts = reason.split("; ")
    lines = parts if len(parts) == len(step.changes) else [reason]
    if step.action == "REUSE" and step.key:
        lines[0] = f"{step.key[:8]}  {lines[0]}"
    elif cost := _cost(step):
        lines[-1] += f"  [{cost}]"
    return lines


def _cost(step: PlannedStep) -> str:
    seconds, usd = step.estimate.seconds, step.estimate.usd
    said = [] if seconds is None else [f"about {duration(seconds)}"]
    return ", ".join([*said, *([] if usd is None else [f"${usd:.2f}"])])


def _summary(plan: Plan) -> str:
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
    uncertain = "at most " if any(spec.step("train").action == "DEPENDS" for spec in plan.specs) else ""
    counts.append(f"train steps: {uncertain}{plan.summary.get('train', 0)}")
    estimates = [step.estimate for spec in plan.specs for step in spec.steps]
    seconds = sum(estimate.seconds or 0 for estimate in estimates)
    usd = sum(estimate.usd or 0 for estimate in estimates)
    cost = [*([f"about {duration(seconds)}"] if seconds else []), *([f"${usd:.2f}"] if usd else [])]
    return f"Plan: {', '.join(counts)}." + (f" Estimated: {', '.join(cost)}." if cost else "")


def duration(seconds: float) -> str:
    """Say a duration in the two units that matter: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(round(seconds), 1)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{hours} h {minutes_left} min" if minutes_left else f"{hours} h"


def printable(text: str) -> str:
    """Show control characters as escapes, so that no file can move the cursor or repaint the screen."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _paint(text: str, sign: _Sign, *, color: bool) -> str:
    return f"\x1b[{sign.colour}m{text}\x1b[0m" if color else text
