"""What every place that runs steps can do."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from runner.plan.walk import Decision, Walk
from runner.registry.facts import Deployment, Record


class Executor(Protocol):
    """Runs what a walk decided, and leaves the facts in the registry."""

    def run(self, walk: Walk, decision: Decision) -> Record:
        """Run a step and write its record, the last thing that happens.

        Raises:
            GituneError: what went wrong; a TerminalError is remembered under `failures/`.
        """

    def deploy(self, walk: Walk, now: datetime) -> Deployment:
        """Check that the version loads, release it if it is new, and move the alias.

        Raises:
            ConflictError: when another apply released or deployed first.
        """
