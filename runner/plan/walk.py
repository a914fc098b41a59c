"""One spec, one step after another: given what earlier steps yielded, decide the next one.

`build_plan` and `reconcile` walk the same object. A plan walks it with the outcome of a step that must run unknown, an
apply with its record, so what the plan says and what the apply does cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from runner.errors import Problem, SpecError
from runner.plan import keys
from runner.plan.changes import describe, explain_miss, nearest
from runner.plan.delivery import Delivery
from runner.plan.model import Action, Change, Estimate
from runner.plan.subject import Subject
from runner.registry.facts import STEPS, Deployment, Record, RegistryReader, Step, Version
from runner.spec.semver import next_minor

NEEDS: Mapping[Step, tuple[Step, ...]] = {
    "prepare": (),
    "train": ("prepare",),
    "predict_base": ("prepare",),
    "predict_tuned": ("prepare", "train"),
    "predict_champion": ("prepare",),
    "score": ("prepare", "predict_base", "predict_tuned", "predict_champion"),
    "gate": ("score",),
    "deploy": ("train", "gate"),
}

# Whose answers a predict step stores, in the words of scores and reports.
SUBJECTS: Mapping[str, Step] = {
    "base": "predict_base",
    "tuned": "predict_tuned",
    "champion": "predict_champion",
}
PREDICT_STEPS = tuple(SUBJECTS.values())


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one step, with all that running or recording it needs."""

    step: Step
    action: Action
    reason: str
    key: str | None = None
    inputs: keys.Inputs = field(default_factory=dict)
    record: Record | None = None
    changes: tuple[Change, ...] = ()
    estimate: Estimate = field(default_factory=Estimate)


