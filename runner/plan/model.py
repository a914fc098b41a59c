"""The plan as data: what each step of each spec will do, and why. `gitune plan --json` prints exactly this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from runner.digest import digest_json
from runner.registry.facts import Step

Action = Literal["RUN", "REUSE", "NONE", "DEPENDS", "WAIT", "BLOCKED", "UNDEPLOY"]

ChangeClass = Literal[
    "nothing", "redeploy", "prepare_only", "gate_only", "score_only", "predict", "retrain", "new", "removed"
]
"""What a change of a spec costs at most; the costliest that applies, in this order."""

Flag = Literal["gate_changed", "test_set_changed", "output_format_changed", "metrics_changed", "data_checks_changed"]
"""A change of the bar itself: the same model may be judged otherwise."""


class PlanPart(BaseModel):
    """Base of the plan's objects: frozen, documented by the string under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


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
    fault: bool = False
    """Whether it is blocked by what a person must mend: the spec's version, a lost artifact, an earlier failure."""


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
    live: str | None = None
    """Version that is live under the spec's alias; null when there is none."""
    change_class: ChangeClass | None = Field(default=None, alias="class")
    """What the change since the live (else last released) version costs at most, or since the commit of `--base`."""
    flags: list[Flag] = []
    """What the change does to the bar that the model is judged by."""
    steps: list[PlannedStep]
    """The eight steps in order."""
    removed: str | None = None
    """Alias that no spec asks for any more, whose deployment this takes away; null for a spec that is there."""

    def step(self, name: Step) -> PlannedStep:
        """Return one step by name."""
        return next(step for step in self.steps if step.step == name)

    @property
    def change(self) -> str:
        """The class of the change in words, and loudly whatever it does to the bar; empty when it is not known."""
        return change_words(self.change_class, self.flags) if self.change_class else ""


class Plan(PlanPart):
    """What an apply will do."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    specs: list[SpecPlan]
    """Every spec asked for, in order of name."""
    summary: dict[str, int]
    """Number of steps per action; and as `train` how many trainings will run, or may."""
    digest: str
    """sha256 of what the specs ask for, every step's action and key, what is live, head and base: two equal digests are
    the same plan, whatever it is expected to take and however it is explained."""
    head: str | None
    """Git commit the plan was made at."""
    base: str | None = None
    """Git commit whose difference is planned, with `--base`: where the history of HEAD left that of the reference."""
    removed: list[str] = []
    """Specs that the base has and HEAD has not, with `--base`."""
    unchanged: int | None = None
    """Number of specs that are as at the base and left out, with `--base`."""

    @property
    def idle(self) -> bool:
        """Whether nothing at all would happen."""
        return not any(self.summary[action] for action in ("run", "depends", "wait", "undeploy"))

    @property
    def faulty(self) -> bool:
        """Whether something must be mended before it can be done."""
        return any(step.fault for spec in self.specs for step in spec.steps)


def make_plan(specs: list[SpecPlan], head: str | None, contents: Sequence[str] = ()) -> Plan:
    """Count and digest finished spec plans; `contents` are digests of what their specs ask for, `head` where it is."""
    counts = Counter(step.action.lower() for spec in specs for step in spec.steps)
    trainings = sum(step.step == "train" and step.action in ("RUN", "DEPENDS") for spec in specs for step in spec.steps)
    # One spec at a time: thousands written out at once would be most of a plan's memory.
    body = [digest_json(_decided(spec)) for spec in specs]
    return Plan(
        specs=specs,
        summary={action.lower(): counts[action.lower()] for action in get_args(Action)} | {"train": trainings},
        digest=digest_json({"specs": body, "contents": list(contents), "head": head}),
        head=head,
    )


def _decided(spec: SpecPlan) -> object:
    """Return what is decided, without reasons and estimates: those change with what other specs ran meanwhile."""
    steps = [(step.step, settled(step.action), step.key) for step in spec.steps]
    return [spec.name, spec.version, spec.champion, spec.live, spec.removed, steps]


def settled(action: Action) -> Action:
    """Return the action as it is without other runs: who waits for one does the same step himself, should it die."""
    return "RUN" if action == "WAIT" else action


def change_words(change_class: ChangeClass, flags: Sequence[Flag]) -> str:
    """Say a class and its flags: `retrain  ! gate changed, test set changed`."""
    loud = ", ".join(flag.replace("_", " ") for flag in flags)
    return change_class.replace("_", " ") + (f"  ! {loud}" if loud else "")
