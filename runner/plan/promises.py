"""Which steps of a plan another step of it runs for them, or may: such a step is not sure to run itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from runner.plan.decision import Decision
from runner.plan.history import History


class Shared(NamedTuple):
    """A step that another step of the same plan runs, or whose lost bytes it brings back."""

    spec: str
    decision: Decision


@dataclass(slots=True)
class Promises:
    """What the steps planned so far will run."""

    history: History
    _keys: dict[str, Shared] = field(default_factory=dict)
    _bytes: dict[tuple[str, str], Shared] = field(default_factory=dict)
    """By digest, and by the spec or step that lost them."""

    def first(self, decision: Decision, spec: str) -> Shared | None:
        """Return who runs a step, or brings its bytes back; None when it is this spec itself, or nobody else asks.

        Args:
            decision: the decision of one walk, which knows nothing of the others.
            spec: name of its spec.
        """
        if decision.action != "RUN" or decision.key is None:
            return None
        me = Shared(spec, decision)
        if (first := self._keys.setdefault(decision.key, me)) is not me:
            return first
        lost = self._lost(decision)
        # What lost the same bytes is whole again once they are back, unless they come out differently.
        menders = [self._bytes.get((spec, digest)) or self._bytes.get((decision.step, digest)) for digest in lost]
        if menders and all(menders):
            return menders[-1]
        for digest in lost:
            self._bytes.setdefault((spec, digest), me)
            self._bytes.setdefault((decision.step, digest), me)
        return None

    def _lost(self, decision: Decision) -> list[str]:
        if decision.code != "artifact_missing" or decision.nearest is None:
            return []
        record = self.history.record(decision.step, decision.nearest.key)
        return [record.outputs[name].digest for name in decision.nearest.missing] if record else []


def in_words(first: Shared, decision: Decision, spec: str) -> str:
    """Say on whom a step depends, as seen from its spec."""
    what = "has the same inputs" if first.decision.key == decision.key else "lost the same bytes"
    of = f" of {first.spec}" if first.spec != spec else ""
    return f"on {first.decision.step}{of}, which {what}"
