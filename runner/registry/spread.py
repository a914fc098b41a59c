"""Do the same to many objects of a store, several at a time; Ctrl-C ends it after those that are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 8
"""More than a disk needs, enough to hide the latency of an object store."""


def spread(do: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield what `do` returns for each item, in their order; when the caller stops early, nothing more is begun."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield from pool.map(do, items)
    finally:
        pool.shutdown(cancel_futures=True)
