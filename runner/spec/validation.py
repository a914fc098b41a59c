"""A `Document` -> a frozen model, or every problem it has.

`validated(Spec, document)`. Validation is strict, as JSON is: `"3"` is no number and `true` is no 1. A correct document
never loads the modules that word errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from runner.errors import Location, Problem, SpecError
from runner.spec.document import Document

Finding = tuple[str, Problem]
Model = TypeVar("Model", bound=BaseModel)

# More problems than this help nobody; the rest is counted.
MAX_TOLD = 100


def validated(model: type[Model], document: Document) -> tuple[Model | None, list[Finding]]:
    """Return the model, or None and what is wrong, with the path each problem is about."""
    findings = list(document.findings)
    if not isinstance(document.data, dict):
        if not findings:
            findings = [("", _no_mapping(document))]
        return None, findings
    try:
        return model.model_validate(document.data, strict=True), findings
    except ValidationError as error:
        return None, findings + _not_covered(_explained(error, model, document), findings)


def tell(findings: Iterable[Finding]) -> SpecError:
    """Return one error with all problems, in the order of the file, each once."""
    problems = sorted({problem for _, problem in findings}, key=_position)
    told = problems[:MAX_TOLD]
    if more := len(problems) - len(told):
        told.append(Problem(f"and {more} more problems", Location(told[-1].where.file)))
    return SpecError(told)


def _position(problem: Problem) -> tuple[str, int, int, str]:
    """Return what problems are sorted by."""
    return problem.where.file, problem.where.line or 0, problem.where.column or 0, problem.message


def _no_mapping(document: Document) -> Problem:
    """Return the problem of a document that is no mapping."""
    kind = {type(None): "is empty", list: "is a list"}.get(type(document.data), "is a single value")
    return Problem(f"the file {kind}", document.where(""), "it must hold `key: value` lines")


def _explained(error: ValidationError, model: type[BaseModel], document: Document) -> list[Finding]:
    """Return the problems behind a validation error, and those that it kept pydantic from looking for.

    Rules over several keys are checked only where every key is right by itself. So they are checked once more without
    what is wrong; what else that second look finds comes from the omission and is not told.
    """
    from runner.spec.wording import explain

    findings = explain(error.errors(include_url=False), model, document)
    try:
        model.model_validate(_without({path for path, _ in findings}, document.data), strict=True)
    except ValidationError as second:
        errors = second.errors(include_url=False)
        # Items of lists have been checked already, and their numbers may differ in the second look.
        rules = [e for e in errors if e["type"] == "value_error" and not any(type(part) is int for part in e["loc"])]
        findings += explain(rules, model, document)
    return findings


def _without(faulty: set[str], data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without faulty keys, and without list items that have a fault anywhere in them."""
    parts = [path.split(".") for path in faulty]
    touched = {".".join(path[:length]) for path in parts for length in range(1, len(path) + 1)}

    def pruned(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            inner = {key: f"{path}.{key}" if path else key for key in value}
            return {key: pruned(item, inner[key]) for key, item in value.items() if inner[key] not in faulty}
        if isinstance(value, list):
            kept = [(item, f"{path}.{i}") for i, item in enumerate(value)]
            return [pruned(item, inner) for item, inner in kept if inner not in touched]
        return value

    result: dict[str, Any] = pruned(data, "")
    return result


def _not_covered(findings: Iterable[Finding], earlier: Iterable[Finding]) -> list[Finding]:
    """Return the findings about values that reading the file has not already found fault with."""
    told = tuple(path for path, _ in earlier if path)
    return [(path, problem) for path, problem in findings if not any(f"{path}.".startswith(f"{t}.") for t in told)]
