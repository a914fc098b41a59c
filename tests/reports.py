"""Reports to render: a plain one with every part, and the same with hostile text in every place."""

from datetime import UTC, datetime

from runner.evaluation.gates import Verdict
from runner.report.model import (
    ConfusedPair,
    Confusion,
    FormatCompliance,
    Headline,
    MetricDifference,
    MetricValue,
    MetricValues,
    Nearest,
    Report,
    ReportRow,
    RowChanges,
    SliceValue,
)
from runner.report.parts import (
    Approval,
    CurvePoint,
    DataFinding,
    Finding,
    HistoryPoint,
    Provenance,
    SpecChange,
    Subject,
    TrainingSummary,
    Wear,
)

STATUSES = ("broken", "fixed", "fixed", "fixed", "both_right", "both_right", "both_wrong", "format_error")


def make_row(number, **changed):
    status = STATUSES[number % len(STATUSES)]
    right = {"broken": (1, 0), "fixed": (0, 1), "both_right": (1, 1)}.get(status, (0, 0))
    told = {
        "id": f"{number:016x}-0",
        "status": status,
        "where": f"specs/support-triage/data/test.jsonl:{number + 1}",
        "input": f"Question number {number} about {'refunds' if number % 3 else 'logins'}",
        "expected": "billing",
        "answers": {name: "billing" if ok else "billings" for name, ok in zip(("base", "tuned"), right, strict=True)},
        "violations": ["not_a_label"] if status == "format_error" else [],
        "near": number % 5 == 0,
        "nearest": [
            Nearest(row="aa-0", similarity=0.91, where="data/train.jsonl:7", input="A question", answer="login")
        ],
        "values": {"exact_match": {"base": float(right[0]), "tuned": float(right[1])}},
        "slices": {"language": "en" if number % 2 else None},
    }
    return ReportRow(**{**told, **changed})


def make_verdict(outcome="PASS", **changed):
    told = {
        "gate": "exact_match beats base by 10 points",
        "metric": "exact_match",
        "outcome": outcome,
        "value": 0.81,
        "n": 120,
        "method": "Bonett-Price",
        "reason": "the true gain is more than +10.2 with 95 % confidence",
        "rival": "base",
        "rival_value": 0.62,
        "difference": 0.19,
        "low": 0.102,
        "high": 0.276,
        "threshold": 0.1,
    }
    return Verdict(**{**told, **changed})


def make_report(rows=120, **changed):
    both = {
        name: MetricValue(value=value, low=value - 0.08, high=value + 0.07, apart=value - 0.01)
        for name, value in (("base", 0.62), ("tuned", 0.81))
    }
    told = {
        "name": "support-triage",
        "version": "1.1.0",
        "commit": "c0ffee" * 6 + "c0ff",
        "champion": "1.0.0",
        "outcome": "INCONCLUSIVE",
        "releasable": False,
        "decision": "do not merge yet",
        "headline": Headline(
            metric="exact_match",
            base=0.62,
            champion=0.8,
            tuned=0.81,
            difference=0.19,
            low=0.102,
            high=0.276,
            n=rows,
            method="Bonett-Price",
        ),
        "verdicts": [
            make_verdict(),
            make_verdict(
                "INCONCLUSIVE",
                gate="exact_match beats champion",
                rival="champion",
                rival_value=0.8,
                difference=0.01,
                low=-0.04,
                high=0.06,
                threshold=0.0,
            ),
            make_verdict(
                gate="format_compliance at least 95.0 %",
                metric="format_compliance",
                value=0.97,
                rival=None,
                rival_value=None,
                difference=None,
                low=0.93,
                high=0.99,
                threshold=0.95,
            ),
        ],
        "subjects": [
            Subject(
                name="base",
                title="base",
                answered=rows,
                answer_tokens=4.0,
                latency_p50=0.2,
                latency_p95=0.4,
                latencies=[0.1, 0.2, 0.2, 0.4],
            ),
            Subject(
                name="tuned",
                title="this",
                answered=rows,
                answer_tokens=2.0,
                latency_p50=0.1,
                latency_p95=0.2,
                latencies=[0.1, 0.1, 0.2],
            ),
        ],
        "metrics": [
            MetricValues(
                metric="exact_match",
                meaning="share of answers that equal the reference",
                subjects=both,
                differences={"base": MetricDifference(value=0.19, low=0.102, high=0.276, n=rows)},
            )
        ],
        "compliance": [FormatCompliance(subject="tuned", value=0.97, n=rows, violations={"not_a_label": 3})],
        "changes": RowChanges(metric="exact_match", fixed=45, broken=15, unchanged=60),
        "rows": [make_row(number) for number in range(rows)],
        "near_rows": 24,
        "confusion": [
            Confusion(
                subject="tuned",
                labels=["billing", "login"],
                matrix=[[50, 5, 1], [4, 60, 0]],
                pairs=[
                    ConfusedPair(expected="billing", answered="login", n=5),
                    ConfusedPair(expected="billing", answered=None, n=1),
                ],
            )
        ],
        "slices": [
            SliceValue(
                field="language",
                value=value,
                metric="exact_match",
                n=60,
                subjects={"base": 0.6, "tuned": 0.8},
                gain=0.2,
                marked=value == "en",
            )
            for value in ("en", None)
        ],
        "curve": [
            CurvePoint(epoch=0, step=0, validation_loss=3.0),
            CurvePoint(epoch=0.5, step=5, train_loss=2.5),
            CurvePoint(epoch=1, step=10, train_loss=2.0, validation_loss=1.9),
            CurvePoint(epoch=2, step=20, train_loss=1.0, validation_loss=1.1),
        ],
        "best_epoch": 2,
        "kept": "Epoch 2 of 2 kept.",
        "training": TrainingSummary(method="lora", epochs=2, best_epoch=2, steps=20, seconds=100.0, device="cpu"),
        "findings": [
            Finding(code="overfitting", message="Validation loss rises", cause="too many epochs", remedy="fewer")
        ],
        "data": {"rows": "train 320, test 120"},
        "data_findings": [
            DataFinding(
                code="duplicate",
                severity="warning",
                count=3,
                message="twice",
                where="data/train.jsonl:7",
                hint="drop one",
            )
        ],
        "changed": [
            SpecChange(path="training.learning_rate", old=0.002, new=0.001, words="learning_rate 0.002 → 0.001")
        ],
        "changed_since": "1.0.0",
        "history": [
            HistoryPoint(version="1.0.0", date=datetime(2026, 1, 2, tzinfo=UTC), value=0.8, n=100, same_test_set=True),
            HistoryPoint(version="1.1.0", date=None, value=0.81, n=120, same_test_set=True),
        ],
        "wear": Wear(candidates=3, odds=0.14, message="3 models were scored on these test rows."),
        "approval": Approval(who="Ann", reason="thin but fine", at=datetime(2026, 1, 3, tzinfo=UTC)),
        "notes": ["2 rows that the champion could not answer are left out."],
        "provenance": Provenance(
            base_model="pkg://a/b.gguf",
            engine="llama_cpp",
            seed=42,
            keys={"train": "a" * 64},
            digests={"test": "b" * 64},
            environment={"python": "3.11"},
            reproduce="gitune apply support-triage --through evaluate",
        ),
        "next_step": "Add test rows.",
    }
    return Report(**{**told, **changed})
