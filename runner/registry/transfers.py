"""Moving the files of an artifact: several at once, with signs of life, and all stop when one fails.

moved = Transfer("storing", total, report)
stored = moved.together(lambda path: put(moved.counted(chunks_of(path))), paths)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from runner.progress import Progress, Report

Item = TypeVar("Item")
Result = TypeVar("Result")

# Files under way at once: enough to hide the answering time of a store, few enough for a thin line and little memory.
AT_ONCE = 4
# Seconds before the first sign of life, and between two: what is over in a moment needs none.
QUIET, EVERY = 1.0, 0.5
_MB = 1_000_000


class Transfer:
    """Counts the bytes of one artifact on their way, and tells of them.

    Args:
        what: What is being done, in a word or two.
        total: Bytes of the whole artifact.
        report: Who is told.
    """

    def __init__(self, what: str, total: int, report: Report) -> None:
        self._what, self._total, self._report = what, total, report
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._started = time.monotonic()
        self._next = self._started + QUIET
        self._done = self._skipped = 0

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass bytes on and count them; an exception ends it when another file has failed."""
        for chunk in chunks:
            if self._stopped.is_set():
                raise _StoppedError
            yield chunk
            self._add(len(chunk))

    def skip(self, size: int) -> None:
        """Count bytes that were there already."""
        with self._lock:
            self._skipped += size

    def together(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Do some work on every item, a few at a time, and return what came of each in order.

        The first error ends the others too, and is raised once they have ended. So is Ctrl-C.
        """
        if len(items) < 2:  # noqa: PLR2004 - one needs no company
            return [work(item) for item in items]
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

        with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                if not all(future.done() and not future.exception() for future in futures):
                    self._stopped.set()
                    pool.shutdown(cancel_futures=True)
        errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
        for error in errors:
            if not isinstance(error, _StoppedError):
                raise error
        return [future.result() for future in futures]

    def _add(self, size: int) -> None:
        with self._lock:
            self._done += size
            now = time.monotonic()
            if now < self._next:
                return
            self._next = now + EVERY
            speed = self._done / (now - self._started) / _MB
            done, total = (round(count / _MB) for count in (self._done + self._skipped, self._total))
            self._report(Progress(self._what, done, total, "MB", f"{speed:.0f} MB/s"))


class _StoppedError(Exception):
    """Another file of the same artifact has failed."""
