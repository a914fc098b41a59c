"""The self-test finds honest gates calibrated, and would find others out."""

import random

import pytest

from runner.errors import GituneError
from runner.evaluation import selftest as tested
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.selftest import selftest
from runner.spec.evaluation import Gate


def scores(n=80, groups=None):
    rng = random.Random(1)
    rows = {
        "base": [float(rng.random() < 0.4) for _ in range(n)],
        "tuned": [float(rng.random() < 0.8) for _ in range(n)],
    }
    made = {
        name: SubjectScores(
            n=n,
            values={"exact_match": sum(values) / n, "similarity": sum(values) / n},
            rows={"exact_match": values, "similarity": [value * 0.5 + 0.2 for value in values]},
        )
        for name, values in rows.items()
    }
    return Scores(rows=[str(at) for at in range(n)], groups=groups, subjects=made)


BY_10 = Gate(metric="exact_match", beats="base", by={"points": 10})


@pytest.mark.parametrize("groups", [None, [str(at // 2) for at in range(80)]])
def test_gates_pass_equal_models_rarely_and_better_ones_often(groups):
    [found] = selftest([BY_10, Gate(metric="exact_match", at_least=0.5)], scores(groups=groups), tries=400)
    assert found.ok
    assert found.identical != "PASS"
    assert found.false_passes <= 0.05
    assert [round(100 * one.gain) for one in found.planted] == [0, 10, 15, 20, 30]
    shares = [one.passed for one in found.planted]
    assert shares == sorted(shares)
    assert shares[0] <= 0.05
    assert 0.3 < shares[1] < 0.7
    assert shares[-1] > 0.95


@pytest.mark.parametrize("relative", [{}, {"by": {"relative": "10%"}}])
def test_a_gate_with_a_slice_is_tried_on_all_its_values(relative):
    known = scores().model_copy(update={"slices": {"language": ["en", "fr"] * 40}})
    gate = Gate(metric="exact_match", beats="base", slice="language", **relative)
    [found] = selftest([gate], known, tries=200)
    assert found.ok
    assert found.identical != "PASS"
    assert found.planted[-1].passed > 0.8


def test_a_gate_that_no_planted_gain_passes_is_found_out():
    [found] = selftest([BY_10], scores(n=12), tries=50)
    assert found.planted
    assert found.is_strict_enough
    assert not found.can_see
    assert not found.ok


def test_the_same_scores_give_the_same_result():
    assert selftest([BY_10], scores(), tries=50) == selftest([BY_10], scores(), tries=50)


def test_graded_metrics_are_tried_without_planting():
    [found] = selftest([Gate(metric="similarity", beats="base")], scores(40), tries=60)
    assert (found.ok, found.planted) == (True, ())


def test_a_gate_on_the_measured_gain_alone_is_found_out(monkeypatch):
    """What other tools do: pass whenever the number went up."""

    def by_point(gates, judged, champion, draws=None):
        honest = judge(gates, judged, champion, draws=draws)
        return [one.model_copy(update={"outcome": "PASS" if one.difference > 0 else "FAIL"}) for one in honest]

    judge = tested.judge
    monkeypatch.setattr(tested, "judge", by_point)
    [found] = selftest([Gate(metric="exact_match", beats="base")], scores(), tries=200)
    assert not found.ok
    assert found.false_passes > 0.3


def test_a_spec_that_asks_for_no_gain_has_nothing_to_try():
    with pytest.raises(GituneError, match="no gate asks for a gain"):
        selftest([Gate(metric="exact_match", at_least=0.5)], scores())
