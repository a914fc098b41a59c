"""What a plan is expected to take as data: of a step, in sum, and against the budget.

Sums tell apart what will run from what only may have to (`up_to`). What nothing is known of is named, never taken for
0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from runner.errors import GituneError
from runner.plan.part import PlanPart

if TYPE_CHECKING:
    from runner.plan.model import Plan, SpecPlan
    from runner.spec.config import BudgetPolicy

MAY_RUN = ("RUN", "DEPENDS")

# Moving a pointer has no record and so no time; nobody budgets for it.
UNTIMED = ("deploy",)

HOUR = 3600


class MemoryNeed(PlanPart):
    """Bytes that training is expected to need at its peak, by what they are for."""

    weights: int
    """The base model."""
    adapter: int
    """The adapter, and the copy of its best epoch."""
    gradients: int
    """Of whatever learns."""
    optimizer: int
    """The optimizer's state."""
    activations: int
    """What a forward pass keeps for its backward pass."""
    runtime: int
    """Interpreter and libraries, or the CUDA context."""
    fragmentation: int
    """Freed blocks that the C library keeps as long as there is memory enough."""
    total: int
    """All of it."""
    available: int
    """What the device has."""
    device: Literal["cpu", "cuda"]
    """Where it would train."""
    remedy: str | None = None
    """What to do when it does not fit; null when it does."""


class Estimate(PlanPart):
    """What a step is expected to take; null where there is nothing to tell it from."""

    seconds: float | None = None
    """Wall-clock seconds, by earlier records: their median, scaled by rows and epochs."""
    low: float | None = None
    """Fewest seconds that any of several records speaks for."""
    high: float | None = None
    """Most seconds that any of several records speaks for."""
    memory: MemoryNeed | None = None
    """Memory; only of `train`."""
    usd: float | None = None
    """The same in US dollars, by the price of the spec's compute profile."""
    usd_low: float | None = None
    """Price of `low`."""
    usd_high: float | None = None
    """Price of `high`."""


class Accuracy(PlanPart):
    """How good earlier predictions were."""

    steps: int
    """Steps whose prediction is known."""
    share: float
    """Share of them that `factor` speaks for."""
    factor: float
    """They took between 1/factor and factor of what was predicted."""


class Total(PlanPart):
    """What all steps of a plan are expected to take."""

    seconds: float = 0.0
    """Of the steps that will run."""
    up_to: float = 0.0
    """With every step that may have to run."""
    low: float = 0.0
    """Least that earlier records speak for: only what will run, each at its fastest."""
    high: float = 0.0
    """Most that earlier records speak for: all that may run, each at its slowest."""
    usd: float | None = None
    """Price of `seconds`; null where no price is known."""
    usd_up_to: float | None = None
    """Price of `up_to`."""
    unknown: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Steps (`SPEC/STEP`) whose time nothing tells; they are in no sum."""
    unpriced: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Steps whose time is known and whose price is not."""
    accuracy: Accuracy | None = None
    """How good predictions of such steps were."""


class Excess(PlanPart):
    """One limit of the budget, and what the plan may need of it."""

    what: Literal["hours", "usd"]
    """Which limit."""
    limit: float
    """What `policy.budget` allows a plan."""
    estimate: float
    """What it may take as far as known."""
    exceeded: bool | None
    """Whether it is too much; null when all that is known fits but something is unknown."""


class Budget(PlanPart):
    """The budget's limits against a plan."""

    limits: list[Excess]
    """Every limit that is set."""
    exceeded: bool | None
    """Whether any limit is exceeded; null when that is unknown."""


def total_of(specs: Iterable[SpecPlan]) -> Total:
    """Add up what steps are expected to take."""
    steps = [(f"{spec.name}/{step.step}", step) for spec in specs for step in spec.steps if step.action in MAY_RUN]
    # What another spec of the plan runs for this one is counted there.
    counted = [(name, step) for name, step in steps if step.reason_code != "shared" and step.step not in UNTIMED]
    known = [(name, step) for name, step in counted if step.estimate.seconds is not None]
    sure = [step.estimate for _, step in known if step.action == "RUN"]
    every = [step.estimate for _, step in known]
    return Total(
        seconds=_sum(estimate.seconds for estimate in sure),
        up_to=_sum(estimate.seconds for estimate in every),
        low=_sum(_first(estimate.low, estimate.seconds) for estimate in sure),
        high=_sum(_first(estimate.high, estimate.seconds) for estimate in every),
        usd=_price(sure),
        usd_up_to=_price(every),
        unknown=[name for name, step in counted if step.estimate.seconds is None],
        unpriced=[name for name, step in known if step.estimate.usd is None],
    )


def judge_budget(total: Total, policy: BudgetPolicy) -> Budget:
    """Hold what a plan may take against its budget."""
    hours, usd = round(total.up_to / HOUR, 4), total.usd_up_to or 0.0
    blind = [*total.unknown, *total.unpriced]
    limits = [
        *([_excess("hours", policy.hours, hours, total.unknown)] if policy.hours is not None else []),
        *([_excess("usd", policy.usd, usd, blind)] if policy.usd is not None else []),
    ]
    verdicts = [limit.exceeded for limit in limits]
    return Budget(limits=limits, exceeded=True if True in verdicts else None if None in verdicts else False)


def refuse_over_budget(plan: Plan) -> None:
    """Refuse a plan that may cost more than policy allows.

    Raises:
        GituneError: when it may; what is unknown is no reason.
    """
    if plan.budget is None or not plan.budget.exceeded:
        return
    raise GituneError(
        "the plan is over budget: " + "; ".join(words_of(limit) for limit in plan.budget.limits if limit.exceeded),
        hint="plan fewer specs or less training, raise policy.budget in registry/config.yaml, or pass --over-budget",
    )


def would_train(plan: Plan) -> list[str]:
    """Return the specs that a plan trains; what depends on an earlier step is only known once that has run."""
    return [spec.name for spec in plan.specs if spec.removed is None and spec.step("train").action in ("RUN", "WAIT")]


def refuse_training(names: Sequence[str], reason: str = "") -> None:
    """Refuse to train specs, for where all training was done before.

    Raises:
        GituneError: when there are any.
    """
    if names:
        because = f" ({reason})" if reason else ""
        raise GituneError(
            f"{', '.join(names)} would be trained{because}, and --no-train allows no training",
            hint="adopt what the pull request trained (--adopt pr/N), or apply without --no-train",
        )


def words_of(limit: Excess) -> str:
    """Say what a plan may take of a limit: `up to 5.2 h of 4 h`."""
    if limit.what == "usd":
        return f"up to ${limit.estimate:.2f} of ${limit.limit:.2f}"
    return f"up to {limit.estimate:.2g} h of {limit.limit:g} h"


def _excess(what: Literal["hours", "usd"], limit: float, estimate: float, unknown: Sequence[str]) -> Excess:
    exceeded = True if estimate > limit else None if unknown else False
    return Excess(what=what, limit=limit, estimate=estimate, exceeded=exceeded)


def _price(estimates: Sequence[Estimate]) -> float | None:
    priced = [estimate.usd for estimate in estimates if estimate.usd is not None]
    return round(sum(priced), 4) if priced else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _sum(values: Iterable[float | None]) -> float:
    return round(sum(value or 0.0 for value in values), 1)
