"""`evaluation.slices`: the values of some fields, by which the results of test rows are told apart.

A field is looked for in the references' JSON first: where one of them has it, its values come from there. Any other
field must be one of the source rows', such as `language`; `prepare` carries its values beside the test rows, never in
them, so that naming a slice changes no row and trains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.contract.contract import OutputContract
from runner.contract.excerpt import excerpt
from runner.contract.extract import effective_answer
from runner.contract.strict_json import read_json
from runner.data.findings import Findings
from runner.data.prompts import reference_of
from runner.data.rows import Row
from runner.errors import Location
from runner.spec.load import LoadedSpec

LONGEST = 200
"""Characters of a value; longer ones are cut, for they name no group of rows."""

Carried = Mapping[str, Mapping[str, str]]
"""By field: row id -> value."""


def slice_places(loaded: LoadedSpec) -> dict[str, Location]:
    """Return the fields of `evaluation.slices` and where the spec names each."""
    names = loaded.spec.evaluation.slices
    return {name: loaded.where(f"evaluation.slices.{number}") for number, name in enumerate(names)}


def fields_of(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return those fields of a JSON object that are named, as text."""
    return {name: _text(value[name]) for name in names if name in value}


def _text(value: Any) -> str:
    return excerpt(value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False), LONGEST)


def carry(
    rows: Sequence[Row],
    slices: Mapping[str, Location],
    contract: OutputContract | None,
    findings: Findings,
) -> dict[str, dict[str, str]]:
    """Return the values of fields that no reference has, by field and row id.

    Args:
        rows: the test split as read, with the fields of its source rows.
        slices: names, and where the spec has them.
        contract: tells what part of a reference counts.
        findings: takes fields that no row has.
    """
    answered = _of_references(rows, slices, contract)
    carried: dict[str, dict[str, str]] = {}
    for name, where in slices.items():
        if any(name in fields for fields in answered):
            continue
        found = {row.id: row.fields[name] for row in rows if row.fields and name in row.fields}
        if found:
            carried[name] = found
        elif rows:
            there = sorted({name for row in rows for name in _members(row, contract)})
            hint = f"fields of the answers are {', '.join(map(excerpt, there[:20]))}" if there else "no answer is JSON"
            message = f"no test row has a field {excerpt(name)!r}, neither in its answer nor beside it"
            findings.add("unknown_slice", "error", message, where, hint=f"{hint}; mend evaluation.slices")
    return carried


def values_of(
    rows: Sequence[Row], names: Sequence[str], carried: Carried | None, contract: OutputContract | None
) -> dict[str, list[str | None]]:
    """Return the value of each test row, by the fields of `evaluation.slices`; null where a row lacks the field.

    Args:
        rows: the test split.
        names: the fields.
        carried: the artifact `slices`; None where `prepare` had nothing to carry.
        contract: tells what part of a reference counts.
    """
    answered = _of_references(rows, names, contract)
    values: dict[str, list[str | None]] = {}
    for name in names:
        beside = (carried or {}).get(name)
        if beside is None:
            values[name] = [fields.get(name) for fields in answered]
        else:
            values[name] = [beside.get(row.id) for row in rows]
    return values


def _of_references(rows: Sequence[Row], names: Iterable[str], contract: OutputContract | None) -> list[dict[str, str]]:
    wanted = list(names)
    return [fields_of(_members(row, contract), wanted) for row in rows] if wanted else [{} for _ in rows]


def _members(row: Row, contract: OutputContract | None) -> Mapping[str, Any]:
    value = read_json(effective_answer(reference_of(row), contract))
    return value if isinstance(value, dict) else {}
