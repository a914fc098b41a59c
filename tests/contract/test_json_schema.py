"""JSON Schema contracts: kinds of violations, and schemas that cannot be contracts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.contract.contract import build_contract, contract_digest_input
from runner.errors import Location, SpecError
from runner.spec.evaluation import JsonSchemaFormat

WHERE = Location("specs/x/spec.yaml", 9, 3)
SCHEMA = {
    "type": "object",
    "properties": {
        "queue": {"enum": ["billing", "shipping"]},
        "urgent": {"type": "boolean"},
        "order": {"type": "string", "pattern": "^[0-9]+$"},
        "a/b~c": {"type": "integer", "minimum": 0},
    },
    "required": ["queue", "urgent"],
    "additionalProperties": False,
}
FORMAT = JsonSchemaFormat(json_schema="output.schema.json")


def contract_of(schema, tmp_path):
    folder = tmp_path / "specs" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    content = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    (folder / "output.schema.json").write_bytes(content)
    return build_contract(FORMAT, folder, tmp_path, WHERE)


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    return contract_of(SCHEMA, tmp_path_factory.mktemp("repo"))


GOOD = '{"queue": "billing", "urgent": true}'
ANSWERS = {
    "compliant": (GOOD, []),
    "white space around": (f"\n  {GOOD}\r\n", []),
    "no-break space around": (f"\u00a0{GOOD}", ["prose_around_json"]),
    "empty": ("  ", ["not_json"]),
    "prose": ("This goes to billing.", ["not_json"]),
    "prose before": (f"Sure! {GOOD}", ["prose_around_json"]),
    "prose after": (f"{GOOD}\nHope that helps!", ["prose_around_json"]),
    "code fence": (f"```json\n{GOOD}\n```", ["code_fence"]),
    "code fence after prose": (f"Here:\n```\n{GOOD}\n```", ["code_fence"]),
    "cut off": (GOOD[:-6], ["cut_off"]),
    "single quotes": (GOOD.replace('"', "'"), ["not_json"]),
    "prose with a brace": ("the set {a, b}", ["not_json"]),
    "missing key": ('{"queue": "billing"}', ["missing_key"]),
    "two missing keys": ("{}", ["missing_key", "missing_key"]),
    "extra key": ('{"queue": "billing", "urgent": true, "why": 1}', ["extra_key"]),
    "duplicate key": ('{"queue": "billing", "queue": "billing", "urgent": true}', ["duplicate_key"]),
    "wrong type": ('{"queue": "billing", "urgent": "yes"}', ["wrong_type"]),
    "not an object": ("[]", ["wrong_type"]),
    "not in enum": ('{"queue": "biling", "urgent": true}', ["not_in_enum"]),
    "pattern": ('{"queue": "billing", "urgent": true, "order": "x"}', ["schema"]),
    "several": ('{"queue": 1, "urgent": 1}', ["not_in_enum", "wrong_type"]),
}


@pytest.mark.parametrize(("text", "kinds"), ANSWERS.values(), ids=ANSWERS)
def test_violations_are_classed(contract, text, kinds):
    assert [violation.kind for violation in contract.check(text)] == kinds


def test_violations_point_at_the_value(contract):
    (violation,) = contract.check('{"queue": "billing", "urgent": true, "a/b~c": -1}')
    assert violation.pointer == "/a~1b~0c"


def test_messages_stay_short_and_printable(contract):
    (violation,) = contract.check(json.dumps({"queue": "\x1b[31m" + "x" * 10_000, "urgent": True}))
    assert len(violation.message) < 400
    assert violation.message.isprintable()


def test_an_endless_pattern_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.contract.json_schema.TIME_LIMIT", 0.05)
    contract = contract_of({"type": "string", "pattern": "^(a|aa)+$"}, tmp_path)
    (violation,) = contract.check(json.dumps("a" * 200 + "b"))
    assert "took longer" in violation.message


def test_the_time_limit_holds_behind_a_reference_to_the_root(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.contract.json_schema.TIME_LIMIT", 0.05)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": ["object", "string"],
        "pattern": "^(a|aa)+$",
        "properties": {"inner": {"$ref": "#"}},
    }
    (violation,) = contract_of(schema, tmp_path).check(json.dumps({"inner": "a" * 200 + "b"}))
    assert (violation.pointer, "took longer" in violation.message) == ("/inner", True)


def test_a_schema_that_needs_many_frames_per_level_gives_a_verdict(tmp_path):
    deep = {"allOf": [{"anyOf": [{"allOf": [{"items": {"$ref": "#"}}]}]}]}
    assert [found.kind for found in contract_of(deep, tmp_path).check("[" * 100 + "]" * 100)] in ([], ["schema"])


def test_references_inside_the_schema_work(tmp_path):
    schema = {
        "$defs": {"queue": {"enum": ["a"]}, "tree": {"properties": {"kids": {"items": {"$ref": "#/$defs/tree"}}}}},
        "properties": {
            "queue": {"$ref": "#/$defs/queue"},
            "$ref": {"type": "string"},
            "tree": {"$ref": "#/$defs/tree"},
        },
    }
    contract = contract_of(schema, tmp_path)
    assert contract.check('{"queue": "a", "tree": {"kids": [{"kids": []}]}}') == []
    assert contract.check('{"queue": "b"}')[0].kind == "not_in_enum"


def test_an_answer_too_deep_for_a_recursive_schema_is_a_violation(tmp_path):
    contract = contract_of({"items": {"$ref": "#"}}, tmp_path)
    assert contract.check("[" * 100 + "]" * 100) == []
    assert contract.check("[" * 5000 + "]" * 5000)[0].kind == "not_json"


@given(st.text() | st.text(alphabet='{}[]":, queue`billing\\'))
def test_any_answer_gets_a_verdict(contract, text):
    for violation in contract.check(text):
        assert violation.message


BAD_SCHEMAS = {
    "not JSON": (b'{"type": }', "specs/x/output.schema.json:1:10"),
    "duplicate key": (b'{"type": "object", "type": "string"}', "occurs twice"),
    "not UTF-8": (b'{"title": "\xe9"}', "not UTF-8"),
    "a list": (b"[]", "JSON object"),
    "too large": (b" " * (1 << 20) + b"{}", "1 MiB"),
    "unknown type": ({"type": "text"}, "not a valid JSON Schema"),
    "bad pattern": ({"pattern": "("}, "not a valid JSON Schema"),
    "another draft": ({"$schema": "http://json-schema.org/draft-07/schema#"}, "not supported"),
    "remote reference": ({"$ref": "https://example.com/s.json"}, "leads out of the schema"),
    "nested remote reference": ({"properties": {"a": {"items": {"$ref": "http://localhost/s"}}}}, "leads out"),
    "reference to a file": ({"anyOf": [{"$ref": "other.json#/x"}]}, "leads out"),
    "dangling reference": ({"$ref": "#/$defs/none"}, "points at nothing"),
    "dialect inside": ({"$defs": {"a": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}}, "at the top"),
    "reference to itself": ({"$ref": "#"}, "without end"),
}


@pytest.mark.parametrize(("schema", "words"), BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_unusable_schemas_are_refused(tmp_path, schema, words):
    with pytest.raises(SpecError, match=words) as caught:
        contract_of(schema, tmp_path)
    assert caught.value.problems[0].where.file == "specs/x/output.schema.json"


def test_all_bad_references_are_told(tmp_path):
    schema = {"properties": {"a": {"$ref": "http://a/"}, "b": {"$ref": "#/none"}}}
    with pytest.raises(SpecError) as caught:
        contract_of(schema, tmp_path)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.json", "no schema file"),
        ("/etc/passwd", "relative"),
        ("../../../out.json", "leads out"),
        ("link.json", "leads out"),
        ("loop.json", "no schema file"),
        ("x" * 5000, "no schema file"),
    ],
)
def test_schema_files_stay_in_the_repository(tmp_path, name, words):
    root = tmp_path / "repo"
    folder = root / "specs" / "x"
    folder.mkdir(parents=True)
    (tmp_path / "out.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "out.json")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    chosen = JsonSchemaFormat(json_schema=name)
    with pytest.raises(SpecError, match=words) as caught:
        build_contract(chosen, folder, root, WHERE)
    assert caught.value.problems[0].where == WHERE
    with pytest.raises(SpecError, match=words):
        contract_digest_input(chosen, folder)


def test_a_schema_may_lie_elsewhere_in_the_repository(tmp_path):
    folder = tmp_path / "specs" / "x"
    folder.mkdir(parents=True)
    (tmp_path / "common.json").write_text('{"type": "object"}')
    chosen = JsonSchemaFormat(json_schema="../../common.json")
    assert build_contract(chosen, folder, tmp_path, WHERE).check("{}") == []
    assert contract_digest_input(chosen, folder) == {"json_schema": {"type": "object"}}
