"""Run one step here: a scratch folder, the step, and the record that says it is done."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import runner
from runner.errors import GituneError, TerminalError
from runner.executors.crash import explain_crash
from runner.plan.walk import Decision, Walk
from runner.progress import Report
from runner.registry.facts import Deployment, Failure, Record, RegistryWriter, Step
from runner.steps import deploy, gate, predict, prepare, score, train
from runner.steps.context import StepContext, StepResult

# Libraries whose version may change a step's output; written into every record.
LIBRARIES = ("torch", "transformers", "peft", "xllamacpp", "numpy")


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Runs steps one after another in this process."""

    registry: RegistryWriter
    cache: Path
    report: Report

    def run(self, walk: Walk, decision: Decision) -> Record:
        """Run a step in a scratch folder and write its record, the last thing that happens.

        Raises:
            TerminalError: remembered under `failures/`, so that the next apply does not try the same again.
            GituneError: anything else that went wrong; nothing is recorded.
        """
        started = datetime.now(UTC)
        with tempfile.TemporaryDirectory(prefix=f"gitune-{decision.step}-") as scratch:
            try:
                result = _dispatch(self._context(walk, Path(scratch)), decision.step)
            except TerminalError as error:
                self._remember(decision, error)
                raise
            except GituneError:
                raise
            except Exception as error:  # a library's own: one broken spec must not take the others down
                raise explain_crash(decision.step, error, self.cache / "crashes") from error
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
        )
        self.registry.add_record(record)
        return record

    def deploy(self, walk: Walk, now: datetime) -> Deployment:
        """Check that the version loads here, release it if it is new, and move the alias.

        Raises:
            ConflictError: when another apply released or deployed first.
        """
        commit = str(walk.delivery.checkout.commit)
        version = deploy.version_of(walk, commit, now)
        with tempfile.TemporaryDirectory(prefix="gitune-deploy-") as scratch:
            deploy.check_loads(self._context(walk, Path(scratch)), version)
        return deploy.move_alias(self.registry, walk, version, commit, now)

    def _context(self, walk: Walk, scratch: Path) -> StepContext:
        return StepContext(walk.subject, self.registry, walk.records, walk.champion, self.cache, scratch, self.report)

    def _remember(self, decision: Decision, error: TerminalError) -> None:
        failure = Failure(
            step=decision.step,
            key=str(decision.key),
            message=error.message,
            hint=error.hint,
            at=datetime.now(UTC),
        )
        self.registry.add_failure(failure)


def _dispatch(context: StepContext, step: Step) -> StepResult:
    match step:
        case "prepare":
            return prepare.run(context)
        case "train":
            return train.run(context)
        case "predict_base" | "predict_tuned" | "predict_champion":
            return predict.run(context, step)
        case "score":
            return score.run(context)
        case "gate":
            return gate.run(context)
        case "deploy":
            raise AssertionError("a deployment is a log entry, not a record: steps.deploy")


def environment() -> dict[str, str]:
    """Return what else may have shaped a step's output."""
    found = {"gitune": runner.__version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
