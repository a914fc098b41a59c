"""The records that a spec has in the registry -> its `Report`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runner.data.rows import Row, rows_from_jsonl
from runner.errors import UsageError
from runner.evaluation.gates import Verdict
from runner.evaluation.scores import Scores
from runner.plan.decision import answered
from runner.plan.walk import Walk
from runner.registry.facts import Record, Step
from runner.report.build import build_report
from runner.report.evidence import Evidence, Neighbour, Told
from runner.report.history import changes_since_champion, history_of
from runner.report.model import Report

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
    champion, neighbours = walk.champion, _neighbours(walk)
    return build_report(
        Evidence(
            spec=spec,
            records=walk.records,
            scores=Scores.model_validate(_json(walk, "score", "scores")),
            verdicts=[Verdict.model_validate(verdict) for verdict in _json(walk, "gate", "verdicts")],
            rows=rows_from_jsonl(_bytes(walk, "prepare", "test")),
            answers={subject: _told(walk, record) for subject, record in answered(walk.records).items()},
            curve=_json(walk, "train", "curve"),
            training=_lines(walk, "train", "metrics"),
            card=_json(walk, "prepare", "card"),
            champion=champion.version if champion else None,
            commit=walk.delivery.commit_of(walk.subject.loaded),
            approval=walk.approval,
            live=walk.live is not None and walk.live.version == spec.version,
            places={line["id"]: f"{line['file']}:{line['line']}" for line in _lines(walk, "prepare", "sources")},
            neighbours=neighbours,
            trained_on=_trained_on(walk, neighbours),
            changed=changes_since_champion(walk),
            history=history_of(walk),
        )
    )


def _bytes(walk: Walk, step: Step, name: str) -> bytes:
    return walk.reader.read(walk.records[step].outputs[name])


def _json(walk: Walk, step: Step, name: str) -> Any:
    return json.loads(_bytes(walk, step, name))


def _lines(walk: Walk, step: Step, name: str) -> list[dict[str, Any]]:
    """Read an artifact of JSON lines; empty where an older gitune, or a run without errors, wrote none."""
    return _lines_of(walk, walk.records[step], name)


def _lines_of(walk: Walk, record: Record, name: str) -> list[dict[str, Any]]:
    if name not in record.outputs:
        return []
    return [json.loads(line) for line in walk.reader.read(record.outputs[name]).splitlines()]


def _told(walk: Walk, record: Record) -> Told:
    stored = _lines_of(walk, record, "answers")
    return Told(
        texts={answer["prompt_id"]: answer["text"] for answer in stored if not answer.get("sample")},
        stored=stored,
        errors=len({line["prompt_id"] for line in _lines_of(walk, record, "errors")}),
        seconds=record.seconds,
    )


def _neighbours(walk: Walk) -> dict[str, list[Neighbour]]:
    return {
        line["row"]: [Neighbour(near["row"], near["similarity"]) for near in line["nearest"]]
        for line in _lines(walk, "prepare", "neighbours")
    }


def _trained_on(walk: Walk, neighbours: Mapping[str, Sequence[Neighbour]]) -> dict[str, Row]:
    wanted = {near.row for found in neighbours.values() for near in found}
    rows = rows_from_jsonl(_bytes(walk, "prepare", "train")) if wanted else []
    return {row.id: row for row in rows if row.id in wanted}
