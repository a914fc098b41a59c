"""Run one step on this machine: a scratch folder, the step, and the record that says it is done.

Steps that load weights run in a child process each, the others in this one; records are written by this one alone.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import runner
from runner.errors import TerminalError
from runner.executors.child import run_apart
from runner.executors.crash import explained
from runner.executors.work import StepWork
from runner.plan.walk import PREDICT_STEPS, Decision, Walk
from runner.progress import Report
from runner.registry.facts import Deployment, Failure, Record, RegistryWriter, Step, Version
from runner.steps import deploy
from runner.steps.context import StepContext, StepResult

# Libraries whose version may change a step's output; written into every record.
LIBRARIES = ("torch", "transformers", "peft", "xllamacpp", "numpy")

# Steps that load weights into native libraries; see `child`.
HEAVY = ("train", *PREDICT_STEPS, "deploy")

FORGET = 14 * 86400
"""Seconds after which the state of a run that was killed and never repeated is deleted."""


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs steps one after another on this machine."""

    registry: RegistryWriter
    cache: Path
    report: Report
    trackers: tuple[str, ...] = ()
    """Experiment trackers that follow a training."""

    def run(self, walk: Walk, decision: Decision) -> Record:
        """Run a step in a scratch folder and write its record, the last thing that happens.

        Raises:
            TerminalError: remembered under `failures/`, so that the next apply does not try the same again.
            GituneError: anything else that went wrong; nothing is recorded.
        """
        started = datetime.now(UTC)
        state = self._state(decision)
        try:
            result = self._perform(walk, decision.step, state)
        except TerminalError as error:
            self._remember(decision, error)
            raise
        record = Record(
            step=decision.step,
            key=str(decision.key),
            inputs=decision.inputs,
            outputs=dict(result.outputs),
            metrics=dict(result.metrics),
            spec=walk.subject.spec.name,
            version=walk.subject.spec.version,
            commit=walk.delivery.commit_of(walk.subject.loaded),
            started=started,
            finished=datetime.now(UTC),
            environment=environment(),
            predicted_seconds=decision.predicted,
        )
        self.registry.add_record(record)
        shutil.rmtree(state, ignore_errors=True)
        return record

    def deploy(self, walk: Walk, now: datetime) -> Deployment:
        """Check that the version loads here, release it if it is new, and move the alias.

        Raises:
            ConflictError: when another apply released or deployed first.
        """
        commit = str(walk.delivery.checkout.commit)
        version = deploy.version_of(walk, commit, now)
        # A load check has nothing to go on from.
        self._perform(walk, "deploy", self.cache / "state" / "deploy", version)
        return deploy.move_alias(self.registry, walk, version, commit, now)

    def _state(self, decision: Decision) -> Path:
        """Return where a killed run of this step left its state; forget what nobody came back for."""
        folder = self.cache / "state" / decision.step
        for other in folder.glob("*"):
            with contextlib.suppress(OSError):
                if time.time() - other.stat().st_mtime > FORGET:
                    shutil.rmtree(other, ignore_errors=True)
        return folder / str(decision.key)

    def _perform(self, walk: Walk, step: Step, state: Path, version: Version | None = None) -> StepResult:
        """Do the work of a step on what the walk decided, and leave nothing behind but its artifacts."""
        with tempfile.TemporaryDirectory(prefix=f"gitune-{step}-") as scratch:
            context = StepContext(
                walk.subject,
                self.registry,
                walk.records,
                walk.champion,
                self.cache,
                Path(scratch),
                state,
                self.trackers,
            )
            work = StepWork(step, context, version)
            with explained(step, work.crashes):
                return run_apart(work, self.report) if step in HEAVY else work(self.report)

    def _remember(self, decision: Decision, error: TerminalError) -> None:
        failure = Failure(
            step=decision.step,
            key=str(decision.key),
            message=error.message,
            hint=error.hint,
            at=datetime.now(UTC),
        )
        self.registry.add_failure(failure)


def environment() -> dict[str, str]:
    """Return what else may have shaped a step's output."""
    found = {"gitune": runner.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
