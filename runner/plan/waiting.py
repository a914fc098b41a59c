"""A step that would run, while another run is at it -> WAIT."""

from __future__ import annotations

from dataclasses import replace

from runner.plan.decision import Decision
from runner.registry.facts import Lease
from runner.registry.views import RegistryReader


def or_wait(decision: Decision, reader: RegistryReader) -> Decision:
    """Return WAIT in place of RUN where somebody holds the key.

    A plan never waits to see whether the holder is alive: an apply does, and goes on when it is not.
    """
    if decision.action != "RUN" or decision.key is None:
        return decision
    lease = reader.lease(decision.step, decision.key)
    return decision if lease is None else replace(decision, action="WAIT", reason=words(lease), code=None)


def words(lease: Lease, seconds: float = 0.0) -> str:
    """Say who is at a step, for how long that was watched, and how to end it."""
    watched = f"; watched for {seconds:.0f} s" if seconds else ""
    return (
        f"another run is at it, or was until it was killed ({lease.holder}{watched}); "
        f"`gitune registry unlock {lease.step}/{lease.key[:12]}` ends its claim"
    )
