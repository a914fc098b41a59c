"""One spec, one step after another: given what earlier steps yielded, decide the next one.

`build_plan` and `reconcile` walk the same object. A plan walks it with the outcome of a step that must run unknown, an
apply with its record, so what the plan says and what the apply does cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import assert_never

from runner.errors import RegistryError, SpecError
from runner.plan import keys
from runner.plan.decision import NEEDS, Decision, answered
from runner.plan.delivery import Delivery, Obstacle
from runner.plan.floors import unproven
from runner.plan.history import History
from runner.plan.lookup import Lookup
from runner.plan.next_version import version_taken
from runner.plan.pointer import loss, lost, training_of, unjudged
from runner.plan.rival_answers import decide_answers
from runner.plan.rivals import CHAMPION, Rival, find_named, name_of_version
from runner.plan.rulings import approval_of, hold_on, name_of
from runner.plan.rulings import words as hold_words
from runner.plan.subject import Subject
from runner.registry.chain import sealed_record
from runner.registry.facts import STEPS, Deployment, Record, Ruling, Step, Version
from runner.registry.views import RegistryReader


@dataclass
class Walk:
    """The state of one spec's walk. `settle` must be called for every decision before the next one."""

    subject: Subject
    reader: RegistryReader
    delivery: Delivery
    retry: bool = False
    through: Step = "deploy"
    shared: History | None = None
    """Earlier records, where several walks share what was read of the registry."""
    decisions: dict[Step, Decision] = field(default_factory=dict)
    records: dict[Step, Record] = field(default_factory=dict)
    named: Mapping[str, Version] = field(default_factory=dict)
    """Versions that gates name, by `version:1.2.0` and `spec:other`."""
    rivals: tuple[Rival, ...] = ()
    """The champion and those, as they answer this test set."""
    compared: tuple[str | None, ...] = ()
    """The champion's number once it is resolved: another apply may move the alias while this one runs."""
    _versions: dict[str, Version | None] = field(default_factory=dict)

    @cached_property
    def history(self) -> History:
        """Earlier records, for reasons and estimates."""
        return self.shared or History(self.reader)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.subject, self.reader, self.history, self.retry)

    @property
    def live(self) -> Deployment | None:
        """The last entry of the spec's alias; it has no version when that was undeployed."""
        return self.reader.live(self.subject.spec.name, self.subject.spec.deployment.alias)

    @property
    def released(self) -> Version | None:
        """The released version of the spec's own number."""
        return self._version(self.subject.spec.version)

    @property
    def approval(self) -> Ruling | None:
        """The approval of an INCONCLUSIVE, of the released version or of these very scores."""
        spec, gate, scored = self.subject.spec, self.records.get("gate"), self.records.get("score")
        if (released := self.released) is not None:
            return released.approval
        if gate is None or scored is None or gate.metrics["outcome"] != "INCONCLUSIVE":
            return None
        # What policy asks for is not for a spec's owners to let through.
        if unproven(spec, self.subject.config, gate.metrics["verdicts"]):
            return None
        return approval_of(self.reader.rulings(spec.name), spec.version, scored.outputs["scores"].digest)

    @property
    def champion(self) -> Version | None:
        """The version that gates compare with."""
        number = self.compared[0] if self.compared else self._champion_number()
        return self._version(number) if number else None

    def _version(self, number: str) -> Version | None:
        """Read a version of this spec once: nearly every decision asks for it."""
        if number not in self._versions:
            self._versions[number] = self.reader.version(self.subject.spec.name, number)
        return self._versions[number]

    def _look_again(self) -> None:
        """Forget which versions there were none of: another apply may release them at any time."""
        self._versions = {number: version for number, version in self._versions.items() if version is not None}

    def _champion_number(self) -> str | None:
        """Name what its own release was compared with; for a version not released yet, what is live now.

        Where the live version is this very model under another number, what that one was compared with: a new number
        alone asks nothing anew. An older model under a new number meets the live one, like any other candidate.
        """
        if (released := self.released) is not None:
            return released.champion
        if (live := self.live) is None or live.version is None:
            return None
        version = self._version(live.version)
        return version.champion if version is not None and self._is_this(version) else live.version

    def _is_this(self, version: Version) -> bool:
        train = self.decisions.get("train")
        key = train.key if train else None
        return key is not None and keys.same_model(version.content, self.subject.spec, self.subject.base, key)

    def decide(self, step: Step) -> Decision:  # noqa: C901, PLR0911 - one branch for each of the eight steps
        """Decide one step from what the earlier ones yielded."""
        if STEPS.index(step) > STEPS.index(self.through):
            return Decision(step, "NONE", f"left out: only through {self.through}", code="left_out")
        if step == "deploy":
            return self._deploy()
        if step == "gate" and (released := self.released) is not None:
            return self._gate_of(released)
        if step == "predict_champion" and (missing := self._find_named()) is not None:
            return missing
        if (waiting := self._upstream(step)) is not None:
            return self._hopeful(waiting) if step == "train" and self.released is None else waiting
        match step:
            case "prepare":
                return self._find(
                    step, keys.prepare_inputs(self.subject.spec, self.subject.digests, self.subject.contract)
                )
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

    def yielded(self, decision: Decision) -> Record | None:
        """Return what a step that was to run has yielded elsewhere since it was decided."""
        step, inputs, key = decision.step, decision.inputs, str(decision.key)
        return self._lookup.as_released(step, inputs, self.released) or self._lookup.known(step, key)

    def settle(self, decision: Decision, record: Record | None = None) -> None:
        """Note a decision, with the record its step yielded when it is known."""
        self.decisions[decision.step] = decision
        if (yielded := record or decision.record) is not None:
            self.records[decision.step] = yielded
        if record is not None:
            self.history.note(record)

    def _upstream(self, step: Step) -> Decision | None:
        """Blocked by an earlier step, or dependent on what one yields; None when all that is needed is known."""
        needed = [self.decisions[name] for name in NEEDS[step]]
        for earlier in needed:
            if earlier.action == "BLOCKED":
                return Decision(step, "BLOCKED", f"{earlier.step} is blocked", code="upstream")
        for earlier in needed:
            if earlier.action in ("RUN", "DEPENDS") and earlier.step not in self.records:
                return Decision(step, "DEPENDS", f"on what {earlier.step} yields")
        return None

    def _find(self, step: Step, inputs: keys.Inputs) -> Decision:
        return self._lookup.find(step, inputs, self.released)

    def _train(self) -> Decision:
        base = self.subject.base
        inputs = keys.train_inputs(self.subject.spec, base.digest, self.records["prepare"], base.chat_template)
        decision = self._find("train", inputs)
        released = self.released
        if released is None:
            return self._hopeful(decision)
        if (taken := self._other_content(decision, released)) is not None:
            return Decision("train", "BLOCKED", taken, decision.key, inputs, fault=True, code="version_taken")
        gone = loss(released, self.reader) if decision.record is None else None
        record = training_of(released, decision.record, () if decision.record else self.reader.records("train"))
        if gone or record is None:
            reason = gone or lost(released, "the record of its training")
            return Decision("train", "BLOCKED", reason, decision.key, inputs, fault=True, code="released_lost")
        return Decision("train", "REUSE", "up to date", record.key, inputs, record)

    def _hopeful(self, decision: Decision) -> Decision:
        """Refuse before a training what could never be released after it."""
        # Late: a plan with nothing to train need not ask.
        from runner.plan.outlook import hopeless, unmeasured

        answers = keys.step_key(self._answers(None)) if "prepare" in self.records else None
        why = hopeless(self, answers) or (unmeasured(self) if decision.record is None else None)
        if why is None:
            return decision
        return Decision("train", "BLOCKED", why[1], decision.key, decision.inputs, fault=True, code=why[0])

    def notes(self, step: Step) -> list[str]:
        """Return what is worth knowing before a step runs."""
        if step != "gate" or "prepare" not in self.records:
            return []
        from runner.plan.outlook import gate_notes

        return gate_notes(self, keys.step_key(self._answers(None)))

    def _other_content(self, train: Decision, released: Version) -> str | None:
        """Say that the released version of the spec's number is another model, if it is."""
        if not train.key or keys.same_model(released.content, self.subject.spec, self.subject.base, train.key):
            return None
        problems = self._version_taken(train, released).problems
        return "; ".join(f"{problem.where}: {problem.message}; {problem.hint}" for problem in problems)

    def _version_taken(self, decision: Decision, released: Version) -> SpecError:
        return SpecError([version_taken(decision.inputs, released, self.subject, self.reader)])

    def _answers(self, adapter: str | None) -> keys.Inputs:
        spec, prompts = self.subject.spec, self.records["prepare"].outputs["prompts"].digest
        base, settings = self.subject.base, spec.evaluation.generation
        return keys.predict_inputs(base.digest, adapter, spec.engine, settings, prompts, base.chat_template)

    def _predict_champion(self) -> Decision:
        self._look_again()
        number = self._champion_number()
        self.compared = (number,)
        if number is not None and self.champion is None and self.released is None:
            reason = f"the champion {number} is missing from the registry; restore it from a copy of the store"
            return Decision("predict_champion", "BLOCKED", reason, fault=True, code="champion_missing")
        prompts = self.records["prepare"].outputs["prompts"]
        versions = ({CHAMPION: self.champion} if self.champion else {}) | self._others
        rivals = tuple(Rival(name, version, prompts.digest) for name, version in versions.items())
        if not rivals:
            return Decision("predict_champion", "NONE", self._no_champion(), code="no_champion")
        decision, self.rivals = decide_answers(rivals, prompts, self._lookup, self.released)
        return decision

    @property
    def _others(self) -> dict[str, Version]:
        """What gates compare with beyond base and champion, which may also be asked for by its number."""
        number = self.champion.version if self.champion else None
        return {name: version for name, version in self.named.items() if name != f"version:{number}"}

    @property
    def rival_names(self) -> dict[str, str]:
        """What gates compare with beyond base and champion, such as `other@1.2.0` by `spec:other`."""
        return {name: name_of_version(version) for name, version in self._others.items()}

    def _find_named(self) -> Decision | None:
        """Find the versions that gates name; a released version was judged already, so it lacks none."""
        try:
            self.named = find_named(self.subject.spec, self.reader, self.released)
        except RegistryError as error:
            return Decision("predict_champion", "BLOCKED", error.message, fault=True, code="rival_missing")
        return None

    def _no_champion(self) -> str:
        if self.released is not None:
            return f"nothing to compare with was live when {self.released.version} was released"
        is_live = self.live is not None and self.live.version is not None
        return "the live version is this very model" if is_live else "no version to compare with"

    def _score_inputs(self) -> keys.Inputs:
        prepared, trained, measures = self.records["prepare"], self.records.get("train"), self.subject.measures
        spec, answers = self.subject.spec, answered(self.records)
        inputs = keys.score_inputs(spec, prepared, answers, self.subject.contract, trained, measures=measures)
        return inputs | (keys.probe_inputs(answers) if self.subject.is_probed else {})

    def _gate_of(self, released: Version) -> Decision:
        """Gates decide a release, once: the bad version, being live, must not block the way back."""
        key, record = released.keys.get("gate"), sealed_record(released, "gate", self.reader)
        reason = f"{released.version} was released on {released.released:%Y-%m-%d}: {released.verdict}"
        return Decision("gate", "REUSE", reason, key, {}, record, code="released")

    def _gate(self) -> Decision:
        number = self.champion.version if self.champion else None
        inputs = keys.gate_inputs(self.subject.spec, self.records["score"], number, self.rival_names)
        decision = self._find("gate", inputs)
        if decision.record is None:
            return decision
        return Decision("gate", "REUSE", str(decision.record.metrics["outcome"]), decision.key, {}, decision.record)

    def _deploy(self) -> Decision:
        self._look_again()
        spec, live, released = self.subject.spec, self.live, self.released
        waiting = self._upstream("deploy")
        if (settled := self._undeployable(live, released, waiting)) is not None:
            return settled
        if (stop := self._obstacle(live, released)) is not None:
            return Decision("deploy", stop.action, stop.reason, code=stop.code)
        if waiting is not None:
            return Decision("deploy", "DEPENDS", waiting.reason if released else "if its gates pass")
        was = f"{live.version} → " if live and live.version else ""
        target = {"name": spec.name, "version": spec.version, "alias": spec.deployment.alias}
        if released is None:
            reason = f"{was}{spec.version} ({self._let_through()})"
            return Decision("deploy", "RUN", reason, keys.step_key(target), code="not_live")
        return self._move(released, live, f"{was}{spec.version}", target)

    def _undeployable(
        self, live: Deployment | None, released: Version | None, waiting: Decision | None
    ) -> Decision | None:
        """Return what is decided whatever git and the gates say: another model, live already, or blocked."""
        spec, blocked = self.subject.spec, waiting if waiting and waiting.action == "BLOCKED" else None
        if released is not None and (taken := self._other_content(self.decisions["train"], released)) is not None:
            # Where `train` does not say so already, another apply has released this number since.
            return blocked or Decision("deploy", "BLOCKED", taken, fault=True, code="version_taken")
        if live and live.version == spec.version and live.target == spec.deployment.target:
            return Decision("deploy", "NONE", f"{spec.version} is live as {spec.deployment.alias}", code="live")
        return blocked

    def _move(self, released: Version, live: Deployment | None, what: str, target: keys.Inputs) -> Decision:
        """Move the pointer to a released version, whose every byte is there."""
        if (stop := unjudged(released, live, self.subject.spec, self.reader)) is not None:
            return Decision("deploy", "BLOCKED", stop, fault=True, code="unjudged")
        if (gone := loss(released, self.reader)) is not None:
            return Decision("deploy", "BLOCKED", gone, fault=True, code="released_lost")
        digest = released.content.adapter.digest
        seen = "verified" if self.reader.holds_bytes else "the deployment verifies"
        how = f"already released, only the pointer moves; {seen} sha256:{digest[:12]}"
        key = keys.step_key(target | {"adapter": digest})
        return Decision("deploy", "RUN", f"{what} ({how})", key, code="not_live")

    def _let_through(self) -> str:
        if (approval := self.approval) is not None:
            return f"INCONCLUSIVE, approved by {name_of(approval)}: {approval.reason}"
        return "its gates passed"

    def _obstacle(self, live: Deployment | None, released: Version | None) -> Obstacle | None:
        """Return what keeps it from being deployed: its gates, a champion that has changed, git, or a person."""
        gate = self.records.get("gate")
        refused = released is None and gate is not None and gate.metrics["release"] is not True
        if gate is not None and refused and self.approval is None:
            return Obstacle("BLOCKED", f"its gates say {gate.metrics['outcome']}", "gates")
        asks = any(rule.rival == "champion" for rule in self.subject.spec.evaluation.gates)
        if released is None and asks and self.compared and (now := self._champion_number()) != self.compared[0]:
            was = self.compared[0] or "none"
            what = f"{now} went live" if now else f"{was} was undeployed"
            reason = f"{what} while its gates compared with {was}; apply again"
            return Obstacle("BLOCKED", reason, "champion_changed")
        if (stop := self.delivery.obstacle(self.subject.loaded, live)) is not None:
            return stop
        spec = self.subject.spec
        hold = hold_on(self.reader.rulings(spec.name), spec.version, released=released is not None)
        return Obstacle("BLOCKED", hold_words(hold), "held") if hold else None
