"""Which format is written, and that the JSON is what its schema says."""

import json
from pathlib import Path

import jsonschema
import pytest

from runner.errors import UsageError
from runner.report.formats import FORMATS, format_of, render
from runner.report.schema import SCHEMA_FILE, report_schema

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("asked", "out", "found"),
    [
        (None, None, "markdown"),
        (None, "-", "markdown"),
        (None, "/dev/stdout", "markdown"),
        (None, "out/report.md", "markdown"),
        (None, "report.JSON", "json"),
        (None, "junit.xml", "junit"),
        (None, "report.html", "html"),
        (None, "report.txt", "text"),
        ("html", "report.txt", "html"),
        ("junit", None, "junit"),
    ],
)
def test_the_format_is_asked_for_or_told_by_the_suffix(asked, out, found):
    assert format_of(asked, Path(out) if out else None, otherwise="markdown") == found


def test_an_unknown_suffix_is_refused():
    with pytest.raises(UsageError, match=r"no format is known for report\.pdf") as error:
        format_of(None, Path("report.pdf"), otherwise="markdown")
    assert ".html" in error.value.hint


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_renders(report, form):
    assert "support-triage" in render(report, form)


def test_the_json_is_what_its_schema_says(report):
    schema = report_schema()
    assert schema == json.loads((ROOT / SCHEMA_FILE).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    printed = json.loads(render(report, "json"))
    jsonschema.validate(printed, schema)
    printed["verdicts"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(printed, schema)


def objects(schema):
    yield schema
    yield from schema["$defs"].values()


def test_the_schema_is_closed_and_describes_every_field():
    for part in objects(report_schema()):
        if "properties" in part:
            assert part["additionalProperties"] is False
            assert all("description" in field for field in part["properties"].values()), part["description"]
