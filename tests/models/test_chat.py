"""Messages -> tokens: what is learned, what is masked, and which templates cannot be trained with."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import CHATML, make_tiny_llama

from runner.data.rows import Row
from runner.errors import GituneError, TerminalError
from runner.models.chat import MASKED, encode, encode_row, encode_rows, render
from runner.models.checkpoint import load_tokenizer
from runner.spec.models import Training


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(make_tiny_llama(tmp_path_factory.mktemp("tiny")))


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


PAIR = said(("user", "q"), ("assistant", "a"))


def row_of(messages, row_id="r", tools=None):
    return Row(row_id, messages, tools=tools)


def encoded(tokenizer, messages, tools=None, **training):
    return encode_row(tokenizer, row_of(messages, tools=tools), Training(**training))


def learned(tokenizer, row):
    """The learned stretches of a row as text."""
    stretches, current = [], []
    for token, label in zip([*row.input_ids, 0], [*row.labels, MASKED], strict=True):
        if label != MASKED:
            assert label == token
            current.append(token)
        elif current:
            stretches.append(tokenizer.decode(current))
            current = []
    return stretches


def test_only_answers_and_the_tokens_that_end_them_are_learned(tokenizer):
    conversation = said(
        ("system", "Route."), ("user", "one"), ("assistant", "first"), ("user", "two"), ("assistant", "second")
    )
    row = encoded(tokenizer, conversation)
    assert learned(tokenizer, row) == ["first<|im_end|>", "second<|im_end|>"]
    assert tokenizer.decode(row.input_ids) == render(tokenizer, conversation, add_generation_prompt=False)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12).filter(lambda t: "<|" not in t)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(question=TEXT, answer=TEXT)
def test_the_learned_part_follows_exactly_the_tokens_that_serving_will_see(tokenizer, question, answer):
    row = encoded(tokenizer, said(("user", question), ("assistant", answer)))
    prompt = encode(tokenizer, render(tokenizer, said(("user", question))))
    first = next(place for place, label in enumerate(row.labels) if label != MASKED)
    assert row.input_ids[:first] == prompt
    assert learned(tokenizer, row) == [answer + "<|im_end|>"]


def test_an_answer_that_would_melt_into_the_prompt_stays_apart(tmp_path):
    """`assistant\\n` and an answer that begins with a line break share a token in this vocabulary."""
    folder = make_tiny_llama(tmp_path / "base", pre_tokenizer="gpt-2")
    content = json.loads((folder / "tokenizer.json").read_text())
    newest = max(content["model"]["vocab"].values()) + 1
    content["model"]["vocab"]["ĊĊ"] = newest
    content["model"]["merges"].insert(0, ["Ċ", "Ċ"])
    (folder / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = load_tokenizer(folder)
    conversation = said(("user", "q"), ("assistant", "\n\nanswer"))
    row = encoded(tokenizer, conversation)
    assert newest in encode(tokenizer, render(tokenizer, conversation, add_generation_prompt=False))
    assert learned(tokenizer, row) == ["\n\nanswer<|im_end|>"]
    prompt = encode(tokenizer, render(tokenizer, conversation[:1]))
    assert row.input_ids[: len(prompt)] == prompt


def test_rows_that_are_too_long_are_named_never_cut(tokenizer):
    rows = [row_of(said(("user", "word " * n), ("assistant", "x")), f"row{n}") for n in range(1, 30)]
    with pytest.raises(TerminalError, match=r"row29.*longer than training.max_length 60") as caught:
        encode_rows(tokenizer, [*rows[:5], *rows[-2:]], Training(max_length=60))
    assert "row28" in str(caught.value)
    assert "row5" not in str(caught.value)
    assert "raise training.max_length to" in caught.value.hint


def test_a_row_without_an_answer_is_named(tokenizer):
    rows = [row_of(said(("user", "q"), ("assistant", "a")), "good"), row_of(said(("user", "q")), "bad")]
    with pytest.raises(TerminalError, match=r"1 row \(bad\) is without an answer to learn: bad has no assistant turn"):
        encode_rows(tokenizer, rows, Training())


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}{{ m.content }}{% if loop.last %}!{% endif %}{% endfor %}", "rewrites earlier turns"),
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", "rewrites earlier|does not close"),
        (
            "{% for m in messages %}{{ m.role + '=' + m.content + ';' }}{% endfor %}{{ 'assistant=' if add_generation_prompt }}",
            "does not close an answer",
        ),
        ("{{ raise_exception('no system role') }}", "refuses a conversation of user, assistant"),
    ],
)
def test_templates_that_cannot_be_trained_with_are_refused(tmp_path, template, message):
    folder = make_tiny_llama(tmp_path / "base")
    (folder / "chat_template.jinja").write_text(template)
    tokenizer = load_tokenizer(folder)
    with pytest.raises(GituneError, match=message):
        encoded(tokenizer, said(("user", "q"), ("assistant", "a")))


def test_a_tokenizer_without_a_template_is_refused(tmp_path):
    folder = make_tiny_llama(tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(GituneError, match="row r: the base model has no chat template") as caught:
        encoded(load_tokenizer(folder), said(("user", "q"), ("assistant", "a")))
    assert "`chat_template: FILE`" in caught.value.hint
    supplied = load_tokenizer(folder, CHATML)
    assert learned(supplied, encoded(supplied, PAIR)) == ["a<|im_end|>"]


def test_a_broken_checkpoint_is_one_clear_error(tmp_path):
    with pytest.raises(GituneError, match="cannot load the tokenizer"):
        load_tokenizer(tmp_path)
