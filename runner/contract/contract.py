"""Output format of a spec -> the contract object that checks answers, and the JSON value that decides its verdicts.

`plan` needs only `contract_digest_input`, so this module stays light: jsonschema is imported when a contract is built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from runner.contract.length import LimitedContract
from runner.contract.schema_file import read_schema
from runner.contract.violation import OutputContract, Violation, ViolationKind
from runner.errors import Location
from runner.spec.evaluation import JsonSchemaFormat, LabelsFormat, OutputFormat, RegexFormat

__all__ = ["OutputContract", "Violation", "ViolationKind", "build_contract", "contract_digest_input"]


def build_contract(
    output_format: OutputFormat | Literal["none"], folder: Path, root: Path, where: Location
) -> OutputContract | None:
    """Build the contract of a spec; None when it asks for no format.

    Args:
        output_format: `evaluation.output_format` of the spec.
        folder: the spec's folder, which a schema file is named relative to.
        root: the repository; nothing outside it is read.
        where: the place of `output_format` in the spec, for errors.

    Raises:
        SpecError: when the schema, labels or expression cannot be a contract.
    """
    if output_format == "none":
        return None
    contract = _build(output_format, folder, root, where)
    return contract if output_format.max_length is None else LimitedContract(contract, output_format.max_length)


def _build(output_format: OutputFormat, folder: Path, root: Path, where: Location) -> OutputContract:
    match output_format:
        case JsonSchemaFormat(json_schema=name):
            from runner.contract.json_schema import build_json_schema

            file = read_schema(name, folder, root, where)
            return build_json_schema(file.content, Location(file.name), extract=bool(output_format.extract))
        case LabelsFormat(labels=labels):
            from runner.contract.labels import build_labels

            return build_labels(labels, where)
        case RegexFormat(regex=pattern):
            from runner.contract.pattern import build_pattern

            return build_pattern(pattern, where)


def contract_digest_input(
    output_format: OutputFormat | Literal["none"],
    folder: Path,
    root: Path | None = None,
    where: Location | None = None,
) -> object:
    """Return the JSON value that decides every verdict of the contract; None when there is no contract.

    Layout of the schema file and order of labels do not count.

    Args:
        output_format: `evaluation.output_format` of the spec.
        folder: the spec's folder.
        root: the repository that the schema file must lie in; by default the one of the layout `specs/<name>/`.
        where: the place of `output_format` in the spec, for errors; by default the schema file.

    Raises:
        SpecError: when the schema file cannot be read as JSON.
    """
    if output_format == "none":
        return None
    # What came later stands in the digest only where it is used, so that older specs keep their keys.
    more = output_format.model_dump(include={"extract", "max_length"}, exclude_none=True)
    match output_format:
        case JsonSchemaFormat(json_schema=name):
            root = folder.absolute().parents[1] if root is None else root
            return {"json_schema": read_schema(name, folder, root, where or Location(name)).content, **more}
        case LabelsFormat(labels=labels):
            return {"labels": sorted(set(labels)), **more}
        case RegexFormat(regex=pattern):
            return {"regex": pattern, **more}
