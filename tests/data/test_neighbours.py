"""Near neighbours: planted leaks are found, honest rows are left alone, and memory stays bounded."""

from __future__ import annotations

import json
import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from runner.data.neighbours import find_neighbours, near_flags, neighbours_from_jsonl, neighbours_to_json
from runner.data.rows import Row, input_of
from runner.data.similarity import closest
from runner.steps.context import to_jsonl

DICE = random.Random(5)
WORDS = ["".join(DICE.choices("abcdefghijklmnopqrstuvwxyz", k=DICE.randint(3, 9))) for _ in range(3000)]


def row(name, text, answer="x"):
    return Row(name, [{"role": "user", "content": text}, {"role": "assistant", "content": answer}])


def sentence(dice, words):
    return " ".join(dice.choices(WORDS, k=words))


def edited(text):
    words = text.split()
    words[len(words) // 2] = "changed"
    return " ".join(words)


def mistyped(text):
    """Put a typing error into every third word."""
    return " ".join(f"{word[:-1]}#" if at % 3 == 0 else word for at, word in enumerate(text.split()))


LEAKS = {
    "equal": lambda text: text,
    "other case and width": lambda text: f" {text.upper()} ",
    "punctuation": lambda text: f"{text.replace(' ', ', ')}!",
    "one word edited": edited,
    "wrapped": lambda text: f"please help me with this: {text} thanks",
    "a part": lambda text: " ".join(text.split()[1:-1]),
    "typing errors": mistyped,
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("words", [(6, 9), (10, 16), (40, 80)])
def test_every_planted_leak_is_found_at_its_row(leak, words):
    dice = random.Random(1)
    texts = [sentence(dice, dice.randint(*words)) for _ in range(600)]
    train = [row(f"train-{number}", text) for number, text in enumerate(texts)]
    found = find_neighbours(train, [row(f"test-{number}", leak(texts[number * 20])) for number in range(30)])
    assert [one.near for one in found] == [True] * 30
    assert [one.nearest[0].row for one in found] == [f"train-{number * 20}" for number in range(30)]


def test_honest_rows_are_left_alone():
    dice = random.Random(2)
    train = [row(f"a{number}", sentence(dice, dice.randint(5, 30))) for number in range(2000)]
    test = [row(f"b{number}", sentence(dice, dice.randint(5, 30))) for number in range(320)]
    found = find_neighbours(train, test)
    assert sum(one.near for one in found) == 0
    assert max(other.similarity for one in found for other in one.nearest) < 0.7


@pytest.mark.parametrize(
    ("train", "test", "near"),
    [
        ("where is my parcel", "Where is  my PARCEL", True),
        ("where is my parcel", "close my account today please", False),
        ("你好，我的包裹在哪里？", "你好，我的包裹到哪里了？", True),
        ("我想关闭我的账户", "今天的天气怎么样", False),
        ("😀😀😀😀😀😀😀", "😀😀😀😀😀😀", True),
        ("", "", True),
        ("a", "", False),
        ("?", "!", False),
    ],
)
def test_in_any_language_and_with_few_words(train, test, near):
    (found,) = find_neighbours([row("a", train), row("b", "something else entirely")], [row("t", test)])
    assert found.near == near


def test_the_nearest_three_are_kept_near_or_not_and_equal_inputs_with_other_answers_too():
    train = [
        row("a", "cancel my order please", "no"),
        row("b", "cancel my order please", "yes"),
        row("c", "cancel my subscription"),
        row("d", "how do i cancel my order"),
        row("e", "weather in paris"),
    ]
    near, far, strange = find_neighbours(
        train, [row("x", "Cancel my order please"), row("y", "cancel the weather"), row("z", "qqq")]
    )
    assert [(one.row, one.similarity) for one in near.nearest[:2]] == [("a", 1.0), ("b", 1.0)]
    assert len(near.nearest) == 3
    assert near.nearest[2].similarity < 1
    assert not far.near
    assert [one.row for one in far.nearest] == ["e", "c", "a"]
    assert (strange.near, strange.nearest) == (False, ())


def test_only_the_question_counts():
    talk = [{"role": "user", "content": "hello there"}, {"role": "assistant", "content": "hi"}]
    system = [{"role": "system", "content": "You sort messages. " * 20}]
    one = Row("a", [*system, {"role": "user", "content": "my card was stolen"}, talk[1]])
    other = Row("b", [*system, {"role": "user", "content": "what is the exchange rate"}, talk[1]])
    assert not find_neighbours([one], [other])[0].near
    again = Row("c", [*talk, {"role": "user", "content": "my card was stolen"}, talk[1]])
    assert find_neighbours([again], [again])[0].near


def test_without_training_or_test_rows_there_is_nothing_near():
    assert find_neighbours([], []) == []
    assert find_neighbours([row("a", "x")], []) == []
    (found,) = find_neighbours([], [row("a", "x y")])
    assert (found.near, found.nearest) == (False, ())


TEXTS = st.lists(st.text("ab cd", max_size=12), max_size=8)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_neighbours_are_what_comparing_everything_with_everything_finds(train, test):
    rows = [row(f"a{number}", text) for number, text in enumerate(train)]
    asked = [row(f"b{number}", text) for number, text in enumerate(test)]
    for one, found in zip(asked, find_neighbours(rows, asked), strict=True):
        text = input_of(one.messages)
        others = {other.id: input_of(other.messages) for other in rows}
        equal = [name for name, other in others.items() if other == text]
        by_letters = [name for name, other in others.items() if fuzz.ratio(text, other) >= 85]
        assert {other.row for other in found.nearest if other.similarity == 1} >= set(equal[:3])
        assert found.near or not (equal or by_letters)
        assert len({other.row for other in found.nearest}) == len(found.nearest) <= 3


def test_words_are_weighed_as_scikit_learn_weighs_them():
    # Figures of scikit-learn's TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+"), fitted on the same five texts.
    among = ["the cat sat on the mat", "a dog sat on a log", "the mat was red"]
    found = closest(["the cat sat on a mat", "red red dog"], among)
    figures = [{one.place: round(one.words, 3) for one in candidates} for candidates in found]
    assert figures == [{0: 0.679, 1: 0.425, 2: 0.154}, {1: 0.093, 2: 0.249}]


def test_what_is_stored_is_read_back():
    train = [row("a", "cancel my order"), row("b", "weather in paris")]
    test = [row("t1", "weather in rome please"), row("t0", "cancel my order")]
    found = find_neighbours(train, test)
    data = to_jsonl(neighbours_to_json(found))
    assert neighbours_from_jsonl(data) == found
    assert json.loads(data.splitlines()[1]) == {
        "row": "t0",
        "near": True,
        "nearest": [{"row": "a", "similarity": 1.0}],
    }
    assert near_flags(data, test[::-1]) == [True, False]
    assert near_flags(None, test) == []


def test_ten_thousand_training_rows_take_little_time():
    dice = random.Random(3)
    train = [row(f"a{number}", sentence(dice, dice.randint(6, 16))) for number in range(10_000)]
    test = [row(f"b{number}", sentence(dice, dice.randint(6, 16))) for number in range(500)]
    started = time.process_time()
    find_neighbours(train, test)
    assert time.process_time() - started < 4  # 0.7 s where it was measured


def test_memory_does_not_grow_with_both_sides_at_once():
    dice = random.Random(4)
    train = [sentence(dice, 8) for _ in range(20_000)]
    test = [sentence(dice, 8) for _ in range(2000)]
    closest(test[:5], train[:5])  # imports
    tracemalloc.start()
    closest(test, train)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All pairs would be 320 MB of cosines and as many places.
    assert peak < 250e6
