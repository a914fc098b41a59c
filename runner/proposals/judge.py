"""A proposed tree -> `Proposal`: planned, and judged anew wherever its answers are stored. Writes nothing that stays.

    proposal = judge(Ground(root, "origin/main", config, cache, scratch, namespaces=["pr/12"]))

Trainings and answers are taken as the proposal's runs left them, once every key and byte verifies. Data are prepared,
scored and judged here: a verdict that somebody else wrote is never read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import runner
from runner.errors import DataError, GituneError, RegistryError, SpecError
from runner.executors.crash import explained
from runner.executors.local import LocalExecutor
from runner.models.memory import training_memory
from runner.plan.build import build_plan
from runner.plan.compare import compare, narrowed
from runner.plan.decision import Decision
from runner.plan.floors import unproven
from runner.plan.model import Plan, SpecPlan
from runner.plan.revision import Found, Touched, find_base, find_commit, find_touched
from runner.plan.subject import Subject, gather_all
from runner.plan.walk import Walk
from runner.proposals.bar import bar_changes
from runner.proposals.ground import EVERY_SPEC, Ground, Running
from runner.proposals.masking import declared_words
from runner.proposals.model import Proposal, ProposedSpec, State
from runner.registry.facts import STEPS, Step
from runner.registry.namespaces import ADOPTABLE
from runner.report.gather import gather_report
from runner.spec.load import load_specs
from runner.steps.adopt import known, verify

WITHOUT_MODEL: tuple[Step, ...] = ("prepare", "score", "gate")
"""Steps that are run here; scoring opens models only where a metric asks for their latency."""


def judge(ground: Ground) -> Proposal:
    """Plan and judge what a tree changes since it left its base branch.

    Never raises for what the proposal says: what cannot be read, planned or judged is part of the result, as a failure.

    Raises:
        GituneError: when git, the base branch or the registry cannot be read: nobody can tell then.
    """
    base, head = find_base(ground.root, ground.base_ref), find_commit(ground.root, "HEAD")
    touched = find_touched(ground.root, base, None)
    subjects, faults = _subjects(ground, touched)
    plan: Plan | None = None
    specs: list[ProposedSpec] = []
    try:
        plan = _plan(ground, touched, subjects)
    except SpecError as error:
        faults += _lines(error)
    else:
        by_name = {subject.spec.name: subject for subject in subjects}
        specs = [_proposed(planned, by_name.get(planned.name), ground) for planned in plan.specs]
    gone = {spec.name for spec in specs if spec.state == "removed"}
    specs += [_removed(name) for name in touched.removed if name not in gone]
    return Proposal(
        head=head,
        base=base,
        base_ref=ground.base_ref,
        specs=sorted(specs, key=lambda spec: (spec.name, spec.state == "removed")),
        unchanged=len(touched.after - touched.names),
        plan=plan,
        bar=bar_changes(ground, touched, plan),
        faults=faults,
        tool=runner.__version__,
    )


def _subjects(ground: Ground, touched: Touched) -> tuple[list[Subject], list[str]]:
    """Read the specs that differ; one that cannot be read hides no other."""
    subjects: list[Subject] = []
    faults: list[str] = []
    for name in touched.kept:
        try:
            subjects += gather_all(load_specs(ground.root, [name]), ground.config, ground.index)
        except GituneError as error:
            faults += _lines(error)
    return subjects, faults


def _lines(error: GituneError) -> list[str]:
    return [str(problem) for problem in error.problems] if isinstance(error, SpecError) else [str(error)]


def _plan(ground: Ground, touched: Touched, subjects: list[Subject]) -> Plan:
    plan = build_plan(
        subjects,
        ground.registry,
        ground.delivery,
        memory=training_memory(),
        config=ground.config,
        removable=touched.names if touched.after else None,
    )
    now = Found(ground.config, {subject.spec.name: subject for subject in subjects}, {})
    return narrowed(plan, touched, compare(touched, now))


@dataclass(frozen=True, slots=True)
class _End:
    """How far a spec came."""

    state: State
    reason: str = ""
    data_refused: bool = False


def _removed(name: str) -> ProposedSpec:
    return ProposedSpec(name=name, version="", state="removed")


def _proposed(planned: SpecPlan, subject: Subject | None, ground: Ground) -> ProposedSpec:
    """Judge one spec, as far as what is stored allows."""
    proposed = ProposedSpec(name=planned.name, version=planned.version, state="removed", plan=planned)
    if planned.removed is not None or subject is None:
        return proposed
    walk = Walk(subject, ground.registry, ground.delivery)
    try:
        # A record that nobody foresaw must not keep the other specs from being told of.
        with explained("gate", ground.cache / "crashes"):
            end = _judged(walk, planned, ground)
            report = gather_report(walk) if end.state == "judged" else None
        if report is not None:
            floors = unproven(subject.spec, ground.config, (one.model_dump() for one in report.verdicts))
            told = {"report": report, "declared": declared_words(subject.contract), "floors": floors}
            return proposed.model_copy(update={"state": "judged", **told})
    except GituneError as error:
        end = _End("failed", str(error), data_refused=isinstance(error, DataError))
    found = ground.running.get(planned.name) or ground.running.get(EVERY_SPEC) or Running()
    if end.state == "waiting":
        state: State = "running" if found != Running() else "missing" if ground.ended else "waiting"
        end = _End(state, end.reason)
    at_it = found if end.state == "running" else Running()
    told = {"state": end.state, "reason": end.reason, "data_refused": end.data_refused}
    told |= {"since": at_it.since, "run_url": at_it.url}
    return proposed.model_copy(update=told)


def _judged(walk: Walk, planned: SpecPlan, ground: Ground) -> _End:
    """Walk a spec: run what needs no model, take over what verifies, and stop at what is not there."""
    executor = LocalExecutor(ground.registry, ground.cache, ground.report)
    for step in STEPS[:-1]:
        decision = walk.decide(step)
        if decision.action == "BLOCKED":
            return _End("blocked", f"{step}: {decision.reason}")
        # Its gates were met once, and answers or scores that are gone do not hold a released version back.
        proven = walk.released is not None and step != "prepare"
        if decision.action == "RUN" and not proven:
            if step not in WITHOUT_MODEL:
                return _unanswered(decision, ground)
            walk.settle(decision, executor.run(walk, decision, planned.step(step), _quietly))
        else:
            walk.settle(_trusted(decision, walk, ground))
    if (held := _kept_from_deploying(walk)) is not None:
        return _End("blocked", f"deploy: {held}")
    if planned.change_class == "nothing" and planned.all_reused:
        return _End("idle")
    if walk.released is not None:
        return _End("released", walk.decisions["gate"].reason)
    return _End("judged")


def _kept_from_deploying(walk: Walk) -> str | None:
    """Return what would keep it from being deployed once it is merged, beyond its own gates."""
    decision = walk.decide("deploy")
    gated = decision.code in ("gates", "upstream")
    return decision.reason if decision.action == "BLOCKED" and not gated else None


def _unanswered(decision: Decision, ground: Ground) -> _End:
    """Say what has to run, or why that came to nothing in the proposal's own runs and would again."""
    if (failure := ground.failure(decision.step, decision.key or "")) is None:
        return _End("waiting", f"{decision.step} has to run: {decision.reason}")
    hint = f" ({failure.hint})" if failure.hint else ""
    return _End("failed", f"{decision.step} failed: {failure.message}{hint}")


def _trusted(decision: Decision, walk: Walk, ground: Ground) -> Decision:
    """Take what main has of a key, else what a namespace wrote, held against its digests and its prompts.

    Raises:
        RegistryError: when anything does not verify.
    """
    if (record := decision.record) is None or record.step not in ADOPTABLE:
        return decision
    # A namespace may have written a newer record of a key; the merge finds main's, so that is what counts.
    if (own := known(record, ground.main)) is not None:
        return replace(decision, record=own)
    try:
        verify(record, ground.registry, walk.records["prepare"].outputs["prompts"])
    except RegistryError as error:
        where = ", ".join(ground.namespaces)
        raise RegistryError(
            f"{record.step} of {where} does not verify: {error.message}", hint="train it again: /gitune retrain"
        ) from error
    return decision


def _quietly(_: str) -> None:
    """Wait without a word: nobody else works in this scratch folder."""
