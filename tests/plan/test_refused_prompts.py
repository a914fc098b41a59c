"""What an engine refuses to answer: stored apart, left out by few, an error of the step by many."""

from __future__ import annotations

import json

import pytest
from world import FakeEngine, World, fake_weights

from runner.errors import TerminalError, TransientError
from runner.inference.engine import Refused


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    made = World(tmp_path)
    made.files = {"data/a.jsonl": list(range(240))}
    return made


def refuse(monkeypatch, numbers, *, lasting=True) -> None:
    """Have the engine refuse the prompts at these places."""

    class Choosy(FakeEngine):
        def answer(self, prompts, settings, report, sample=0, done=()):
            ids = {prompts[number].id for number in numbers}
            for reply in super().answer(prompts, settings, report, sample, done):
                yield Refused(reply.prompt_id, "too long", lasting) if reply.prompt_id in ids else reply

    monkeypatch.setattr("runner.inference.bulk.open_engine", Choosy)


def lines(world: World, record, name):
    return [json.loads(line) for line in world.registry.read(record.outputs[name]).splitlines()]


def predicted(world: World):
    return next(iter(world.registry.records("predict_base")))


def test_few_are_stored_apart(world, monkeypatch):
    refuse(monkeypatch, [3])
    world.spec["evaluation"]["generation"] = {"temperature": 0.5, "samples": 2}
    _, outcome = world.apply(through="predict_base")
    assert outcome.error is None
    record = predicted(world)
    (error,) = lines(world, record, "errors")
    assert error["error"] == "too long"
    answers = lines(world, record, "answers")
    assert error["prompt_id"] not in {answer["prompt_id"] for answer in answers}
    assert record.metrics["errors"] == 1
    assert record.metrics["answers"] == len(answers)
    firsts = [answer for answer in answers if "sample" not in answer]
    assert [answer["sample"] for answer in answers if "sample" in answer] == [1] * len(firsts)
    assert [(a["prompt_id"], a.get("sample")) for a in lines(world, record, "timings")] == [
        (a["prompt_id"], a.get("sample")) for a in answers
    ]


@pytest.mark.parametrize(("lasting", "kind"), [(True, TerminalError), (False, TransientError)])
def test_many_are_an_error_that_names_them(world, monkeypatch, lasting, kind):
    refuse(monkeypatch, range(5), lasting=lasting)
    _, outcome = world.apply(through="predict_base")
    assert isinstance(outcome.error, kind)
    assert "predict_base: 5 of " in outcome.error.message
    assert ": too long; and 2 more" in outcome.error.message
    assert list(world.registry.records("predict_base")) == []
    planned = world.plan().specs[0].step("predict_base")
    assert planned.action == ("BLOCKED" if lasting else "RUN")


def test_without_errors_nothing_is_stored_of_them(world):
    world.apply(through="predict_base")
    assert predicted(world).outputs.keys() == {"answers", "timings"}
    assert predicted(world).metrics.keys() == {"answers", "completion_tokens"}


def test_what_was_answered_stays_answered(world, monkeypatch):
    """The second apply asks for what is missing alone."""
    refuse(monkeypatch, range(5), lasting=False)
    world.apply(through="predict_base")
    asked = []

    class Counting(FakeEngine):
        def answer(self, prompts, *arguments):
            for reply in super().answer(prompts, *arguments):
                asked.append(reply.prompt_id)
                yield reply

    monkeypatch.setattr("runner.inference.bulk.open_engine", Counting)
    _, outcome = world.apply(through="predict_base")
    assert outcome.error is None
    assert len(asked) == 5
