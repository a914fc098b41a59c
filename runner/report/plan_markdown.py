"""Plan -> Markdown for a pull request: what changes in one table, each spec's steps folded below, nothing that acts.

Every value comes from somebody's files and is escaped. What would be too long for a comment is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.plan.model import Plan, PlannedStep, SpecPlan
from runner.report.costs import step_cost, total_lines
from runner.report.duration import duration
from runner.report.escape import inline
from runner.report.scope import scope_lines
from runner.report.table import table
from runner.report.text import counts_of, up_to_date

MOST_ROWS = 50

MOST_CHARACTERS = 60_000
"""GitHub takes 65,536 in a comment; what wraps this needs some of them."""


def plan_markdown(plan: Plan) -> str:
    """Render a plan as Markdown."""
    busy = [spec for spec in plan.specs if not up_to_date(spec)]
    idle = len(plan.specs) - len(busy)
    lines = [*scope_lines(plan), *_misfits(busy), *total_lines(plan)]
    parts = [f"**{_headline(busy)}** {counts_of(plan)}", "\n".join(f"- {inline(line)}" for line in lines)]
    if busy:
        header = ("Spec", "Change", "Runs", "May run", "Why", "Time")
        parts.append(table(header, [_row(spec) for spec in busy], MOST_ROWS))
    parts += _within(_details(spec) for spec in busy if spec.removed is None)
    if idle:
        parts.append(f"{idle} {'spec needs' if idle == 1 else 'specs need'} nothing.")
    at = f" at commit `{plan.head[:12]}`" if plan.head else ""
    parts.append(f"<sub>Plan `{plan.digest[:12]}`{at}.</sub>")
    return "\n\n".join(part for part in parts if part)


def _headline(busy: list[SpecPlan]) -> str:
    if not busy:
        return "No changes."
    names = {spec.name for spec in busy}
    return f"{len(names)} {'spec changes' if len(names) == 1 else 'specs change'}."


def _misfits(specs: list[SpecPlan]) -> Iterator[str]:
    """Say which trainings do not fit into memory: an apply would refuse them."""
    for spec in specs:
        need = spec.step("train").estimate.memory
        if need is not None and need.remedy:
            yield f"The training of {spec.name} does not fit into memory here: {need.remedy}"


def _row(spec: SpecPlan) -> tuple[str, ...]:
    runs = [step.step for step in spec.steps if step.action == "RUN"]
    may = [step.step for step in spec.steps if step.action == "DEPENDS"]
    times = [s.estimate.seconds for s in spec.steps if s.estimate.seconds is not None]
    name = inline(f"{spec.name} {spec.version}")
    why = inline(root_words(spec), 300)
    if spec.removed is not None:
        return name, inline(f"no longer {spec.removed}"), "–", "–", why, "–"
    time = f"up to {duration(sum(times))}" if times else "–" if spec.all_reused else "?"
    return name, change_text(spec), ", ".join(runs) or "–", ", ".join(may) or "–", why, time


def change_text(spec: SpecPlan) -> str:
    """Say the class of the change, and loudly whatever it does to the bar."""
    what, loud, flags = spec.change.partition("  ! ")
    return (inline(what) + (f", **{inline(flags)}**" if loud else "")) or "–"


def root_words(spec: SpecPlan) -> str:
    """Say why anything happens: the reasons of steps that follow from no other. Not escaped."""
    return "; ".join(dict.fromkeys(_roots(spec)))


def _roots(spec: SpecPlan) -> Iterator[str]:
    for step in spec.steps:
        if step.action in ("BLOCKED", "WAIT", "UNDEPLOY") and step.reason_code != "upstream":
            yield f"{step.step} {step.action}: {step.reason}"
        elif step.action == "RUN" or step.reason_code == "shared":
            yield f"{step.step}: {step.reason}"


def _details(spec: SpecPlan) -> str:
    head = f"{spec.name} {spec.version} ({spec.file}), champion: {spec.champion or 'none'}"
    return f"<details>\n<summary>{inline(head)}</summary>\n\n{steps_text(spec)}\n\n</details>"


def steps_text(spec: SpecPlan, words: int = 600) -> str:
    """Render the steps of one spec as a table: what each does, its key, why, and what it is expected to take.

    Args:
        spec: the plan of a spec.
        words: characters of each reason.
    """
    rows = [(step.step, step.action, _key(step), _why(step, words), inline(step_cost(step))) for step in spec.steps]
    return table(("Step", "Action", "Key", "Why", "Expected"), rows, len(rows))


def _why(step: PlannedStep, words: int) -> str:
    return "<br>".join([inline(step.reason, words), *(inline(note, words // 2) for note in step.notes)])


def _key(step: PlannedStep) -> str:
    return f"`{step.key[:8]}`" if step.key else ""


def _within(details: Iterator[str]) -> Iterator[str]:
    """Yield as many as fit into a comment, and say how many do not."""
    used = left_out = 0
    for text in details:
        used += len(text)
        if used <= MOST_CHARACTERS // 2:
            yield text
        else:
            left_out += 1
    if left_out:
        yield f"The steps of {left_out} more specs were left out: the comment would be too long."
