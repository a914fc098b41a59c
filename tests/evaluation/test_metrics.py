"""What counts as a right answer, and what is refused rather than counted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring import row, scored

from runner.contract.labels import build_labels
from runner.data.prompts import prompt_of
from runner.errors import GituneError, Location
from runner.evaluation.answers import canonical, same_answer
from runner.evaluation.catalog import METRICS, validate_metrics
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import SubjectScores
from runner.evaluation.stored import Answers


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        ('{"a": 1}', '  {"a": 1.0}\n', True),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": 1}', '{"a": "1"}', False),
        ('{"a": null}', "{}", False),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', False),
        ('{"a": "é"}', '{"a": "\\u00e9"}', True),
        ('{"a": 1}', '```json\n{"a": 1}\n```', False),
        ('{"a": 1}', 'Sure: {"a": 1}', False),
        ('{"a": 1}', '{"a": 1, "a": 1}', False),
        ('{"a": 1}', '{"a": NaN}', False),
        ('{"a": 1}', "", False),
        ('{"a": 1}', "[" * 100_000, False),
        ("[1]", "[1.0]", True),
        ("billing", " billing\n", True),
        ("billing", "Billing", False),
        ("1", "1.0", False),  # a label, not a JSON document
        ("true", "true", True),
    ],
)
def test_when_two_answers_are_the_same(reference, answer, same):
    assert same_answer(reference, answer) is same


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('ab"{}é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", max_size=2), json_values, max_size=4), st.randoms())
def test_layout_never_decides(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert same_answer(json.dumps(value), json.dumps(dict(items), indent=2))


def test_exact_match_of_a_field():
    scores = scored(
        [
            ('{"queue": "billing", "urgent": true}', '{"queue": "billing", "urgent": false}'),
            ('{"queue": "login"}', '{"queue": "login"}'),
            ('{"queue": "login"}', "login"),
            ('{"queue": "login"}', '["queue"]'),
        ],
        ["exact_match", "exact_match.queue", "exact_match.urgent"],
    )
    assert scores.rows["exact_match"] == [0, 1, 0, 0]
    assert scores.rows["exact_match.queue"] == [1, 1, 0, 0]
    assert scores.rows["exact_match.urgent"] == [0, 1, 0, 0]  # both leave it out; no object earns nothing
    assert scores.values["exact_match.queue"] == 0.5
    assert scores.n == 4


def test_macro_f1_reads_the_label_field_or_the_whole_answer():
    pairs = [('{"queue": "a", "n": 1}', '{"queue": "a"}'), ('{"queue": "b", "n": 2}', "b")]
    by_field = scored(pairs, ["macro_f1"], label="queue")
    assert by_field.values["macro_f1"] == 0.5
    assert by_field.labels == [('"a"', '"a"'), ('"b"', None)]
    assert scored([("a", " a "), ("b", "c")], ["macro_f1"]).values["macro_f1"] == 0.5


def test_format_compliance_is_added_and_counts_answers_by_kind():
    contract = build_labels(["a", "b"], Location("spec.yaml"))
    scores = scored([("a", "a"), ("a", "nonsense"), ("b", "a")], contract=contract)
    assert scores.values == {"exact_match": pytest.approx(1 / 3), "format_compliance": pytest.approx(2 / 3)}
    assert scores.rows["format_compliance"] == [1, 0, 1]
    assert scores.violations == {"not_a_label": 1}


def test_rows_that_ask_the_same_share_the_answer():
    rows = [row("same", "a"), row("same", "b")]
    scores = score_answers(rows, Answers.of({prompt_of(rows[0]).id: "a"}), ["exact_match"], None, None)
    assert scores.rows["exact_match"] == [1, 0]


def test_scores_survive_json():
    scores = scored([("a", "a"), ("b", "zebra")], ["exact_match", "macro_f1"])
    assert SubjectScores.model_validate_json(scores.model_dump_json()) == scores


def test_a_missing_answer_is_an_error_not_a_wrong_answer():
    with pytest.raises(GituneError, match=r"1 of 2 test rows have no answer .*id-two"):
        score_answers(
            [row("one", "a"), row("two", "b")],
            Answers.of({prompt_of(row("one", "a")).id: "a"}),
            ["exact_match"],
            None,
            None,
        )


@pytest.mark.parametrize(
    ("pairs", "metrics", "label", "message"),
    [
        ([], ["exact_match"], None, "no rows"),
        ([("a", "a")], ["format_compliance"], None, "needs an output format"),
        ([("a", "a")], ["exact_match.queue"], None, "reads a field of a JSON object"),
        ([('{"queue": 1}', "a")], ["exact_match.que"], None, "no field 'que'"),
        ([("a", "a")], ["macro_f1"], "queue", "reads a field of a JSON object"),
        ([('{"queue": 1}', "a"), ("{}", "a")], ["macro_f1"], "queue", "no field 'queue'"),
        ([("a", "a")], ["exact_mach"], None, "unknown metric"),
    ],
)
def test_what_cannot_be_measured_is_refused(pairs, metrics, label, message):
    with pytest.raises(GituneError, match=message):
        scored(pairs, metrics, label)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exact_mach", "did you mean 'exact_match'"),
        ("accuracy", "did you mean 'exact_match'"),
        ("f1", "did you mean 'macro_f1'"),
        ("json_schema", "did you mean 'format_compliance'"),
        ("macro_f1.queue", "dataset.label"),
        ("exact_match.", "did you mean 'exact_match'"),
        ("micro_recall.queue", "dataset.label"),
        ("rougeL", "did you mean 'rouge_l'"),
        ("rouge-l", "did you mean 'rouge_l'"),
        ("bleu4", "did you mean 'bleu'"),
        ("sacrebleu", "did you mean 'bleu'"),
        ("f1_score", "did you mean 'macro_f1'"),
        ("levenshtein", "did you mean 'similarity'"),
        ("contains", "evaluation.custom_metrics with `contains`"),
        ("llm_rubric", "evaluation.custom_metrics with `judge`"),
        ("zzz", "unknown metric 'zzz'$"),
    ],
)
def test_unknown_metrics_are_answered_with_the_nearest(name, words):
    with pytest.raises(GituneError) as error:
        validate_metrics(["exact_match", "exact_match.queue", name])
    assert error.match(f"(?m){words}")
    assert error.value.hint == f"metrics are {', '.join(METRICS)}"


def test_every_unknown_metric_is_told_at_once():
    with pytest.raises(GituneError, match=r"'zzz'; .*'yyy'"):
        validate_metrics(["zzz", "yyy"])


def test_canonical_is_only_for_documents():
    assert canonical('"text"') is None
    assert canonical('{"b": 1.0, "a": []}') == '{"a":[],"b":1}'
