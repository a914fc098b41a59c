"""(test rows, one model's answers) -> `SubjectScores`.

What each metric means stands in the module of its kind: `text`, `rouge`, `json_fields`, `numeric` and `custom` grade
rows, `classification` and `corpus` rate all of them together, `aggregate` compares samples and adds up.

With several samples of a question a row's value is their mean; labels, counts and breaks are those of the first
sample, and so are the metrics made of them. A row that was not answered has no value, and no part in any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from runner.contract.contract import OutputContract
from runner.data.rows import Row
from runner.errors import GituneError
from runner.evaluation import json_fields, rouge, text
from runner.evaluation.aggregate import agreement, row_values, values_over
from runner.evaluation.catalog import FORMAT_COMPLIANCE, validate_metrics
from runner.evaluation.classification import CLASSIFICATION, label_pair
from runner.evaluation.corpus import COUNTS
from runner.evaluation.custom import OpenGrader, grade
from runner.evaluation.json_fields import require_field, require_objects
from runner.evaluation.numeric import require_numbers, same_number
from runner.evaluation.scores import SubjectScores
from runner.evaluation.sheet import OfPair, Sheet, read_sheet
from runner.evaluation.stored import Answers
from runner.spec.evaluation import CustomMetric

__all__ = ["SubjectScores", "score_answers"]

T = TypeVar("T")

Samples = list[list[Any]]
"""Something for every sample, by row."""

_OF_PAIRS: Mapping[str, Callable[[str, str], float]] = {
    "exact_match": text.exact_match,
    "exact_match_normalised": text.exact_match_normalised,
    "token_f1": text.token_f1,
    "similarity": text.similarity,
    "difflib_ratio": text.difflib_ratio,
    "rouge_1": rouge.rouge_1,
    "rouge_2": rouge.rouge_2,
    "rouge_l": rouge.rouge_l,
    "json_fields": json_fields.json_fields,
    "numeric_match": same_number,
}

_LABELS = "dataset.label"
"""Stands for the labels among measures of pairs; no metric has this name."""


def _no_grader(custom: CustomMetric) -> Any:
    raise GituneError(f"{custom.name}: there is nothing to grade answers with")


def score_answers(
    rows: Sequence[Row],
    answers: Answers,
    metrics: Sequence[str],
    label: str | None,
    contract: OutputContract | None,
    *,
    custom: Sequence[CustomMetric] = (),
    open_grader: OpenGrader = _no_grader,
    near: Sequence[bool] = (),
    measures: Mapping[str, float] | None = None,
) -> SubjectScores:
    """Score one model's answers; `format_compliance` is added whenever there is a contract.

    Args:
        rows: the test split; its last assistant turns are the references.
        answers: what the model answered.
        metrics: names from the spec.
        label: JSON field that classification metrics read; None: the whole answer is the label.
        contract: the output format, if any.
        custom: definitions of the spec's own metrics.
        open_grader: what opens the grader of a metric that asks something outside.
        near: which rows have a near neighbour in the training split; empty: not known.
        measures: values of metrics that are not of answers.

    Raises:
        GituneError: when there are no rows, an answer is missing, or a metric cannot be computed on these rows. A
            failure of the machinery must never count as a wrong (or right) answer.
    """
    validate_metrics(metrics, custom)
    wanted = list(dict.fromkeys([*metrics, *([] if contract is None else [FORMAT_COMPLIANCE])]))
    sheet = read_sheet(rows, answers)
    kinds = _violations(sheet, contract) if FORMAT_COMPLIANCE in wanted else []
    of_pairs = sheet.each(_measures_of_pairs(wanted, label, sheet.references))
    graded = of_pairs | _measures_of_samples(wanted, sheet, kinds)
    graded |= {own.name: sheet.by_row(grade(own, sheet.items(), open_grader)) for own in custom if own.name in wanted}
    breaks = _firsts(kinds, [[] for _ in kinds])
    unanswered = sheet.unanswered
    scores = SubjectScores(
        n=len(rows) - len(unanswered),
        values={},
        rows={name: row_values(name, graded[name]) for name in wanted if name in graded},
        labels=_firsts(of_pairs.get(_LABELS, []), [(reference, None) for reference in sheet.references]),
        counts={name: sheet.of_firsts(COUNTS[name]) for name in wanted if name in COUNTS},
        violations=dict(Counter(kind for broken in breaks for kind in broken)),
        breaks=breaks,
        unanswered=unanswered,
    )
    known = {name: value for name, value in (measures or {}).items() if name in wanted}
    return scores.model_copy(
        update={
            "values": values_over(scores, wanted, [True] * len(rows)) | known,
            "apart": values_over(scores, wanted, [not row for row in near]) if any(near) else {},
        }
    )


def _measures_of_pairs(wanted: Sequence[str], label: str | None, references: Sequence[str]) -> dict[str, OfPair]:
    """Return the measures of a reference and an answer, once the references are seen to be what they need."""
    measures: dict[str, OfPair] = {}
    objects: Sequence[Mapping[str, str]] = ()
    for name in wanted:
        head, _, field = name.partition(".")
        if field or name == "json_fields" or (name in CLASSIFICATION and label is not None):
            objects = objects or require_objects(name, references)
        if field:
            require_field(name, field, objects)
            measures[name] = partial(json_fields.field_match, field)
        elif name in CLASSIFICATION:
            if label is not None:
                require_field(name, label, objects, of_all=True)
            measures[_LABELS] = partial(label_pair, label)
        elif head in _OF_PAIRS:
            if head == "numeric_match":
                require_numbers(name, references)
            measures[name] = _OF_PAIRS[head]
    return measures


def _measures_of_samples(wanted: Sequence[str], sheet: Sheet, kinds: Samples) -> dict[str, Samples]:
    measures: dict[str, Samples] = {}
    if FORMAT_COMPLIANCE in wanted:
        measures[FORMAT_COMPLIANCE] = [[float(not broken) for broken in samples] for samples in kinds]
    if "answer_tokens" in wanted:
        measures["answer_tokens"] = [[given.tokens for given in samples] for samples in sheet.samples]
    if "consistency" in wanted:
        measures["consistency"] = agreement(sheet.samples)
    return measures


def _violations(sheet: Sheet, contract: OutputContract | None) -> Samples:
    """Return the kinds of violation of each answer."""
    if contract is None:
        raise GituneError("format_compliance needs an output format", hint="set evaluation.output_format")
    checked = {
        answer: sorted({violation.kind for violation in contract.check(answer)})
        for answer in dict.fromkeys(answer for _, answer in sheet.pairs())
    }
    return sheet.by_row(checked[answer] for _, answer in sheet.pairs())


def _firsts(samples: Sequence[Sequence[T]], otherwise: Sequence[T]) -> list[T]:
    """Return what belongs to the first sample of each row."""
    return [row[0] if row else other for row, other in zip(samples, otherwise, strict=bool(samples))]
