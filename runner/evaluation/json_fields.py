"""Metrics of JSON answers, field by field.

`exact_match.FIELD`: 1 when answer and reference have the same value of a field, or both leave it out; an answer that
is no JSON object earns nothing. `json_fields`: the share of the reference's fields that the answer has right, between
0 and 1; a nested value is right when all of it is. Fields that the answer adds cost nothing: `format_compliance` and
`exact_match` see them. An empty reference object is met by any object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.errors import GituneError
from runner.evaluation.answers import members


def field_match(field: str, reference: str, answer: str) -> float:
    """Return 1 when a field of the answer is right."""
    given = members(answer)
    return float(given is not None and given.get(field) == (members(reference) or {}).get(field))


def json_fields(reference: str, answer: str) -> float:
    """Return the share of the reference's fields that the answer has right."""
    wanted, given = members(reference) or {}, members(answer)
    if given is None:
        return 0.0
    return sum(given.get(name) == value for name, value in wanted.items()) / len(wanted) if wanted else 1.0


def require_objects(metric: str, references: Sequence[str]) -> list[Mapping[str, str]]:
    """Return the references as objects.

    Raises:
        GituneError: when one of them is none.
    """
    found = [members(reference) for reference in references]
    objects = [reference for reference in found if reference is not None]
    if len(objects) < len(found):
        raise GituneError(
            f"{metric} reads a field of a JSON object, but {len(found) - len(objects)} of {len(found)} references "
            f"are none (such as {references[found.index(None)][:60]!r})",
            hint="use exact_match, or write the answers as JSON objects",
        )
    return objects


def require_field(metric: str, field: str, references: Sequence[str], *, of_all: bool = False) -> None:
    """Refuse a field that no reference has.

    Args:
        metric: for the error.
        field: its name.
        references: of all rows.
        of_all: refuse it as well when a single reference is without.

    Raises:
        GituneError: naming the fields that there are.
    """
    objects = require_objects(metric, references)
    bare = [reference for reference in objects if field not in reference]
    if bare and (of_all or len(bare) == len(objects)):
        raise GituneError(f"{metric}: references have no field {field!r}", hint=f"fields are {', '.join(bare[0])}")
