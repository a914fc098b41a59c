"""From real records to a report: history, what changed, neighbours, wear, and records of older gitunes."""

import json

import jsonschema
import pytest
from world import World, fake_weights

from runner.errors import UsageError
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.report.gather import gather_report
from runner.report.markdown import render_markdown
from runner.report.schema import report_schema


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    made = World(tmp_path)
    made.spec["evaluation"]["slices"] = ["size"]
    made.spec["evaluation"]["gates"].append(
        {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 10}}
    )
    return made


def report_of(world):
    (subject,) = world.subjects()
    return gather_report(look(Walk(subject, world.registry, world.delivery())))


def second(world, learning_rate=0.002):
    """Evaluate a second version beside the live one, on a branch that deploys nothing."""
    world.apply()
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = learning_rate
    world.branch = "topic"
    world.apply()


def test_a_first_version(world):
    world.branch = "topic"
    world.apply()
    report = report_of(world)
    assert (report.outcome, report.decision, report.champion) == ("PASS", "merge", None)
    assert (report.changed, report.changed_since, report.champion_changes) == ([], None, None)
    (point,) = report.history
    assert (point.version, point.date, point.value, point.same_test_set) == ("1.0.0", None, 1.0, True)
    assert point.n == len(report.rows) == report.headline.n
    assert report.wear.candidates == 1


def test_what_is_live_is_not_to_be_merged(world):
    world.apply()
    report = report_of(world)
    assert report.decision == "live already"
    assert report.next_step == "1.0.0 is live as production."


def test_a_second_version_is_told_from_the_champion(world):
    second(world)
    report = report_of(world)
    assert report.changed_since == "1.0.0"
    assert [change.words for change in report.changed] == ["learning_rate 0.001 → 0.002"]
    assert [(point.version, point.date is None) for point in report.history] == [("1.0.0", False), ("1.1.0", True)]
    assert [subject.title for subject in report.subjects] == ["base", "champion 1.0.0", "this"]
    assert all(subject.answer_tokens and subject.prompt_tokens for subject in report.subjects)
    assert report.champion_changes.fixed == report.champion_changes.broken == 0
    assert report.wear.candidates == 1  # the same answers are the same candidate


def test_a_broken_candidate_is_not_to_be_merged(world):
    second(world, learning_rate=0.1)
    report = report_of(world)
    assert (report.outcome, report.releasable, report.decision) == ("FAIL", False, "do not merge")
    assert {row.champion_status for row in report.rows} == {"broken"}
    assert {row.status for row in report.rows} == {"format_error"}
    assert report.wear.candidates == 2
    text = render_markdown(report)
    assert text.startswith("❌ **Do not merge: bot 1.1.0 fails ")
    assert f"Broken since the champion: 10 of {len(report.rows)} rows" in text


def test_rows_know_their_place_their_slice_and_what_training_holds_like_them(world):
    world.apply()
    report = report_of(world)
    for row in report.rows:
        name, _, line = row.where.rpartition(":")
        source = (world.root / name).read_text().splitlines()[int(line) - 1]
        assert json.loads(source)["input"] == row.input
        assert row.slices == {"size": json.loads(row.expected)["size"]}
        assert row.nearest
        for near in row.nearest:
            assert near.where.startswith("specs/bot/data/")
            assert near.input.startswith("item ")
    assert sum(part.n for part in report.slices) == len(report.rows)
    assert report.near_rows == sum(row.near for row in report.rows)


def test_the_json_of_real_records_is_what_the_schema_says(world):
    second(world)
    jsonschema.validate(json.loads(report_of(world).model_dump_json()), report_schema())


def test_records_of_an_older_gitune_have_less(world):
    """Without neighbours and errors of predictions, and with scores that hold the subjects alone."""
    world.apply()
    (subject,) = world.subjects()
    walk = look(Walk(subject, world.registry, world.delivery()))
    prepared, scored = walk.records["prepare"], walk.records["score"]
    old = json.loads(world.registry.read(scored.outputs["scores"]))["subjects"]
    plain = {"n", "values", "rows", "labels", "violations"}
    stored = world.registry.put_bytes(
        json.dumps({name: {k: v for k, v in found.items() if k in plain} for name, found in old.items()}).encode()
    )
    outputs = {name: artifact for name, artifact in prepared.outputs.items() if name not in ("neighbours", "slices")}
    walk.records["prepare"] = prepared.model_copy(update={"outputs": outputs})
    walk.records["score"] = scored.model_copy(update={"outputs": {"scores": stored}})
    report = gather_report(walk)
    assert (report.near_rows, report.slices) == (0, [])
    assert report.rows[0].nearest == []
    assert report.rows[0].status == "fixed"
    assert "training row" not in render_markdown(report)


def test_what_was_not_evaluated_says_how(world):
    world.write()
    with pytest.raises(UsageError, match="has not been evaluated yet: no prepare") as error:
        report_of(world)
    assert "gitune apply --through evaluate" in error.value.hint


def test_measured_latencies_are_told_one_by_one(world):
    world.spec["evaluation"]["metrics"].append("latency_p95")
    world.branch = "topic"
    world.apply()
    for subject in report_of(world).subjects:
        assert subject.latencies
        assert subject.latencies == sorted(subject.latencies)
        assert subject.latencies[0] <= subject.latency_p95 <= subject.latencies[-1]
