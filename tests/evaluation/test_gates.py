"""Every branch of the gate rule, and everything that must be an error rather than a pass."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import GituneError
from runner.evaluation.conditions import title, validate_gates
from runner.evaluation.gates import Verdict, judge, overall
from runner.evaluation.scores import SubjectScores
from runner.spec.evaluation import Gate


def subject(right, n, metric="exact_match"):
    """`right` is a count from the first row on, or a list of 0 and 1."""
    rows = [float(at < right) for at in range(n)] if isinstance(right, int) else [float(value) for value in right]
    return SubjectScores(n=n, values={metric: sum(rows) / n if n else 0.0}, rows={metric: rows})


def paired(fixed, broken, both, n):
    """Scores of tuned and base with so many rows fixed, broken and right in both."""
    neither = n - fixed - broken - both
    tuned = [1] * fixed + [0] * broken + [1] * both + [0] * neither
    base = [0] * fixed + [1] * broken + [1] * both + [0] * neither
    return {"tuned": subject(tuned, n), "base": subject(base, n), "champion": subject(base, n)}


def verdict(scores, champion="1.0.0", **gate):
    [found] = judge([Gate(**{"metric": "exact_match", **gate})], scores, champion)
    return found


BY_10 = {"beats": "base", "by": {"points": 10}}
WITHIN_10 = {"not_worse_than": "champion", "margin": {"points": 10}}


@pytest.mark.parametrize(
    ("gate", "fixed", "broken", "both", "n", "outcome", "words"),
    [
        (BY_10, 21, 2, 60, 100, "PASS", "+19.0 points measured, +10.0 points asked (21 fixed, 2 broken of 100 rows)"),
        (BY_10, 10, 0, 60, 100, "PASS", "+10.0 points measured"),  # exactly the margin
        (BY_10, 7, 0, 0, 70, "PASS", "7 fixed, 0 broken"),  # 7/70 is 0.1, whatever binary fractions say
        (BY_10, 1, 1, 60, 100, "FAIL", "at least 10 more of 100 rows right"),
        (BY_10, 9, 2, 60, 100, "INCONCLUSIVE", "a better model is needed, or about"),
        (BY_10, 6, 2, 20, 40, "INCONCLUSIVE", "enough, but it may be chance"),
        ({"beats": "base"}, 5, 0, 60, 100, "PASS", "+5.0 points measured, any gain asked"),
        ({"beats": "base"}, 0, 9, 60, 100, "FAIL", "only a better model passes"),
        ({"beats": "base"}, 0, 0, 60, 100, "INCONCLUSIVE", "no gain was measured"),
        ({"beats": "base"}, 2, 1, 60, 100, "INCONCLUSIVE", "about 780 more test rows (now 100) with the same result"),
        (WITHIN_10, 2, 2, 60, 100, "PASS", "a loss of 10.0 points or more is ruled out"),
        (WITHIN_10, 0, 40, 60, 100, "FAIL", "a loss of 10.0 points or more is certain"),
        (WITHIN_10, 2, 9, 60, 100, "INCONCLUSIVE", "with the same result would rule it out"),
        (WITHIN_10, 0, 13, 60, 100, "INCONCLUSIVE", "more than allowed, but it may be chance"),
        (WITHIN_10, 0, 10, 60, 100, "INCONCLUSIVE", "a better model or a wider margin"),
        ({"not_worse_than": "champion"}, 9, 0, 60, 100, "PASS", "a loss is ruled out"),
        ({"not_worse_than": "champion"}, 0, 0, 60, 100, "INCONCLUSIVE", "a loss is not ruled out"),
    ],
)
def test_the_rule_for_differences(gate, fixed, broken, both, n, outcome, words):
    found = verdict(paired(fixed, broken, both, n), **gate)
    assert found.outcome == outcome, found
    assert words in found.reason
    assert found.low < found.difference < found.high or found.outcome != "INCONCLUSIVE"
    assert "Bonett-Price" in found.method


@pytest.mark.parametrize(
    ("gate", "right", "n", "outcome", "words"),
    [
        ({"at_least": 0.95}, 38, 40, "PASS", "38 of 40 rows; the true rate is at least 85.1 % with 95 % confidence."),
        ({"at_least": 0.95}, 37, 40, "FAIL", "37 of 40 rows, 38 pass the gate"),
        ({"at_least": 0.95}, 40, 40, "PASS", "at least 92.8 %"),
        ({"at_most": 0.1}, 4, 40, "PASS", "the true rate is at most"),
        ({"at_most": 0.1}, 5, 40, "FAIL", "5 of 40 rows, 4 pass the gate"),
    ],
)
def test_thresholds_are_decided_on_the_measured_value(gate, right, n, outcome, words):
    found = verdict({"tuned": subject(right, n)}, **gate)
    assert (found.outcome, found.value) == (outcome, right / n)
    assert words in found.reason
    assert found.low <= found.value <= found.high


def test_few_rows_are_told():
    assert "Only 12 rows: below 30" in verdict(paired(6, 0, 6, 12), beats="base").reason
    assert "Only 12 rows: below 30" in verdict({"tuned": subject(12, 12)}, at_least=0.5).reason
    assert "Only" not in verdict(paired(6, 0, 24, 30), beats="base").reason


@pytest.mark.parametrize(
    ("by", "base_right", "n", "margin_words"),
    [
        ({"relative": "10%"}, 60, 100, "10% at base's measured 60.0 % is +6.0 points"),
        ({"error_reduction": "30%"}, 60, 100, "30% of the errors at base's measured 60.0 % is +12.0 points"),
        ({"relative": "12.5 %"}, 80, 160, "12.5 % at base's measured 50.0 % is +6.2 points"),
    ],
)
def test_relative_margins_are_converted_and_say_so(by, base_right, n, margin_words):
    scores = {"tuned": subject(n, n), "base": subject(base_right, n)}
    assert margin_words in verdict(scores, beats="base", by=by).method


def test_relative_margin_decides():
    scores = paired(12, 0, 60, 100)
    assert verdict(scores, beats="base", by={"relative": "20%"}).outcome == "PASS"
    assert verdict(scores, beats="base", by={"error_reduction": "30%"}).outcome == "PASS"
    assert verdict(scores, beats="base", by={"relative": "21%"}).outcome == "INCONCLUSIVE"


def label_scores(right, n):
    pairs = [("ab"[at % 2], "ab"[at % 2] if at < right else None) for at in range(n)]
    share = right / n
    return SubjectScores(n=n, values={"macro_f1": 2 * share / (1 + share)}, labels=pairs)


def test_macro_f1_is_compared_by_bootstrap():
    scores = {"tuned": label_scores(90, 100), "base": label_scores(40, 100), "champion": label_scores(90, 100)}
    found = verdict(scores, metric="macro_f1", **BY_10)
    assert found.outcome == "PASS"
    assert "bootstrap" in found.method
    assert found.low < found.difference < found.high
    assert verdict(scores, metric="macro_f1", beats="champion").outcome == "INCONCLUSIVE"
    alone = verdict(scores, metric="macro_f1", at_least=0.5)
    assert alone.outcome == "PASS"
    assert alone.low < alone.value < alone.high
    assert "the true value is at least" in alone.reason


def test_without_a_champion_its_gates_pass_and_say_why():
    found = verdict({"tuned": subject(1, 40)}, champion=None, not_worse_than="champion")
    assert (found.outcome, found.rival_value) == ("PASS", None)
    assert found.reason == "no champion yet: nothing to compare with"


def test_the_champion_may_be_asked_for_by_its_number():
    scores = paired(21, 2, 60, 100)
    assert verdict(scores, champion="1.2.0", beats="version:1.2.0").outcome == "PASS"
    scores["version:1.1.0"] = subject(100, 100)
    assert verdict(scores, champion="1.2.0", beats="version:1.1.0", by={"points": 0}).outcome == "FAIL"
    with pytest.raises(GituneError, match=r"compares with version:1\.0\.0, which was not scored"):
        verdict(scores, champion="1.2.0", beats="version:1.0.0")


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.floats(0, 50))
def test_a_model_never_beats_itself(right, points):
    scores = subject(right, len(right))
    margin = min(points, 100 * (1 - scores.values["exact_match"]))
    gate = Gate(metric="exact_match", beats="base", by={"points": margin})
    [found] = judge([gate], {"tuned": scores, "base": scores}, None)
    assert found.outcome != "PASS"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_swapping_tuned_and_base_negates_difference_and_bounds(rows):
    n = len(rows)
    tuned, base = subject([a for a, _ in rows], n), subject([b for _, b in rows], n)
    gate = Gate(metric="exact_match", not_worse_than="base", margin={"points": 100})
    [one] = judge([gate], {"tuned": tuned, "base": base}, None)
    [other] = judge([gate], {"tuned": base, "base": tuned}, None)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))


NAN = SubjectScores(n=2, values={"exact_match": math.nan}, rows={"exact_match": [1.0, math.nan]})


@pytest.mark.parametrize(
    ("scores", "gate", "message"),
    [
        ({}, {"at_least": 0.5}, "tuned, which was not scored"),
        ({"tuned": subject(0, 0)}, {"at_least": 0.0}, "no rows"),
        ({"tuned": NAN}, {"at_least": 0.5}, "is nan, not a value between 0 and 1"),
        ({"tuned": subject(1, 2), "base": NAN}, {"beats": "base"}, "of base is nan"),
        ({"tuned": subject(1, 2)}, {"metric": "macro_f1", "at_least": 0.5}, "was not measured for tuned"),
        ({"tuned": subject(1, 2)}, {"beats": "base"}, "base, which was not scored"),
        ({"tuned": subject(1, 2)}, {"beats": "champion"}, "champion, which was not scored"),
        ({"tuned": subject(1, 2), "base": subject(0, 3)}, {"beats": "base"}, "on 2 rows and base on 3"),
        (
            {"tuned": SubjectScores(n=2, values={"exact_match": 1.0}, rows={"exact_match": [1.0]})},
            {"at_least": 0.5},
            "1 values for 2 rows",
        ),
        (
            {"tuned": SubjectScores(n=2, values={"exact_match": 0.5}, rows={"exact_match": [0.5, math.inf]})},
            {"at_least": 0.5},
            "a row whose value is no number",
        ),
        (
            {"tuned": subject(1, 2), "base": subject(0, 2)},
            {"beats": "base", "by": {"relative": "10%"}},
            "nothing to beat",
        ),
        (
            {"tuned": subject(2, 2), "base": subject(2, 2)},
            {"beats": "base", "by": {"error_reduction": "10%"}},
            "nothing to beat",
        ),
        ({"tuned": subject(2, 2), "base": subject(2, 2)}, BY_10, "base has 100.0 %, so this asks for 110.0 %"),
        (
            {"tuned": subject(99, 100), "base": subject(95, 100)},
            {"beats": "base", "by": {"relative": "10%"}},
            "so this asks for 104.5 %",
        ),
        (
            {"tuned": label_scores(1, 4), "base": label_scores(1, 4).model_copy(update={"labels": []})},
            {"metric": "macro_f1", "beats": "base"},
            "base has 0 labels for 4 rows",
        ),
        (
            {"tuned": label_scores(1, 2), "base": label_scores(1, 2).model_copy(update={"labels": [("x", "x")] * 2})},
            {"metric": "macro_f1", "beats": "base"},
            "not scored on the same rows",
        ),
    ],
)
def test_gates_fail_closed(scores, gate, message):
    with pytest.raises(GituneError, match=message):
        verdict(scores, **gate)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["PASS", "PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["INCONCLUSIVE", "FAIL", "PASS"], "FAIL"),
    ],
)
def test_overall(outcomes, expected):
    made = [Verdict(gate="g", metric="m", outcome=outcome, value=1, n=1, method="", reason="") for outcome in outcomes]
    assert overall(made) == expected


def test_no_verdicts_are_no_pass():
    with pytest.raises(GituneError, match="no gate was judged"):
        overall([])


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (BY_10, "exact_match beats base by 10 points"),
        ({"beats": "version:1.0.0"}, "exact_match beats version:1.0.0"),
        ({"beats": "base", "by": {"relative": "10%"}}, "exact_match beats base by 10% relative"),
        ({"beats": "base", "by": {"error_reduction": "30%"}}, "exact_match beats base with 30% fewer errors"),
        (
            {"not_worse_than": "champion", "margin": {"points": 2.5}},
            "exact_match not worse than champion by more than 2.5 points",
        ),
        ({"not_worse_than": "champion"}, "exact_match not worse than champion"),
        ({"at_least": 0.95}, "exact_match at least 95.0 %"),
        ({"at_most": 0.0}, "exact_match at most 0.0 %"),
    ],
)
def test_a_gate_says_what_it_asks(gate, words):
    assert title(Gate(metric="exact_match", **gate)) == words


@pytest.mark.parametrize(
    ("gate", "has_contract", "message"),
    [
        ({"metric": "exact_mach", "at_least": 0.5}, False, "did you mean 'exact_match'"),
        ({"metric": "macro_f1", "at_least": 0.5}, False, "macro_f1, which is not measured"),
        ({"metric": "format_compliance", "at_least": 0.5}, False, "format_compliance, which is not measured"),
        ({"metric": "exact_match", "at_least": 95}, False, "lies between 0 and 1"),
        ({"metric": "exact_match", "at_most": -0.1}, False, "lies between 0 and 1"),
        ({"metric": "format_compliance", "at_least": 0.95}, True, None),
        ({"metric": "exact_match", "beats": "base"}, False, None),
    ],
)
def test_gates_are_checked_before_anything_runs(gate, has_contract, message):
    gates = [Gate(**gate)]
    if message is None:
        validate_gates(gates, ["exact_match"], has_contract=has_contract)
        return
    with pytest.raises(GituneError, match=message):
        validate_gates(gates, ["exact_match"], has_contract=has_contract)
