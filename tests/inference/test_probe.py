"""Latency is measured one question at a time, of all models in one run."""

import pytest

from runner.data.prompts import prompts_of
from runner.inference import probe as module
from runner.inference.engine import ModelFiles, open_engine
from runner.inference.probe import PROMPTS, Asked, percentiles, probe
from runner.progress import silent
from runner.spec.evaluation import Generation


def test_models_take_turns_after_a_warm_up(base, tuned, rows, monkeypatch):
    turns, opened = [], []

    def listening(name, model, **options):
        engine = open_engine(name, model, **options)
        opened.append(options)
        chat = engine.chat
        engine.chat = lambda body: (
            turns.append((model.adapter is not None, body["messages"][-1]["content"])) or chat(body)
        )
        return engine

    monkeypatch.setattr(module, "open_engine", listening)
    settings = Generation(max_new_tokens=4)
    models = {
        "base": Asked("llama_cpp", ModelFiles(base, None), settings),
        "tuned": Asked("llama_cpp", tuned, settings),
    }
    seconds = probe(models, prompts_of(rows), silent)
    assert {name: len(found) for name, found in seconds.items()} == {"base": PROMPTS, "tuned": PROMPTS}
    assert all(0 < took < 60 for found in seconds.values() for took in found)
    assert opened == [{"slots": 1}] * 2
    assert [tuned for tuned, _ in turns] == [False, True] * (PROMPTS + 1)
    questions = [question for tuned, question in turns if tuned]
    assert questions == [question for tuned, question in turns if not tuned]
    assert len(set(questions)) == PROMPTS + 1


def test_what_is_refused_is_timed_for_nobody(base, rows):
    prompts = prompts_of(rows)[:4]
    prompts[1].messages[-1]["content"] = "why " * 3000
    models = {"base": Asked("llama_cpp", ModelFiles(base, None), Generation(max_new_tokens=4))}
    assert len(probe(models, prompts, silent)["base"]) == 2


@pytest.mark.parametrize(
    ("seconds", "p50", "p95"),
    [([2.0], 2.0, 2.0), ([1.0, 3.0], 2.0, 2.9), ([float(n) for n in range(1, 22)], 11.0, 20.0)],
)
def test_percentiles_are_numpys(seconds, p50, p95):
    assert percentiles(seconds) == {"latency_p50": p50, "latency_p95": p95}


def test_nothing_timed_has_no_percentiles():
    assert percentiles([]) == {}
