"""Where the line of a gate lies on the axis of its bounds."""

import pytest

from runner.evaluation.gates import judge
from runner.evaluation.scores import SubjectScores
from runner.evaluation.thresholds import threshold_of
from runner.spec.models import Gate


@pytest.mark.parametrize(
    ("gate", "rival", "line"),
    [
        ({"beats": "base"}, 0.5, 0.0),
        ({"beats": "base", "by": {"points": 10}}, 0.5, 0.1),
        ({"beats": "base", "by": {"relative": "10%"}}, 0.5, 0.05),
        ({"beats": "base", "by": {"error_reduction": "30 %"}}, 0.6, 0.12),
        ({"not_worse_than": "champion", "margin": {"points": 2}}, 0.5, -0.02),
        ({"not_worse_than": "champion"}, 0.5, 0.0),
        ({"not_worse_than": "champion", "margin": {"points": 2}}, None, None),
        ({"at_least": 0.95}, None, 0.95),
        ({"at_most": 0.0}, None, 0.0),
    ],
)
def test_the_line_of_a_gate(gate, rival, line):
    assert threshold_of(Gate.model_validate({"metric": "exact_match", **gate}), rival) == (
        None if line is None else pytest.approx(line)
    )


def test_where_lower_is_better_the_line_lies_below():
    gate = Gate.model_validate({"metric": "latency_p50", "beats": "base", "by": {"relative": "10%"}})
    assert threshold_of(gate, 2.0) == pytest.approx(-0.2)


def test_a_verdict_carries_its_line():
    def scored(right):
        rows = {"exact_match": [1.0] * right + [0.0] * (100 - right)}
        return SubjectScores(n=100, values={"exact_match": right / 100}, rows=rows)

    gates = [Gate.model_validate({"metric": "exact_match", "beats": "base", "by": {"points": 10}})]
    (verdict,) = judge(gates, {"base": scored(40), "tuned": scored(80)}, None)
    assert verdict.threshold == pytest.approx(0.1)
