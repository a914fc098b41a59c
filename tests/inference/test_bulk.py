"""A whole test set, answered by several copies side by side: each prompt once, and as one engine alone answers it."""

from dataclasses import replace

import pytest

from runner.data.prompts import prompts_of
from runner.inference import bulk
from runner.inference.bulk import answer_all
from runner.inference.engine import ModelFiles, Refused
from runner.inference.llama_cpp import LlamaCppEngine
from runner.spec.evaluation import Generation

SETTINGS = Generation(max_new_tokens=24)


def texts(answers):
    return {answer.prompt_id: answer.text for answer in answers}


@pytest.mark.parametrize("instructions", ["Answer in one word.", "Think of lamps. " * 40])
def test_answers_depend_on_neither_cores_nor_order(instructions, base, rows, monkeypatch):
    """The untuned model: it has not made up its mind, so any other arithmetic would show."""
    system = {"role": "system", "content": instructions}
    prompts = [replace(prompt, messages=[system, *prompt.messages]) for prompt in prompts_of(rows)]
    found, model = [], ModelFiles(base, None)
    for cores, asked in ((1, prompts), (2, prompts), (3, prompts[::-1])):
        monkeypatch.setattr(bulk, "available_cores", lambda cores=cores: cores)
        seen = []
        found.append(texts(answer_all("llama_cpp", model, asked, SETTINGS, seen.append)))
        assert seen[-1].done == len(prompts)
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == len(prompts)


def test_what_prompts_begin_with_is_read_once_and_counted_in_full(base, rows, monkeypatch):
    monkeypatch.setattr(bulk, "available_cores", lambda: 1)
    system = {"role": "system", "content": "Think of lamps. " * 40}
    prompts = [replace(prompt, messages=[system, *prompt.messages]) for prompt in prompts_of(rows)]
    read, send = [], LlamaCppEngine._send

    def listen(engine, request, receive):
        def count(reply):
            read.append(reply["timings"]["prompt_n"])
            return receive(reply)

        send(engine, request, count)

    monkeypatch.setattr(LlamaCppEngine, "_send", listen)
    answers = list(answer_all("llama_cpp", ModelFiles(base, None), prompts, SETTINGS, lambda _: None))
    shared = 160
    assert all(answer.prompt_tokens > shared for answer in answers)
    assert sum(read) < sum(answer.prompt_tokens - shared for answer in answers)


def test_transformers_answers_every_prompt(tuned, rows):
    assert len(texts(answer_all("transformers", tuned, prompts_of(rows), SETTINGS, lambda _: None))) == len(rows)


def test_the_first_breakdown_ends_it(tuned, rows, monkeypatch):
    monkeypatch.setattr(bulk, "available_cores", lambda: 2)

    def broken(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(LlamaCppEngine, "_answer_one", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(answer_all("llama_cpp", tuned, prompts_of(rows), SETTINGS, lambda _: None))


def test_what_one_copy_is_refused_stops_none(tuned, rows, monkeypatch):
    monkeypatch.setattr(bulk, "available_cores", lambda: 2)
    prompts = prompts_of(rows)
    prompts[1] = replace(prompts[1], messages=[{"role": "user", "content": "why " * 3000}])
    replies = list(answer_all("llama_cpp", tuned, prompts, SETTINGS, lambda _: None))
    assert [reply.prompt_id for reply in replies if isinstance(reply, Refused)] == [prompts[1].id]
    assert len(replies) == len(prompts)


def test_answers_left_early_end_the_work(tuned, rows, monkeypatch):
    monkeypatch.setattr(bulk, "available_cores", lambda: 2)
    found = answer_all("llama_cpp", tuned, prompts_of(rows), SETTINGS, lambda _: None)
    assert next(found).text
    found.close()


def test_nothing_to_ask_is_no_work(tuned):
    assert list(answer_all("llama_cpp", tuned, [], SETTINGS, lambda _: None)) == []
