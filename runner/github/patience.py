"""How long we wait for GitHub: what is busy, limited or out of order is asked again, for two minutes at most in all."""

from __future__ import annotations

import time
from typing import Any, Self

from github.GithubException import RateLimitExceededExceedsMaxWait
from github.GithubRetry import GithubRetry

LONGEST = 120.0
"""Seconds that one request may take, all tries and pauses together."""

_TRIES = 6


class Patience(GithubRetry):
    """PyGithub's rules of what is asked again (5xx, both kinds of rate limits, lost connections), with an end.

    PyGithub waits as long as `Retry-After` says, be it an hour, and up to a minute for each try. A job that trains
    nothing is better begun again than kept waiting.
    """

    began: float | None = None
    """When the first try failed, by the monotonic clock."""

    @classmethod
    def usual(cls) -> Self:
        """Return what every request starts with.

        Edits are asked again too (`allowed_methods`): to write the same text twice is to write it once.
        """
        return cls(total=_TRIES, backoff_factor=0.5, max_rate_limit_wait=LONGEST, allowed_methods=None)

    def increment(
        self, method: str | None = None, url: str | None = None, response: Any = None, *rest: Any, **named: Any
    ) -> Any:
        """Count a try that failed.

        Raises:
            RateLimitExceededExceedsMaxWait: when the next one would come too late.
        """
        began = time.monotonic() if self.began is None else self.began
        following: Any = super().increment(method, url, response, *rest, **named)
        pause = (following.get_retry_after(response) if response is not None else None) or following.get_backoff_time()
        if time.monotonic() + pause - began > LONGEST:
            status = 0 if response is None else response.status
            told = {"message": f"rate limit or outage: it wants {pause:.0f} s more, and nobody waits that long"}
            raise RateLimitExceededExceedsMaxWait(status, told, None, wait=pause)
        following.began = began
        return following
