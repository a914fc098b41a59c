"""Gates beyond one number of right rows: proof, other units, lower is better, leaked rows, groups and slices."""

import random

import pytest

from runner.errors import GituneError
from runner.evaluation.conditions import title, validate_gates
from runner.evaluation.gates import judge
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.warnings import warnings_of
from runner.spec.evaluation import Gate


def subject(values, metric="exact_match"):
    values = [float(value) for value in values]
    return SubjectScores(n=len(values), values={metric: sum(values) / len(values)}, rows={metric: values})


def paired(fixed, broken, both, n, **more):
    neither = n - fixed - broken - both
    tuned = [1] * fixed + [0] * broken + [1] * both + [0] * neither
    base = [0] * fixed + [1] * broken + [1] * both + [0] * neither
    return Scores(rows=[str(at) for at in range(n)], subjects={"tuned": subject(tuned), "base": subject(base)}, **more)


def verdict(scores, **gate):
    [found] = judge([Gate(**{"metric": "exact_match", **gate})], scores, None)
    return found


BY_10 = {"beats": "base", "by": {"points": 10}}


@pytest.mark.parametrize(
    ("gate", "fixed", "broken", "outcome", "words"),
    [
        (BY_10, 21, 2, "PASS", "the true gain is more than +11.2 points"),
        ({**BY_10, "proof": "strict"}, 21, 2, "PASS", "the true gain is more than +11.2 points"),
        (BY_10, 15, 2, "PASS", "the true gain is more than +6."),
        (
            {**BY_10, "proof": "strict"},
            15,
            2,
            "INCONCLUSIVE",
            "more test rows (now 100) with the same result would show a gain of +10.0",
        ),
        (
            {**BY_10, "proof": "strict"},
            10,
            0,
            "INCONCLUSIVE",
            "exactly what is asked, which no number of rows can prove",
        ),
        ({**BY_10, "proof": "strict"}, 1, 1, "FAIL", "is ruled out"),
    ],
)
def test_strict_proof_asks_for_the_bound(gate, fixed, broken, outcome, words):
    found = verdict(paired(fixed, broken, 60, 100), **gate)
    assert found.outcome == outcome
    assert words in found.reason


@pytest.mark.parametrize(
    ("gate", "right", "n", "outcome", "words"),
    [
        ({"at_least": 0.95, "proof": "strict"}, 59, 59, "PASS", "at least 95.0 %"),
        (
            {"at_least": 0.95, "proof": "strict"},
            58,
            58,
            "INCONCLUSIVE",
            "not even 58 would prove it: more rows are needed",
        ),
        ({"at_least": 0.95, "proof": "strict"}, 92, 93, "PASS", "at least 95.0 %"),
        ({"at_least": 0.95, "proof": "strict"}, 91, 93, "INCONCLUSIVE", "92 prove it"),
        ({"at_least": 0.95, "proof": "strict"}, 50, 93, "FAIL", "92 prove it"),
        ({"at_most": 0.05, "proof": "strict"}, 0, 59, "PASS", "at most 5.0 %"),
        ({"at_most": 0.05, "proof": "strict"}, 0, 58, "INCONCLUSIVE", "more rows are needed"),
        ({"at_most": 0.05, "proof": "strict"}, 40, 93, "FAIL", "prove it"),
    ],
)
def test_strict_thresholds_ask_for_the_bound(gate, right, n, outcome, words):
    """59 rows without a failure prove 95 %, and 93 with one (shared/research/eval.md, section 0)."""
    found = verdict({"tuned": subject([1] * right + [0] * (n - right))}, **gate)
    assert found.outcome == outcome
    assert words in found.reason


@pytest.mark.parametrize(
    ("cells", "by", "chance"),
    [
        # Both right, fixed, broken, both wrong; shared/research/eval.md, section 3.
        ((60, 8, 2, 30), {"relative": "10%"}, 0.44),
        ((85, 8, 1, 6), {"relative": "8%"}, None),
    ],
)
def test_a_relative_margin_is_told_with_its_probability(cells, by, chance):
    both, fixed, broken, _ = cells
    found = verdict(paired(fixed, broken, both, sum(cells)), beats="base", by=by)
    assert 0 < found.chance < 1
    if chance is not None:
        assert found.chance == pytest.approx(chance, abs=0.02)


