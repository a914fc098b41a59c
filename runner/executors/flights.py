"""Of all who want the same key one works, the others wait: across specs, processes and machines.

    with flights.claim("train", key, "support-triage", tell) as mine:
        ...  # mine: nobody else is at it; else: somebody was and has ended, so look again

A claim is a lease in the registry, kept alive by a thread. A lease without a sign of life for `ttl` seconds, by the own
clock of whoever waits, is taken over; a holder that was only stopped notices, and the record decides whose work counts.
"""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import RegistryError
from runner.executors.crew import require_going
from runner.plan.waiting import words
from runner.registry.facts import Lease
from runner.registry.presence import present
from runner.registry.views import RegistryWriter

BEAT, TTL = 10.0, 60.0
"""Seconds between two signs of life, and of silence after which a lease is taken over."""
POLLS = (0.5, 5.0)
"""Seconds between two looks at somebody else's lease: at first, and at most."""


@dataclass(slots=True)
class Watch:
    """Measures for how long a lease shows no sign of life, by this process's own clock.

    Time in which this process itself stood still does not count: the holder may have stood still with it.
    """

    clock: Callable[[], float] = time.monotonic
    since: float = field(init=False)
    quiet: float = 0.0
    _seen: tuple[str, int] | None = None
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self.since = self._at = self.clock()

    def look(self, lease: Lease) -> float:
        """Return for how many seconds this lease was seen unchanged."""
        now, seen = self.clock(), (lease.owner, lease.number)
        self.quiet = self.quiet + min(now - self._at, 2 * POLLS[1]) if seen == self._seen else 0.0
        self._seen, self._at = seen, now
        return self.quiet

    @property
    def watched(self) -> float:
        """For how many seconds somebody else was seen at it."""
        return self._at - self.since


class Flights:
    """What one apply claims.

    Args:
        registry: Where leases are.
        cache: Folder that shows other processes of this machine that this one lives.
        stop: Set when a person ends the apply.
        beat: Seconds between two signs of life.
        ttl: Seconds of silence after which another's lease is taken over.
    """

    def __init__(
        self, registry: RegistryWriter, cache: Path, stop: threading.Event, beat: float = BEAT, ttl: float = TTL
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._stop = stop
        self._beat = beat
        self._ttl = ttl
        self._owner = secrets.token_hex(16)
        self._ours: set[str] = set()
        self._changed = threading.Condition()
        self._present = ExitStack()

    @contextmanager
    def claim(self, step: str, key: str, spec: str, tell: Callable[[str], None]) -> Iterator[bool]:
        """Hold a key while the block runs.

        Args:
            step: Step that is about to run.
            key: Its key.
            spec: Name of the spec it runs for.
            tell: Told, every now and then, who is waited for.

        Yields:
            True when nobody else is at it; False when somebody was, and has ended by now.

        Raises:
            StoppedError: when the apply is ended while it waits.
        """
        require_going(self._stop)
        if not self._reserve(key, tell):
            yield False
            return
        try:
            mine = self._acquire(step, key, spec, tell)
            if mine is None:
                yield False
                return
            with _Pulse(self._registry, mine, self._beat):
                yield True
        finally:
            with self._changed:
                self._ours.discard(key)
                if not self._ours:
                    self._present.close()
                self._changed.notify_all()

    def _reserve(self, key: str, tell: Callable[[str], None]) -> bool:
        """Keep other specs of this apply from the key; False, and nothing is kept, after one of them was at it."""
        with self._changed:
            if key not in self._ours:
                # Before the first lease is written: who finds the file unlocked takes a lease for abandoned.
                if not self._ours:
                    self._present.enter_context(present(self._cache, self._owner))
                self._ours.add(key)
                return True
            tell("another spec of this apply is at it")
            while key in self._ours:
                self._changed.wait(POLLS[0])
                require_going(self._stop)
            return False

    def outwait(self, step: str, key: str, tell: Callable[[str], None]) -> tuple[Lease | None, bool]:
        """Wait while another is at a step; return its lease if that is just silent, and whether there was a wait."""
        watch, waited, pause, told_at = Watch(), False, POLLS[0], -1e9
        while (held := self._registry.lease(step, key)) is not None and watch.look(held) < self._ttl:
            waited = True
            if watch.watched - told_at >= self._ttl / 2:
                told_at = watch.watched
                tell(words(held, watch.watched))
            self._stop.wait(pause)
            require_going(self._stop)
            pause = min(pause * 1.5, POLLS[1])
        return held, waited

    def _acquire(self, step: str, key: str, spec: str, tell: Callable[[str], None]) -> Lease | None:
        """Wait while another is at it; return our lease, or None when somebody else was at it meanwhile."""
        held, waited = self.outwait(step, key, tell)
        if held is None and waited:
            return None
        last = held or self._registry.last_lease(step, key)
        mine = Lease(
            step=step,
            key=key,
            number=last.number + 1 if last else 1,
            owner=self._owner,
            host=platform.node(),
            pid=os.getpid(),
            run_url=run_url(),
            spec=spec,
            started=datetime.now(UTC),
        )
        return mine if self._registry.claim_lease(mine) else None


class _Pulse:
    """Shows that a claim is alive while a block runs, and then that it has ended."""

    def __init__(self, registry: RegistryWriter, lease: Lease, beat: float) -> None:
        self._registry = registry
        self._lease = lease
        self._beat = beat
        self._lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lease-{lease.step}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if not self._lost:
            self._show(released=True)

    def _run(self) -> None:
        while not self._over.wait(self._beat) and not self._lost:
            self._show(released=False)

    def _show(self, *, released: bool) -> None:
        following = self._lease.model_copy(update={"number": self._lease.number + 1, "released": released})
        try:
            self._lost = not self._registry.add_lease(following)
        except RegistryError:
            return  # out of reach just now: tried again, unless somebody takes the silence for a death
        self._lease = following


def run_url() -> str | None:
    """Return the page of the CI run that this process belongs to."""
    parts = [os.environ.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else None
