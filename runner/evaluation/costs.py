"""`cost_per_1000`: US dollars for a thousand requests like those of the test split.

Where tokens have a price (`prices.tokens`): a thousand times the mean number of tokens of prompt and answer, each at
its price. Else, on a machine paid by the hour: a thousand times the median latency of one request at a time. That is an
upper bound, for a server answers several requests at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

REQUESTS = 1000
MILLION = 1e6
HOUR = 3600.0


def cost_per_1000(
    prices: Mapping[str, float],
    prompt_tokens: float | None,
    completion_tokens: float | None,
    latency_p50: float | None,
) -> float | None:
    """Return the cost; None where a figure that it is made of was not measured.

    Args:
        prices: of tokens or of an hour, as `evaluation.outside.prices_of` returns them.
        prompt_tokens: mean over the prompts.
        completion_tokens: mean over the answers.
        latency_p50: median seconds of a request.
    """
    if "usd_per_hour" in prices:
        return None if latency_p50 is None else REQUESTS * latency_p50 * prices["usd_per_hour"] / HOUR
    if prompt_tokens is None or completion_tokens is None:
        return None
    paid = prompt_tokens * prices["input_per_million"] + completion_tokens * prices["output_per_million"]
    return REQUESTS * paid / MILLION


def mean_tokens(answers: bytes) -> tuple[float | None, float | None]:
    """Return the mean number of tokens of a prompt and of an answer, from stored answers; None where there are none."""
    found = [json.loads(line) for line in answers.splitlines() if line]
    if not found:
        return None, None
    sums = [sum(answer[field] for answer in found) for field in ("prompt_tokens", "completion_tokens")]
    return sums[0] / len(found), sums[1] / len(found)