def test_strict_proof_of_a_relative_margin_is_its_probability():
    scores = paired(8, 2, 60, 100)
    assert verdict(scores, beats="base", by={"relative": "9%"}).outcome == "PASS"
    found = verdict(scores, beats="base", by={"relative": "9%"}, proof="strict")
    assert found.outcome == "INCONCLUSIVE"
    assert "only, not 95 %" in found.reason
    assert verdict(paired(30, 1, 60, 100), beats="base", by={"relative": "10%"}, proof="strict").outcome == "PASS"


def measured(metric, tuned, base):
    made = {name: SubjectScores(n=40, values={metric: value}) for name, value in (("tuned", tuned), ("base", base))}
    return Scores(subjects=made)


@pytest.mark.parametrize(
    ("gate", "tuned", "base", "outcome", "words"),
    [
        ({"at_most": 2.0}, 1.5, 9.0, "PASS", "1.50 s measured, once and without an interval."),
        ({"at_most": 1.0}, 1.5, 9.0, "FAIL", "1.50 s measured"),
        ({"beats": "base"}, 1.0, 2.0, "PASS", "+1.00 s measured, any gain asked, less is better: measured once"),
        ({"beats": "base", "by": {"relative": "60%"}}, 1.0, 2.0, "FAIL", "+1.20 s asked"),
        ({"beats": "base", "by": {"relative": "50%"}}, 1.0, 2.0, "PASS", "+1.00 s asked"),
        ({"not_worse_than": "base", "margin": {"relative": "20%"}}, 2.4, 2.0, "PASS", "-0.40 s measured"),
        (
            {"not_worse_than": "base", "margin": {"relative": "10%"}},
            2.4,
            2.0,
            "FAIL",
            "a loss of up to 0.20 s is tolerated",
        ),
        ({"not_worse_than": "base"}, 2.0, 2.0, "PASS", "measured once"),
    ],
)
def test_latencies_are_compared_as_measured_and_less_is_better(gate, tuned, base, outcome, words):
    found = verdict(measured("latency_p50", tuned, base), metric="latency_p50", **gate)
    assert found.outcome == outcome, found.reason
    assert words in found.reason
    assert (found.low, found.high, found.unit) == (None, None, "seconds")


def test_shorter_answers_beat_longer_ones():
    rng = random.Random(1)
    long = [rng.randint(20, 60) for _ in range(50)]
    scores = Scores(
        subjects={
            "tuned": subject([length - 5 for length in long], "answer_tokens"),
            "base": subject(long, "answer_tokens"),
        }
    )
    found = verdict(scores, metric="answer_tokens", beats="base")
    assert (found.outcome, found.difference) == ("PASS", -5.0)
    assert found.low <= -5 < found.high < 0
    assert "+5.0 tokens measured" in found.reason
    worse = Scores(subjects={"tuned": scores.subjects["base"], "base": scores.subjects["tuned"]})
    assert verdict(worse, metric="answer_tokens", not_worse_than="base").outcome == "FAIL"


def test_leaked_rows_do_not_help():
    """80 rows, of which 30 that training nearly holds are all fixed: without them nothing was gained."""
    scores = paired(30, 0, 25, 80, near=[True] * 30 + [False] * 50)
    found = verdict(scores, **BY_10)
    assert (found.outcome, found.n, found.without_near) == ("FAIL", 50, 30)
    assert "This is without the 30 of 80 test rows that have a near neighbour" in found.reason
    assert "with them it is PASS" in found.reason


def test_leaked_rows_that_are_no_easier_change_nothing():
    found = verdict(paired(30, 0, 25, 80, near=[False] * 50 + [True] * 30), **BY_10)
    assert (found.outcome, found.n, found.without_near) == ("PASS", 80, None)
    assert "no lower without the 30 of 80" in found.reason


def test_where_nearly_all_rows_are_leaked_it_is_told():
    scores = paired(30, 0, 25, 80, near=[True] * 70 + [False] * 10)
    found = verdict(scores, **BY_10)
    assert (found.outcome, found.n) == ("PASS", 80)
    assert "10 are left: too few to be judged by themselves" in found.reason
    assert "70 of 80 test rows have a near neighbour" in warnings_of(scores, [], {})[0]


def test_rows_that_only_one_model_answered_are_not_enough_to_be_judged_apart():
    """A lost champion answered rows that are near to training, and few of the others: 0 of 30, or 15."""
    for answered in (0, 15):
        base = [0.0] * 50 + [0.0] * answered + [None] * (30 - answered)
        lost = SubjectScores(
            n=50 + answered,
            values={"exact_match": 0.0},
            rows={"exact_match": base},
            unanswered=range(50 + answered, 80),
        )
        subjects = {"tuned": subject([1] * 50 + [0] * 30), "base": lost}
        near = [True] * 50 + [False] * 30
        found = verdict(Scores(rows=[str(at) for at in range(80)], near=near, subjects=subjects), beats="base")
        assert (found.outcome, found.n, found.left_out) == ("PASS", 50 + answered, 30 - answered)
        assert f"{answered} are left: too few" in found.reason


