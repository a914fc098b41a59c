from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from runner.spec.config import Config
from runner.spec.lock import Lock
from runner.spec.models import Spec
from runner.spec.schema import generated_files, json_schemas, schema_problems, spec_markdown
from runner.spec.shape import PATTERNS, Shape
from runner.spec.supported import AVAILABLE
from runner.spec.yaml_file import read_yaml
from runner.spec.yaml_tree import read_tree


def nodes(value):
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    if isinstance(value, list):
        for item in value:
            yield from nodes(item)


@pytest.mark.parametrize("name", json_schemas())
def test_schemas_are_valid_closed_and_described(name):
    schema = json_schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for node in nodes(schema):
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["description"]


def test_generated_files_are_stable():
    first = generated_files()
    assert first == generated_files()
    assert set(first) == {"schemas/spec.schema.json", "schemas/config.schema.json", "docs/spec.md"}
    assert all(text.endswith("\n") and "\r" not in text for text in first.values())
    assert json.loads(first["schemas/spec.schema.json"]) == json_schemas()["spec.schema.json"]


@pytest.mark.parametrize("model", [Spec, Config])
def test_every_key_is_documented(model):
    text = spec_markdown()
    for path, key, shape in Shape.of(model).walk():
        heading = path.replace(".gates", ".gates`, each").removesuffix("`") if path else ""
        assert not path or f"## `{path}" in text, heading
        rows = [line for line in text.splitlines() if line.startswith(f"| `{key}` | {shape.words()}")]
        assert rows, (path, key)
        assert all(len(row.rsplit(" | ", 1)[1]) > 5 for row in rows), rows


def test_every_pattern_has_words():
    patterns = {
        node["pattern"]
        for model in (Spec, Config, Lock)
        for node in nodes(model.model_json_schema())
        if isinstance(node.get("pattern"), str)
    }
    assert patterns == set(PATTERNS)


def test_what_is_not_available_yet_is_said_in_the_docs():
    text = spec_markdown()
    assert "Not available yet: `openai`, `together`." in text


def test_defaults_are_available():
    for path, available in AVAILABLE.items():
        shape = Shape.of(Spec)
        for part in path.split("."):
            shape = shape.at(part)
        assert shape.node["default"] in available
        assert set(shape.choices()) >= {choice for choice in available if shape.choices()}


def test_the_schema_is_a_second_opinion(repository, design):
    repository.file.write_text(design.replace("num_epochs: 3", "num_epochs: 0").replace("owner:", "ownr:"))
    problems = schema_problems(read_yaml(repository.file, repository.root), "spec.schema.json")
    told = {problem.where.line: problem.message for problem in problems}
    assert "ownr" in told[2]
    assert "`training.num_epochs`: 0 is less than" in told[23]
    assert len(problems) == 2


def test_a_config_is_checked_by_its_own_schema():
    assert (
        schema_problems(read_tree("store: s3://b/p\npolicy: {file_roots: [models]}\n", "c"), "config.schema.json") == []
    )
    assert len(schema_problems(read_tree("store: 3\nx: 1\n", "c"), "config.schema.json")) == 2
