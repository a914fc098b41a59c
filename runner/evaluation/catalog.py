"""The names of metrics and what they are: what may stand in `evaluation.metrics` and in a gate.

Light, so that `plan` may ask. Definitions, ranges and sources in full stand where a metric is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.errors import GituneError
from runner.spec.models import CustomMetric

Kind = Literal["binary", "graded", "corpus", "measure"]

FORMAT_COMPLIANCE = "format_compliance"


@dataclass(frozen=True, slots=True)
class Metric:
    """What planning, gates and reports need to know of a metric."""

    meaning: str
    """What it is, in a line."""
    kind: Kind
    """`binary`: 1 or 0 for each row; `graded`: a number for each row, averaged; `corpus`: computed from all rows
    together; `measure`: of the model or its training and not of answers."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is up."""
    unit: Literal["share", "seconds", "tokens", "usd", "loss"] = "share"
    """`share`: between 0 and 1, told in percent; differences in points."""
    fields: bool = False
    """Whether `NAME.FIELD` measures one field of a JSON answer."""

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return self.unit == "share"


METRICS: Mapping[str, Metric] = {
    "exact_match": Metric("share of answers that equal the reference", "binary", fields=True),
    "macro_f1": Metric("mean F1 over the labels (`dataset.label`, or the whole answer)", "corpus"),
    FORMAT_COMPLIANCE: Metric("share of answers without a violation of `evaluation.output_format`", "binary"),
}

# Names people bring from other tools.
_ELSEWHERE = {
    "accuracy": "exact_match",
    "em": "exact_match",
    "f1": "macro_f1",
    "f1_macro": "macro_f1",
    "is_json": FORMAT_COMPLIANCE,
    "json_schema": FORMAT_COMPLIANCE,
}


def metric_of(name: str, custom: Sequence[CustomMetric] = ()) -> Metric:
    """Return what a metric is.

    Args:
        name: as specs write it, such as `exact_match.queue`.
        custom: metrics of the spec's own.

    Raises:
        GituneError: when there is no such metric, naming the nearest.
    """
    own = next((one for one in custom if one.name == name), None)
    if own is not None:
        return Metric("defined by the spec", "graded" if own.is_graded else "binary")
    head, dot, field = name.partition(".")
    found = METRICS.get(head)
    if found is None or bool(dot) != bool(field) or (dot and not found.fields):
        known = [*METRICS, *(one.name for one in custom)]
        raise GituneError(_unknown_words(name, known), hint=f"metrics are {', '.join(known)}")
    return found


def validate_metrics(names: Iterable[str], custom: Sequence[CustomMetric] = ()) -> None:
    """Refuse metric names that do not exist; light enough to check a spec with.

    Raises:
        GituneError: naming every unknown metric and the nearest known one.
    """
    problems = []
    for name in names:
        try:
            metric_of(name, custom)
        except GituneError as error:
            problems.append(error)
    if problems:
        raise GituneError("; ".join(problem.message for problem in problems), hint=problems[0].hint)


def _unknown_words(name: str, known: Sequence[str]) -> str:
    import difflib

    if name.startswith("macro_f1."):
        return f"{name!r}: macro_f1 takes its field from dataset.label"
    close = difflib.get_close_matches(name, [*known, *_ELSEWHERE], n=1)
    guess = _ELSEWHERE.get(close[0], close[0]) if close else None
    return f"unknown metric {name!r}" + (f", did you mean {guess!r}?" if guess else "")
