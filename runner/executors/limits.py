"""What of this machine the steps of one apply use at the same time: one GPU, and so much memory.

A step alone may always start: one that does not fit the machine says so itself, with what would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runner.executors.crew import require_going
from runner.plan.decision import PREDICT_STEPS
from runner.plan.model import PlannedStep
from runner.plan.subject import Subject
from runner.training.sizing import gigabytes


@dataclass(frozen=True, slots=True)
class Need:
    """What a step takes while it runs."""

    memory: int = 0
    """Bytes of main memory."""
    gpu: bool = False
    """Whether it works on the GPU."""


def need_of(planned: PlannedStep, subject: Subject, device: str) -> Need:
    """Tell what a step takes: a training as the plan estimated it, an answering model the size of its base.

    Args:
        planned: the step, with its estimate.
        subject: the spec it belongs to.
        device: what torch works on here, `cpu` or `cuda`.
    """
    local, engine = subject.spec.backend == "local", subject.spec.engine
    if planned.step == "train" and local:
        estimate = planned.estimate.memory
        size = estimate.total if estimate else subject.base.size
        return Need(0, gpu=True) if device == "cuda" else Need(size)
    if planned.step in (*PREDICT_STEPS, "deploy"):
        return Need(0, gpu=True) if device == "cuda" and engine == "transformers" else Need(subject.base.size)
    if planned.step == "score" and subject.is_probed:
        # Base, tuned and champion are open side by side.
        return Need(0, gpu=True) if device == "cuda" and engine == "transformers" else Need(3 * subject.base.size)
    return Need()


class Limits:
    """Lets a step start once it fits beside those that run.

    Args:
        memory: bytes of main memory.
        stop: set when a person ends the apply.
    """

    def __init__(self, memory: int, stop: threading.Event) -> None:
        self._memory = memory
        self._stop = stop
        self._running: list[Need] = []
        self._changed = threading.Condition()

    @contextmanager
    def room(self, need: Need, tell: Callable[[str], None]) -> Iterator[None]:
        """Wait for room, and take it while the block runs.

        Raises:
            StoppedError: when the apply is ended while it waits.
        """
        with self._changed:
            if not self._fits(need):
                tell(self._obstacle(need))
            while not self._fits(need):
                self._changed.wait(0.5)
                require_going(self._stop)
            self._running.append(need)
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(need)
                self._changed.notify_all()

    def _fits(self, need: Need) -> bool:
        if need.gpu:
            return not any(other.gpu for other in self._running)
        used = sum(other.memory for other in self._running)
        return used == 0 or need.memory == 0 or used + need.memory <= self._memory

    def _obstacle(self, need: Need) -> str:
        if need.gpu:
            return "another step of this apply works on the GPU"

        return f"it needs about {gigabytes(need.memory)} GB beside what other steps of this apply use"
