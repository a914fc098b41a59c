"""The records that a spec has in the registry -> its `Report`."""

from __future__ import annotations

import json
from typing import Any

from runner.data.rows import rows_from_jsonl
from runner.errors import UsageError
from runner.evaluation.gates import Verdict
from runner.evaluation.scores import Scores
from runner.evaluation.wear import wear
from runner.plan.decision import answered
from runner.plan.walk import Walk
from runner.registry.facts import Record, Step
from runner.report.build import build_report
from runner.report.evidence import Evidence, Told
from runner.report.history import changes_since_champion, history_of
from runner.report.model import Report
from runner.report.nearest import lines_of, nearest_of, places_of
from runner.report.parts import Wear

NEEDED: tuple[Step, ...] = ("prepare", "train", "predict_base", "predict_tuned", "score", "gate")


def gather_report(walk: Walk) -> Report:
    """Read what was evaluated and build the report.

    Args:
        walk: a walk that has looked at every step.

    Raises:
        UsageError: when the spec as it is now has not been evaluated yet.
        RegistryError: when an artifact is missing or damaged.
    """
    spec = walk.subject.spec
    missing = [step for step in NEEDED if step not in walk.records]
    if missing:
        raise UsageError(
            f"{spec.name} {spec.version} has not been evaluated yet: no {missing[0]}",
            hint="`gitune apply --through evaluate` does it",
        )
    records, champion = walk.records, walk.champion
    prepared, rows = records["prepare"], rows_from_jsonl(_bytes(walk, "prepare", "test"))
    return build_report(
        Evidence(
            spec=spec,
            records=records,
            scores=Scores.model_validate(_json(walk, "score", "scores")),
            verdicts=[Verdict.model_validate(verdict) for verdict in _json(walk, "gate", "verdicts")],
            rows=rows,
            answers={subject: _told(walk, record) for subject, record in answered(records).items()},
            curve=_json(walk, "train", "curve"),
            training=lines_of(records["train"], "metrics", walk.reader),
            card=_json(walk, "prepare", "card"),
            champion=champion.version if champion else None,
            commit=walk.delivery.commit_of(walk.subject.loaded),
            approval=walk.approval,
            live=walk.live is not None and walk.live.version == spec.version,
            places=places_of(prepared, walk.reader),
            nearest=nearest_of(prepared, walk.reader),
            changed=changes_since_champion(walk),
            history=history_of(walk),
            wear=_wear(walk, len(rows)),
        )
    )


def _bytes(walk: Walk, step: Step, name: str) -> bytes:
    return walk.reader.read(walk.records[step].outputs[name])


def _json(walk: Walk, step: Step, name: str) -> Any:
    return json.loads(_bytes(walk, step, name))


def _told(walk: Walk, record: Record) -> Told:
    stored = lines_of(record, "answers", walk.reader)
    return Told(
        texts={answer["prompt_id"]: answer["text"] for answer in stored if not answer.get("sample")},
        stored=stored,
        errors=len({line["prompt_id"] for line in lines_of(record, "errors", walk.reader)}),
        seconds=record.seconds,
    )


def _wear(walk: Walk, rows: int) -> Wear:
    found = wear(walk.reader, walk.records["prepare"].outputs["test"].digest, rows)
    return Wear(candidates=found.candidates, odds=found.odds_of_lucky_pass, worn=found.is_worn, message=found.message)
