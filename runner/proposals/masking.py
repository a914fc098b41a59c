"""A proposal -> the same one without what rows of data say, for comments that anybody may read.

    masked_proposal(proposal, "masked")

`masked` keeps the shape of every text (`{"order": 12}` becomes `{"xxxxx": 00}`) and the words that the output format
declares, for everybody can read those in the spec. `none` shows no row. Counts, metrics and verdicts stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import get_args

from runner.contract.violation import ViolationKind
from runner.plan.model import SpecPlan
from runner.proposals.context import Examples
from runner.proposals.model import Proposal, ProposedSpec
from runner.report.model import ConfusedPair, Confusion, Report, ReportRow, SliceValue

_KINDS = frozenset(get_args(ViolationKind))
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# How a finding about data ends (`data.findings.Finding.problem`): what it quotes lies between place and code.
_FINDING = re.compile(r"^(?P<place>(?:[^:\n]|:(?=\d))*):.*(?P<code> \[[a-z_]+\])$", re.MULTILINE)
_COUNTED = re.compile(r"(?P<label>.*) (?P<count>\d+)")


def declared_words(contract: object) -> list[str]:
    """Return the words that an output format itself allows: labels, and of a JSON Schema names, enums and constants.

    Args:
        contract: `Subject.contract`, the JSON value of the format; None without one.
    """
    if not isinstance(contract, dict):
        return []
    return sorted({*contract.get("labels", ()), *_words_of(contract.get("json_schema"))})


def _words_of(schema: object) -> Iterator[str]:
    """Yield what a schema names; descriptions and patterns are no words of answers."""
    if isinstance(schema, list):
        for inner in schema:
            yield from _words_of(inner)
    if not isinstance(schema, dict):
        return
    names, enum = schema.get("properties"), schema.get("enum")
    yield from names if isinstance(names, dict) else ()
    yield from (one for one in (*(enum if isinstance(enum, list) else ()), schema.get("const")) if isinstance(one, str))
    for name, inner in schema.items():
        if name not in ("enum", "const"):
            yield from _words_of(inner)


def masked_proposal(proposal: Proposal, mode: Examples) -> Proposal:
    """Hide what rows say in every spec's report and reasons; `full` hides nothing."""
    if mode == "full":
        return proposal
    return proposal.model_copy(update={"specs": [_spec(spec, mode) for spec in proposal.specs]})


def _spec(spec: ProposedSpec, mode: Examples) -> ProposedSpec:
    told = {
        "report": masked(spec.report, mode, spec.declared) if spec.report else None,
        "plan": _plan(spec.plan) if spec.plan else None,
        "reason": without_quotes(spec.reason),
    }
    return spec.model_copy(update=told)


def _plan(plan: SpecPlan) -> SpecPlan:
    """Hide what an earlier failure, which a plan repeats, quotes of the data."""
    steps = [
        step.model_copy(
            update={"reason": without_quotes(step.reason), "notes": [without_quotes(note) for note in step.notes]}
        )
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": steps})


def without_quotes(text: str) -> str:
    """Leave of findings about data only where they are and their code: what is between may quote a row."""
    return _FINDING.sub(r"\g<place>:\g<code>", text)


def masked(report: Report, mode: Examples, declared: Collection[str] = ()) -> Report:
    """Hide what rows of the test set say.

    Args:
        report: a report.
        mode: how.
        declared: words that the output format allows; they stay readable.
    """
    if mode == "full":
        return report
    words = frozenset(declared)
    findings = [one.model_copy(update={"message": "", "hint": ""}) for one in report.data_findings]
    compliance = [
        one.model_copy(update={"violations": {_kind(kind): n for kind, n in one.violations.items()}})
        for one in report.compliance
    ]
    verdicts = [
        one.model_copy(
            update={
                # What was judged has rows enough to be nobody's; a value of few rows may be a name.
                "slices": [
                    part if part.outcome else part.model_copy(update={"slice": hide(part.slice, words)})
                    for part in one.slices
                ]
            }
        )
        for one in report.verdicts
    ]
    return report.model_copy(
        update={
            "rows": [_row(row, words) for row in report.rows] if mode == "masked" else [],
            "confusion": [_confusion(one, words) for one in report.confusion],
            "slices": [_slice(one, words) for one in report.slices],
            "verdicts": verdicts,
            "compliance": compliance,
            "data": {name: _fact(name, value, words) for name, value in report.data.items()},
            "data_findings": findings,
        }
    )


def hide(text: str, words: Collection[str] = ()) -> str:
    """Write `x` for letters and `0` for digits, but for declared words: the whole text, or a string in its JSON."""
    if text in words:
        return text
    told, end = [], 0
    for found in _QUOTED.finditer(text):
        if found[1] in words:
            told += [_shape(text[end : found.start()]), found[0]]
            end = found.end()
    return "".join([*told, _shape(text[end:])])


def _shape(text: str) -> str:
    return "".join(map(_hidden, text))


def _hidden(char: str) -> str:
    """Keep only what has no meaning of its own: blanks, and punctuation and signs of ASCII."""
    if unicodedata.category(char)[0] == "N":
        return "0"
    if char.isupper():
        return "X"
    return char if char.isspace() or (char.isascii() and not char.isalpha()) else "x"


def _row(row: ReportRow, words: Collection[str]) -> ReportRow:
    near = [
        one.model_copy(update={"input": hide(one.input, words), "answer": hide(one.answer, words)})
        for one in row.nearest
    ]
    told = {
        "input": hide(row.input, words),
        "expected": hide(row.expected, words),
        "answers": {name: hide(text, words) for name, text in row.answers.items()},
        "violations": [_kind(kind) for kind in row.violations],
        "nearest": near,
        "slices": {},
    }
    return row.model_copy(update=told)


def _kind(kind: str) -> str:
    return kind if kind in _KINDS or kind == "format" else hide(kind)


def _confusion(found: Confusion, words: Collection[str]) -> Confusion:
    pairs = [
        ConfusedPair(
            expected=hide(one.expected, words),
            answered=None if one.answered is None else hide(one.answered, words),
            n=one.n,
        )
        for one in found.pairs
    ]
    return found.model_copy(update={"labels": [hide(label, words) for label in found.labels], "pairs": pairs})


def _slice(found: SliceValue, words: Collection[str]) -> SliceValue:
    if not found.small or found.value is None:
        return found
    return found.model_copy(update={"value": hide(found.value, words)})


def _fact(name: str, value: str, words: Collection[str]) -> str:
    """Hide the labels of the data card: `billing 12, login 9`."""
    if not name.startswith("labels in "):
        return value
    parts = [_COUNTED.fullmatch(part) for part in value.split(", ")]
    if all(part is not None and part["label"] in words for part in parts):
        return value
    return f"{len(parts)} labels"
