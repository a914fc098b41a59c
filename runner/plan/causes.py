"""What makes a step run, followed to its root: through steps that must run first, and through what reused ones yielded.

score DEPENDS  <- predict_tuned DEPENDS  <- train RUN: training.lora.r 16 → 8 (spec.yaml:31)
train RUN: training rows +50 −0 ~0       <- prepare REUSE: rows +50 −0 ~0: data/more.jsonl added
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runner.plan.changes import describe, explain_miss
from runner.plan.decision import NEEDS, Decision
from runner.plan.promises import Shared
from runner.plan.reasons import Action, Cause, Change
from runner.plan.subject import Subject
from runner.plan.walk import Walk
from runner.registry.facts import STEPS, Step

# Which step yields what an input is the digest of.
MADE_BY: Mapping[str, tuple[Step, str]] = {
    "adapter": ("train", "adapter"),
    "prompts": ("prepare", "prompts"),
    "train": ("prepare", "train"),
    "validation": ("prepare", "validation"),
    "test": ("prepare", "test"),
    "neighbours": ("prepare", "neighbours"),
    "slice_values": ("prepare", "slices"),
    "losses": ("train", "metrics"),
    "answers.base": ("predict_base", "answers"),
    "answers.tuned": ("predict_tuned", "answers"),
    "answers.champion": ("predict_champion", "answers"),
    "scores": ("score", "scores"),
}

ROOTS_TOLD = 3

WORDS: Mapping[Action, tuple[str, str]] = {
    "RUN": ("runs", "run"),
    "WAIT": ("is under way elsewhere", "are under way elsewhere"),
    "BLOCKED": ("is blocked", "are blocked"),
    "REUSE": ("yields something else", "yield something else"),
}


@dataclass(frozen=True, slots=True)
class Tracer:
    """Follows the steps of one spec to what makes them run."""

    walk: Walk
    """A walk that has looked at every step."""
    decisions: Mapping[Step, Decision]
    """What is planned: the walk's own, but for steps that another one runs."""
    shared: Mapping[Step, Shared]
    """Steps that another one runs."""

    def causes(self, step: Step) -> list[Cause]:
        """Return the way from a step to its root causes, each station once, in the order of a walk backwards."""
        decision = self.decisions[step]
        if decision.action not in ("RUN", "DEPENDS", "WAIT", "BLOCKED"):
            return []
        found: dict[Step, Cause] = {}
        if step in self.shared and (elsewhere := self._elsewhere(step)) is not None:
            return [_station(decision, [step]), elsewhere]
        self._follow(decision, found)
        return sorted(found.values(), key=lambda cause: STEPS.index(cause.step), reverse=True)

    def _follow(self, decision: Decision, found: dict[Step, Cause]) -> None:
        after = [name for name in self._before(decision.step) if self._undecided(name)] if _waits(decision) else []
        if decision.action == "RUN":
            after = list(self._follow_inputs(decision.changes, found))
        found.setdefault(decision.step, _station(decision, after))
        for name in after:
            if name in self.shared and (elsewhere := self._elsewhere(name)) is not None:
                found.setdefault(name, elsewhere)
            elif name not in found:
                self._follow(self.decisions[name], found)

    def _follow_inputs(self, changes: tuple[Change, ...] | list[Change], found: dict[Step, Cause]) -> Iterator[Step]:
        """Follow inputs that an earlier step yields, and now yields otherwise, to why it does."""
        for change in changes:
            step, output = MADE_BY.get(change.path, (None, ""))
            made = self.walk.records.get(step) if step else None
            if step is None or made is None or output not in made.outputs or made.outputs[output].digest != change.new:
                continue
            before = self.walk.history.maker(step, output, str(change.old))
            if before is None or step in found:
                continue
            why = explain_miss(made.inputs, before, self.walk.subject, self.walk.history)
            if not why:
                continue
            after = list(dict.fromkeys(self._follow_inputs(why, found)))
            because = describe(why, self.walk.subject)
            action, root = self.decisions[step].action, not after
            found[step] = Cause(step=step, action=action, because=because, after=after, root=root)
            yield step

    def _undecided(self, step: Step) -> bool:
        decision = self.decisions[step]
        return decision.action == "BLOCKED" or (_runs(decision) and step not in self.walk.records)

    def _before(self, step: Step) -> tuple[Step, ...]:
        return (self.shared[step].decision.step,) if step in self.shared else NEEDS[step]

    def _elsewhere(self, step: Step) -> Cause | None:
        """Return who runs a step; None when it is another step of this spec, whose own causes follow."""
        spec, decision = self.shared[step]
        if spec == self.walk.subject.spec.name:
            return None
        return Cause(step=step, spec=spec, action=decision.action, because=decision.reason, root=True)


def _station(decision: Decision, after: list[Step]) -> Cause:
    # Own changes of a step that also waits for another one make it a root too.
    root = not after or bool(decision.changes and decision.action == "DEPENDS")
    return Cause(step=decision.step, action=decision.action, because=decision.reason, after=after, root=root)


def reason_of(decision: Decision, causes: list[Cause], subject: Subject) -> str:
    """Say why a step does what is planned, its root cause included: `because train runs (train → predict_tuned)`."""
    roots = [cause for cause in causes[1:] if cause.root]
    if not roots or decision.code == "shared":
        return decision.reason
    if decision.action == "RUN":
        return f"{decision.reason}, because {'; '.join(cause.because for cause in roots)}"
    if decision.step == "deploy" and decision.action == "DEPENDS":
        return f"{decision.reason}, after {_names(roots)} {_verb(roots)}"
    way = [cause.step for cause in reversed(causes[1:])]
    is_chain = len(roots) == 1 and len(way) > 1 and all(len(cause.after) <= 1 for cause in causes)
    own = f"; {describe(decision.changes, subject)}" if decision.changes else ""
    return f"because {_names(roots)} {_verb(roots)}" + (f" ({' → '.join(way)})" if is_chain else "") + own


def _names(roots: list[Cause]) -> str:
    names = [f"{cause.step} of {cause.spec}" if cause.spec else cause.step for cause in reversed(roots)]
    if len(names) > ROOTS_TOLD:
        names[ROOTS_TOLD - 1 :] = [f"{len(names) - ROOTS_TOLD + 1} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _verb(roots: list[Cause]) -> str:
    # A root that only may run has changes of its own: it runs unless they lead back to something already done.
    odd = (cause.action for cause in roots if cause.action not in ("RUN", "DEPENDS"))
    one, several = WORDS[next(odd, "RUN")]
    return one if len(roots) == 1 else several


def _waits(decision: Decision) -> bool:
    return decision.action == "DEPENDS" or (decision.action == "BLOCKED" and decision.code == "upstream")


def _runs(decision: Decision) -> bool:
    return decision.action in ("RUN", "DEPENDS", "WAIT")
