"""Which tokens are learned, and how much: turns, weights, the prompt, calls of tools; and when nothing would be."""

import pytest
from chat_templates import TOOLS, WEATHER, weather_talk
from tiny import CHATML, make_tiny_llama

from runner.data.rows import Row
from runner.errors import TerminalError
from runner.models.chat import MASKED, encode, encode_row, encode_rows, render
from runner.models.checkpoint import load_tokenizer
from runner.spec.models import Training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


def talk(*weights):
    """Alternate questions and answers; an answer for every weight."""
    messages = []
    for turn, weight in enumerate(weights):
        messages.append({"role": "user", "content": f"q{turn}"})
        messages.append({"role": "assistant", "content": f"a{turn}"} | ({} if weight == 1 else {"weight": weight}))
    return messages


def weighed(folder, messages, tools=None, template=CHATML, **training):
    """Encode a conversation; return its learned stretches as (text, weight)."""
    tokenizer = load_tokenizer(folder, template)
    row = encode_row(tokenizer, Row("r", messages, tools=tools), Training(**training))
    weights = row.weights or [float(label != MASKED) for label in row.labels]
    stretches = []
    for token, label, weight in zip(row.input_ids, row.labels, weights, strict=True):
        assert label == (token if weight else MASKED)
        if weight and stretches and stretches[-1][1] == weight:
            stretches[-1][0].append(token)
        else:
            stretches.append(([token], weight))
    assert encode(tokenizer, render(tokenizer, messages, tools, add_generation_prompt=False)) == row.input_ids
    return row, [(tokenizer.decode(tokens), weight) for tokens, weight in stretches if weight]


END = "<|im_end|>"
CASES = [
    (talk(1, 1), {}, [(f"a0{END}", 1), (f"a1{END}", 1)]),
    (talk(1, 1), {"train_on": "last_turn"}, [(f"a1{END}", 1)]),
    (talk(0.0, 1), {}, [(f"a1{END}", 1)]),
    (talk(0.5, 1), {}, [(f"a0{END}", 0.5), (f"a1{END}", 1)]),
    (talk(0.5, 2.0), {"train_on": "last_turn"}, [(f"a1{END}", 2)]),
]


@pytest.mark.parametrize(("messages", "training", "expected"), CASES)
def test_turns_are_learned_as_they_weigh(folder, messages, training, expected):
    row, stretches = weighed(folder, messages, **training)
    assert stretches == expected
    assert (row.weights is None) == all(weight == 1 for _, weight in expected)


def test_the_prompt_is_learned_too_where_asked_for_but_no_turn_of_weight_0(folder):
    row, stretches = weighed(folder, talk(1, 1), train_on_prompt=True)
    assert row.labels == row.input_ids
    assert row.weights is None
    row, stretches = weighed(folder, talk(0.0, 1), train_on_prompt=True)
    assert [text for text, _ in stretches] == [
        "<|im_start|>user\nq0<|im_end|>\n<|im_start|>assistant\n",
        f"\n<|im_start|>user\nq1{END}\n<|im_start|>assistant\na1{END}\n",
    ]


def test_calls_are_learned_as_the_template_writes_them_and_results_are_not(folder):
    _, stretches = weighed(folder, weather_talk(), WEATHER, TOOLS)
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"unit": "C", "city": "Málaga"}}\n</tool_call>'
    assert stretches == [(call + END, 1), (f"Sunny, 21.5 °C.{END}", 1)]


def test_tools_are_shown_as_they_were_written(folder):
    tokenizer = load_tokenizer(folder, TOOLS)
    shown = '{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city, in °C."'
    assert shown in render(tokenizer, weather_talk(), WEATHER)


LOOP = "{% for message in messages %}"
STRICT = CHATML.replace(LOOP, LOOP + "{% if message.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}")
SHOWS_NO_RESULTS = TOOLS.replace("message.content + '\n</tool_r", "'\n</tool_r")


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (CHATML, "row r: the chat template does not show the row's `tools`"),
        (TOOLS.replace("call in message.tool_calls or []", "call in []"), "does not show `tool_calls`"),
        (SHOWS_NO_RESULTS, "does not show the results of tools"),
        (STRICT, "row r: the chat template refuses .* no tools here"),
        (TOOLS.replace("arguments | tojson", "arguments + ''"), "row r: the chat template refuses .*dict"),
        ("{% for %}", "row r: the chat template is no Jinja template: line 1"),
    ],
)
def test_a_template_that_cannot_render_tools_is_refused(folder, template, what):
    with pytest.raises(TerminalError, match=what):
        weighed(folder, weather_talk(), WEATHER, template)


NOTHING = [
    (talk(0.0, 0.0), {}, "every assistant turn of bad has weight 0"),
    (talk(1, 0.0), {"train_on": "last_turn"}, "bad is trained on its last turn, whose weight is 0"),
    (talk()[:1], {}, "bad has no assistant turn"),
]


@pytest.mark.parametrize(("messages", "training", "why"), NOTHING)
def test_a_row_of_which_nothing_is_learned_is_named_with_the_reason(folder, messages, training, why):
    messages = messages or [{"role": "user", "content": "q"}]
    rows = [Row("good", talk(1)), Row("bad", messages)]
    with pytest.raises(TerminalError, match=rf"1 row \(bad\) is without an answer to learn: {why}"):
        encode_rows(load_tokenizer(folder, CHATML), rows, Training(**training))


def test_a_template_that_rewrites_history_serves_for_the_last_turn(folder):
    """As Qwen3's does, which takes the thoughts out of all answers but the last."""
    rewriting = CHATML.replace(
        "message['content'] + '<|im_end|>'",
        "(message['content'] if loop.last or message.role == 'user' else 'short') + '<|im_end|>'",
    )
    messages = talk(1, 1)
    with pytest.raises(TerminalError, match="rewrites earlier turns") as caught:
        weighed(folder, messages, template=rewriting)
    assert "train_on: last_turn" in caught.value.hint
    _, stretches = weighed(folder, messages, template=rewriting, train_on="last_turn")
    assert stretches == [(f"a1{END}", 1)]
