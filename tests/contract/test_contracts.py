"""Labels and regular expressions as contracts, and what decides a contract's verdicts."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.contract.contract import build_contract, contract_digest_input
from runner.errors import Location, SpecError
from runner.spec.evaluation import JsonSchemaFormat, LabelsFormat, RegexFormat

WHERE = Location("specs/x/spec.yaml", 9, 3)
HERE = Path()


def build(output_format):
    return build_contract(output_format, HERE, HERE, WHERE)


@pytest.mark.parametrize(
    ("text", "fine"),
    [("billing", True), (" billing\n", True), ("Billing", False), ("billing.", False), ("", False), ("biling", False)],
)
def test_labels_must_be_answered_letter_for_letter(text, fine):
    found = build(LabelsFormat(labels=["billing", "shipping"])).check(text)
    assert [violation.kind for violation in found] == ([] if fine else ["not_a_label"])


def test_the_nearest_label_is_named():
    (violation,) = build(LabelsFormat(labels=["billing", "shipping"])).check("Biling")
    assert "nearest is 'billing'" in violation.message


def test_labels_that_cannot_be_answered_are_all_told():
    with pytest.raises(SpecError) as caught:
        build(LabelsFormat(labels=["a", "a", " b", ""]))
    assert len(caught.value.problems) == 3
    assert {problem.where for problem in caught.value.problems} == {WHERE}


@pytest.mark.parametrize(
    ("text", "fine"), [("A-12", True), ("A-12 ", False), ("xA-12", False), ("A-12\n", False), ("", False)]
)
def test_an_expression_matches_the_whole_answer(text, fine):
    found = build(RegexFormat(regex="[A-Z]-[0-9]+")).check(text)
    assert [violation.kind for violation in found] == ([] if fine else ["no_match"])


def test_an_endless_expression_is_stopped():
    started = time.monotonic()
    (violation,) = build(RegexFormat(regex="(a|aa)+b")).check("a" * 200)
    assert violation.kind == "no_match"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "a{2,1}", "(?P<n>"])
def test_a_broken_expression_is_refused(pattern):
    with pytest.raises(SpecError, match="no regular expression"):
        build(RegexFormat(regex=pattern))


def test_no_format_is_no_contract():
    assert build("none") is None
    assert contract_digest_input("none", HERE) is None


def test_only_what_decides_verdicts_is_digested(tmp_path):
    assert contract_digest_input(LabelsFormat(labels=["b", "a"]), HERE) == {"labels": ["a", "b"]}
    assert contract_digest_input(RegexFormat(regex="x+"), HERE) == {"regex": "x+"}
    folder = tmp_path / "specs" / "x"
    folder.mkdir(parents=True)
    for name, text in (
        ("a.json", '{"type":"object","title":"t"}'),
        ("b.json", '{\n "title": "t",\n "type": "object"}'),
    ):
        (folder / name).write_text(text)
    one, other = (contract_digest_input(JsonSchemaFormat(json_schema=name), folder) for name in ("a.json", "b.json"))
    assert one == other


@pytest.mark.parametrize(
    ("output_format", "digest"),
    [
        (LabelsFormat(labels=["b", "a"], max_length=9), {"labels": ["a", "b"], "max_length": 9}),
        (RegexFormat(regex="x+", max_length=3), {"regex": "x+", "max_length": 3}),
    ],
)
def test_a_length_decides_verdicts_too(output_format, digest):
    assert contract_digest_input(output_format, HERE) == digest


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("xx", []),
        ("xxx", []),
        ("xxxx", ["too_long"]),
        ("yyyy", ["too_long", "no_match"]),
        ("  xx", ["no_match"]),
        ("日本語日", ["too_long", "no_match"]),
        ("日本語", ["no_match"]),
    ],
)
def test_longer_answers_than_allowed_are_told_beside_what_else_is_wrong(text, kinds):
    found = build(RegexFormat(regex="x+", max_length=3)).check(text)
    assert [violation.kind for violation in found] == kinds


def test_white_space_around_an_answer_has_no_length():
    assert build(LabelsFormat(labels=["a", "b"], max_length=1)).check(" \n a \n") == []


def test_planning_needs_no_heavy_library():
    code = (
        "import sys, runner.contract.contract, runner.data.sources\n"
        "print(*sorted({'jsonschema', 'regex', 'referencing', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == ""
