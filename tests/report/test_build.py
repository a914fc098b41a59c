"""Pieces from the registry -> report: the right numbers, examples and words."""

import pytest

from runner.data.prompts import prompt_of
from runner.errors import GituneError
from runner.evaluation.gates import Verdict, judge
from runner.evaluation.scores import Scores
from runner.report.build import build_report
from runner.report.evidence import Evidence, Told
from runner.report.model import Report
from runner.report.rows import shorten


def with_evaluation(spec, **changes):
    return spec.model_copy(update={"evaluation": spec.evaluation.model_copy(update=changes)})


def with_subject(scores, name, **changes):
    changed = scores.subjects[name].model_copy(update=changes)
    return scores.model_copy(update={"subjects": {**scores.subjects, name: changed}})


def built(pieces, **changes):
    return build_report(Evidence(**{**pieces, **changes}))


def test_headline_and_metrics(report):
    head = report.headline
    assert (head.metric, head.base, head.champion, head.tuned) == ("exact_match", 0.1, 0.75, 0.75)
    assert head.difference == 0.65
    assert head.low < 0.65 < head.high
    assert head.n == 40
    assert [values.metric for values in report.metrics] == ["exact_match", "macro_f1", "format_compliance"]


def test_changes_count_every_row_once(report):
    changes = report.changes
    assert (changes.fixed, changes.broken, changes.unchanged) == (28, 2, 10)
    assert changes.metric == "exact_match"


def test_examples_are_bounded_and_of_the_right_kind(report):
    assert [row.id for row in report.became("broken", "base")] == ["0000000000000000-0", "0000000000000001-0"]
    better = report.became("fixed", "base")
    assert len(better) == 28
    for row in better:
        assert row.answers["tuned"] == row.expected != row.answers["base"]
    assert better[0].input == "Question number 4"  # without the system message


def test_compliance_tells_violations(report):
    assert [found.subject for found in report.compliance] == ["base", "champion", "tuned"]
    assert report.compliance[0].violations == {"not_a_label": 1}


def test_provenance_and_data(report):
    made = report.provenance
    assert made.digests == {"train": "1" * 64, "test": "2" * 64, "adapter": "3" * 64, "scores": "4" * 64}
    assert made.keys["train"] == "t" * 64
    assert made.reproduce.startswith("git checkout c0ffee")
    assert made.reproduce.endswith(" && gitune apply support-triage --through evaluate")
    assert report.data == {
        "rows": "read 361, dropped 1, train 320, test 40",
        "split": "validation by hash of input, test by files; seed 42",
        "formats": "messages 361",
        "labels in train (queue)": "billing 200, sales 120",
        "findings": "duplicate 1 (info)",
    }
    assert report.best_epoch == 2
    assert [point.validation_loss for point in report.curve] == [3.0, None, 1.9, 1.1]


def test_training_is_explained_and_what_looks_wrong_is_found(report, pieces):
    assert report.kept.startswith("Epoch 1 of 3 kept: validation loss 1.100 is the lowest; epoch 2 overfits (1.900)")
    assert [finding.code for finding in report.findings] == ["overfitting"]
    assert not built(pieces, training=[]).findings


def test_report_survives_json(report):
    assert Report.model_validate_json(report.model_dump_json()) == report
    assert '"schema_version":"2.0"' in report.model_dump_json()


def test_without_champion_curve_or_records(pieces):
    subjects = {name: pieces["scores"].subjects[name] for name in ("base", "tuned")}
    report = built(
        pieces,
        # A record of gitune before 0.5: the subjects alone.
        scores=Scores(subjects=subjects),
        verdicts=judge(pieces["spec"].evaluation.gates, subjects, None),
        answers={name: pieces["answers"][name] for name in subjects},
        champion=None,
        commit=None,
        records={},
        curve=[],
        card={},
    )
    assert report.headline.champion is None
    assert (report.outcome, report.commit, report.best_epoch) == ("PASS", None, None)
    assert report.next_step == "Merge to release 1.1.0 and point production to it."


def test_a_primary_metric_without_rows_falls_back_to_whole_answers_then_labels(pieces):
    pieces["spec"] = with_evaluation(pieces["spec"], primary="macro_f1")
    assert built(pieces).changes.metric == "exact_match"
    subjects = {
        name: found.model_copy(update={"rows": {}, "values": {"macro_f1": found.values["macro_f1"]}})
        for name, found in pieces["scores"].subjects.items()
    }
    pieces["scores"] = Scores(subjects=subjects)
    report = built(pieces)
    assert report.changes.metric == "label"
    assert (report.changes.fixed, report.changes.broken) == (28, 2)


@pytest.mark.parametrize(
    ("outcome", "policy", "releasable", "words"),
    [
        ("PASS", "fail", True, "Merge"),
        ("INCONCLUSIVE", "fail", False, "Add test rows"),
        ("INCONCLUSIVE", "warn", True, "Evidence is thin"),
        ("FAIL", "warn", False, "Change the data or the training"),
    ],
)
def test_the_next_step_follows_the_outcome(pieces, outcome, policy, releasable, words):
    verdict = Verdict(gate="g", metric="exact_match", outcome=outcome, value=0.5, n=40, method="", reason="")
    spec = with_evaluation(pieces["spec"], on_inconclusive=policy)
    report = built(pieces, spec=spec, verdicts=[verdict])
    assert report.releasable is releasable
    assert report.next_step.startswith(words)


def test_models_scored_on_other_rows_are_refused(pieces):
    scores = with_subject(pieces["scores"], "base", n=39)
    with pytest.raises(GituneError, match="40 rows and base on 39"):
        built(pieces, scores=scores)


def test_a_conversation_shows_its_turns(pieces):
    row = pieces["rows"][0]
    row.messages[1:1] = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "How can I help?"}]
    for name in ("base", "tuned"):
        pieces["answers"][name] = Told({prompt_of(row).id: "answer" for row in pieces["rows"]})
    report = built(pieces)
    assert (
        report.became("broken", "base")[0].input == "user: Hello\nassistant: How can I help?\nuser: Question number 0"
    )


def test_long_texts_are_cut_and_say_so():
    assert shorten("abc", 3) == "abc"
    assert shorten("abcdef", 3) == "abc… (+3 characters)"
