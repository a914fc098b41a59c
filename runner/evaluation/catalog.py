"""The names of metrics: what may stand in `evaluation.metrics` and in a gate. Light, so that `plan` may ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.errors import GituneError

FORMAT_COMPLIANCE = "format_compliance"

METRICS: Mapping[str, str] = {
    "exact_match": "share of answers that equal the reference; `exact_match.FIELD` for one field of a JSON answer",
    "macro_f1": "mean F1 over the labels (`dataset.label`, or the whole answer)",
    FORMAT_COMPLIANCE: "share of answers without a violation of `evaluation.output_format`",
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


def validate_metrics(names: Iterable[str]) -> None:
    """Refuse metric names that do not exist; light enough to check a spec with.

    Raises:
        GituneError: naming every unknown metric and the nearest known one.
    """
    unknown = [name for name in names if not _is_known(name)]
    if unknown:
        raise GituneError(
            "; ".join(_unknown_words(name) for name in unknown),
            hint=f"metrics are {', '.join(METRICS)}, and exact_match.FIELD for one field of a JSON answer",
        )


def _is_known(name: str) -> bool:
    head, dot, field = name.partition(".")
    return name in METRICS or (head == "exact_match" and bool(dot and field))


def _unknown_words(name: str) -> str:
    import difflib

    if name.startswith("macro_f1."):
        return f"{name!r}: macro_f1 takes its field from dataset.label"
    close = difflib.get_close_matches(name, [*METRICS, *_ELSEWHERE], n=1)
    guess = _ELSEWHERE.get(close[0], close[0]) if close else None
    return f"unknown metric {name!r}" + (f", did you mean {guess!r}?" if guess else "")
