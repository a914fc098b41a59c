"""The names of metrics and what they are: what may stand in `evaluation.metrics` and in a gate.

Light, so that `plan` may ask. Definitions, ranges and sources in full stand where a metric is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.errors import GituneError
from runner.spec.evaluation import CustomMetric

Kind = Literal["binary", "graded", "corpus", "measure"]
Unit = Literal["share", "seconds", "tokens", "usd", "loss"]

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
    unit: Unit = "share"
    """`share`: between 0 and 1, told in percent; differences in points."""
    fields: bool = False
    """Whether `NAME.FIELD` measures one field of a JSON answer."""

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return self.unit == "share"


METRICS: Mapping[str, Metric] = {
    "exact_match": Metric("share of answers that equal the reference", "binary", fields=True),
    "exact_match_normalised": Metric(
        "share of answers that equal the reference but for case, width and white space", "binary"
    ),
    "macro_f1": Metric("mean F1 over the labels (`dataset.label`, or the whole answer)", "corpus"),
    "micro_f1": Metric("F1 of all labels counted together", "corpus"),
    "weighted_f1": Metric("mean F1 over the labels, each weighed by its share of the references", "corpus"),
    "macro_precision": Metric("mean precision over the labels", "corpus"),
    "micro_precision": Metric("share of the answered labels that are right", "corpus"),
    "weighted_precision": Metric("mean precision, each label weighed by its share of the references", "corpus"),
    "macro_recall": Metric("mean recall over the labels", "corpus"),
    "micro_recall": Metric("share of the references' labels that were found", "corpus"),
    "weighted_recall": Metric("mean recall, each label weighed by its share of the references", "corpus"),
    "token_f1": Metric("F1 of the words that answer and reference share (SQuAD)", "graded"),
    "similarity": Metric("share of characters that need no insertion or deletion (Indel ratio)", "graded"),
    "difflib_ratio": Metric("ratio of Python's `difflib.SequenceMatcher`; slow with long answers", "graded"),
    "rouge_1": Metric("F-measure of shared words", "graded"),
    "rouge_2": Metric("F-measure of shared pairs of words", "graded"),
    "rouge_l": Metric("F-measure of the longest common subsequence of words", "graded"),
    "bleu": Metric("corpus BLEU (sacrebleu, tokenizer 13a)", "corpus"),
    "chrf": Metric("corpus chrF2: F-score of shared character n-grams", "corpus"),
    "json_fields": Metric("share of the reference's JSON fields that the answer has right", "graded"),
    "numeric_match": Metric("share of answers whose last number is the reference's", "binary"),
    "consistency": Metric("share of pairs of samples of one question that agree", "graded"),
    FORMAT_COMPLIANCE: Metric("share of answers without a violation of `evaluation.output_format`", "binary"),
    "answer_tokens": Metric("mean length of an answer", "graded", better="lower", unit="tokens"),
    "latency_p50": Metric("median time to a whole answer, one question at a time", "measure", "lower", "seconds"),
    "latency_p95": Metric(
        "time within which 95 % of answers are there, one question at a time", "measure", "lower", "seconds"
    ),
    "cost_per_1000": Metric("price of 1,000 requests", "measure", "lower", "usd"),
    "validation_loss": Metric("validation loss of the weights that were kept", "measure", "lower", "loss"),
    "overfit_gap": Metric(
        "how much of the training loss the validation loss lies above it, at the weights that were kept",
        "measure",
        "lower",
    ),
}

# Names people bring from other tools.
_ELSEWHERE = {
    "accuracy": "exact_match",
    "acc": "exact_match",
    "em": "exact_match",
    "exact": "exact_match",
    "quasi_exact_match": "exact_match_normalised",
    "exact_match_normalized": "exact_match_normalised",
    "f1": "macro_f1",
    "f1_macro": "macro_f1",
    "f1_score": "macro_f1",
    "f1_micro": "micro_f1",
    "f1_weighted": "weighted_f1",
    "precision": "macro_precision",
    "recall": "macro_recall",
    "squad": "token_f1",
    "levenshtein": "similarity",
    "edit_distance": "similarity",
    "fuzzy_match": "similarity",
    "rouge": "rouge_l",
    "rouge1": "rouge_1",
    "rouge2": "rouge_2",
    "rougel": "rouge_l",
    "rouge-l": "rouge_l",
    "rougelsum": "rouge_l",
    "bleu4": "bleu",
    "sacrebleu": "bleu",
    "chrf2": "chrf",
    "latency": "latency_p95",
    "cost": "cost_per_1000",
    "eval_loss": "validation_loss",
    "perplexity": "validation_loss",
    "is_json": FORMAT_COMPLIANCE,
    "json_schema": FORMAT_COMPLIANCE,
}

# Metrics of other tools that take an argument, and so are the spec's own here.
_CUSTOM_ELSEWHERE = {
    "contains": "contains",
    "icontains": "contains",
    "regex": "regex",
    "pattern": "regex",
    "numeric": "numeric",
    "similar": "semantic",
    "semantic_similarity": "semantic",
    "bert_score": "semantic",
    "llm_judge": "judge",
    "llm_rubric": "judge",
    "judge": "judge",
    "g_eval": "judge",
    "python": "command",
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

    head, dot, _ = name.partition(".")
    if dot and METRICS.get(head) is not None and METRICS[head].kind == "corpus":
        return f"{name!r}: {head} takes its field from dataset.label"
    asked = name.lower()
    if (way := _CUSTOM_ELSEWHERE.get(asked)) is not None:
        return f"unknown metric {name!r}: define it under evaluation.custom_metrics with `{way}`"
    guess = _ELSEWHERE.get(asked)
    if guess is None and (close := difflib.get_close_matches(asked, [*known, *_ELSEWHERE], n=1)):
        guess = _ELSEWHERE.get(close[0], close[0])
    return f"unknown metric {name!r}" + (f", did you mean {guess!r}?" if guess else "")
