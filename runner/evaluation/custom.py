"""Metrics of a spec's own: (definition, answers) -> a grade for each answer.

`contains` and `regex` look at the answer alone and `numeric` compares its number with the reference's: 1 or 0. The
others ask something outside, a grader, for a number between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from runner.contract.pattern import TIME_LIMIT, compile_pattern
from runner.errors import GituneError, Location
from runner.evaluation.grading import Graded, Grader
from runner.evaluation.numeric import require_numbers, same_number
from runner.spec.evaluation import CustomMetric

OpenGrader = Callable[[CustomMetric], AbstractContextManager[Grader]]


def grade(custom: CustomMetric, items: list[Graded], open_grader: OpenGrader) -> list[float | None]:
    """Grade answers.

    Args:
        custom: the metric.
        items: answers of one model.
        open_grader: what opens the grader of a metric that asks something outside.

    Raises:
        GituneError: when it cannot be computed: a reference without a number, an expression that takes too long, a
            grader that fails or gives something that is no grade.
    """
    match custom:
        case CustomMetric(contains=str(wanted)):
            return _contains(wanted, items, ignore_case=custom.ignore_case)
        case CustomMetric(regex=str(pattern)):
            return _matches(custom.name, pattern, items, ignore_case=custom.ignore_case)
        case CustomMetric(numeric="last" | "whole" as place):
            require_numbers(custom.name, [item.reference for item in items], place)
            tolerance, relative = custom.tolerance, custom.relative
            return [same_number(item.reference, item.answer, place, tolerance, relative=relative) for item in items]
        case _:
            with open_grader(custom) as grader:
                return _checked(custom.name, grader.grade(items), len(items))


def compile_custom(custom: CustomMetric, where: Location) -> None:
    """Refuse an expression that is none.

    Raises:
        SpecError: naming it.
    """
    if custom.regex is not None:
        compile_pattern(_flagged(custom.regex, ignore_case=custom.ignore_case), where)


def _contains(wanted: str, items: list[Graded], *, ignore_case: bool) -> list[float | None]:
    if ignore_case:
        return [float(wanted.casefold() in item.answer.casefold()) for item in items]
    return [float(wanted in item.answer) for item in items]


def _matches(name: str, pattern: str, items: list[Graded], *, ignore_case: bool) -> list[float | None]:
    compiled = compile_pattern(_flagged(pattern, ignore_case=ignore_case), Location(f"custom metric {name}"))
    grades: dict[str, float] = {}
    for item in items:
        if item.answer in grades:
            continue
        try:
            grades[item.answer] = float(compiled.search(item.answer, timeout=TIME_LIMIT) is not None)
        except TimeoutError:
            raise GituneError(
                f"{name}: searching the answer to row {item.row} took longer than {TIME_LIMIT:g} s",
                hint="simplify the expression, such as nested repetition",
            ) from None
    return [grades[item.answer] for item in items]


def _flagged(pattern: str, *, ignore_case: bool) -> str:
    return f"(?i){pattern}" if ignore_case else pattern


def _checked(name: str, grades: list[float | None], wanted: int) -> list[float | None]:
    if len(grades) != wanted:
        raise GituneError(f"{name}: {len(grades)} grades for {wanted} answers")
    for grade in grades:
        # A comparison with NaN is never true.
        if grade is not None and not 0 <= grade <= 1:
            raise GituneError(f"{name}: {grade} is no grade", hint="grades lie between 0 and 1")
    return grades
