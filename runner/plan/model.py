"""The plan as data: what each step of each spec will do, and why. `gitune plan --json` prints exactly this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from runner.digest import digest_json
from runner.registry.facts import Step

Action = Literal["RUN", "REUSE", "NONE", "DEPENDS", "WAIT", "BLOCKED", "UNDEPLOY"]


class PlanPart(BaseModel):
    """Base of the plan's objects: frozen, documented by the string under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(PlanPart):
    """One difference from the nearest earlier record."""

    path: str
    """Key in the spec, such as `training.learning_rate`, or the input that changed."""
    old: Any
    """Value in the earlier record; null when it had none."""
    new: Any
    """Value now; null when it is gone."""
    line: int | None = None
    """Line in the spec file, where there is one."""


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
    """Provider's price in US dollars."""


class PlannedStep(PlanPart):
    """One step of one spec."""

    step: Step
    """Which step."""
    action: Action
    """What will happen."""
    key: str | None
    """Step key; null when an earlier step of this plan decides it."""
    reason: str
    """Why, in words."""
    changes: list[Change] = []
    """Why, as data."""
    estimate: Estimate = Estimate()
    """Expected cost."""


class SpecPlan(PlanPart):
    """All eight steps of one spec."""

    name: str
    """Name of the spec."""
    version: str
    """Version the spec asks for."""
    file: str
    """The spec's file, relative to the repository."""
    champion: str | None
    """Version the gates compare with; null when there is none."""
    steps: list[PlannedStep]
    """The eight steps in order."""

    def step(self, name: Step) -> PlannedStep:
        """Return one step by name."""
        return next(step for step in self.steps if step.step == name)


class Plan(PlanPart):
    """What an apply will do."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    specs: list[SpecPlan]
    """Every spec asked for, in order of name."""
    summary: dict[str, int]
    """Number of steps per action."""
    digest: str
    """sha256 of specs and base: two equal digests are the same plan, whatever it is expected to take."""
    base: str | None
    """Git commit the plan was made at."""

    @property
    def idle(self) -> bool:
        """Whether nothing at all would happen."""
        return not any(self.summary[action] for action in ("run", "depends", "undeploy"))


def make_plan(specs: list[SpecPlan], base: str | None, contents: Sequence[str] = ()) -> Plan:
    """Count and digest finished spec plans; `contents` are digests of what their specs ask for."""
    counts = Counter(step.action.lower() for spec in specs for step in spec.steps)
    # Estimates depend on the machine and on what else was run meanwhile. One spec at a time: thousands written out at
    # once would be most of a plan's memory.
    body = [digest_json(spec.model_dump(mode="json", exclude={"steps": {"__all__": {"estimate"}}})) for spec in specs]
    return Plan(
        specs=specs,
        summary={action.lower(): counts[action.lower()] for action in get_args(Action)},
        digest=digest_json({"specs": body, "contents": list(contents), "base": base}),
        base=base,
    )
