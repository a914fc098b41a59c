"""A whole test set, answered by several copies side by side: each prompt once, and as one engine alone answers it."""

from dataclasses import replace

import pytest

from runner.data.prompts import prompts_of
from runner.errors import GituneError
from runner.inference import bulk
from runner.inference.bulk import answer_all
from runner.inference.engine import ModelFiles, open_engine
from runner.spec.models import Generation

SETTINGS = Generation(max_new_tokens=24)


def texts(answers):
    return {answer.prompt_id: answer.text for answer in answers}


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_answers_do_not_depend_on_the_cores(cores, base, rows, monkeypatch):
    """The untuned model: it has not made up its mind, so any other arithmetic would show."""
    monkeypatch.setattr(bulk, "available_cores", lambda: cores)
    prompts, seen = prompts_of(rows), []
    with open_engine("llama_cpp", ModelFiles(base, None), slots=1) as engine:
        alone = texts(engine.answer(prompts, SETTINGS, lambda _: None))
    assert texts(answer_all("llama_cpp", ModelFiles(base, None), prompts, SETTINGS, seen.append)) == alone
    assert seen[-1].done == len(alone) == len(prompts)


def test_transformers_answers_every_prompt(tuned, rows):
    assert len(texts(answer_all("transformers", tuned, prompts_of(rows), SETTINGS, lambda _: None))) == len(rows)


def test_the_first_failure_ends_it(tuned, rows, monkeypatch):
    monkeypatch.setattr(bulk, "available_cores", lambda: 2)
    prompts = prompts_of(rows)
    prompts[1] = replace(prompts[1], messages=[{"role": "user", "content": "why " * 3000}])
    with pytest.raises(GituneError, match=prompts[1].id):
        list(answer_all("llama_cpp", tuned, prompts, SETTINGS, lambda _: None))


def test_answers_left_early_end_the_work(tuned, rows, monkeypatch):
    monkeypatch.setattr(bulk, "available_cores", lambda: 2)
    found = answer_all("llama_cpp", tuned, prompts_of(rows), SETTINGS, lambda _: None)
    assert next(found).text
    found.close()


def test_nothing_to_ask_is_no_work(tuned):
    assert list(answer_all("llama_cpp", tuned, [], SETTINGS, lambda _: None)) == []
