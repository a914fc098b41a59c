"""Kind of answers and number of test rows -> task, metrics, output format and gates."""

from __future__ import annotations

import math

from runner.evaluation.power import smallest_gain
from runner.init.answers import Answers
from runner.init.setting import Setting, Settings
from runner.spec.evaluation import Gate

SCHEMA_FILE = "output.schema.json"
_MOST_FIELDS = 8
_LEAST_POINTS, _MOST_POINTS = 5, 25
_NEXT = "each version must be better than the last; passes while there is none"

_TASKS = {
    "labels": "classification",
    "numbers": "qa",
    "short": "qa",
    "long": "generation",
    "preferences": "generation",
}
_METRICS = {
    "labels": ["exact_match", "macro_f1"],
    "numbers": ["numeric_match", "exact_match"],
    "short": ["exact_match_normalised", "token_f1"],
    "long": ["rouge_l", "chrf"],
    "preferences": ["rouge_l", "chrf"],
}
_WHY = {
    "labels": "short answers, few of them different",
    "numbers": "every answer is a number",
    "short": "short answers, many of them different",
    "long": "long answers; words in common say little of quality, so consider a judge (docs/evaluation.md)",
    "preferences": "pairs of answers; words in common say little of quality, so consider a judge",
}


def propose_evaluation(answers: Answers, test_rows: int, max_new_tokens: Setting) -> Settings:
    """Return the section `evaluation`.

    Args:
        answers: what the data's answers are.
        test_rows: rows that gates can go by.
        max_new_tokens: longest answer.
    """
    task, metrics, why = _json(answers) if answers.kind == "json" else _plain(answers)
    primary = metrics[0]
    found: Settings = {
        "evaluation.task": Setting(task, why),
        "evaluation.metrics": Setting(metrics),
        "evaluation.primary": Setting(primary),
    }
    if answers.kind == "labels":
        found["evaluation.output_format.labels"] = Setting(answers.labels, f"{len(answers.labels)} labels")
    if answers.schema:
        why = "derived from the answers: read it, and widen what was too narrow"
        found["evaluation.output_format.json_schema"] = Setting(SCHEMA_FILE, why)
    found |= {
        "evaluation.generation.max_new_tokens": max_new_tokens,
        "evaluation.generation.temperature": Setting(0),
        "evaluation.gates": Setting(_gates(primary, answers, test_rows)),
        "evaluation.on_inconclusive": Setting("fail", "too little evidence is no release"),
    }
    return found


def _plain(answers: Answers) -> tuple[str, list[str], str]:
    return _TASKS[answers.kind], _METRICS[answers.kind], _WHY[answers.kind]


def _json(answers: Answers) -> tuple[str, list[str], str]:
    fields = [f"exact_match.{key}" for key in answers.fields[:_MOST_FIELDS]]
    labels = ["macro_f1"] if answers.label else []
    if answers.closed:
        return "classification", ["exact_match", *fields, *labels], "JSON answers, each field one of a few values"
    return "extraction", ["json_fields", "exact_match", *fields, *labels], "JSON answers with free fields"


def _gates(primary: str, answers: Answers, test_rows: int) -> tuple[Setting, ...]:
    if answers.kind == "preferences":
        why = "preferences change manners, not words"
        return (Setting({"metric": primary, "not_worse_than": "base", "margin": {"points": 5}}, why),)
    gates = [_against_base(primary, test_rows)]
    if answers.kind in ("labels", "json"):
        why = "what reads the answers can rely on their form"
        gates.append(Setting({"metric": "format_compliance", "at_least": 0.95}, why))
    return (*gates, Setting({"metric": primary, "beats": "champion"}, _NEXT))


def _against_base(primary: str, test_rows: int) -> Setting:
    gate = {"metric": primary, "beats": "base", "by": {"points": _LEAST_POINTS}}
    if not primary.startswith(("exact_match", "numeric_match")):
        return Setting(gate, "the base model as it is")
    seen = smallest_gain(Gate(metric=primary, beats="base"), 0.0, test_rows)
    if seen is None:
        gate["by"] = {"points": _MOST_POINTS}
        return Setting(gate, f"{test_rows} test rows can hardly see any gain: add rows")
    gate["by"] = {"points": min(max(5 * math.ceil(20 * seen), _LEAST_POINTS), _MOST_POINTS)}
    return Setting(gate, f"{test_rows:,} test rows see gains of {round(100 * seen)} points; less may be luck")
