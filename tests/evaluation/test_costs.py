import pytest

from runner.evaluation.costs import cost_per_1000, mean_tokens

TOKENS = {"input_per_million": 0.5, "output_per_million": 2.0}
HOURLY = {"usd_per_hour": 3.6}


@pytest.mark.parametrize(
    ("prices", "figures", "cost"),
    [
        (TOKENS, (200, 50, None), 1000 * (200 * 0.5 + 50 * 2) / 1e6),
        (TOKENS, (200, 50, 9.0), 0.2),
        (TOKENS, (None, 50, 1.0), None),
        (TOKENS, (200, None, 1.0), None),
        (HOURLY, (200, 50, 0.5), 0.5),
        (HOURLY, (None, None, 0.5), 0.5),
        (HOURLY, (200, 50, None), None),
        ({"usd_per_hour": 0.0}, (None, None, 0.5), 0.0),
    ],
)
def test_cost(prices, figures, cost):
    assert cost_per_1000(prices, *figures) == (cost if cost is None else pytest.approx(cost))


def test_means_of_stored_answers():
    lines = b'{"prompt_tokens": 10, "completion_tokens": 2}\n{"prompt_tokens": 30, "completion_tokens": 3}\n'
    assert mean_tokens(lines) == (20.0, 2.5)
    assert mean_tokens(b"") == (None, None)
