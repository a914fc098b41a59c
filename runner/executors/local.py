"""Run one step on this machine: a scratch folder, the step, and the record that says it is done.

Steps that load weights run in a child process each, the others in this one; records are written by this one alone.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import runner
from runner.errors import TerminalError, TransientError
from runner.executors.alone import outwait_gc
from runner.executors.child import Children, run_apart
from runner.executors.crash import explained
from runner.executors.crew import require_going
from runner.executors.executor import Tell
from runner.executors.flights import Flights
from runner.executors.limits import Limits, need_of
from runner.executors.work import StepWork, Work
from runner.models.cores import available_cores
from runner.models.memory import main_memory, training_memory
from runner.plan.decision import PREDICT_STEPS, Decision
from runner.plan.keys import Inputs, step_key
from runner.plan.model import PlannedStep
from runner.plan.subject import Subject
from runner.plan.walk import Walk
from runner.progress import Progress, Report
from runner.registry.facts import Deployment, Failure, Record, Step
from runner.registry.views import RegistryWriter
from runner.steps import deploy
from runner.steps.context import StepContext, StepResult

Result = TypeVar("Result")

# Libraries whose version may change a step's output; written into every record.
LIBRARIES = ("torch", "transformers", "peft", "xllamacpp", "numpy")

# Steps that load weights into native libraries, as the check of a deployment does; see `child`.
HEAVY = ("train", *PREDICT_STEPS)

FORGET = 14 * 86400
"""Seconds after which a log, and the state of a run that was killed and never repeated, are deleted."""


@dataclass(slots=True)
class LocalExecutor:
    """Runs steps on this machine."""

    registry: RegistryWriter
    cache: Path
    report: Report
    """Told about progress, in the thread that runs the step."""
    trackers: tuple[str, ...] = ()
    """Experiment trackers that follow a training."""
    parallel: int = 1
    """How many specs are worked on at the same time; they share the cores."""
    logs: dict[str, dict[Step, Path]] = field(default_factory=dict)
    """What heavy steps printed, by spec and step; a step that printed nothing has no log."""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _flights: Flights = field(init=False)
    _limits: Limits = field(init=False)
    _children: Children = field(init=False)

    def __post_init__(self) -> None:
        shared = self.parallel > 1
        self._flights = Flights(self.registry, self.cache, self._stopped)
        self._limits = Limits(main_memory(), self._stopped)
        self._children = Children(max(1, available_cores() // self.parallel) if shared else None)

    @contextlib.contextmanager
    def claim(self, decision: Decision, spec: str, tell: Tell) -> Iterator[bool]:
        """Keep everybody else from a step while the block runs; False when somebody was at it, and has ended by now."""
        with self._flights.claim(decision.step, str(decision.key), spec, tell) as mine:
            if mine and decision.step == "deploy":
                outwait_gc(self._flights, tell)
            yield mine

    def run(self, walk: Walk, decision: Decision, planned: PlannedStep, tell: Tell) -> Record:
        """Run a step in a scratch folder and write its record, the last thing that happens.

        Raises:
            TerminalError: remembered under `failures/`, so that the next apply does not try the same again.
            GituneError: anything else that went wrong; nothing is recorded.
        """
        with self._limits.room(need_of(planned, walk.subject, self._device), tell):
            return self._run(walk, decision, planned)

    def deploy(
        self, walk: Walk, decision: Decision, planned: PlannedStep, tell: Tell, live: Deployment | None, now: datetime
    ) -> Deployment:
        """Check that the version loads here, release it if it is new, and move the alias.

        Raises:
            ConflictError: when another apply released or deployed first.
        """
        commit = str(walk.delivery.checkout.commit)
        version = deploy.version_of(walk, commit, now)
        # A load check has nothing to go on from.
        with (
            self._limits.room(need_of(planned, walk.subject, self._device), tell),
            self._context(walk, "deploy", self.cache / "state" / "deploy") as context,
        ):
            check = deploy.load_check(replace(context, report=self._report_while_going), version)
            self._apart(check, decision, version.name)
        return deploy.move_alias(self.registry, walk, version, commit, now, live)

    def stop(self) -> None:
        """Start nothing new, and end what runs; each call that was under way raises a StoppedError soon."""
        self._stopped.set()
        self._children.stop()

    @property
    def _device(self) -> str:
        return training_memory().device if self.parallel > 1 else "cpu"

    def _run(self, walk: Walk, decision: Decision, planned: PlannedStep) -> Record:
        started = datetime.now(UTC)
        state = self._state(decision)
        try:
            result = self._perform(walk, decision, state)
        except TerminalError as error:
            self._remember(decision, error)
            raise
        for part in result.parts:
            inputs, of = part.inputs, part.result
            self.registry.add_record_once(_record(walk, decision.step, inputs, of, part.started, part.finished))
        record = _record(walk, decision.step, decision.inputs, result, started, datetime.now(UTC))
        record = record.model_copy(update={"predicted_seconds": planned.estimate.seconds})
        counts = self.registry.add_record_once(record)
        shutil.rmtree(state, ignore_errors=True)
        return counts

    def _state(self, decision: Decision) -> Path:
        """Return where a killed run of this step left its state; forget what nobody came back for."""
        folder = self.cache / "state" / decision.step
        _forget_old(folder)
        return folder / str(decision.key)

    def _perform(self, walk: Walk, decision: Decision, state: Path) -> StepResult:
        """Do the work of a step on what the walk decided, and leave nothing behind but its artifacts and its log."""
        with self._context(walk, decision.step, state) as context:
            work = StepWork(decision.step, context)
            # Programs, judges and embedding models of a scoring must end when a person ends the apply.
            heavy = _is_heavy(work.step, walk.subject)
            return self._apart(work, decision, walk.subject.spec.name) if heavy else work(self.report)

    @contextmanager
    def _context(self, walk: Walk, step: Step, state: Path) -> Iterator[StepContext]:
        """Give a step what it may read and a scratch folder; explain what breaks down in the block."""
        with tempfile.TemporaryDirectory(prefix=f"gitune-{step}-") as scratch, explained(step, self.cache / "crashes"):
            yield StepContext(
                walk.subject,
                self.registry,
                walk.records,
                walk.champion,
                self.cache,
                Path(scratch),
                state,
                walk.rivals,
                self.trackers,
            )

    def _report_while_going(self, progress: Progress) -> None:
        """Pass progress on; end what tells of it once a person has ended the apply."""
        require_going(self._stopped)
        self.report(progress)

    def _apart(self, work: Work[Result], decision: Decision, spec: str) -> Result:
        """Do the work in a child process, and keep what it prints."""
        folder = self.cache / "logs"
        _forget_old(folder)
        now = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        log = folder / f"{now}-{spec}-{decision.step}-{str(decision.key)[:8]}.log"
        try:
            return run_apart(work, self.report, self._children, log)
        except TransientError:
            require_going(self._stopped)
            raise
        finally:
            if log.exists() and log.stat().st_size:
                self.logs.setdefault(spec, {})[decision.step] = log
            else:
                log.unlink(missing_ok=True)

    def _remember(self, decision: Decision, error: TerminalError) -> None:
        failure = Failure(
            step=decision.step,
            key=str(decision.key),
            message=error.message,
            hint=error.hint,
            at=datetime.now(UTC),
        )
        self.registry.add_failure(failure)


def _record(
    walk: Walk, step: Step, inputs: Inputs, result: StepResult, started: datetime, finished: datetime
) -> Record:
    return Record(
        step=step,
        key=step_key(inputs),
        inputs=inputs,
        outputs=dict(result.outputs),
        metrics=dict(result.metrics),
        spec=walk.subject.spec.name,
        version=walk.subject.spec.version,
        commit=walk.delivery.commit_of(walk.subject.loaded),
        started=started,
        finished=finished,
        environment=environment(),
    )


def _is_heavy(step: Step, subject: Subject) -> bool:
    """Whether a step needs a process of its own."""
    return step in HEAVY or (step == "score" and bool(subject.measures or subject.is_probed))


def _forget_old(folder: Path) -> None:
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGET:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def environment() -> dict[str, str]:
    """Return what else may have shaped a step's output."""
    found = {"gitune": runner.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
