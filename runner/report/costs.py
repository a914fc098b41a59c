"""What steps and plans are expected to take, in words: time, money, the budget, and how good such words were before."""

from __future__ import annotations

from collections.abc import Iterator

from runner.plan.cost import Budget, Total, words_of
from runner.plan.model import Plan, PlannedStep
from runner.report.accuracy import accuracy_words
from runner.report.duration import duration

UNKNOWN_TOLD = 3

CENT = 0.01


def step_cost(step: PlannedStep) -> str:
    """Say what one step is expected to take: `about 3 min (2 min to 5 min), $0.50`; empty when nothing tells."""
    estimate = step.estimate
    if estimate.seconds is None:
        return ""
    said = "up to" if step.action == "DEPENDS" else "about"
    time = f"{said} {duration(estimate.seconds)}{_range(estimate.low, estimate.high)}"
    # A step is not worth a word below half a cent; a sum says so.
    return ", ".join([time, *(_dollars(estimate.usd) if (estimate.usd or 0) >= CENT / 2 else [])])


def total_lines(plan: Plan) -> Iterator[str]:
    """Say what a plan is expected to take, what is not in that sum, and what the budget says to it."""
    total = plan.estimate
    if total.up_to:
        yield f"Estimated: {_sums(total)}."
    if total.unknown:
        named = ", ".join(total.unknown[:UNKNOWN_TOLD])
        more = len(total.unknown) - UNKNOWN_TOLD
        yield f"No estimate for {named}{f' and {more} more' if more > 0 else ''}: nothing like it was run before."
    if total.accuracy is not None:
        yield f"Earlier {accuracy_words(total.accuracy)}."
    if plan.budget is not None:
        yield budget_words(plan.budget)


def budget_words(budget: Budget) -> str:
    """Say how a plan keeps to the budget."""
    limits = "; ".join(words_of(limit) for limit in budget.limits)
    if budget.exceeded:
        return f"Over budget: {limits}. An apply refuses it without --over-budget."
    return f"Budget: {limits}{', as far as known' if budget.exceeded is None else ''}."


def _sums(total: Total) -> str:
    sure = [f"about {duration(total.seconds)}", *_dollars(total.usd)] if total.seconds else []
    words = [", ".join(sure)] if sure else []
    if total.up_to != total.seconds:
        most = ", ".join([f"up to {duration(total.up_to)}", *_dollars(total.usd_up_to)])
        words.append(f"{most} with all that depends" if sure else most)
    spread = (total.low, total.high) != (total.seconds, total.up_to)
    return "; ".join(words) + (_range(total.low, total.high) if spread else "")


def _dollars(usd: float | None) -> list[str]:
    if usd is None:
        return []
    return ["less than $0.01"] if 0 < usd < CENT / 2 else [f"${usd:.2f}"]


def _range(low: float | None, high: float | None) -> str:
    """Say an interval where its ends read differently."""
    if low is None or high is None or duration(low) == duration(high):
        return ""
    return f" ({duration(low)} to {duration(high)})"
