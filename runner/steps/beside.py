"""What stands beside the test rows and their answers -> what scores say of it: near neighbours, slices, cut answers.

Whatever an older release stored lacks some of it; then the scores say nothing about that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

from runner.contract.contract import OutputContract
from runner.contract.extract import effective_answer
from runner.data.neighbours import near_flags
from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import Row
from runner.data.slices import values_of
from runner.evaluation.stored import Answers
from runner.steps.context import StepContext


class Beside(TypedDict):
    """Fields of `Scores` that come from what was prepared."""

    near: list[bool]
    slices: dict[str, list[str | None]]


def beside_rows(context: StepContext, rows: Sequence[Row], contract: OutputContract | None) -> Beside:
    """Return which test rows have a near neighbour in training, and their values in each slice."""
    carried = _read(context, "slices")
    names = context.subject.spec.evaluation.slices
    values = values_of(rows, names, None if carried is None else json.loads(carried), contract)
    return {"near": near_flags(_read(context, "neighbours"), rows), "slices": values}


def compared_rows(rows: Sequence[Row], contract: OutputContract | None) -> list[Row]:
    """Return rows whose references are what answers are compared with: where the format extracts, the JSON alone."""
    if contract is None:
        return list(rows)
    return [_with_reference(row, effective_answer(reference_of(row), contract)) for row in rows]


def cut_off_rows(answers: Answers, rows: Sequence[Row]) -> list[bool]:
    """Return which rows' answers ended at the token limit; of several samples the first counts."""
    given = [answers.given.get(prompt_of(row).id, ()) for row in rows]
    return [bool(samples) and samples[0].is_cut for samples in given]


def _with_reference(row: Row, reference: str) -> Row:
    if reference == reference_of(row):
        return row
    return replace(row, messages=[*row.messages[:-1], {**row.messages[-1], "content": reference}])


def _read(context: StepContext, name: str) -> bytes | None:
    artifact = context.records["prepare"].outputs.get(name)
    return None if artifact is None else context.registry.read(artifact)
