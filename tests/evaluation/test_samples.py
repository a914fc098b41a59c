"""Several samples, rows without an answer, rows with near neighbours, and what is known of the model itself."""

import json

import pytest
from scoring import row

from runner.contract.labels import build_labels
from runner.data.prompts import prompt_of
from runner.errors import GituneError, Location
from runner.evaluation.fit import fit_values
from runner.evaluation.metrics import score_answers
from runner.evaluation.stored import Answers, read_answers

CONTRACT = build_labels(["a", "b"], Location("spec.yaml"))


def asked(samples, errors=(), metrics=("exact_match",), contract=None, **more):
    """Score samples of rows whose reference is `a`, read from what a prediction would have stored."""
    rows = [row(f"question {number}", "a") for number in range(len(samples))]
    prompts = [prompt_of(one).id for one in rows]
    lines = [
        {"prompt_id": prompt, "text": text, "completion_tokens": len(text), **({"sample": k} if k else {})}
        for prompt, texts in zip(prompts, samples, strict=True)
        for k, text in reversed(list(enumerate(texts)))
    ]
    failed = [{"prompt_id": prompts[at], "error": f"error {at}"} for at in errors]
    answers, lost = ("".join(json.dumps(one) + "\n" for one in part).encode() for part in (lines, failed))
    return score_answers(rows, read_answers(answers, lost), metrics, None, contract, **more)


def test_a_row_of_several_samples_is_their_mean():
    metrics = ["exact_match", "answer_tokens", "consistency", "macro_f1"]
    found = asked([["a", "a", "b"], ["xyz", "xyz", "xyz"]], metrics=metrics, contract=CONTRACT)
    assert found.rows["exact_match"] == [pytest.approx(2 / 3), 0]
    assert found.rows["answer_tokens"] == [1, 3]
    assert found.values["answer_tokens"] == 2
    assert found.rows["consistency"] == [pytest.approx(1 / 3), 1]
    assert found.rows["format_compliance"] == [1, 0]
    assert found.labels == [("a", "a"), ("a", "xyz")]
    assert found.breaks == [[], ["not_a_label"]]
    assert found.violations == {"not_a_label": 1}


def test_samples_agree_as_answers_do():
    found = asked([['{"x": 1, "y": 2}', '{"y":2,"x":1.0}', " b", "b\n"]], metrics=["exact_match", "consistency"])
    assert found.values["consistency"] == pytest.approx(2 / 6)


def test_consistency_of_single_answers_is_refused():
    with pytest.raises(GituneError, match="consistency compares several answers"):
        asked([["a"]], metrics=["exact_match", "consistency"])


def test_rows_that_were_not_answered_have_no_part_in_any_value():
    metrics = ["exact_match", "macro_f1", "bleu", "chrf", "answer_tokens"]
    found = asked([["a"]] * 99 + [[]], errors=[99], metrics=metrics, contract=CONTRACT)
    assert found.n == 99
    assert found.unanswered == [99]
    assert found.rows["exact_match"][98:] == [1, None]
    assert found.rows["format_compliance"][98:] == [1, None]
    assert set(found.values.values()) == {1}
    assert found.labels[99] == ("a", None)
    assert found.breaks[99] == []
    assert all(len(counts) == 100 for counts in found.counts.values())
    assert found.violations == {}


def test_many_unanswered_rows_are_an_error_and_no_score():
    with pytest.raises(GituneError, match=r"3 of 100 test rows were not answered because of errors .*: error 97"):
        asked([["a"]] * 97 + [[]] * 3, errors=[97, 98, 99])


def test_a_missing_answer_that_nothing_explains_is_an_error():
    with pytest.raises(GituneError, match="1 of 100 test rows have no answer"):
        asked([["a"]] * 99 + [[]])


def test_values_apart_from_rows_with_near_neighbours():
    metrics = ["exact_match", "macro_f1", "bleu"]
    near = [True, False, False]
    found = asked([["a"], ["b"], ["a"]], metrics=metrics, near=near, measures={"validation_loss": 0.5})
    assert found.values["exact_match"] == pytest.approx(2 / 3)
    assert found.apart["exact_match"] == 0.5
    assert found.apart.keys() == set(metrics)
    assert asked([["a"]], near=[False]).apart == {}


def test_equal_answers_have_equal_scores_whatever_the_order_they_are_stored_in():
    assert read_answers(b"", None) == Answers({})
    one = b'{"prompt_id": "p", "text": "x"}\n'
    two = b'{"prompt_id": "p", "sample": 1, "text": "y"}\n'
    assert read_answers(one + two, None) == read_answers(two + one, b"")


TRAINED = {"train_loss": 0.5, "validation_loss": 0.65}


@pytest.mark.parametrize(
    ("wanted", "training", "values"),
    [
        (["validation_loss", "overfit_gap"], TRAINED, {"validation_loss": 0.65, "overfit_gap": pytest.approx(0.3)}),
        (["overfit_gap"], {"train_loss": 0.5, "validation_loss": 0.4}, {"overfit_gap": 0}),
        (["validation_loss"], {"validation_loss": 0.4}, {"validation_loss": 0.4}),
        ([], {"train_loss": 0.5, "validation_loss": None}, {}),
    ],
)
def test_what_a_training_says_of_the_model(wanted, training, values):
    assert fit_values(wanted, training) == values


def test_a_training_without_validation_is_told():
    with pytest.raises(GituneError, match=r"^overfit_gap: the training has no validation loss"):
        fit_values(["overfit_gap"], {"train_loss": 0.5, "validation_loss": None})


def test_only_what_was_asked_for_is_told_of_the_model():
    found = asked([["a"]], metrics=["exact_match", "overfit_gap"], measures={"overfit_gap": 0.1, "validation_loss": 1})
    assert found.values == {"exact_match": 1, "overfit_gap": 0.1}
