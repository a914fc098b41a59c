"""What prepare finds beside the test rows, and scores carry: near neighbours, slices, the JSON that was taken out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from world import FakeEngine, World, fake_weights

from runner.data.neighbours import neighbours_from_jsonl
from runner.data.prepare import prepare as prepare_rows
from runner.data.rows import rows_from_jsonl
from runner.data.slices import slice_places
from runner.errors import DataError
from runner.evaluation.cut_off import mark_cut_off
from runner.evaluation.scores import Scores, SubjectScores
from runner.plan import keys
from runner.steps import prepare

LANGUAGES = ("de", "en", "fr")


class Tagged(World):
    """One whose source rows have a language beside them."""

    tag = staticmethod(lambda number: {"language": LANGUAGES[number % 3]})

    def write(self) -> None:
        super().write()
        for name, numbers in self.files.items():
            file = self.root / "specs" / "bot" / name
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            tagged = [row | self.tag(number) for row, number in zip(rows, numbers, strict=True)]
            file.write_text("".join(json.dumps(row) + "\n" for row in tagged))


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    return Tagged(tmp_path)


def scores_of(world):
    (record,) = [r for r in world.registry.records("score") if r.version == world.spec["version"]]
    return Scores.model_validate_json(world.registry.read(record.outputs["scores"]))


def prepared_of(world):
    (record,) = [r for r in world.registry.records("prepare") if r.version == world.spec["version"]]
    return record


def rows_of(world):
    return rows_from_jsonl(world.registry.read(prepared_of(world).outputs["test"]))


def number_of(row):
    return int(row.messages[1]["content"].split()[1])


def test_scores_know_which_rows_training_nearly_holds(world):
    world.apply()
    scores, prepared = scores_of(world), prepared_of(world)
    found = neighbours_from_jsonl(world.registry.read(prepared.outputs["neighbours"]))
    assert [one.row for one in found] == scores.rows
    assert [one.near for one in found] == scores.near
    # `item 12 red large` and `item 15 red large` differ in a letter.
    assert all(scores.near)
    assert prepared.metrics["near_test_rows"] == len(scores.rows)
    train = {row.id for row in rows_from_jsonl(world.registry.read(prepared.outputs["train"]))}
    assert train >= {other.row for one in found for other in one.nearest}


def test_a_slice_is_a_field_of_the_answer_or_stands_beside_the_row(world):
    world.spec["evaluation"]["slices"] = ["size", "language"]
    world.apply()
    slices, numbers = scores_of(world).slices, [number_of(row) for row in rows_of(world)]
    assert slices == {
        "size": ["s" if number % 2 else "l" for number in numbers],
        "language": [LANGUAGES[number % 3] for number in numbers],
    }
    assert set(json.loads(world.registry.read(prepared_of(world).outputs["slices"]))) == {"language"}


def test_naming_a_slice_changes_no_row(world):
    world.apply()
    before = prepared_of(world).outputs
    world.spec["version"] = "1.1.0"
    world.spec["evaluation"]["slices"] = ["language"]
    _, outcome = world.apply()
    after = prepared_of(world).outputs
    assert outcome.ran == ["prepare", "score", "gate", "deploy"]
    same = ("train", "validation", "test", "prompts", "neighbours")
    assert {name: before[name].digest for name in same} == {name: after[name].digest for name in same}


def test_only_what_stands_beside_test_rows_is_scored_anew(world):
    world.spec["evaluation"]["slices"] = ["language"]
    world.apply()
    world.tag = lambda _: {"language": "it"}
    world.spec["version"] = "1.1.0"
    _, outcome = world.apply()
    assert outcome.ran == ["prepare", "score", "gate", "deploy"]
    assert set(scores_of(world).slices["language"]) == {"it"}


def test_values_are_told_as_json_writes_them(world):
    values = {0: True, 1: 7, 2: None, 3: "seven", 4: {"b": [1]}}
    world.tag = lambda number: {"kind": values[number % 6]} if number % 6 in values else {}
    world.spec["evaluation"]["slices"] = ["kind"]
    world.apply()
    told = {0: "true", 1: "7", 2: "null", 3: "seven", 4: '{"b": [1]}', 5: None}
    assert scores_of(world).slices["kind"] == [told[number_of(row) % 6] for row in rows_of(world)]


def carried(world, pairs):
    """Prepare rows with these numbers and languages, in this order."""
    world.files = {"data/a.jsonl": [number for number, _ in pairs]}
    languages = iter([language for _, language in pairs])
    world.tag = lambda _: {"language": next(languages)}
    world.write()
    loaded = world.subjects()[0].loaded
    dataset = loaded.spec.dataset
    return prepare_rows(dataset, loaded.folder, loaded.root, None, slice_places(loaded)).slices


@pytest.mark.parametrize(("policy", "left"), [("warn", {"de", "en"}), ("drop", {"de"})])
def test_which_of_two_equal_rows_counts_does_not_depend_on_their_order(world, policy, left):
    world.spec["evaluation"]["slices"] = ["language"]
    world.spec["dataset"]["checks"] = {"duplicates": policy, "min_examples": 10}
    pairs = [(number, language) for number in range(80) for language in ("de", "en")]
    found = carried(world, pairs)
    assert found == carried(world, pairs[::-1])
    assert set(found["language"].values()) == left


def test_a_slice_that_no_row_has_is_an_error_at_its_place(world):
    world.spec["evaluation"]["slices"] = ["size", "langauge"]
    _, outcome = world.apply()
    assert isinstance(outcome.error, DataError)
    (problem,) = outcome.error.problems
    assert "'langauge'" in problem.message
    assert "colour, size" in problem.hint
    line = (world.root / "specs/bot/spec.yaml").read_text().splitlines().index("  - langauge") + 1
    assert (problem.where.file, problem.where.line) == ("specs/bot/spec.yaml", line)


def test_what_an_older_gitune_released_stays_and_the_next_version_trains_nothing(world, monkeypatch):
    now = prepare.run

    def as_it_was(context):
        result = now(context)
        outputs = {name: made for name, made in result.outputs.items() if name != "neighbours"}
        return type(result)(outputs, result.metrics)

    with monkeypatch.context() as before:
        before.setattr(keys, "IMPLEMENTATION", keys.IMPLEMENTATION | {"prepare": 1})
        before.setattr(prepare, "run", as_it_was)
        world.apply()
    assert scores_of(world).near == []
    assert world.plan().idle
    world.spec["version"] = "1.1.0"
    world.spec["evaluation"]["gates"][1]["at_least"] = 0.8
    _, outcome = world.apply()
    assert outcome.ran == ["prepare", "score", "gate", "deploy"]
    assert len(scores_of(world).near) == len(rows_of(world))


class Chatty(FakeEngine):
    """Puts JSON into a code fence, with friendly words around it."""

    def answer(self, *asked, **more):
        for answer in super().answer(*asked, **more):
            told = f"Sure! ```json\n{answer.text}\n``` Anything else?"
            yield replace(answer, text=told) if self.wise else answer


def test_where_the_format_extracts_what_is_compared_is_the_json(world, monkeypatch):
    monkeypatch.setattr("runner.inference.bulk.open_engine", Chatty)
    _, strict = world.apply()
    found = scores_of(world).subjects["tuned"].values
    assert (strict.exit_code, found["exact_match"], found["format_compliance"]) == (3, 0, 0)
    world.spec["evaluation"]["output_format"]["extract"] = True
    _, extracting = world.apply()
    assert extracting.ran == ["prepare", "score", "gate", "deploy"]
    newest = max(world.registry.records("score"), key=lambda record: record.finished)
    found = Scores.model_validate_json(world.registry.read(newest.outputs["scores"])).subjects["tuned"].values
    assert (extracting.exit_code, found["exact_match"], found["format_compliance"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("kinds", "cut", "told"),
    [
        ([], True, []),
        (["not_json"], False, ["not_json"]),
        (["not_json"], True, ["cut_off", "not_json"]),
        (["cut_off"], True, ["cut_off"]),
    ],
)
def test_an_answer_that_the_token_limit_ended_is_told_as_cut_off_where_it_breaks_the_format(kinds, cut, told):
    scores = SubjectScores(n=2, values={}, breaks=[kinds, ["extra_key"]], violations={})
    marked = mark_cut_off(scores, [cut, False])
    assert marked.breaks == [told, ["extra_key"]]
    assert sum(marked.violations.values()) == len(told) + 1
    bare = SubjectScores(n=2, values={})
    assert mark_cut_off(bare, [True, True]) is bare
