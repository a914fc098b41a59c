"""(a spec as it was, as it is) -> what the change means: its class, what it does to the bar, fields and rows.

The class is read off the step keys that differ, not off a list of fields: a field that decides nothing is `nothing`
without being named here, and a new one that decides a training is `retrain`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field

from runner.plan import keys
from runner.plan.model import Change, ChangeClass, Flag, PlanPart, change_words
from runner.plan.reasons import RowCount
from runner.plan.subject import Subject
from runner.plan.symbols import step_inputs
from runner.registry.facts import STEPS, Step

# What a change costs when the key of a step differs, the costliest first.
CLASSES: Mapping[Step, ChangeClass] = {
    "train": "retrain",
    "predict_tuned": "predict",
    "predict_base": "predict",
    "score": "score_only",
    "gate": "gate_only",
    "prepare": "prepare_only",
    "deploy": "redeploy",
}

# Inputs that say how a model is judged, by the step whose key they are part of.
BAR: Mapping[tuple[Step, str], Flag] = {
    ("gate", "gates"): "gate_changed",
    ("gate", "on_inconclusive"): "gate_changed",
    ("score", "test"): "test_set_changed",
    ("score", "contract"): "output_format_changed",
    ("score", "metrics"): "metrics_changed",
    ("score", "custom_metrics"): "metrics_changed",
    ("score", "label"): "metrics_changed",
    ("score", "measures"): "metrics_changed",
    ("prepare", "checks"): "data_checks_changed",
}


class SpecDifference(PlanPart):
    """What changed in one spec."""

    name: str
    """Name of the spec."""
    file: str
    """Its file, relative to the repository."""
    old_version: str | None
    """Version it asked for; null when it is new."""
    new_version: str | None
    """Version it asks for; null when it is removed."""
    change_class: ChangeClass = Field(alias="class")
    """What the change costs at most."""
    flags: Sequence[Flag] = ()
    """What it does to the bar that the model is judged by."""
    steps: Sequence[Step] = ()
    """Steps whose keys differ, as far as content decides them."""
    changes: Sequence[Change] = ()
    """Fields that differ, and content of files."""
    rows: dict[str, RowCount] = {}  # noqa: RUF012 - pydantic copies it
    """Rows that differ, by split."""
    note: str | None = None
    """What could not be told, and why."""

    @property
    def words(self) -> str:
        """The class, and loudly whatever the change does to the bar."""
        return change_words(self.change_class, self.flags)


class Difference(PlanPart):
    """What changed in the specs of a repository. `gitune diff --json` prints exactly this."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    old: str
    """Commit on the one side."""
    new: str | None
    """Commit on the other side; null for the working tree."""
    specs: list[SpecDifference]
    """Every spec with a file that differs, in order of name."""
    config: Sequence[Change] = ()
    """Fields of registry/config.yaml that differ; they touch every spec."""
    unchanged: int
    """Number of specs without a difference."""


class Compared(NamedTuple):
    """What two sets of step inputs differ in."""

    steps: list[Step]
    flags: list[Flag]


def classify(steps: Collection[Step]) -> ChangeClass:
    """Return the costliest class of the steps whose keys differ."""
    return next((found for step, found in CLASSES.items() if step in steps), "nothing")


def compare_inputs(old: Mapping[Step, keys.Inputs], new: Mapping[Step, keys.Inputs]) -> Compared:
    """Return the steps whose inputs differ, and what that does to the bar; only what both sides tell counts."""
    both = [step for step in STEPS if step in old and step in new]
    steps = [step for step in both if keys.step_key(old[step]) != keys.step_key(new[step])]
    flags = {
        flag: None for (step, name), flag in BAR.items() if step in both and old[step].get(name) != new[step].get(name)
    }
    return Compared(steps, list(flags))


def compare_subjects(old: Subject, new: Subject) -> SpecDifference:
    """Say what changed in a spec; rows are read where a change could touch them."""
    before, now = step_inputs(old), step_inputs(new)
    note, rows = None, {}
    if before["prepare"] != now["prepare"]:
        from runner.plan.rows import Rows, count_rows, read_rows

        was, is_ = read_rows(old), read_rows(new)
        if isinstance(was, Rows) and isinstance(is_, Rows):
            rows = count_rows(was, is_)
            before, now = step_inputs(old, was.digests), step_inputs(new, is_.digests)
        else:
            note = f"rows are not compared, and taken for changed: {was if isinstance(was, str) else is_}"
    compared = compare_inputs(before, now)
    return SpecDifference(
        name=new.spec.name,
        file=new.loaded.file,
        old_version=old.spec.version,
        new_version=new.spec.version,
        change_class=classify(compared.steps),
        flags=compared.flags,
        steps=compared.steps,
        changes=[*_field_changes(old, new), *_content_changes(old, new)],
        rows=rows,
        note=note,
    )


def value_changes(old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, old and new value of everything that differs between two JSON values."""
    before, now = dict(_leaves(old)), dict(_leaves(new))
    for path in [*now, *(path for path in before if path not in now)]:
        if before.get(path) != now.get(path):
            yield path, before.get(path), now.get(path)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    # Lists of mappings (gates) are told item by item; other lists (metrics, files) are one value each.
    if isinstance(value, Mapping):
        items = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        items = [(str(number), item) for number, item in enumerate(value)]
    else:
        yield path, value
        return
    for name, item in items:
        yield from _leaves(item, f"{path}.{name}" if path else name)


def _field_changes(old: Subject, new: Subject) -> Iterator[Change]:
    specs = (side.spec.model_dump(mode="json", exclude_none=True) for side in (old, new))
    for path, before, now in value_changes(*specs):
        place = (old if now is None else new).loaded.where(path)
        yield Change(path=path, old=before, new=now, line=place.line)


def _content_changes(old: Subject, new: Subject) -> Iterator[Change]:
    """Tell what changed in files that a field names by the same name."""
    if old.base.digest != new.base.digest and old.base.uri == new.base.uri:
        yield Change(path="base_model (content)", old=old.base.digest, new=new.base.digest)
    texts = [keys.template_digest(side.base.chat_template) for side in (old, new)]
    if texts[0] != texts[1]:
        yield Change(path="chat_template (content)", old=texts[0], new=texts[1])
    formats = [side.spec.evaluation.output_format for side in (old, new)]
    if old.contract != new.contract and formats[0] == formats[1]:
        yield Change(path="evaluation.output_format (content)", old=old.contract, new=new.contract)
    yield from _measure_changes(old.measures or {}, new.measures or {})
    before, now = (
        {name: digest for role in side.files.values() for name, digest in role.items()} for side in (old, new)
    )
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield Change(path=name, old=before.get(name), new=now.get(name))


def _measure_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Tell what changed in rubrics, programs and models of metrics that both sides have."""
    for name in sorted(old.keys() & new.keys()):
        for path, before, now in value_changes(old[name], new[name]):
            yield Change(path=f"metric {name}: {path} (content)", old=before, new=now)
