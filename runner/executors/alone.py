"""Garbage collection and deployments keep out of each other's way, whichever process and machine they are in.

Gc shows its lease and then looks for deployments; a deployment shows its own and then looks for gc. So one of the two
sees the other: what is released is judged either before gc deletes or after, never while it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from runner.errors import GituneError
from runner.executors.flights import Flights
from runner.registry.views import RegistryWriter

LEASE = ("gc", "store")
"""Step and key of gc's lease."""


def outwait_gc(flights: Flights, tell: Callable[[str], None]) -> None:
    """Wait until no gc deletes anything; called while a deployment is claimed."""
    flights.outwait(*LEASE, tell)


@contextmanager
def alone(registry: RegistryWriter, cache: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep deployments waiting while the block deletes.

    Args:
        registry: main's.
        cache: as for `Flights`.
        tell: told, every now and then, who is waited for.

    Raises:
        GituneError: when a deployment has begun, or another gc was at work.
    """
    with Flights(registry, cache, Event()).claim(*LEASE, "-", tell) as mine:
        if not mine:
            raise GituneError("another gc was at work until now", hint="run it again: it looks at what is left")
        for lease in registry.leases():
            if lease.step == "deploy":
                ends = f"`gitune registry unlock deploy/{lease.key[:12]}` ends its claim if it was killed"
                what = f"nothing was deleted: {lease.spec} is being deployed ({lease.holder})"
                raise GituneError(what, hint=f"run gc again when that is over; {ends}")
        yield
