"""Examples of a whole dataset -> findings: answers' format, personal data, duplicates, conflicts, leaks, sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from runner.contract.contract import OutputContract, Violation
from runner.data.findings import Findings, Severity
from runner.data.pii import find_pii, mask
from runner.data.rows import Example, Row, beside, content_id, input_of, normalise, text_of, tools_to_json
from runner.data.split import PARTS, Part
from runner.errors import Location
from runner.spec.models import Dataset

Placed = tuple[Row, Location]


def check_answers(examples: Sequence[Example], contract: OutputContract, findings: Findings) -> None:
    """Hold every last answer against the contract that the model's outputs will be held against."""
    known: dict[str, list[Violation]] = {}
    for example in examples:
        answer = text_of(example.messages[-1])
        if answer not in known:
            known[answer] = contract.check(answer)
        for violation in known[answer]:
            findings.add(
                f"contract_{violation.kind}",
                "error",
                f"the answer breaks the output format: {mask(violation.message)}",
                example.where,
                pointer=violation.pointer,
                hint="mend the answer, or evaluation.output_format",
            )


def check_pii(examples: Sequence[Example], dataset: Dataset, findings: Findings) -> None:
    """Find personal data in the rows, rejected answers too; the spec's own system prompt is not theirs."""
    policy = dataset.checks.pii
    if policy == "ignore":
        return
    hint = "replace it by an invented one, or set dataset.checks.pii"
    for example in examples:
        for message in (*example.messages, *([example.rejected] if example.rejected else ())):
            text = text_of(message)
            if text == dataset.system_prompt:
                continue
            for hit in find_pii(text):
                told = f"the {message['role']}'s text holds what looks like a {hit.kind.replace('_', ' ')}"
                findings.add(
                    f"pii_{hit.kind}", policy, told, example.where, sample=text[hit.start : hit.end], hint=hint
                )


def unique_examples(examples: Sequence[Example], policy: str, findings: Findings) -> list[Example]:
    """Apply `checks.duplicates`: rows whose messages are the same, whatever their group.

    Returns:
        All examples; with `drop` one of each kind, chosen by content and never by position.
    """
    first: dict[str, Example] = {}
    for example in examples:
        key = content_id(example.messages, tools=example.tools, rejected=example.rejected)
        kept = first.setdefault(key, example)
        if kept is example:
            continue
        if (example.group or "", beside(example)) < (kept.group or "", beside(kept)):
            first[key] = example
        _tell_duplicate(example, kept, policy, findings)
    return [*first.values()] if policy == "drop" else [*examples]


def _tell_duplicate(example: Example, kept: Example, policy: str, findings: Findings) -> None:
    message = f"the same row as {kept.where}"
    match policy:
        case "error":
            findings.add(
                "duplicate", "error", message, example.where, hint="remove one, or set checks.duplicates: drop"
            )
        case "warn":
            findings.add("duplicate", "warn", message, example.where)
        case "drop":
            findings.add("duplicate", "info", f"{message}; one is dropped", example.where)


def check_conflicts(examples: Sequence[Example], findings: Findings) -> None:
    """Find rows that ask the same and answer differently: at least one of them is wrong.

    Preference data asks the same again with other pairs of answers.
    """
    first: dict[bytes, Example] = {}
    for example in examples:
        if example.rejected is not None:
            continue
        kept = first.setdefault(_question(example), example)
        answer = text_of(example.messages[-1])
        if text_of(kept.messages[-1]) != answer:
            message = f"asks the same as {kept.where} but answers differently"
            findings.add("conflicting_answers", "warn", message, example.where, sample=answer)


def _question(example: Example) -> bytes:
    """Return a short key of all that stands before the answer, in place of a normalised copy of the data set."""
    messages = example.messages
    system = normalise(messages[0]["content"]) if messages[0]["role"] == "system" else ""
    tools = tools_to_json(example.tools) if example.tools else ""
    return hashlib.sha256(f"{system}\0{input_of(messages)}\0{tools}".encode()).digest()


def check_leaks(parts: Mapping[Part, Sequence[Placed]], dataset: Dataset, findings: Findings) -> None:
    """Find inputs that stand in two parts. The hash split has none, unless `group_by` parts equal inputs."""
    first: dict[str, tuple[Part, Location]] = {}
    for part in PARTS:
        for row, where in parts[part]:
            earlier, place = first.setdefault(input_of(row.messages), (part, where))
            if earlier != part:
                severity: Severity = "error" if part == "test" and dataset.test else "warn"
                message = f"the same input as {place}: a {part} row that is also a {earlier} row"
                findings.add("leak", severity, message, where, hint="remove one of the two")


def check_sizes(
    parts: Mapping[Part, Sequence[Placed]], examples: int, dataset: Dataset, where: Location, findings: Findings
) -> None:
    """Check that there is enough to train on and something to measure on.

    Args:
        parts: the rows of each part.
        examples: rows of `dataset.train`, before validation and test are taken from them.
        dataset: what was asked for.
        where: the spec, as no single row is to blame.
        findings: collects what is wrong.
    """
    least = dataset.checks.min_examples
    if examples < least:
        message = f"dataset.train has {examples} rows after checks; dataset.checks.min_examples asks for {least}"
        findings.add("too_few_examples", "error", message, where, hint="add rows, or lower min_examples")
    for part, hint in _empty_parts(parts, dataset):
        optional = part == "validation" and not dataset.validation and dataset.split.validation == 0
        reason = "no validation rows: the best epoch cannot be chosen" if optional else f"the {part} split has no rows"
        findings.add(f"empty_{part}", "warn" if optional else "error", reason, where, hint=hint)


def _empty_parts(parts: Mapping[Part, Sequence[Placed]], dataset: Dataset) -> Iterator[tuple[Part, str]]:
    groups = " (rows of one group stay together)" if dataset.split.group_by else ""
    for part in PARTS:
        if not parts[part]:
            yield part, f"add rows, or change dataset.split{groups}"
