"""What both engines promise, shown on both with one tiny tuned model."""

import re
import subprocess
import sys

import pytest

from runner.data.prompts import Prompt, prompts_of, reference_of
from runner.errors import GituneError, UsageError
from runner.inference.engine import ModelFiles, Refused, open_engine
from runner.spec.evaluation import Generation

ENGINES = ["llama_cpp", "transformers"]
QUESTION = [{"role": "user", "content": "billing question 4"}]
ANSWER = '{"queue": "billing"}'


def ask(**settings):
    return {"messages": QUESTION, "temperature": 0, "max_tokens": 24, **settings}


def answers(engine, prompts, **settings):
    report = settings.pop("report", lambda _: None)
    return {a.prompt_id: a for a in engine.answer(prompts, Generation(max_new_tokens=24, **settings), report)}


def joined(chunks):
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


def test_every_prompt_gets_the_answer_it_was_taught(engine, rows):
    prompts = prompts_of(rows)
    seen = []
    found = answers(engine, prompts, report=seen.append)
    assert found.keys() == {prompt.id for prompt in prompts}
    assert sorted(a.text for a in found.values()) == sorted(reference_of(row) for row in rows)
    assert {a.finish_reason for a in found.values()} == {"stop"}
    assert {a.completion_tokens for a in found.values()} == {9}
    assert all(a.prompt_tokens > 20 and a.seconds >= 0 for a in found.values())
    assert {progress.unit for progress in seen} == {"prompts"}


def test_asking_twice_gives_the_same_answers(engine, rows):
    prompts = prompts_of(rows)
    first, second = answers(engine, prompts), answers(engine, list(reversed(prompts)))
    assert {key: a.text for key, a in first.items()} == {key: a.text for key, a in second.items()}


def test_a_cut_answer_says_so(engine):
    (answer,) = engine.answer([Prompt("p", QUESTION)], Generation(max_new_tokens=4), lambda _: None)
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == 4
    assert ANSWER.startswith(answer.text)


def test_a_prompt_beyond_the_context_is_named(engine):
    long = Prompt("p17", [{"role": "user", "content": "word " * 400}])
    (refused,) = engine.answer([long], Generation(max_new_tokens=24), lambda _: None)
    assert isinstance(refused, Refused)
    assert refused.prompt_id == "p17"
    assert re.match(r"the conversation has \d+ tokens and the context holds 256", refused.error)
    with pytest.raises(UsageError, match="the context holds 256"):
        engine.chat(ask(messages=long.messages))
    with pytest.raises(UsageError, match="the context holds 256"):
        list(engine.chat_stream(ask(messages=long.messages)))
    assert engine.chat(ask())["choices"][0]["message"]["content"] == ANSWER


def test_a_chat_is_an_openai_completion(engine):
    reply = engine.chat(ask())
    assert reply["object"] == "chat.completion"
    (choice,) = reply["choices"]
    assert choice["message"] == {"role": "assistant", "content": ANSWER}
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    usage = reply["usage"]
    assert usage["completion_tokens"] == 9
    assert usage["total_tokens"] == usage["prompt_tokens"] + 9


def test_a_stream_is_the_same_answer_in_chunks(engine):
    chunks = list(engine.chat_stream(ask(stream_options={"include_usage": True})))
    assert joined(chunks) == ANSWER
    assert sum(bool(chunk["choices"] and chunk["choices"][0]["delta"].get("content")) for chunk in chunks) > 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 9


def test_without_asking_a_stream_carries_no_usage(engine):
    chunks = list(engine.chat_stream(ask()))
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any("usage" in chunk for chunk in chunks)


@pytest.mark.parametrize("stop", ['": "', ["nowhere", '": "']])
def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(engine, stop):
    assert engine.chat(ask(stop=stop))["choices"][0]["message"]["content"] == '{"queue'
    assert engine.chat(ask(stop=stop))["choices"][0]["finish_reason"] == "stop"
    assert joined(engine.chat_stream(ask(stop=stop))) == '{"queue'


