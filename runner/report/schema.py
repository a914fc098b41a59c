"""The `Report` model -> `schemas/report.schema.json`, which says what `gitune report --format json` prints."""

from __future__ import annotations

from typing import Any

from runner.report.model import Report
from runner.spec.schema import DRAFT, render_schema
from runner.spec.shape import model_schema

SCHEMA_FILE = "schemas/report.schema.json"


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report: every object closed, every field described."""
    schema = model_schema(Report)
    definitions = {name: _closed(found) for name, found in schema["$defs"].items()}
    return {"$schema": DRAFT, **schema, "$defs": definitions}


def _closed(definition: dict[str, Any]) -> dict[str, Any]:
    # Facts of the registry are open, for records of newer releases; what is printed of them is not.
    return definition | ({"additionalProperties": False} if "properties" in definition else {})


def schema_files() -> dict[str, str]:
    """Return the generated file: repository-relative path -> text."""
    return {SCHEMA_FILE: render_schema(report_schema())}