@pytest.mark.parametrize(("tuned", "outcome"), [(30, "PASS"), (0, "INCONCLUSIVE")])
def test_of_nothing_nothing_may_be_lost(tuned, outcome):
    """A base that has no row right cannot be undercut; to lose a tenth of it is to lose nothing."""
    found = verdict(paired(tuned, 0, 0, 60), not_worse_than="base", margin={"relative": "10%"})
    assert (found.outcome, found.threshold) == (outcome, 0)


def test_rows_of_one_group_count_once():
    """60 rows of 6 customers, all 20 fixed rows with two of them: without groups a clear gain."""
    groups = [str(at // 10) for at in range(60)]
    assert verdict(paired(20, 0, 20, 60), **BY_10).outcome == "PASS"
    found = verdict(paired(20, 0, 20, 60, groups=groups), **BY_10)
    assert found.outcome == "INCONCLUSIVE"
    assert "6 clusters" in found.method
    assert "Only 6 groups of rows" in found.reason


def sliced(parts):
    """Scores with a slice `language`, from (value, fixed, broken, both right, rows)."""
    tuned, base, values = [], [], []
    for name, fixed, broken, both, n in parts:
        tuned += [1] * fixed + [0] * broken + [1] * both + [0] * (n - fixed - broken - both)
        base += [0] * fixed + [1] * broken + [1] * both + [0] * (n - fixed - broken - both)
        values += [name] * n
    made = {"tuned": subject(tuned), "base": subject(base)}
    return Scores(rows=[str(at) for at in range(len(values))], slices={"language": values}, subjects=made)


IN_EACH = {"not_worse_than": "base", "margin": {"points": 5}, "slice": "language"}


@pytest.mark.parametrize(
    ("parts", "gate", "outcome", "words"),
    [
        ([("en", 5, 1, 40, 60), ("fr", 2, 1, 20, 30)], IN_EACH, "PASS", "none of 2 is below it"),
        ([("en", 5, 1, 40, 60), ("fr", 0, 20, 5, 30)], IN_EACH, "FAIL", "shown to miss it: fr -66.7 points (n = 30)"),
        (
            [("en", 5, 1, 40, 60), ("fr", 1, 4, 15, 30)],
            IN_EACH,
            "INCONCLUSIVE",
            "may be chance: fr -10.0 points (n = 30)",
        ),
        ([("en", 5, 1, 40, 60), ("it", 0, 9, 0, 9)], IN_EACH, "PASS", "fewer than 20 rows, not judged: it (9)"),
        ([("en", 5, 1, 10, 19), ("it", 0, 0, 5, 9)], IN_EACH, "INCONCLUSIVE", "no language has 20 rows"),
        ([("en", 5, 1, 40, 60), ("it", 0, 9, 0, 9)], {**IN_EACH, "min_rows": 5}, "FAIL", "it -100.0 points"),
        (
            [("en", 0, 0, 58, 60), ("fr", 0, 0, 10, 30)],
            {"at_least": 0.9, "slice": "language"},
            "FAIL",
            "fr 33.3 % (n = 30)",
        ),
        (
            [("en", 0, 0, 58, 60), ("fr", 0, 0, 26, 30)],
            {"at_least": 0.9, "slice": "language"},
            "INCONCLUSIVE",
            "fr 86.7 %",
        ),
        ([("en", 5, 1, 40, 60)], {**IN_EACH, "proof": "strict"}, "PASS", "all 1 prove it"),
        # No model can gain 10 points in `fr`, and 10 % of nothing is nothing: neither keeps others from being judged.
        (
            [("en", 30, 0, 20, 60), ("fr", 0, 0, 30, 30)],
            {**BY_10, "slice": "language"},
            "FAIL",
            "miss it: fr +0.0 points",
        ),
        (
            [("en", 20, 0, 20, 60), ("fr", 10, 0, 0, 30)],
            {"beats": "base", "by": {"relative": "10%"}, "slice": "language"},
            "PASS",
            "none of 2 is below it",
        ),
        (
            [("en", 0, 0, 40, 60), ("fr", 0, 0, 20, 30)],
            {"beats": "base", "slice": "language"},
            "INCONCLUSIVE",
            "On all",
        ),
        (
            [("en", 2, 1, 40, 60), ("fr", 2, 1, 20, 30)],
            {"beats": "base", "slice": "language"},
            "INCONCLUSIVE",
            "chance",
        ),
        ([("en", 1, 1, 18, 30)], {**IN_EACH, "proof": "strict"}, "INCONCLUSIVE", "not proven"),
    ],
)
def test_each_slice_is_judged(parts, gate, outcome, words):
    found = verdict(sliced(parts), **gate)
    assert found.outcome == outcome, found.reason
    assert words in found.reason
    assert {one.slice: one.n for one in found.slices} == {name: n for name, *_, n in parts}


def test_no_slice_fails_by_chance_more_than_one_time_in_twenty():
    """Ten slices of 20 rows of two equally good models; without Holm's method 8 % fail."""
    rng, tries = random.Random(2), 400
    failed = 0
    for _ in range(tries):
        parts = []
        for name in "abcdefghij":
            changes = [rng.random() for _ in range(20)]
            parts.append((name, sum(c < 0.1 for c in changes), sum(0.1 <= c < 0.2 for c in changes), 8, 20))
            parts[-1] = (*parts[-1][:3], min(8, 20 - parts[-1][1] - parts[-1][2]), 20)
        failed += verdict(sliced(parts), not_worse_than="base", slice="language").outcome == "FAIL"
    assert failed <= 0.05 * tries


def test_a_slice_that_scores_do_not_know_is_an_error():
    with pytest.raises(GituneError, match="no slice 'country'"):
        verdict(sliced([("en", 5, 1, 40, 60)]), not_worse_than="base", slice="country")


@pytest.mark.parametrize(
    "broken",
    [{"groups": ["a"] * 3}, {"near": [True]}, {"slices": {"language": ["en"]}}],
)
def test_parts_of_scores_speak_of_the_same_rows(broken):
    with pytest.raises(GituneError, match="for 40 test rows"):
        verdict(paired(5, 1, 20, 40, **broken), beats="base")


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"metric": "latency_p50", "beats": "base", "by": {"points": 10}}, "does not lie between 0 and 1"),
        ({"metric": "overfit_gap", "beats": "base"}, "no other model is measured by it"),
        ({"metric": "latency_p50", "at_most": 2, "proof": "strict"}, "has no interval, so nothing can be proven"),
        ({"metric": "latency_p50", "at_most": 2, "slice": "language"}, "has no slices"),
        ({"metric": "answer_tokens", "beats": "base", "by": {"error_reduction": "10%"}}, "write `relative`"),
        ({"metric": "exact_match", "at_least": 0.5, "slice": "country"}, "none of evaluation.slices"),
        ({"metric": "exact_match", "at_least": 95}, "95 % is written 0.95"),
        ({"metric": "latency_p50", "at_most": 2.5}, None),
        ({"metric": "overfit_gap", "at_most": 1.5}, None),
        ({"metric": "exact_match", "at_least": 0.5, "slice": "language"}, None),
    ],
)
def test_gates_that_make_no_sense_are_refused(gate, message):
    metrics = ["exact_match", "latency_p50", "answer_tokens", "overfit_gap"]
    if message is None:
        validate_gates([Gate(**gate)], metrics, has_contract=False, slices=["language"])
        return
    with pytest.raises(GituneError) as caught:
        validate_gates([Gate(**gate)], metrics, has_contract=False, slices=["language"])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"metric": "latency_p95", "at_most": 2}, "latency_p95 at most 2.00 s"),
        (
            {"metric": "exact_match", **IN_EACH},
            "exact_match not worse than base by more than 5 points in each language",
        ),
        ({"metric": "exact_match", **BY_10, "proof": "strict"}, "exact_match beats base by 10 points, proven"),
        (
            {"metric": "latency_p50", "not_worse_than": "champion", "margin": {"relative": "10%"}},
            "latency_p50 not worse than champion by more than 10%",
        ),
    ],
)
def test_what_a_gate_asks_in_its_unit(gate, words):
    assert title(Gate(**gate)) == words


def test_learning_by_heart_is_told_unless_a_gate_asks():
    scores = measured("exact_match", 0.9, 0.0)
    overfitted = {"train_loss": 1.0, "validation_loss": 1.45}
    assert "45.0 % above" in warnings_of(scores, [], overfitted)[0]
    assert warnings_of(scores, [Gate(metric="overfit_gap", at_most=0.5)], overfitted) == []
    for losses in ({"train_loss": 1.0, "validation_loss": 1.29}, {"train_loss": 1.0, "validation_loss": None}, {}):
        assert warnings_of(scores, [], losses) == []
