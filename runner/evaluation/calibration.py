"""A file of answers that people have labelled -> how far a judge agrees with them.

Each line is a JSON object: `{"input": …, "reference": …, "answer": …, "label": 1}`. Labels are 0 and 1, or grades
between them. Light, so that `plan` may refuse a file that shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.contract.strict_json import JsonFault, read_json
from runner.errors import GituneError, Location, Problem, SpecError
from runner.evaluation.grading import Graded
from runner.evaluation.scores import JudgeAgreement, Scores
from runner.spec.evaluation import Gate

FEWEST = 50
"""Labels below which an agreement says little: with 50, an agreement of 85 % lies within 10 points."""
RAREST = 0.2
"""Share of the rarer of two labels. A judge that always says the same would agree with the commoner one."""
THRESHOLD = 0.5
"""Score from which a judge's opinion counts as a 1, where people said 0 or 1."""

_FIELDS = ("input", "reference", "answer")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer with what a person thinks of it."""

    row: Graded
    label: float
    """Between 0 and 1."""


def read_calibration(data: bytes, shown: str) -> list[Labelled]:
    """Read a calibration file.

    Args:
        data: its content.
        shown: its name, as people are told it.

    Raises:
        SpecError: with every line that is wrong, or why the labels as a whole show nothing.
    """
    rows: list[Labelled] = []
    problems: list[Problem] = []
    # Not splitlines(): U+2028 is a character of a JSON text and ends no line of it.
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        found = _read(line, number)
        if isinstance(found, Labelled):
            rows.append(found)
        else:
            problems.append(Problem(found, Location(shown, number), "a line has input, reference, answer and label"))
    if not problems and (fault := _too_little(rows)):
        problems.append(Problem(fault, Location(shown), "have people label more answers of the test set's kind"))
    if problems:
        raise SpecError(problems)
    return rows


def agreement(labels: Sequence[Labelled], scores: Sequence[float | None], required: float | None) -> JudgeAgreement:
    """Compare a judge with people, on the rows that it graded.

    For labels of 0 and 1: the share of rows where both say the same, with Cohen's kappa (1960), which is 0 for a judge
    that agrees no more than chance would. For grades: Spearman's rank correlation (1904).

    Args:
        labels: what people said.
        scores: what the judge said, in the same order.
        required: agreement that a gate asks for; None where no gate goes by the judge.
    """
    pairs = [(one.label, score) for one, score in zip(labels, scores, strict=True) if score is not None]
    if not pairs:
        return JudgeAgreement(rows=len(labels), graded=0, method="none", agreement=0.0, required=required)
    if _is_binary(labels):
        share, kappa = _accuracy([(label >= THRESHOLD, score >= THRESHOLD) for label, score in pairs])
        return JudgeAgreement(
            rows=len(labels), graded=len(pairs), method="accuracy", agreement=share, kappa=kappa, required=required
        )
    return JudgeAgreement(
        rows=len(labels), graded=len(pairs), method="spearman", agreement=_spearman(pairs), required=required
    )


def require_agreement(gates: Sequence[Gate], scores: Scores) -> None:
    """Refuse to judge by a judge that does not judge as people do.

    Raises:
        GituneError: naming the first such gate.
    """
    for gate in gates:
        found = scores.judges.get(gate.metric)
        if found is None or found.suffices:
            continue
        kappa = "" if found.kappa is None else f", kappa {found.kappa:.2f}"
        raise GituneError(
            f"no gate can go by {gate.metric}: on {found.graded} answers that people labelled, the judge agrees with "
            f"them by {found.agreement:.2f} ({found.method}{kappa}), and policy.judge_agreement asks for "
            f"{found.required or 0:.2f}",
            hint="sharpen the rubric, or name a stronger model under `endpoints` of registry/config.yaml",
        )


def _accuracy(pairs: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    share = sum(person == judge for person, judge in pairs) / len(pairs)
    people, judged = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    chance = people * judged + (1 - people) * (1 - judged)
    return share, (share - chance) / (1 - chance) if chance < 1 else 0.0


def _spearman(pairs: Sequence[tuple[float, float]]) -> float:
    people, judged = zip(*pairs, strict=True)
    if len(set(people)) == 1 or len(set(judged)) == 1:
        return 0.0
    from scipy.stats import spearmanr

    return float(spearmanr(people, judged).statistic)


def _read(line: bytes, number: int) -> Labelled | str:
    """Return what one line holds, or what is wrong with it."""
    try:
        value = read_json(line.decode())
    except UnicodeDecodeError:
        return "not UTF-8"
    if isinstance(value, JsonFault) or not isinstance(value, dict):
        return value.message if isinstance(value, JsonFault) else "not a JSON object"
    if unknown := sorted(value.keys() - {*_FIELDS, "label"}):
        return f"unknown field {unknown[0]!r}"
    texts = [value[field] for field in _FIELDS if isinstance(value.get(field), str)]
    if len(texts) < len(_FIELDS) or not _is_share(value.get("label")):
        wrong = next((field for field in _FIELDS if not isinstance(value.get(field), str)), None)
        return f"{wrong!r} is missing or no text" if wrong else "'label' is missing or no number from 0 to 1"
    return Labelled(Graded(f"line-{number}", *texts), float(value["label"]))


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_binary(rows: Sequence[Labelled]) -> bool:
    return all(one.label in (0.0, 1.0) for one in rows)


def _too_little(rows: Sequence[Labelled]) -> str:
    """Say why labels can show no agreement, if they cannot."""
    different = len({(one.row.input, one.row.reference, one.row.answer) for one in rows})
    if different < FEWEST:
        return f"{different} different labelled answers; a calibration needs {FEWEST} at least"
    ones = sum(one.label >= THRESHOLD for one in rows) / len(rows)
    if min(ones, 1 - ones) < RAREST:
        kind = "good" if ones > THRESHOLD else "bad"
        return f"{max(ones, 1 - ones):.0%} of the labels are {kind}: a judge that always says so would agree"
    return ""
