"""Messages -> tokens: what is learned, what is masked, and which templates cannot be trained with."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import make_tiny_llama

from runner.errors import GituneError, TerminalError
from runner.models.chat import MASKED, encode, encode_row, encode_rows, render
from runner.models.checkpoint import load_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(make_tiny_llama(tmp_path_factory.mktemp("tiny")))


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


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
    row = encode_row(tokenizer, "r", conversation)
    assert learned(tokenizer, row) == ["first<|im_end|>", "second<|im_end|>"]
    assert tokenizer.decode(row.input_ids) == render(tokenizer, conversation, add_generation_prompt=False)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12).filter(lambda t: "<|" not in t)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(question=TEXT, answer=TEXT)
def test_the_learned_part_follows_exactly_the_tokens_that_serving_will_see(tokenizer, question, answer):
    row = encode_row(tokenizer, "r", said(("user", question), ("assistant", answer)))
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
    row = encode_row(tokenizer, "r", conversation)
    assert newest in encode(tokenizer, render(tokenizer, conversation, add_generation_prompt=False))
    assert learned(tokenizer, row) == ["\n\nanswer<|im_end|>"]
    prompt = encode(tokenizer, render(tokenizer, conversation[:1]))
    assert row.input_ids[: len(prompt)] == prompt


def test_rows_that_are_too_long_are_named_never_cut(tokenizer):
    rows = [(f"row{n}", said(("user", "word " * n), ("assistant", "x"))) for n in range(1, 30)]
    with pytest.raises(TerminalError, match=r"row29.*longer than training.max_length 60") as caught:
        encode_rows(tokenizer, [*rows[:5], *rows[-2:]], 60)
    assert "row28" in str(caught.value)
    assert "row5" not in str(caught.value)
    assert "raise training.max_length to" in caught.value.hint


def test_a_row_without_an_answer_is_named(tokenizer):
    rows = [("good", said(("user", "q"), ("assistant", "a"))), ("bad", said(("user", "q")))]
    with pytest.raises(TerminalError, match=r"1 row \(bad\) is without an answer"):
        encode_rows(tokenizer, rows, 100)


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
        encode_row(tokenizer, "r", said(("user", "q"), ("assistant", "a")))


def test_a_tokenizer_without_a_template_is_refused(tmp_path):
    folder = make_tiny_llama(tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(GituneError, match="no chat template"):
        load_tokenizer(folder)


def test_a_broken_checkpoint_is_one_clear_error(tmp_path):
    with pytest.raises(GituneError, match="cannot load the tokenizer"):
        load_tokenizer(tmp_path)