def test_a_seed_makes_sampling_repeatable(engine):
    warm = ask(temperature=2.0, max_tokens=12)
    texts = [engine.chat(warm | {"seed": seed})["choices"][0]["message"]["content"] for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_a_stream_left_early_frees_the_engine(engine):
    stream = engine.chat_stream(ask(max_tokens=200))
    next(stream)
    stream.close()
    assert engine.chat(ask())["choices"][0]["message"]["content"] == ANSWER


def test_answers_left_early_free_the_engine(engine, rows):
    stream = engine.answer(prompts_of(rows), Generation(max_new_tokens=24), lambda _: None)
    next(stream)
    stream.close()
    assert engine.chat(ask())["choices"][0]["message"]["content"] == ANSWER


@pytest.mark.parametrize("name", ENGINES)
def test_an_adapter_is_what_makes_the_difference(name, base, tuned):
    for _ in range(2):
        with open_engine(name, ModelFiles(base, None)) as untuned, open_engine(name, tuned) as engine:
            assert untuned.chat(ask())["choices"][0]["message"]["content"] != ANSWER
            assert engine.chat(ask())["choices"][0]["message"]["content"] == ANSWER
            untuned.close()
            assert engine.chat(ask())["choices"][0]["message"]["content"] == ANSWER
    with pytest.raises(GituneError, match="closed"):
        engine.chat(ask())


def test_an_adapter_without_gguf_needs_the_other_engine(base, tmp_path):
    with pytest.raises(GituneError, match=r"no adapter\.gguf") as caught:
        open_engine("llama_cpp", ModelFiles(base, tmp_path))
    assert "llama_cpp" in caught.value.hint


def test_a_damaged_adapter_is_one_clear_error(base, tmp_path):
    (tmp_path / "adapter.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(GituneError, match=r"llama\.cpp cannot load"):
        open_engine("llama_cpp", ModelFiles(base, tmp_path))


def test_a_request_that_llama_cpp_refuses_is_the_callers_fault(tuned):
    with open_engine("llama_cpp", tuned) as engine:
        for wrong in ({"messages": "hello"}, {"temperature": "hot"}):
            with pytest.raises(UsageError):
                engine.chat(ask(**wrong))


def test_llama_cpp_writes_by_a_schema_when_asked(base):
    schema = {
        "type": "object",
        "properties": {"queue": {"enum": ["billing", "sales"]}},
        "required": ["queue"],
        "additionalProperties": False,
    }
    with open_engine("llama_cpp", ModelFiles(base, None)) as untuned:
        wish = {"type": "json_schema", "json_schema": {"name": "route", "schema": schema}}
        text = untuned.chat(ask(response_format=wish, max_tokens=80))["choices"][0]["message"]["content"]
    assert "".join(text.split()) in {'{"queue":"billing"}', '{"queue":"sales"}'}


def test_unknown_engines_are_a_usage_error(base):
    with pytest.raises(UsageError, match="not available yet"):
        open_engine("vllm", ModelFiles(base, None))


@pytest.mark.parametrize("name", ENGINES)
def test_engines_are_silent(name, tuned):
    """Also when loading, refusing, failing and closing: stdout and stderr belong to our own lines."""
    nowhere = tuned.base.checkpoint / "nowhere.gguf"
    script = f"""
from pathlib import Path
from runner.errors import GituneError
from runner.inference.engine import ModelFiles, Refused, open_engine
from runner.models.base import BaseFiles, BaseRef
base = BaseFiles(BaseRef("file://base", {tuned.base.ref.digest!r}, 0), Path({str(tuned.base.checkpoint)!r}), None, Path({str(tuned.base.derived)!r}))
with open_engine({name!r}, ModelFiles(base, Path({str(tuned.adapter)!r})), context=128) as engine:
    engine.chat({ask()!r})
    list(engine.chat_stream({ask()!r}))
    for body in ({ask(messages=[{"role": "user", "content": "word " * 400}])!r},):
        try:
            engine.chat(body)
        except GituneError:
            pass
try:
    open_engine({name!r}, ModelFiles(BaseFiles(base.ref, base.checkpoint, Path({str(nowhere)!r})), Path({str(tuned.adapter)!r})))
except GituneError:
    pass
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
