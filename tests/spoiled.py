"""Reports with any text in any place, for what every rendering must survive."""

from datetime import UTC, datetime
from typing import get_args

from hypothesis import strategies as st

from runner.report.model import ConfusedPair, Confusion, Nearest, ReportRow, SliceValue, Status
from runner.report.parts import Approval, DataFinding, Finding, SpecChange, Wear

PIECES = [
    *"`|@#<>&\\*_\n\r a😀\u202e\x00\x1b",
    *("```", "~~~", "@everyone", "#1", "<b>", "</details>", "<!--", "\n# h\n", "\n| a | b |\n", "[x](http://e.org)"),
    *("\n---\n", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "]]>", "\ud83d", "\uffff", "<details>"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text()
huge = texts | texts.map(lambda text: (text or "x") * 3000)
shares = st.floats(0, 1)

statuses = st.sampled_from(get_args(Status))

rows = st.lists(
    st.builds(
        ReportRow,
        id=texts,
        status=statuses,
        champion_status=st.none() | statuses,
        where=texts,
        input=huge,
        expected=huge,
        answers=st.dictionaries(st.sampled_from(["base", "champion", "tuned", "spec:x"]), huge, max_size=3),
        violations=st.lists(texts, max_size=2),
        nearest=st.lists(
            st.builds(Nearest, row=texts, similarity=shares, where=texts, input=texts, answer=texts), max_size=2
        ),
    ),
    max_size=6,
)
slices = st.lists(
    st.builds(
        SliceValue,
        field=texts,
        value=st.none() | texts,
        metric=texts,
        n=st.integers(1, 99),
        subjects=st.dictionaries(st.sampled_from(["base", "tuned"]), shares),
        gain=shares,
    ),
    max_size=3,
)
confusions = st.lists(
    st.builds(
        Confusion,
        subject=st.sampled_from(["base", "tuned"]),
        labels=st.just([]),
        matrix=st.just([]),
        pairs=st.lists(st.builds(ConfusedPair, expected=texts, answered=st.none() | texts, n=st.just(1)), max_size=3),
    ),
    max_size=2,
)
findings = st.lists(st.builds(Finding, code=texts, message=texts, cause=texts, remedy=texts), max_size=3)
data_findings = st.lists(
    st.builds(DataFinding, code=texts, severity=texts, count=st.just(1), message=texts, where=texts, hint=texts),
    max_size=3,
)
changes = st.lists(st.builds(SpecChange, path=texts, old=texts, new=texts, words=texts), max_size=3)
approvals = st.none() | st.builds(Approval, who=texts, reason=texts, at=st.just(datetime(2026, 1, 1, tzinfo=UTC)))
wears = st.none() | st.builds(Wear, candidates=st.just(3), odds=shares, message=texts)

updates = st.fixed_dictionaries(
    {
        "name": texts,
        "version": texts,
        "commit": st.none() | texts,
        "champion": st.none() | texts,
        "rows": rows,
        "slices": slices,
        "confusion": confusions,
        "findings": findings,
        "data": st.dictionaries(texts, huge, max_size=3),
        "data_findings": data_findings,
        "changed": changes,
        "approval": approvals,
        "wear": wears,
        "notes": st.lists(texts, max_size=3),
        "kept": texts,
        "next_step": huge,
    }
)
"""What to put into a report that is otherwise whole."""


def spoiled(report, updates, words):
    """Return the report with hostile texts everywhere, its gates and subjects too."""
    verdicts = [verdict.model_copy(update={"gate": words, "reason": words * 20}) for verdict in report.verdicts]
    subjects = [subject.model_copy(update={"title": words}) for subject in report.subjects]
    made = report.provenance.model_copy(
        update={"base_model": words, "engine": words, "reproduce": words, "environment": {words: words}}
    )
    return report.model_copy(update={**updates, "verdicts": verdicts, "subjects": subjects, "provenance": made})
