"""Earlier verdicts about a proposal, kept in its comment: one hidden line that a person never sees.

They are told to people and decide nothing: whoever edits the comment edits only what it says of the past.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from runner.proposals.model import Conclusion
from runner.report.escape import clean
from runner.report.parts import ReportPart

MOST = 20
"""Verdicts that are kept, the newest."""
HEADLINE = 200
"""Characters of a headline that are kept."""

_LARGEST = 100_000  # bytes; what unpacks to more was not written here
# The alphabet of base64url holds no `>`, so nothing inside can end the comment.
_LINE = re.compile(r"^<!-- gitune:history ([A-Za-z0-9_=-]+) -->$", re.MULTILINE)


class PastVerdict(ReportPart):
    """What was said of one commit."""

    sha: str
    """The commit."""
    conclusion: Conclusion
    """What the check said."""
    headline: str
    """The verdict in words."""
    at: datetime | None = None
    """When it was said, UTC."""
    run_url: str | None = None
    """The run that said it."""


_PAST = TypeAdapter(list[PastVerdict])


def read_history(body: str) -> list[PastVerdict]:
    """Return the verdicts that a comment of ours keeps, newest first; none where the line is missing or damaged."""
    found = _LINE.search(body.replace("\r\n", "\n"))
    if found is None:
        return []
    unpacker = zlib.decompressobj()
    try:
        packed = base64.urlsafe_b64decode(found[1])
        return _PAST.validate_json(unpacker.decompress(packed, _LARGEST))[:MOST]
    except (ValueError, zlib.error, ValidationError):
        return []


def write_history(verdicts: Sequence[PastVerdict]) -> str:
    """Return the hidden line that keeps them."""
    kept = [_kept(one) for one in verdicts[:MOST]]
    return f"<!-- gitune:history {base64.urlsafe_b64encode(zlib.compress(_PAST.dump_json(kept))).decode()} -->"


def _kept(one: PastVerdict) -> PastVerdict:
    """Return it without half characters, which no JSON can hold, and no longer than a line."""
    url = one.run_url and clean(one.run_url)
    return one.model_copy(update={"sha": clean(one.sha), "headline": clean(one.headline)[:HEADLINE], "run_url": url})


def with_verdict(now: PastVerdict, earlier: Sequence[PastVerdict]) -> list[PastVerdict]:
    """Put the verdict of now before the earlier ones.

    What was pending is no verdict any more. The same verdict about the same commit keeps its time, so that nothing
    new reads as nothing new.
    """
    first = now
    for one in earlier:
        if _is_same(one, now) and one.headline == _kept(now).headline:
            first = now.model_copy(update={"at": one.at, "run_url": one.run_url})
    past = [one for one in earlier if one.conclusion != "pending" and not _is_same(one, now)]
    return [first, *past][:MOST]


def _is_same(one: PastVerdict, other: PastVerdict) -> bool:
    return (one.sha, one.conclusion) == (other.sha, other.conclusion)
