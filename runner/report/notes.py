"""Two releases -> the changelog line of the newer one, from facts alone.

    1.1.0: +50 examples, learning_rate 2e-4 → 1e-4; exact match 0.81 → 0.86 (+5, CI +1…+9)

What changed comes from the inputs of the two trainings and from what each version serves with; what it did to the
primary metric from answers to the same test rows, or it is said that there are none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.errors import GituneError
from runner.evaluation.compare import Gain, compare
from runner.evaluation.scores import Scores, SubjectScores
from runner.plan.rulings import name_of
from runner.registry.facts import Artifact, Content, Record, Ruling, Step
from runner.registry.views import RegistryReader
from runner.report.parts import ReportPart, SpecChange

SMALL = 1e-3
"""Numbers below this are said as 2e-4."""

WHOLE = {
    "base_model": "base model",
    "chat_template": "chat template",
    "contract": "output format",
    "gates": "gates",
    "on_inconclusive": "on_inconclusive",
    "split": "split",
    "system_prompt": "system prompt",
}
"""Inputs that are said to have changed, without their values: long texts, digests and lists."""


@dataclass(frozen=True, slots=True)
class Release:
    """One side of the comparison: a released version, or the candidate for one."""

    version: str
    content: Content
    records: Mapping[Step, Record]
    champion: str | None
    """Version that its gates compared with."""
    verdict: str
    approval: Ruling | None = None
    released: bool = True


class MetricNote(ReportPart):
    """What became of the primary metric."""

    metric: str
    """Its name."""
    against: str
    """Version it is told from, or `base`."""
    before: float | None
    """Its value there; null when it was not measured."""
    after: float
    """Its value now."""
    difference: float | None = None
    """Gain on the same test rows; null when there are none."""
    low: float | None = None
    """One-sided 95 % lower bound of the gain."""
    high: float | None = None
    """One-sided 95 % upper bound."""
    n: int | None = None
    """Test rows that both answered."""
    reason: str = ""
    """Why the two are not compared, where they are not."""


class Notes(ReportPart):
    """The release notes of one version."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    name: str
    """Name of the spec."""
    version: str
    """The version."""
    since: str | None
    """Version it is told from; null for a first release."""
    released: bool
    """Whether it is released, or a candidate."""
    verdict: str
    """What its gates said."""
    approved_by: str | None
    """Who approved an INCONCLUSIVE."""
    changes: list[SpecChange]
    """What changed."""
    metric: MetricNote
    """What that did to the primary metric."""
    line: str
    """All of it in one line."""


def write_notes(name: str, new: Release, old: Release | None, metric: str, reader: RegistryReader) -> Notes:
    """Write the notes of a release.

    Args:
        name: name of the spec.
        new: what is released.
        old: what it is told from; None for a first release.
        metric: the primary metric.
        reader: where scores and rows are.

    Raises:
        RegistryError: when the scores of the new release are missing or damaged.
    """
    changes = changes_between(new, old, reader) if old else []
    measured = _measured(metric, new, old, reader)
    what = ", ".join(change.words for change in changes) or ("the same model" if old else "first release")
    return Notes(
        name=name,
        version=new.version,
        since=old.version if old else None,
        released=new.released,
        verdict=new.verdict,
        approved_by=name_of(new.approval) if new.approval else None,
        changes=changes,
        metric=measured,
        line=f"{new.version}: {what}; {metric_words(measured)}",
    )


def metric_words(note: MetricNote) -> str:
    """Say the metric: `exact match 0.81 → 0.86 (+5, CI +1…+9)`."""
    name = note.metric.replace("_", " ")
    if note.difference is None or note.low is None or note.high is None:
        was = "" if note.before is None else f"{note.before:.2f} → "
        return f"{name} {was}{note.after:.2f} ({note.reason})"
    told = f"{_points(note.difference)}, CI {_points(note.low)}…{_points(note.high)}"
    versus = "" if note.against != "base" else " against its base"
    return f"{name} {note.before:.2f} → {note.after:.2f} ({told}){versus}"


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+g}".replace("-", "−")


def changes_between(new: Release, old: Release, reader: RegistryReader) -> list[SpecChange]:
    """Return what makes a release another one: its rows, then what it was trained, served and judged by."""
    return list(_changes(new, old, reader))


