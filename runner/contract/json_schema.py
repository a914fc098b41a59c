"""A JSON Schema -> a contract: the whole answer is one strict JSON value that satisfies it.

White space around the answer is tolerated, anything else (prose, code fences, duplicate keys) is a violation; with
`extract` the JSON is first taken out of what stands around it (`contract.extract`). Schemas
are read as Draft 2020-12 and must be self-contained: a reference that would need the network or another file is
refused when the contract is built. `pattern` runs under a time limit; `patternProperties`, which sees keys only, does
not. `format` is an annotation, as the draft says, and checks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.contract.excerpt import excerpt
from runner.contract.extract import find_json
from runner.contract.pattern import TIME_LIMIT, compile_pattern
from runner.contract.strict_json import SPACE, JsonFault, read_json
from runner.contract.violation import OutputContract, Violation, ViolationKind
from runner.errors import Location, Problem, SpecError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError
    from referencing import Resource

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_VIOLATIONS = 10
"""A hopeless answer is told in ten lines, not in a thousand."""

_PROBES: tuple[Any, ...] = ({}, [], "", 0, True, None)

_KINDS: dict[str, ViolationKind] = {
    "required": "missing_key",
    "dependentRequired": "missing_key",
    "additionalProperties": "extra_key",
    "unevaluatedProperties": "extra_key",
    "type": "wrong_type",
    "enum": "not_in_enum",
    "const": "not_in_enum",
}


@dataclass(frozen=True, slots=True)
class JsonSchemaContract:
    """Accepts answers that are one JSON value valid under the schema."""

    validator: Draft202012Validator
    extract: bool = False
    """Whether the JSON is taken out of a code fence or of prose first."""

    def extracted(self, text: str) -> str:
        """Return the JSON in the text where it is to be extracted and there is some, else the whole text."""
        found = find_json(text) if self.extract else None
        return text if found is None else found

    def check(self, text: str) -> list[Violation]:
        """Return every violation, at most `MAX_VIOLATIONS`."""
        answer = self.extracted(text).strip(SPACE)
        value = read_json(answer)
        if isinstance(value, JsonFault):
            return [_not_one_value(answer, value)]
        try:
            found = [_violation(error) for error in self.validator.iter_errors(value)]
        except RecursionError:
            return [Violation("schema", "the answer is nested too deeply for this schema")]
        return sorted(found, key=lambda violation: (violation.pointer, violation.message))[:MAX_VIOLATIONS]


def build_json_schema(schema: dict[str, Any], where: Location, *, extract: bool = False) -> OutputContract:
    """Build the contract.

    Args:
        schema: the JSON Schema.
        where: its file, for errors.
        extract: whether the JSON is taken out of what stands around it first.

    Raises:
        SpecError: with every reason why the schema cannot be used.
    """
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import extend
    from referencing import Registry

    _refuse_other_dialect(schema, where)
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        message = f"not a valid JSON Schema: {excerpt(error.message, 200)} at {_pointer(error.absolute_path) or '/'}"
        raise SpecError([Problem(message, where)]) from error
    if problems := [*_unusable(schema, where)]:
        raise SpecError(problems)
    checked = extend(Draft202012Validator, {"pattern": _timed_pattern})  # type: ignore[no-untyped-call]
    # With `$schema`, a reference to the root would be checked by the plain class, without the time limit.
    validator = checked({key: value for key, value in schema.items() if key != "$schema"}, registry=Registry())
    _refuse_endless(validator, where)
    return JsonSchemaContract(validator, extract)


def _refuse_other_dialect(schema: dict[str, Any], where: Location) -> None:
    declared = schema.get("$schema", DIALECT)
    if not isinstance(declared, str) or declared.rstrip("#") != DIALECT:
        hint = f'write "$schema": "{DIALECT}"; most schemas need no other change'
        raise SpecError([Problem(f"$schema {excerpt(str(declared))!r} is not supported", where, hint)])


def _unusable(schema: dict[str, Any], where: Location) -> Iterator[Problem]:
    """Yield references that lead nowhere or outside, and patterns that cannot be run."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    resource: Resource[Any] = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource("", resource).crawl().resolver_with_root(resource)
    for inner, subschema in _subschemas(resource, resolver):
        if "$schema" in subschema and subschema is not schema:
            yield Problem("$schema may stand at the top only", where)
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in subschema and (problem := _unresolvable(subschema[keyword], inner, where)):
                yield problem
        for pattern in [*filter(None, [subschema.get("pattern")]), *subschema.get("patternProperties", ())]:
            try:
                compile_pattern(pattern, where)
            except SpecError as error:
                yield from error.problems


