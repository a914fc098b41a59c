"""A proposal -> the words for what it comes to, which the check's title, the comment and the history all say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from runner.proposals.model import Conclusion, Proposal, ProposedSpec, State
from runner.report.figures import figure

ICONS: Mapping[Conclusion, str] = {"success": "✅", "failure": "❌", "pending": "⏳"}

_DECISIONS: Mapping[Conclusion, str] = {
    "success": "Ready to merge",
    "failure": "Do not merge",
    "pending": "Not decided yet",
}
_STATES: Mapping[State, str] = {
    "failed": "failed",
    "blocked": "blocked",
    "missing": "without answers",
    "judged": "judged",
    "running": "training",
    "waiting": "waiting",
    "released": "released before (0 s of training)",
    "removed": "removed",
    "idle": "without effect on a model",
}
"""In the order in which they are told."""
_RANKS: Mapping[Conclusion, int] = {"failure": 0, "pending": 1, "success": 2}


def decision(proposal: Proposal) -> str:
    """Say what to do with it, in a few words."""
    failing = [spec for spec in proposal.specs if spec.conclusion == "failure"]
    if failing and not proposal.faults and all(gates_word(spec) == "INCONCLUSIVE" for spec in failing):
        return "Do not merge yet"
    return _DECISIONS[proposal.conclusion]


def headline(proposal: Proposal) -> str:
    """Say the whole verdict on one line of plain text: what to do, how many specs change, what their gates say."""
    return f"{decision(proposal)}: {'; '.join(_parts(proposal))}"


def _parts(proposal: Proposal) -> Iterator[str]:
    if proposal.faults:
        yield f"{_count(len(proposal.faults), 'error')} in specs"
    states = Counter(spec.state for spec in proposal.specs)
    told = [f"{states[state]} {words}" for state, words in _STATES.items() if states[state]]
    change = f"{_count(len(proposal.specs), 'spec')} change{'s' * (len(proposal.specs) == 1)}"
    yield f"{change} ({', '.join(told)})" if told else "no spec changes"
    judged = [spec for spec in proposal.specs if spec.report is not None and spec.state == "judged"]
    if judged:
        gates = Counter(gates_word(spec) for spec in judged)
        yield "gates: " + ", ".join(word if len(judged) == 1 else f"{n} {word}" for word, n in sorted(gates.items()))
    if len(judged) == 1 and (report := judged[0].report) is not None:
        head = report.headline
        yield f"{head.metric} {figure(head.base, head.unit)} (base) → {figure(head.tuned, head.unit)}"
    if missing := sum(not change.settled for change in proposal.bar):
        yield f"{_count(missing, 'change')} to how models are judged or run must be approved by a code owner"


def gates_word(spec: ProposedSpec) -> str:
    """Say what the gates of a judged spec say: `PASS`, `FAIL`, or `INCONCLUSIVE` and why that may pass."""
    report = spec.report if spec.state == "judged" else None
    if report is None:
        return ""
    if report.outcome != "INCONCLUSIVE" or not report.releasable:
        return report.outcome
    return "INCONCLUSIVE (approved)" if report.approval else "INCONCLUSIVE (the spec only warns)"


def by_importance(proposal: Proposal) -> list[ProposedSpec]:
    """Return its specs with what stands in the way first."""
    order = [*_STATES]
    return sorted(proposal.specs, key=lambda spec: (_RANKS[spec.conclusion], order.index(spec.state), spec.name))


def state_words(spec: ProposedSpec) -> str:
    """Say how far a spec is, for the last column of the table: its gates, once it is judged."""
    if spec.state == "judged":
        return f"{ICONS[spec.conclusion]} {gates_word(spec)}"
    if spec.state == "running":
        since = f" since {spec.since:%H:%M} UTC" if spec.since else ""
        return f"{ICONS['pending']} training{since}"
    told = {"released": "released before", "idle": "nothing to judge", "missing": "answers are missing"}
    return f"{ICONS[spec.conclusion]} {told.get(spec.state, spec.state)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
