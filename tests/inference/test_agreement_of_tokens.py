"""What is trained is what is served: the check of every train step, on both engines, and that it can fail."""

import time
from dataclasses import replace

import pytest
from chat_templates import TOOLS, WEATHER, weather_call, weather_talk
from tiny import CHATML, make_tiny_llama

from runner.data.prompts import reference_of
from runner.data.rows import Example, number_rows
from runner.errors import GituneError, Location, TerminalError
from runner.inference.agreement import check_same_tokens, refuse_calls_as_answers, samples
from runner.inference.engine import ModelFiles, open_engine
from runner.models.chat import encode, render
from runner.models.checkpoint import load_tokenizer
from runner.spec.models import Training

ENGINES = ["llama_cpp", "transformers"]
TWO_TURNS = [
    {"role": "system", "content": "Route."},
    {"role": "user", "content": "  one\n"},
    {"role": "assistant", "content": '{"queue": "sales"}'},
    {"role": "user", "content": "né 12.50 € 😀"},
    {"role": "assistant", "content": "two", "weight": 0.0},
]


def numbered(*talks):
    return [row for row, _ in number_rows(Example(talk, None, Location("x"), tools) for talk, tools in talks)]


ROWS = numbered((TWO_TURNS, None), (TWO_TURNS[1:3], None), (weather_talk(), WEATHER), (weather_talk()[:2], WEATHER))


def with_template(base, template):
    return replace(base, ref=replace(base.ref, chat_template=template))


@pytest.mark.parametrize("training", [{}, {"train_on": "last_turn"}, {"train_on_prompt": True}])
@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_read_what_training_reads(base, engine, training):
    tuned = with_template(base, TOOLS)
    assert check_same_tokens(engine, tuned, ROWS, Training(**training)) == len(ROWS)


FLOATS = weather_talk()
FLOATS[1] = weather_call("Rome")
FLOATS[1]["tool_calls"][0]["function"]["arguments"] = '{"limit": 20.0}'

# Where the two Jinjas part, in ways that published templates and real data show.
DIFFERENT = {
    "a switch that llama.cpp always sets": (
        "{{ 'on' if enable_thinking is defined else 'off' }}" + CHATML,
        TWO_TURNS[1:3],
        None,
        ("'o' >>> 'f' <<< 'f'", "'o' >>> 'n' <<<"),
    ),
    "arguments of an earlier call, as prepare never leaves them": (
        TOOLS,
        FLOATS,
        WEATHER,
        ("'2' '0' >>> '.' <<< '0' '}'", "'2' '0' >>> '}' <<<"),
    ),
}


@pytest.mark.parametrize(("template", "messages", "tools", "shown"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_prompt_that_llama_cpp_reads_otherwise_is_refused_with_its_place(base, template, messages, tools, shown):
    rows = numbered((messages, tools))
    with pytest.raises(GituneError) as caught:
        check_same_tokens("llama_cpp", with_template(base, template), rows, Training())
    ours, theirs = caught.value.message.splitlines()[1:]
    assert caught.value.message.startswith(f"row {rows[0].id}: training and llama_cpp read different prompts")
    assert ours.startswith("    training reads ")
    assert theirs.startswith("    llama_cpp reads ")
    assert shown[0] in ours
    assert shown[1] in theirs
    # Remembered under the training's key, it would stand in the way of another engine.
    assert not isinstance(caught.value, TerminalError)
    assert check_same_tokens("transformers", with_template(base, template), rows, Training()) == 1


def test_a_call_of_llama_cpp_reads_as_its_reference():
    """llama.cpp takes calls out of the text, gives them ids and its own spacing."""
    from runner.inference.llama_cpp import _text

    arguments = '{"unit":"C","city":"Málaga"}'
    call = {"type": "function", "function": {"name": "get_weather", "arguments": arguments}, "id": "x9"}
    assert _text({"role": "assistant", "content": None, "tool_calls": [call]}) == reference_of(
        next(row for row in ROWS if "tool_calls" in row.messages[-1])
    )
    assert _text({"role": "assistant", "content": "Sunny."}) == "Sunny."


def test_calls_as_answers_need_an_engine_that_reads_them():
    refuse_calls_as_answers("llama_cpp", ROWS)
    refuse_calls_as_answers("transformers", [row for row in ROWS if "tool_calls" not in row.messages[-1]])
    with pytest.raises(GituneError, match="ends with a call of a tool, which transformers cannot tell from text"):
        refuse_calls_as_answers("transformers", ROWS)


def test_every_shape_of_conversation_is_among_the_samples():
    plain = [[{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}] for n in range(100)]
    rows = numbered(*((talk, None) for talk in plain), *((row.messages, row.tools) for row in ROWS))
    chosen = samples(rows)
    assert {row.id for row in ROWS if len(row.messages) > 2 or row.tools} <= {row.id for row in chosen}
    assert len(chosen) <= 8 + len(ROWS)
    assert samples([]) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_template_of_the_spec_is_the_one_that_answers(base, engine):
    """Both engines count the tokens of its prompt, not of the base model's own."""
    louder = CHATML.replace("message['role'] +", "message['role'] + '!!!' +").replace("assistant", "assistant!!!")
    messages = [{"role": "user", "content": "q"}]
    for template in (None, louder):
        with open_engine(engine, ModelFiles(with_template(base, template), None), slots=1, context=256) as opened:
            reply = opened.chat({"messages": messages, "max_tokens": 1, "temperature": 0})
        tokenizer = load_tokenizer(base.checkpoint, template)
        assert reply["usage"]["prompt_tokens"] == len(encode(tokenizer, render(tokenizer, messages)))


def test_a_base_without_a_template_is_served_with_the_one_of_the_spec(tmp_path):
    (make_tiny_llama(tmp_path / "base") / "chat_template.jinja").unlink()
    from runner.file_index import FileIndex
    from runner.models.base import materialize, resolve_base

    ref = resolve_base("file://base", {}, tmp_path, [], FileIndex(tmp_path), Location("spec.yaml"))
    bare = materialize(ref, tmp_path, tmp_path / "cache")
    for engine in ENGINES:
        assert check_same_tokens(engine, with_template(bare, TOOLS), ROWS, Training()) == len(ROWS)
        with pytest.raises(TerminalError, match="the base model has no chat template"):
            check_same_tokens(engine, bare, ROWS, Training())


@pytest.mark.slow
def test_the_check_of_the_real_model_takes_less_than_three_seconds(smollm2):
    rows = numbered((TWO_TURNS, None), (TWO_TURNS[1:3], None))
    load_tokenizer(smollm2.checkpoint)  # importing transformers is training's own cost
    started = time.process_time()  # shared machines
    check_same_tokens("llama_cpp", smollm2, rows, Training())
    assert time.process_time() - started < 3