def _changes(new: Release, old: Release, reader: RegistryReader) -> Iterator[SpecChange]:
    for split, what in (("train", "examples"), ("validation", "validation rows"), ("test", "test rows")):
        before, now = (side.records["prepare"].outputs[split] for side in (old, new))
        if before != now:
            counted = _rows_between(before, now, reader)
            words = f"{counted} {what}" if counted else f"other {what}"
            yield SpecChange(path=split, old=before.digest, new=now.digest, words=words)
    before_all, now_all = dict(_flat(_inputs(old))), dict(_flat(_inputs(new)))
    for path in sorted(before_all.keys() | now_all.keys()):
        if (was := before_all.get(path)) != (is_ := now_all.get(path)):
            head = path.partition(".")[0]
            name = path.removeprefix("training.").removeprefix("generation.")
            words = f"{WHOLE[head]} changed" if head in WHOLE else f"{name} {_value(was)} → {_value(is_)}"
            shown = head not in WHOLE
            yield SpecChange(path=path, old=was if shown else None, new=is_ if shown else None, words=words)


def _inputs(side: Release) -> dict[str, Any]:
    """Return what made a release what it is, but for its rows."""
    prepared, trained, gate = (side.records[step].inputs for step in ("prepare", "train", "gate"))
    return {
        "base_model": side.content.base_digest,
        "chat_template": side.content.chat_template,
        "system_prompt": side.content.system_prompt,
        "engine": side.content.engine,
        "generation": side.content.generation,
        "label": prepared.get("label"),
        "contract": prepared.get("contract"),
        "backend": trained.get("backend"),
        "training": trained.get("training"),
        "gates": gate.get("gates"),
        "on_inconclusive": gate.get("on_inconclusive"),
    }


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value and path != "contract":
        for name, item in value.items():
            yield from _flat(item, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float) and 0 < abs(value) < SMALL:
        digits, _, exponent = f"{value:e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rows_between(before: Artifact, now: Artifact, reader: RegistryReader) -> str | None:
    """Count rows by their ids, which digest their content; None when a dataset is gone."""
    if not (reader.exists(before) and reader.exists(now)):
        return None
    old, new = ({json.loads(line)["id"] for line in reader.read(rows).splitlines()} for rows in (before, now))
    counts = [f"{sign}{len(ids)}" for sign, ids in (("+", new - old), ("−", old - new)) if ids]
    return " ".join(counts) or "reordered"


def _measured(metric: str, new: Release, old: Release | None, reader: RegistryReader) -> MetricNote:
    scores = _scores(new, reader)
    after = scores["tuned"].values[metric]
    if old is None:
        before, gain, reason = scores["base"].values.get(metric), _gain(metric, scores, scores["base"]), ""
    else:
        before, gain, reason = _against(metric, new, old, scores, reader)
    return MetricNote(
        metric=metric,
        against=old.version if old else "base",
        before=before,
        after=after,
        difference=gain.difference if gain else None,
        low=gain.low if gain else None,
        high=gain.high if gain else None,
        n=gain.n if gain else None,
        reason="" if gain else reason or "not compared: no interval for this metric",
    )


def _against(
    metric: str, new: Release, old: Release, scores: Mapping[str, SubjectScores], reader: RegistryReader
) -> tuple[float | None, Gain | None, str]:
    """Return the older value, the gain over it, and why there is none."""
    if new.champion == old.version and "champion" in scores:
        rival = scores["champion"]
    else:
        try:
            rival = _scores(old, reader)["tuned"]
        except GituneError:
            return None, None, f"not compared: the scores of {old.version} are missing"
        before, now = (side.records["score"].inputs for side in (old, new))
        if before["test"] != now["test"]:
            return rival.values.get(metric), None, "not compared on the same rows"
        if any(before.get(rule) != now.get(rule) for rule in ("implementation", "label", "contract")):
            return rival.values.get(metric), None, "not compared: judged by other rules"
    return rival.values.get(metric), _gain(metric, scores, rival), ""


def _gain(metric: str, scores: Mapping[str, SubjectScores], rival: SubjectScores) -> Gain | None:
    try:
        return compare(metric, scores["tuned"], "the other", rival)
    except GituneError:
        return None


def _scores(side: Release, reader: RegistryReader) -> dict[str, SubjectScores]:
    stored = json.loads(reader.read(side.records["score"].outputs["scores"]))
    return dict(Scores.model_validate(stored).subjects)
