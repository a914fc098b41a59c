"""What every place that runs steps can do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from runner.plan.decision import Decision
from runner.plan.model import PlannedStep
from runner.plan.walk import Walk
from runner.registry.facts import Deployment, Record

Tell = Callable[[str], None]
"""Told what a step waits for."""


class Executor(Protocol):
    """Runs what walks decided, and leaves the facts in the registry. Several threads may ask it at the same time."""

    def claim(self, decision: Decision, spec: str, tell: Tell) -> AbstractContextManager[bool]:
        """Keep everybody else from a step while the block runs; False when somebody was at it, and has ended by now."""

    def run(self, walk: Walk, decision: Decision, planned: PlannedStep, tell: Tell) -> Record:
        """Run a step and write its record, the last thing that happens.

        Args:
            walk: what is decided for its spec.
            decision: the step.
            planned: the same step in the plan, which knows what it takes.
            tell: told when the step has to wait for room.

        Returns:
            The record that counts: not the own one where another run of the same key was faster.

        Raises:
            GituneError: what went wrong; a TerminalError is remembered under `failures/`.
        """

    def deploy(
        self, walk: Walk, decision: Decision, planned: PlannedStep, tell: Tell, live: Deployment | None, now: datetime
    ) -> Deployment:
        """Check that the version loads, release it if it is new, and move the alias.

        Args:
            walk: what is decided for its spec.
            decision: the deployment.
            planned: the same step in the plan.
            tell: told when the check has to wait for room.
            live: the entry that was live when this was decided; the new one follows it.
            now: the time.

        Raises:
            ConflictError: when another apply released or deployed first.
        """

    def stop(self) -> None:
        """Start nothing new, and end what runs; each call that was under way raises a StoppedError soon."""
