"""A custom metric -> what grades answers by it, open while a scoring step needs it.

with Graders(config, loaded, cache) as graders, graders.open(custom) as grader:
    values = grader.grade(rows)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runner.errors import GituneError
from runner.evaluation.calibration import agreement
from runner.evaluation.commands import CommandGrader
from runner.evaluation.grading import Graded, Grader
from runner.evaluation.outside import embedding_of, find_named, read_labels, read_rubric
from runner.evaluation.scores import JudgeAgreement
from runner.evaluation.stored import MOST_UNANSWERED
from runner.file_index import FileIndex
from runner.models.base import materialize
from runner.progress import Report, silent
from runner.spec.config import Config
from runner.spec.evaluation import CustomMetric
from runner.spec.load import LoadedSpec


@dataclass(frozen=True, slots=True)
class _Complete:
    """A grader that grades nearly all, or fails."""

    name: str
    grader: Grader

    def grade(self, rows: list[Graded]) -> list[float | None]:
        """Grade each answer."""
        values = self.grader.grade(rows)
        ungraded = [row.row for row, value in zip(rows, values, strict=True) if value is None]
        if len(ungraded) > MOST_UNANSWERED * len(rows):
            raise GituneError(
                f"{self.name}: {len(ungraded)} of {len(rows)} answers could not be graded, such as row {ungraded[0]}",
                hint=f"at most {MOST_UNANSWERED:.0%} may be left out; an answer without a grade is no bad answer",
            )
        return values


@contextmanager
def open_grader(
    custom: CustomMetric, config: Config, loaded: LoadedSpec, cache: Path, report: Report = silent
) -> Iterator[Grader]:
    """Open what a metric with `command`, `judge` or `semantic` needs.

    Args:
        custom: the metric.
        config: names programs, endpoints and embedding models.
        loaded: the spec it belongs to.
        cache: folder of this machine for judgements and models.
        report: told about progress.

    Raises:
        GituneError: when something it needs is missing.
    """
    place = next(n for n, one in enumerate(loaded.spec.evaluation.custom_metrics) if one.name == custom.name)
    where = loaded.where(f"evaluation.custom_metrics.{place}")
    if custom.command is not None:
        entry = find_named(config.metrics, custom.command, "metrics")
        yield _Complete(custom.name, CommandGrader(entry, config.programs or loaded.root, report))
    elif custom.judge is not None:
        from runner.evaluation.judge import JudgeGrader
        from runner.providers.chat import ChatClient

        endpoint = find_named(config.endpoints, custom.judge, "endpoints")
        with ChatClient(endpoint) as client:
            grader = JudgeGrader(client, endpoint, read_rubric(custom, loaded, where), cache, report)
            yield _Complete(custom.name, grader)
    else:
        ref = embedding_of(custom, loaded, config, FileIndex(cache), where, loaded.root)
        files = materialize(ref, loaded.root, cache, report)
        try:
            from runner.evaluation.semantic import SemanticGrader
        except ImportError as error:
            raise GituneError("semantic similarity needs torch", hint="pip install 'gitune[local]'") from error
        yield _Complete(custom.name, SemanticGrader(files.checkpoint, report))


class Graders:
    """What the metrics of one scoring need, each opened once for all models that are scored.

    Args:
        config: names programs, endpoints and embedding models.
        loaded: the spec.
        cache: folder of this machine for judgements and models.
        report: told about progress.
    """

    def __init__(self, config: Config, loaded: LoadedSpec, cache: Path, report: Report = silent) -> None:
        self._config = config
        self._loaded = loaded
        self._cache = cache
        self._report = report
        self._kept = ExitStack()
        self._opened: dict[str, Grader] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    @contextmanager
    def open(self, custom: CustomMetric) -> Iterator[Grader]:
        """Return the grader of a metric; it stays open.

        Raises:
            GituneError: when something it needs is missing.
        """
        if custom.name not in self._opened:
            opening = open_grader(custom, self._config, self._loaded, self._cache, self._report)
            self._opened[custom.name] = self._kept.enter_context(opening)
        yield self._opened[custom.name]

    def agreements(self) -> dict[str, JudgeAgreement]:
        """Have each judge that has a calibration grade what people have labelled, and compare."""
        found = {}
        evaluation = self._loaded.spec.evaluation
        for custom in evaluation.custom_metrics:
            if custom.calibration is None or custom.name not in evaluation.metrics:
                continue
            labels = read_labels(custom, self._loaded, self._loaded.where("evaluation.custom_metrics"))
            gated = any(gate.metric == custom.name for gate in evaluation.gates)
            with self.open(custom) as grader:
                scores = grader.grade([one.row for one in labels])
            found[custom.name] = agreement(labels, scores, self._config.policy.judge_agreement if gated else None)
        return found
