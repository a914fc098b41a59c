"""(test rows, one model's answers) -> `SubjectScores`.

`exact_match`: when the reference is a JSON object or array, the answer must be the same JSON value (key order, white
space and `1` against `1.0` do not matter; prose or a code fence around it does); any other reference is compared as
text without surrounding white space. `exact_match.queue` compares one field. `macro_f1` is the mean F1 over the
labels that occur in the references; an answer that is none of them earns nothing and adds no class.
`format_compliance` is the share of answers without a violation of the output format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from runner.contract.contract import OutputContract
from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import Row
from runner.errors import GituneError
from runner.evaluation.answers import canonical, members, same_answer
from runner.evaluation.catalog import FORMAT_COMPLIANCE, validate_metrics
from runner.evaluation.scores import SubjectScores

__all__ = ["SubjectScores", "macro_f1", "score_answers"]

Pair = tuple[str, str | None]
"""Reference and predicted label of one row."""


def score_answers(
    rows: Sequence[Row],
    answers: Mapping[str, str],
    metrics: Sequence[str],
    label: str | None,
    contract: OutputContract | None,
) -> SubjectScores:
    """Score one model's answers; `format_compliance` is added whenever there is a contract.

    Args:
        rows: the test split; its last assistant turns are the references.
        answers: text by prompt id.
        metrics: names from the spec.
        label: JSON field that `macro_f1` reads; None: the whole answer is the label.
        contract: the output format, if any.

    Raises:
        GituneError: when there are no rows, an answer is missing, or a metric cannot be computed on these rows. A
            failure of the machinery must never count as a wrong (or right) answer.
    """
    validate_metrics(metrics)
    if not rows:
        raise GituneError("the test split has no rows: nothing can be measured", hint="see dataset.split.test")
    texts = _texts(rows, answers)
    pairs = [(reference_of(row), text) for row, text in zip(rows, texts, strict=True)]
    wanted = dict.fromkeys([*metrics, *([] if contract is None else [FORMAT_COMPLIANCE])])
    labels = _label_pairs(pairs, label) if "macro_f1" in wanted else []
    kinds = _violations(texts, contract) if FORMAT_COMPLIANCE in wanted else []
    per_row: dict[str, list[float]] = {}
    for metric in wanted:
        if metric == FORMAT_COMPLIANCE:
            per_row[metric] = [float(not found) for found in kinds]
        elif metric != "macro_f1":
            per_row[metric] = _exact_match(pairs, metric.partition(".")[2])
    values = {name: sum(per_row[name]) / len(rows) if name in per_row else macro_f1(labels) for name in wanted}
    violations = Counter(kind for found in kinds for kind in sorted(found))
    return SubjectScores(n=len(rows), values=values, rows=per_row, labels=labels, violations=dict(violations))


def _texts(rows: Sequence[Row], answers: Mapping[str, str]) -> list[str]:
    ids = [prompt_of(row).id for row in rows]
    missing = [row.id for row, prompt in zip(rows, ids, strict=True) if prompt not in answers]
    if missing:
        raise GituneError(
            f"{len(missing)} of {len(rows)} test rows have no answer (the first is row {missing[0]})",
            hint="an unanswered row is no wrong answer: predict again",
        )
    return [answers[prompt] for prompt in ids]


def _violations(texts: Sequence[str], contract: OutputContract | None) -> list[set[str]]:
    """Return the kinds of violation of each answer."""
    if contract is None:
        raise GituneError("format_compliance needs an output format", hint="set evaluation.output_format")
    return [{violation.kind for violation in contract.check(text)} for text in texts]


def _exact_match(pairs: Sequence[tuple[str, str]], field: str) -> list[float]:
    if not field:
        return [float(same_answer(reference, answer)) for reference, answer in pairs]
    references = _objects(pairs, f"exact_match.{field}")
    if not any(field in reference for reference in references):
        raise _no_field(f"exact_match.{field}", field, references[0])
    # A field that reference and answer both leave out is right, provided that the answer is an object at all.
    answers = [members(answer) for _, answer in pairs]
    return [
        float(answer is not None and answer.get(field) == reference.get(field))
        for reference, answer in zip(references, answers, strict=True)
    ]


def _objects(pairs: Sequence[tuple[str, str]], metric: str) -> list[dict[str, str]]:
    found = [members(reference) for reference, _ in pairs]
    objects = [reference for reference in found if reference is not None]
    if len(objects) < len(found):
        sample = pairs[found.index(None)][0]
        raise GituneError(
            f"{metric} reads a field of a JSON object, but {len(found) - len(objects)} of {len(found)} references "
            f"are none (such as {sample[:60]!r})",
            hint="use exact_match, or write the answers as JSON objects",
        )
    return objects


def _no_field(metric: str, field: str, reference: Mapping[str, str]) -> GituneError:
    return GituneError(f"{metric}: references have no field {field!r}", hint=f"fields are {', '.join(reference)}")


def _label_pairs(pairs: Sequence[tuple[str, str]], label: str | None) -> list[Pair]:
    if label is None:
        return [(_whole(reference), _whole(answer)) for reference, answer in pairs]
    references = _objects(pairs, "macro_f1")
    bare = next((reference for reference in references if label not in reference), None)
    if bare is not None:
        raise _no_field("macro_f1", label, bare)
    return [
        (reference[label], (members(answer) or {}).get(label))
        for reference, (_, answer) in zip(references, pairs, strict=True)
    ]


def _whole(text: str) -> str:
    return canonical(text) or text.strip()


def macro_f1(pairs: Sequence[Pair]) -> float:
    """Return the mean F1 over the labels that occur in the references.

    Args:
        pairs: reference and predicted label of each row.
    """
    references = Counter(reference for reference, _ in pairs)
    predictions = Counter(predicted for _, predicted in pairs)
    right = Counter(reference for reference, predicted in pairs if reference == predicted)
    return sum(2 * right[label] / (count + predictions[label]) for label, count in references.items()) / len(references)