def _subschemas(resource: Resource[Any], resolver: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    if isinstance(resource.contents, dict):
        yield resolver, resource.contents
    for part in resource.subresources():
        yield from _subschemas(part, resolver.in_subresource(part))


def _unresolvable(reference: str, resolver: Any, where: Location) -> Problem | None:
    from referencing.exceptions import Unresolvable

    try:
        resolver.lookup(reference)
    except Unresolvable:
        shown = excerpt(reference)
        if reference.startswith("#"):
            return Problem(f"$ref {shown!r} points at nothing in this schema", where)
        hint = "copy the definition into $defs; nothing is fetched while checking answers"
        return Problem(f"$ref {shown!r} leads out of the schema", where, hint)
    return None


def _refuse_endless(validator: Draft202012Validator, where: Location) -> None:
    """Find references that lead back to themselves by checking values of every type once."""
    try:
        for probe in _PROBES:
            validator.is_valid(probe)
    except RecursionError as error:
        raise SpecError([Problem("a $ref leads back to itself without end", where)]) from error


def _timed_pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if not isinstance(instance, str):
        return
    import regex

    try:
        if not regex.search(pattern, instance, timeout=TIME_LIMIT):
            yield ValidationError(f"{excerpt(instance)!r} does not match {excerpt(pattern)!r}")
    except TimeoutError:
        yield ValidationError(f"matching {excerpt(pattern)!r} took longer than {TIME_LIMIT:g} s")


def _violation(error: ValidationError) -> Violation:
    return Violation(_KINDS.get(str(error.validator), "schema"), _message(error), _pointer(error.absolute_path))


def _message(error: ValidationError) -> str:
    """Word the commonest errors so that a long answer is not repeated in them."""
    match error.validator:
        case "type":
            return f"{_shown(error.instance)} is not of type {_shown(error.validator_value)}"
        case "enum":
            return f"{_shown(error.instance)} is not one of {_shown(error.validator_value, 200)}"
        case _:
            return excerpt(error.message, 200)


def _shown(value: Any, limit: int = 80) -> str:
    return excerpt(json.dumps(value, ensure_ascii=False), limit)


def _pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _not_one_value(text: str, fault: JsonFault) -> Violation:
    """Class a text that is no JSON value by what stands around the value it may contain."""
    if fault.kind == "empty":
        return Violation("not_json", "the answer is empty")
    if fault.kind == "duplicate_key":
        return Violation("duplicate_key", fault.message)
    if fault.kind == "extra_text":
        return Violation("prose_around_json", f"{fault.message}: {excerpt(text[fault.position :], 40)!r}")
    if text.startswith(("{", "[", '"')):
        return Violation("cut_off" if fault.kind == "cut_off" else "not_json", fault.message)
    return _not_json_at_start(text)


def _not_json_at_start(text: str) -> Violation:
    if "```" in text:
        return Violation("code_fence", "the answer is wrapped in a code fence")
    if find_json(text) is not None:
        return Violation("prose_around_json", f"text stands before the JSON: {excerpt(text, 40)!r}")
    return Violation("not_json", f"{excerpt(text)!r} is not JSON")
