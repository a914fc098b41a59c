"""What rows say leaves no trace in a comment that anybody may read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proposed import judged, proposal, unjudged
from reports import make_report, make_row, make_verdict

from runner.data.findings import Finding
from runner.errors import DataError, Location
from runner.evaluation.verdicts import SliceVerdict
from runner.plan.model import PlannedStep
from runner.proposals.context import CommentContext
from runner.proposals.markdown import render_comment
from runner.proposals.masking import declared_words, hide, masked
from runner.proposals.summary import render_summary
from runner.report.model import ConfusedPair, Confusion, Nearest, SliceValue
from runner.report.parts import DataFinding


class Planted:
    """Hands out words that stand nowhere else."""

    def __init__(self):
        self.words = []

    def __call__(self):
        self.words.append(f"planted{chr(97 + len(self.words) % 26) * 3}{len(self.words)}")
        return f"Say {self.words[-1]} now"


def planted_report(plant):
    """Put a word of its own into everything that comes from a row."""
    rows = [
        make_row(
            at,
            input=plant(),
            expected=plant(),
            answers={"base": plant(), "champion": plant(), "tuned": plant()},
            nearest=[Nearest(row="aa-0", similarity=0.9, where="data/train.jsonl:7", input=plant(), answer=plant())],
            violations=[plant()],
            slices={"customer": plant()},
        )
        for at in range(16)
    ]
    pairs = [ConfusedPair(expected=plant(), answered=plant(), n=2)]
    few = SliceVerdict(slice=plant(), outcome=None, n=1)
    share = SliceValue(
        field="customer", value=plant(), metric="exact_match", n=1, subjects={"base": 0.0}, gain=0.0, small=True
    )
    finding = DataFinding(code="pii", severity="warning", count=1, message=plant(), where="t.jsonl:1", hint=plant())
    return make_report(16).model_copy(
        update={
            "rows": rows,
            "confusion": [Confusion(subject="tuned", labels=[plant()], matrix=[[1, 1]], pairs=pairs)],
            "slices": [share],
            "verdicts": [make_verdict("FAIL", slices=[few])],
            "data": {"rows": "train 9", "labels in train": f"{plant()} 4, {plant()} 5"},
            "data_findings": [finding],
        }
    )


@pytest.mark.parametrize("mode", ["masked", "none"])
def test_nothing_of_a_row_leaks(mode):
    plant = Planted()
    report = planted_report(plant)
    quoted = Finding("format", "error", plant(), Location("data.jsonl", 3), sample=plant(), hint="mend it")
    failed = unjudged("b", "failed", reason=str(DataError([quoted.problem()] * 2)))
    step = PlannedStep(step="train", action="BLOCKED", key=None, reason=str(quoted.problem()), notes=[failed.reason])
    failed = failed.model_copy(update={"plan": failed.plan.model_copy(update={"steps": [step]})})
    found = proposal(judged().model_copy(update={"report": report}), failed)
    open_ = render_summary(found, CommentContext(examples="full"))
    assert sum(word in open_ for word in plant.words) > 20
    context = CommentContext(examples=mode)
    for text in (render_comment(found, context), render_summary(found, context)):
        assert not [word for word in plant.words if word in text]
        assert "data.jsonl:3: [format]" in text
        assert "45 fixed, 15 broken" in text
    assert ("Broken: " in render_comment(found, context)) == (mode == "masked")


def test_declared_words_stay_readable():
    report = masked(make_report(4), "masked", ["billing", "login"])
    assert report.rows[0].expected == "billing"
    assert report.rows[0].input == "Xxxxxxxx xxxxxx 0 xxxxx xxxxxx"
    assert report.confusion[0].labels == ["billing", "login"]
    assert masked(make_report(4), "masked").confusion[0].labels == ["xxxxxxx", "xxxxx"]


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("Ada L. 42", [], "Xxx X. 00"),
        ("билет №7", [], "xxxxx x0"),
        ("票 ½ Ⅷ ٣", [], "x 0 0 0"),
        ('{"topic": "billing", "name": "Ada"}', ["topic", "billing"], '{"topic": "billing", "xxxx": "Xxx"}'),
        ("billing Ada", ["billing"], "xxxxxxx Xxx"),
        ('"Ada" "billing" x"', ["billing"], '"Xxx" "billing" x"'),
    ],
)
def test_shapes(text, words, shown):
    assert hide(text, words) == shown


@given(st.text())
def test_no_letter_survives(text):
    shown = hide(text)
    assert len(shown) == len(text)
    assert not [char for char in shown if char.isalnum() and char not in "xX0"]


def test_what_a_format_declares():
    schema = {
        "type": "object",
        "description": "secret",
        "properties": {"topic": {"enum": ["a", 3]}, "items": {"items": {"const": "b"}, "pattern": "c"}},
        "$defs": {"x": {"anyOf": [{"properties": {"deep": {}}}]}},
    }
    assert declared_words({"json_schema": schema}) == ["a", "b", "deep", "items", "topic"]
    assert declared_words({"labels": ["b", "a"]}) == ["a", "b"]
    assert declared_words({"regex": "x"}) == declared_words(None) == []
