"""What every training backend takes and gives: `TrainJob` -> `TrainResult`. Opening one imports its libraries."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.errors import UsageError
from runner.models.base import BaseFiles
from runner.models.cores import ROUNDS_IN_TRAINING, wait_politely
from runner.progress import Report
from runner.spec.models import Training
from runner.training.curve import Line


@dataclass(frozen=True, slots=True)
class Tracking:
    """Which experiment trackers a training reports to, and as what."""

    names: tuple[str, ...] = ()
    """By transformers' names, such as `tensorboard`."""
    run: str = ""
    """Name of the run, such as `support-triage-1.1.0`."""
    folder: Path = Path("runs")
    """Where trackers that write files write them."""


@dataclass(frozen=True, slots=True)
class TrainJob:
    """All that decides a training run, and where its adapter goes."""

    base: BaseFiles
    """The model that is tuned."""
    train: Path
    """Canonical JSONL of the rows to learn."""
    validation: Path
    """Canonical JSONL of the rows whose loss chooses the best epoch; may be empty."""
    training: Training
    """Hyperparameters."""
    export_gguf: bool
    """Whether to write what llama.cpp needs to serve the result."""
    out: Path
    """Empty folder for the result."""
    state: Path | None = None
    """Folder of this training's key, where checkpoints and metrics.jsonl are kept until it is done; None keeps none."""
    tracking: Tracking = Tracking()
    """Trackers that follow the run."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The weights of the best epoch and how they came about."""

    adapter: Path
    """Folder with adapter_model.safetensors, adapter_config.json and, if asked for, adapter.gguf; with `method: full`
    a checkpoint and, if asked for, model.gguf."""
    lines: list[Line] = field(default_factory=list)
    """Every optimizer step and evaluation, oldest first; see `training.curve.Line`."""
    metrics: dict[str, float | int | str] = field(default_factory=dict)
    """Losses, best epoch, token counts and times."""


class Backend(Protocol):
    """Where training happens."""

    def train(self, job: TrainJob, report: Report) -> TrainResult:
        """Train and return the weights of the best epoch.

        Raises:
            TerminalError: when the same job would fail again: rows too long, a loss that is not a number.
        """


def open_backend(name: str) -> Backend:
    """Return the backend called `name` in a spec."""
    if name == "local":
        wait_politely(ROUNDS_IN_TRAINING)
        from runner.training.local.backend import LocalBackend

        return LocalBackend()
    raise UsageError(f"training backend {name!r} is not available yet", hint="use backend: local")