@dataclass(slots=True)
class Walk:
    """The state of one spec's walk. `settle` must be called for every decision before the next one."""

    subject: Subject
    reader: RegistryReader
    delivery: Delivery
    retry: bool = False
    through: Step = "deploy"
    decisions: dict[Step, Decision] = field(default_factory=dict)
    records: dict[Step, Record] = field(default_factory=dict)

    @property
    def live(self) -> Deployment | None:
        """The entry that is live under the spec's alias."""
        return self.reader.live(self.subject.spec.name, self.subject.spec.deployment.alias)

    @property
    def released(self) -> Version | None:
        """The released version of the spec's own number."""
        return self.reader.version(self.subject.spec.name, self.subject.spec.version)

    @property
    def twin(self) -> Version | None:
        """A released version that is this very model: its own number first, else the newest."""
        train = self.decisions.get("train")
        if train is None or train.key is None:
            return None
        spec, base = self.subject.spec, self.subject.base.digest
        versions = sorted(self.reader.versions(spec.name), key=lambda v: v.version == spec.version)
        same = [v for v in versions if keys.same_model(v.content, spec, base, train.key)]
        return same[-1] if same else None

    @property
    def champion(self) -> Version | None:
        """The version that gates compare with: the one its own release was compared with, else the live one."""
        name = self.subject.spec.name
        if (twin := self.twin) is not None:
            return self.reader.version(name, twin.champion) if twin.champion else None
        live = self.live
        return self.reader.version(name, live.version) if live else None

    def decide(self, step: Step) -> Decision:  # noqa: C901, PLR0911 - one branch for each of the eight steps
        """Decide one step from what the earlier ones yielded."""
        if STEPS.index(step) > STEPS.index(self.through):
            return Decision(step, "NONE", f"left out: only through {self.through}")
        if step == "deploy":
            return self._deploy()
        if (waiting := self._upstream(step)) is not None:
            return waiting
        match step:
            case "prepare":
                return self._find(step, keys.prepare_inputs(self.subject.spec, _digests(self.subject), self._contract))
            case "train":
                return self._train()
            case "predict_base":
                return self._find(step, self._answers(None))
            case "predict_tuned":
                return self._find(step, self._answers(self.records["train"].outputs["adapter"].digest))
            case "predict_champion":
                return self._predict_champion()
            case "score":
                return self._find(step, self._score_inputs())
            case "gate":
                return self._gate()
        assert_never(step)

    def settle(self, decision: Decision, record: Record | None = None) -> None:
        """Note a decision, with the record its step yielded when it is known."""
        self.decisions[decision.step] = decision
        if (yielded := record or decision.record) is not None:
            self.records[decision.step] = yielded

    @property
    def _contract(self) -> object:
        return self.subject.contract

    def _upstream(self, step: Step) -> Decision | None:
        """Blocked by an earlier step, or dependent on what one yields; None when all that is needed is known."""
        needed = [self.decisions[name] for name in NEEDS[step]]
        for earlier in needed:
            if earlier.action == "BLOCKED":
                return Decision(step, "BLOCKED", f"{earlier.step} is blocked")
        for earlier in needed:
            if earlier.action in ("RUN", "DEPENDS") and earlier.step not in self.records:
                return Decision(step, "DEPENDS", f"on what {earlier.step} yields")
        return None

    def _find(self, step: Step, inputs: keys.Inputs) -> Decision:
        """Reuse the record of these inputs, or run, saying what differs from the nearest one."""
        key = keys.step_key(inputs)
        if (record := self._known(step, key)) is not None:
            return Decision(step, "REUSE", "up to date", key, inputs, record)
        if not self.retry and (failure := self.reader.failure(step, key)) is not None:
            return Decision(step, "BLOCKED", f"failed before: {failure.message} (--retry runs it again)", key, inputs)
        earlier = nearest(step, inputs, self.subject, self.reader)
        if earlier is None:
            return Decision(step, "RUN", "never run before", key, inputs)
        changes = explain_miss(inputs, earlier, self.subject, self.reader)
        reason = describe(changes, self.subject) or "an artifact of the earlier run is missing"
        seconds = (earlier.finished - earlier.started).total_seconds()
        return Decision(step, "RUN", reason, key, inputs, None, tuple(changes), Estimate(seconds=round(seconds, 1)))

    def _known(self, step: Step, key: str) -> Record | None:
        # Answers are shared: whoever asked first, the same weights answer the same prompts once.
        steps = (step, *(other for other in PREDICT_STEPS if other != step)) if step in PREDICT_STEPS else (step,)
        return next((record for name in steps if (record := self.reader.record(name, key)) is not None), None)

    def _train(self) -> Decision:
        inputs = keys.train_inputs(self.subject.spec, self.subject.base.digest, self.records["prepare"])
        decision = self._find("train", inputs)
        released = self.released
        if released is None:
            return decision
        if not keys.same_model(released.content, self.subject.spec, self.subject.base.digest, keys.step_key(inputs)):
            raise self._version_taken(decision, released)
        if decision.action != "REUSE":
            reason = f"{released.version} is released but its artifacts are lost; restore them or release a new version"
            return Decision("train", "BLOCKED", reason, decision.key, inputs)
        return decision

    def _version_taken(self, decision: Decision, released: Version) -> SpecError:
        spec, loaded = self.subject.spec, self.subject.loaded
        why = f" ({describe(list(decision.changes), self.subject)})" if decision.changes else ""
        newest = self.reader.versions(spec.name)[-1].version
        return SpecError(
            [
                Problem(
                    f"{spec.name} {released.version} is released and never changes, but this spec differs{why}",
                    loaded.where("version"),
                    f"give it a new version, such as `version: {next_minor(newest)}`",
                )
            ]
        )

    def _answers(self, adapter: str | None) -> keys.Inputs:
        spec, prompts = self.subject.spec, self.records["prepare"].outputs["prompts"].digest
        return keys.predict_inputs(self.subject.base.digest, adapter, spec.engine, spec.evaluation.generation, prompts)

    def _predict_champion(self) -> Decision:
        champion = self.champion
        if champion is None:
            reason = "this model is the champion" if self.twin and self.live else "no version to compare with"
            return Decision("predict_champion", "NONE", reason)
        content, prompts = champion.content, self.records["prepare"].outputs["prompts"].digest
        inputs = keys.predict_inputs(
            content.base_digest, content.adapter.digest, content.engine, content.generation, prompts
        )
        return self._find("predict_champion", inputs)

    def _score_inputs(self) -> keys.Inputs:
        answers = {subject: self.records[step] for subject, step in SUBJECTS.items() if step in self.records}
        return keys.score_inputs(self.subject.spec, self.records["prepare"], answers, self._contract)

    def _gate(self) -> Decision:
        spec, released = self.subject.spec, self.released
        if released is not None:
            # Gates decide a release, once: the bad version, being live, must not block the way back.
            key = released.keys.get("gate")
            record = self.reader.record("gate", key) if key else None
            reason = f"{released.version} was released on {released.released:%Y-%m-%d}: {released.verdict}"
            return Decision("gate", "REUSE", reason, key, {}, record)
        champion = self.champion
        decision = self._find(
            "gate", keys.gate_inputs(spec, self.records["score"], champion.version if champion else None)
        )
        if decision.record is None:
            return decision
        return Decision("gate", "REUSE", str(decision.record.metrics["outcome"]), decision.key, {}, decision.record)

    def _deploy(self) -> Decision:
        spec, live, released = self.subject.spec, self.live, self.released
        if live and live.version == spec.version and live.target == spec.deployment.target:
            return Decision("deploy", "NONE", f"{spec.version} is live as {spec.deployment.alias}")
        waiting = self._upstream("deploy")
        if waiting is not None and waiting.action == "BLOCKED":
            return waiting
        gate = self.records.get("gate")
        if released is None and gate is not None and gate.metrics["release"] is not True:
            return Decision("deploy", "BLOCKED", f"its gates say {gate.metrics['outcome']}")
        if (stop := self.delivery.obstacle(self.subject.loaded, live)) is not None:
            return Decision("deploy", stop.action, stop.reason)
        if waiting is not None:
            return Decision("deploy", "DEPENDS", "if its gates pass")
        was = f"{live.version} → " if live else ""
        how = "already released, only the pointer moves" if released else "its gates passed"
        target = {"name": spec.name, "version": spec.version, "alias": spec.deployment.alias}
        return Decision("deploy", "RUN", f"{was}{spec.version} ({how})", keys.step_key(target))


def _digests(subject: Subject) -> dict[str, list[str]]:
    return {role: list(files.values()) for role, files in subject.files.items()}
