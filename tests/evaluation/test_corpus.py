"""Metrics of all rows together: against sacrebleu and scikit-learn, and any weighting of the rows."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scoring import of_labels
from sklearn.metrics import precision_recall_fscore_support

from runner.evaluation.classification import CLASSIFICATION, confusion
from runner.evaluation.corpus import COUNTS, corpus_values
from runner.evaluation.ngrams import shared_ngrams
from runner.evaluation.scores import SubjectScores
from runner.evaluation.tokens import words_13a

sentences = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat", "東京", "no.", "1,5"]), max_size=8).map(
    " ".join
)
pairs_of_text = st.lists(st.tuples(sentences.filter(bool), sentences), min_size=1, max_size=6)
labels = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcz") | st.none()), min_size=1, max_size=20)


def counted(pairs, unanswered=()):
    counts = {name: count(pairs) for name, count in COUNTS.items()}
    return SubjectScores(n=len(pairs) - len(unanswered), values={}, counts=counts, unanswered=list(unanswered))


def value(metric, scores, weights):
    return float(corpus_values(metric, scores, np.array([weights], dtype=float))[0])


def by_sacrebleu(metric, pairs):
    from sacrebleu.metrics import BLEU, CHRF

    scorer = BLEU(effective_order=True) if metric == "bleu" else CHRF()
    return scorer.corpus_score([answer for _, answer in pairs], [[reference for reference, _ in pairs]]).score / 100


@pytest.mark.parametrize("metric", COUNTS)
@settings(deadline=None)
@given(pairs=pairs_of_text)
def test_text_is_rated_as_sacrebleu_does(metric, pairs):
    assert value(metric, counted(pairs), np.ones(len(pairs))) == pytest.approx(by_sacrebleu(metric, pairs))


odd_text = st.text(st.sampled_from("a1.,-&;'\"{}[]<>/ \t\n\x1c\u00a0é東") | st.characters(), max_size=24)


@settings(deadline=None, max_examples=300)
@given(text=odd_text)
@example(" a.\t.5 5-..6,, -\n&amp;lt; <skipped> 1,2-3. ")
def test_words_of_bleu_are_those_of_sacrebleu(text):
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    assert words_13a(text) == Tokenizer13a()(text.rstrip()).split()


@settings(deadline=None, max_examples=200)
@given(pairs=st.lists(st.tuples(odd_text, odd_text | st.just("")), min_size=1, max_size=5))
def test_odd_text_adds_what_sacrebleu_counts(pairs):
    from sacrebleu.metrics import BLEU, CHRF

    for metric, scorer in (("bleu", BLEU(effective_order=True)), ("chrf", CHRF())):
        expected = [scorer._extract_corpus_statistics([answer], [[reference]])[0] for reference, answer in pairs]
        assert COUNTS[metric](pairs) == expected


# Few units and many pairs fit into numbers as they are, many units only after splits, and 2,000 in one pair never.
@pytest.mark.parametrize(("units", "pairs"), [(3, 2500), (700, 60), (2000, 3)])
def test_shared_ngrams_are_counted_as_often_as_both_have_them(units, pairs):
    chance = Random(units)
    made = [
        [chance.choices(range(units), k=chance.randrange(2 * units % 900 + 9)) for _ in range(2)] for _ in range(pairs)
    ]
    made += [[[], [1, 2]], [[1], [1]], [[*range(units)], [*range(units)]]]
    expected = [
        [sum((grams(one, order) & grams(other, order)).values()) for order in range(1, 7)] for one, other in made
    ]
    assert shared_ngrams([tuple(pair) for pair in made], 6) == expected


def grams(sequence, order):
    return Counter(tuple(sequence[at : at + order]) for at in range(len(sequence) - order + 1))


@pytest.mark.parametrize("metric", COUNTS)
@settings(deadline=None)
@given(pairs=pairs_of_text, data=st.data())
def test_a_weight_is_how_often_a_row_is_there(metric, pairs, data):
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)).filter(any))
    drawn = [pair for pair, weight in zip(pairs, weights, strict=True) for _ in range(weight)]
    assert value(metric, counted(pairs), weights) == pytest.approx(by_sacrebleu(metric, drawn))


def test_bleu_of_long_answers_is_the_usual_one():
    from sacrebleu.metrics import BLEU

    pairs = [("the cat sat on the mat", "the cat sat on a mat"), ("yes", "no")]
    usual = BLEU().corpus_score([answer for _, answer in pairs], [[reference for reference, _ in pairs]]).score / 100
    assert value("bleu", counted(pairs), [1, 1]) == pytest.approx(usual)
    assert 0 < usual < 1


@pytest.mark.parametrize("metric", COUNTS)
def test_short_right_answers_score_1_and_none_0(metric):
    assert value(metric, counted([("yes", "yes"), ("no", "no")]), [1, 1]) == pytest.approx(1)
    assert value(metric, counted([("yes", "")]), [1]) == 0


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION))
@given(pairs=labels)
def test_labels_are_rated_as_scikit_learn_does(metric, pairs):
    average, _, measure = metric.partition("_")
    names = sorted({reference for reference, _ in pairs})
    found = precision_recall_fscore_support(
        [reference for reference, _ in pairs],
        [answered or "no label" for _, answered in pairs],
        labels=names,
        average=average,
        zero_division=0,
    )
    assert of_labels(metric, pairs) == pytest.approx(found[["precision", "recall", "f1"].index(measure)])


@pytest.mark.parametrize("metric", sorted(CLASSIFICATION))
@given(pairs=labels, data=st.data())
def test_a_weight_is_how_often_a_label_is_there(metric, pairs, data):
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)).filter(any))
    drawn = [pair for pair, weight in zip(pairs, weights, strict=True) for _ in range(weight)]
    scores = SubjectScores(n=len(pairs), values={}, labels=pairs)
    assert value(metric, scores, weights) == pytest.approx(of_labels(metric, drawn))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("a", "a"), ("b", "b")], 1.0),
        ([("a", "b"), ("b", "a")], 0.0),
        ([("a", "a"), ("a", "a"), ("b", "a")], 0.8 / 2),
        ([("a", "a"), ("b", "zebra"), ("b", None)], 0.5),  # no class of its own, no credit
        ([("a", "a"), ("a", "zebra")], 2 / 3),
    ],
)
def test_macro_f1(pairs, expected):
    assert of_labels("macro_f1", pairs) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "macro_f1"])
def test_rows_that_were_not_answered_never_count(metric):
    scores = counted([("a b", "a b"), ("c d", "")], unanswered=[1])
    scores = scores.model_copy(update={"labels": [("a", "a"), ("a", None)]})
    weights = np.array([[1.0, 1.0], [1.0, 5.0]])
    assert corpus_values(metric, scores, weights) == pytest.approx([1, 1])
    assert weights[1, 1] == 5


def test_as_many_labels_as_rows_are_no_trouble():
    # A matrix of rows by labels would take gigabytes. Odd ones get the label of their right neighbour.
    pairs = [(str(number), str(number + number % 2)) for number in range(20_000)]
    assert of_labels("micro_recall", pairs) == 0.5


def test_confusion_has_a_column_for_what_is_none_of_the_labels():
    names, matrix = confusion([("b", "a"), ("a", "a"), ("b", "zebra"), ("b", None), ("b", "b")])
    assert names == ["a", "b"]
    assert matrix == [[1, 0, 0], [1, 1, 2]]
