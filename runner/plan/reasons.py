"""Why a step does what the plan says, as data: a code, the changes, the path to the root cause, the nearest record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from runner.plan.part import PlanPart
from runner.registry.facts import Step

Action = Literal["RUN", "REUSE", "NONE", "DEPENDS", "WAIT", "BLOCKED", "UNDEPLOY"]

ReasonCode = Literal[
    "artifact_missing",
    "blocked",
    "champion_changed",
    "champion_missing",
    "earlier_answers",
    "failed_before",
    "gates",
    "gate_unreachable",
    "held",
    "inputs_changed",
    "leased",
    "left_out",
    "live",
    "never_run",
    "no_champion",
    "no_commit",
    "not_live",
    "not_on_deploy_branch",
    "nothing_to_do",
    "older_commit",
    "released",
    "released_lost",
    "removed",
    "retried",
    "rival_missing",
    "shared",
    "too_few_test_rows",
    "uncommitted",
    "undercuts_policy",
    "unjudged",
    "up_to_date",
    "upstream",
    "version_taken",
]

# What a decision means that says no more than its action.
USUAL: Mapping[Action, ReasonCode] = {
    "RUN": "inputs_changed",
    "REUSE": "up_to_date",
    "NONE": "nothing_to_do",
    "DEPENDS": "upstream",
    "WAIT": "leased",
    "BLOCKED": "blocked",
    "UNDEPLOY": "removed",
}


class RowCount(PlanPart):
    """How rows of a dataset differ from earlier ones."""

    added: int
    """Rows that are new."""
    removed: int
    """Rows that are gone."""
    changed: int
    """Rows whose question is the same and whose answer is another."""

    def __str__(self) -> str:
        return f"+{self.added} −{self.removed} ~{self.changed}"


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
    rows: RowCount | None = None
    """Of data: how many rows differ, where both sides can be read."""


class Cause(PlanPart):
    """One station on the way from a step to what makes it run."""

    step: Step
    """Which step."""
    spec: str | None = None
    """Spec whose step it is, where it is another one that runs it for this spec too."""
    action: Action
    """What happens to it."""
    because: str
    """Why, in words."""
    after: list[Step] = []  # noqa: RUF012 - pydantic copies it
    """Steps further down this list that it follows from."""
    root: bool
    """Whether something changed right here, and not only in the steps it follows from."""


class Nearest(PlanPart):
    """The earlier record that a step's inputs differ least from."""

    key: str
    """Its step key."""
    spec: str
    """Spec that ran it."""
    version: str
    """Version written in that spec then."""
    commit: str | None
    """Git commit it was run at."""
    finished: datetime
    """When, UTC."""
    missing: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Its artifacts that are lost or damaged."""
