"""What is known about a proposed change, as data: each spec's plan and report, who must agree, and what it comes to.

It says nothing about the forge that the proposal lies on; `gitune ci --json` prints it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from runner.plan.model import Plan, SpecPlan
from runner.report.model import Report
from runner.report.parts import ReportPart

State = Literal["idle", "released", "removed", "judged", "waiting", "running", "missing", "blocked", "failed"]
"""How far a spec of the proposal is.

`idle`: nothing that a model decides differs. `released`: this very version is released, a pointer moves at most.
`removed`: no spec any more. `judged`: scored and judged here, from stored answers. `waiting`: it must be trained or
answer first, and nobody is at it. `running`: a run is at it. `missing`: the run that should have done it ended, and its
answers are not there. `blocked`: the plan says what must be mended. `failed`: data, scoring or judging failed.
"""

Conclusion = Literal["success", "failure", "pending"]
"""What the required check says; pending until everything is judged."""

_FAILING = ("missing", "blocked", "failed")
_PENDING = ("waiting", "running")


class BarChange(ReportPart):
    """Something that decides how models are judged, or who runs what, and that the proposal changes."""

    what: str
    """For people: `gates of support-triage`, `.github/workflows/plan.yml`."""
    path: str
    """File, relative to the repository."""
    owners: list[str]
    """Its code owners on the base branch, such as `@ada` or `@org/team`; empty where nobody is named."""
    approved_by: str | None = None
    """A code owner who approved this very commit."""

    @property
    def settled(self) -> bool:
        """Whether nobody needs to agree any more."""
        return not self.owners or self.approved_by is not None


class ProposedSpec(ReportPart):
    """One spec that the proposal changes."""

    name: str
    """Name of the spec."""
    version: str
    """Version it asks for."""
    state: State
    """How far it is."""
    plan: SpecPlan | None = None
    """What an apply would do; null where it could not be planned."""
    report: Report | None = None
    """Scores and verdicts, made anew from stored answers; only of a judged one."""
    declared: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Words that its output format allows, such as labels: readable also where rows are masked."""
    reason: str = ""
    """Why it waits, is missing, blocked or failed: what, where, what to do."""
    floors: list[str] = []  # noqa: RUF012 - pydantic copies it
    """What `policy.floors` asks for and it has not shown; no approval lets that through."""
    data_refused: bool = False
    """Whether it failed by a data check."""
    since: datetime | None = None
    """When the run that is at it began, UTC."""
    run_url: str | None = None
    """Where that run can be watched."""

    @property
    def conclusion(self) -> Conclusion:
        """What this spec means for the merge."""
        if self.state in _PENDING:
            return "pending"
        if self.state in _FAILING or (self.state == "judged" and not (self.report and self.report.releasable)):
            return "failure"
        return "success"

    @property
    def exit_code(self) -> int:
        """0 when nothing stands in the way; 3 gates FAIL, 4 INCONCLUSIVE, 5 a data check failed, 1 anything else."""
        if self.conclusion == "success":
            return 0
        if self.state == "judged" and self.report is not None:
            return 3 if self.report.outcome == "FAIL" else 4
        return 5 if self.data_refused else 1


class Proposal(ReportPart):
    """A proposed change: its specs, and what all of it comes to."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    head: str
    """Commit that is proposed."""
    base: str
    """Commit that it is compared with: where its history left the base branch."""
    base_ref: str
    """The base branch, as it was named."""
    specs: list[ProposedSpec]
    """Specs that it changes, in order of name."""
    unchanged: int = 0
    """Specs that are as on the base branch."""
    plan: Plan | None = None
    """Plan of all of them; null where the specs do not load."""
    bar: list[BarChange] = []  # noqa: RUF012 - pydantic copies it
    """Changes that need a code owner."""
    faults: list[str] = []  # noqa: RUF012 - pydantic copies it
    """What keeps all of it from being judged, such as specs that do not load, with file:line."""
    tool: str
    """Version of gitune that judged."""

    @property
    def conclusion(self) -> Conclusion:
        """What the required check says: a failure wins over what is pending, and that over success."""
        ends = {spec.conclusion for spec in self.specs}
        if self.faults or "failure" in ends:
            return "failure"
        if "pending" in ends or not all(change.settled for change in self.bar):
            return "pending"
        return "success"

    @property
    def exit_code(self) -> int:
        """What a job ends with, the first of 1, 5, 3, 4 that occurs; who must agree is for the forge to say."""
        codes = {1} if self.faults else {spec.exit_code for spec in self.specs}
        return next((code for code in (1, 5, 3, 4) if code in codes), 0)
