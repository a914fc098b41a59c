"""The plan as data: what each step of each spec will do, and why. `gitune plan --json` prints exactly this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import Field

from runner.digest import digest_json
from runner.plan.cost import Budget, Estimate, MemoryNeed, Total, total_of
from runner.plan.part import PlanPart
from runner.plan.reasons import Action, Cause, Change, Nearest, ReasonCode
from runner.registry.facts import Step

ChangeClass = Literal[
    "nothing", "redeploy", "prepare_only", "gate_only", "score_only", "predict", "retrain", "new", "removed"
]
"""What a change of a spec costs at most; the costliest that applies, in this order."""

_MAY_RUN = ("RUN", "DEPENDS", "WAIT")  # who waits for a run takes over when that dies

Flag = Literal["gate_changed", "test_set_changed", "output_format_changed", "metrics_changed", "data_checks_changed"]
"""A change of the bar itself: the same model may be judged otherwise."""

__all__ = [
    "Action",
    "Change",
    "ChangeClass",
    "Estimate",
    "Flag",
    "MemoryNeed",
    "Plan",
    "PlanPart",
    "PlannedStep",
    "SpecPlan",
    "change_words",
    "make_plan",
    "settled",
]


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
    reason_code: ReasonCode = "nothing_to_do"
    """Why, for programs."""
    changes: list[Change] = []  # noqa: RUF012 - pydantic copies it
    """What differs from the nearest earlier record."""
    cause: list[Cause] = []  # noqa: RUF012 - pydantic copies it
    """The way from this step to what makes it run, root causes last; empty when nothing does."""
    nearest: Nearest | None = None
    """The record that `changes` compares with."""
    estimate: Estimate = Estimate()
    """Expected cost."""
    notes: list[str] = []  # noqa: RUF012 - pydantic copies it
    """What is worth knowing before it runs, such as the smallest gain that a gate can see."""
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
    rivals: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """What gates compare with beyond base and champion, such as `other@1.2.0` by `spec:other`."""
    live: str | None = None
    """Version that is live under the spec's alias; null when there is none."""
    change_class: ChangeClass | None = Field(default=None, alias="class")
    """What the change since the live (else last released) version costs at most, or since the commit of `--base`."""
    flags: list[Flag] = []  # noqa: RUF012 - pydantic copies it
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
        if self.change_class is None:
            return ""
        # A revert, or the merge of what was evaluated, costs nothing of what its class says.
        done = self.change_class not in ("nothing", "redeploy") and self.all_reused
        return change_words(self.change_class, self.flags, done=done)

    @property
    def all_reused(self) -> bool:
        """Whether no step up to the gate has anything to do."""
        return all(step.action in ("REUSE", "NONE") for step in self.steps if step.step != "deploy")


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
    estimate: Total = Total()
    """Expected cost of all steps."""
    budget: Budget | None = None
    """What `policy.budget` allows, and whether this plan keeps to it; null without one."""
    base: str | None = None
    """Git commit whose difference is planned, with `--base`: where the history of HEAD left that of the reference."""
    removed: list[str] = []  # noqa: RUF012 - pydantic copies it
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
    trainings = sum(step.step == "train" and step.action in _MAY_RUN for spec in specs for step in spec.steps)
    # One spec at a time: thousands written out at once would be most of a plan's memory.
    body = [digest_json(_decided(spec)) for spec in specs]
    return Plan(
        specs=specs,
        summary={action.lower(): counts[action.lower()] for action in get_args(Action)} | {"train": trainings},
        digest=digest_json({"specs": body, "contents": list(contents), "head": head}),
        head=head,
        estimate=total_of(specs),
    )


def _decided(spec: SpecPlan) -> object:
    """Return what is decided, without reasons and estimates: those change with what other specs ran meanwhile."""
    steps = [(step.step, settled(step.action), step.key) for step in spec.steps]
    return [spec.name, spec.version, spec.champion, spec.rivals, spec.live, spec.removed, steps]


def settled(action: Action) -> Action:
    """Return the action as it is without other runs: who waits for one does the same step himself, should it die."""
    return "RUN" if action == "WAIT" else action


def change_words(change_class: ChangeClass, flags: Sequence[Flag], *, done: bool = False) -> str:
    """Say a class and its flags: `retrain  ! gate changed, test set changed`; `done`: whether all it costs was run."""
    loud = ", ".join(flag.replace("_", " ") for flag in flags)
    return change_class.replace("_", " ") + (" (already run)" if done else "") + (f"  ! {loud}" if loud else "")
