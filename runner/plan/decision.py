"""What is decided about one step, and which steps each one needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.plan.keys import Inputs
from runner.plan.reasons import Action, Change, Nearest, ReasonCode
from runner.registry.facts import Record, Step

NEEDS: Mapping[Step, tuple[Step, ...]] = {
    "prepare": (),
    "train": ("prepare",),
    "predict_base": ("prepare",),
    "predict_tuned": ("prepare", "train"),
    "predict_champion": ("prepare",),
    "score": ("prepare", "predict_base", "predict_tuned", "predict_champion"),
    "gate": ("score",),
    "deploy": ("train", "gate"),
}

RIVAL_OUTPUTS = ("answers", "timings", "errors")
"""What a prediction yields for each model."""

# Whose answers a predict step stores, in the words of scores and reports.
SUBJECTS: Mapping[str, Step] = {
    "base": "predict_base",
    "tuned": "predict_tuned",
    "champion": "predict_champion",
}
PREDICT_STEPS = tuple(SUBJECTS.values())


def answered(records: Mapping[Step, Record]) -> dict[str, Record]:
    """Return the record of each subject's answers: of `base`, `tuned`, `champion`, `version:1.2.0`, `spec:other`.

    `predict_champion` may have asked several models: its record is told apart into one for each, with the outputs
    `answers`, `timings` and, where there were any, `errors`.
    """
    found = {
        subject: records[step]
        for subject, step in SUBJECTS.items()
        if step in records and "answers" in records[step].outputs
    }
    if (several := records.get("predict_champion")) is None:
        return found
    for subject in several.inputs.get("rivals", ()):
        # The champion's outputs have the plain names.
        if subject != "champion":
            own = {of: made for of in RIVAL_OUTPUTS if (made := several.outputs.get(f"{of}.{subject}")) is not None}
            found[subject] = several.model_copy(update={"outputs": own})
    return found


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one step, with all that running or recording it needs."""

    step: Step
    action: Action
    reason: str
    key: str | None = None
    inputs: Inputs = field(default_factory=dict)
    record: Record | None = None
    changes: tuple[Change, ...] = ()
    nearest: Nearest | None = None
    """The record that `changes` compares with."""
    code: ReasonCode | None = None
    """Why, for programs; None for the usual reason of the action."""
    fault: bool = False
    """Blocked by what a person must mend in the spec or the registry."""
