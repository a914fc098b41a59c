"""Text metrics against the scripts that define them, and in scripts that those cannot read."""

import re
import string
from collections import Counter
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.evaluation.rouge import rouge_1, rouge_2, rouge_l
from runner.evaluation.text import difflib_ratio, exact_match_normalised, similarity, token_f1
from runner.evaluation.tokens import words_of

ALL = [token_f1, similarity, difflib_ratio, rouge_1, rouge_2, rouge_l, exact_match_normalised]
texts = st.text("ab AB.,-'the\n1_", max_size=24) | st.text(max_size=12)


def squad_f1(reference, answer):
    """SQuAD's own evaluation script."""

    def tokens(text):
        text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    wanted, found = tokens(reference), tokens(answer)
    same = sum((Counter(wanted) & Counter(found)).values())
    if not wanted or not found:
        return float(wanted == found)
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


@given(st.text("ab AB.,-'the\n1_", max_size=24), st.text("ab AB.,-'the\n1_", max_size=24))
def test_token_f1_is_that_of_squad(reference, answer):
    assert token_f1(reference, answer) == pytest.approx(squad_f1(reference, answer))


@given(texts, texts)
def test_every_metric_lies_between_0_and_1_and_the_reference_scores_1(reference, answer):
    for metric in ALL:
        assert 0 <= metric(reference, answer) <= 1
        assert metric(reference, reference) == 1


@given(texts, texts)
def test_difflib_ratio_is_difflibs(reference, answer):
    assert difflib_ratio(reference, answer) == SequenceMatcher(None, reference, answer).ratio()


@given(st.text(string.printable, max_size=60), st.text(string.printable, max_size=60))
def test_rouge_is_that_of_rouge_score(reference, answer):
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    theirs = scorer.score(reference, answer)
    ours = {"rouge1": rouge_1, "rouge2": rouge_2, "rougeL": rouge_l}
    for name, order in (("rouge1", 1), ("rouge2", 2), ("rougeL", 1)):
        if words_of(reference) != words_of(answer) or len(words_of(answer)) >= order:
            assert ours[name](reference, answer) == pytest.approx(theirs[name].fmeasure)


@pytest.mark.parametrize(
    ("metric", "reference", "answer", "expected"),
    [
        (rouge_1, "the cat sat", "the cat", 0.8),
        (rouge_2, "a b c d", "a b d", 2 / 5),
        (rouge_l, "a b c d", "b a c d", 0.75),
        (rouge_1, "Привет мир", "привет, мир!", 1.0),  # rouge-score: 0
        (rouge_1, "今天天气很好", "今天很好", 0.8),
        (rouge_l, "สวัสดี", "สวัสดี", 1.0),
        (rouge_1, "नमस्ते दुनिया", "नमस्ते", 2 / 3),  # a vowel sign is no end of a word
        (rouge_1, "cafe\u0301", "café", 1.0),
        (rouge_1, "?", "?", 1.0),
        (rouge_1, "?", "!", 0.0),
        (rouge_2, "yes", "Yes.", 1.0),
        (rouge_2, "yes", "no", 0.0),
        (rouge_1, "yes", "", 0.0),
        (token_f1, "The cat sat.", "a CAT sat", 1.0),
        (token_f1, "«Москва»", "москва", 1.0),
        (token_f1, "东京都", "东京", 0.8),
        (token_f1, "the", "", 1.0),
        (token_f1, "cat", "", 0.0),
        (exact_match_normalised, "Billing", " billing\n", 1.0),
        (exact_match_normalised, "\uff21\uff22\uff23", "abc", 1.0),
        (exact_match_normalised, '{"Queue": "Billing"}', '{"queue":  "billing"}', 1.0),
        (exact_match_normalised, "billing", "billing.", 0.0),
        (similarity, "abcd", "abxd", 0.75),
        (similarity, "", "", 1.0),
    ],
)
def test_values(metric, reference, answer, expected):
    assert metric(reference, answer) == pytest.approx(expected)
