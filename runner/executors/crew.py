"""Several pieces of work at a time, each in a thread of its own: `work_through(items, work, at_once, stop)`.

The threads do not keep the process from ending: a person who is told that it stops, and will not wait, need not.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from runner.errors import GituneError

Item = TypeVar("Item")


class StoppedError(GituneError):
    """A person ended the apply before this was done."""


def require_going(stop: threading.Event) -> None:
    """Refuse to go on after a person ended the apply.

    Raises:
        StoppedError: when one did.
    """
    if stop.is_set():
        raise StoppedError("stopped", hint="the next apply goes on from here")


def _next(waiting: deque[Item]) -> Item | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def work_through(items: Sequence[Item], work: Callable[[Item], None], at_once: int, stop: Callable[[], None]) -> None:
    """Do the work on every item, in their order as far as there is only one at a time.

    Args:
        items: what there is to do.
        work: does it; what it raises ends everything.
        at_once: how many at a time, at most.
        stop: makes what is under way end soon; called when this is interrupted, or a piece of work broke down.
    """
    waiting, broken = deque(items), list[BaseException]()
    # Not Thread.join(): in Python 3.11 one that was interrupted takes the thread for ended.
    ended, started = threading.Semaphore(0), 0

    def take() -> None:
        try:
            while not broken and (item := _next(waiting)) is not None:
                work(item)
        except BaseException as error:  # noqa: BLE001 - raised again where the work was asked for
            broken.append(error)
            stop()
        finally:
            ended.release()

    def wait() -> None:
        nonlocal started
        while started:
            ended.acquire()
            started -= 1

    try:
        for number in range(min(at_once, len(items))):
            threading.Thread(target=take, name=f"crew-{number}", daemon=True).start()
            started += 1
        wait()
    except BaseException:
        # What cleans up after itself gets the time to; a second interruption ends this wait too.
        waiting.clear()
        stop()
        wait()
        raise
    if broken:
        raise broken[0]
