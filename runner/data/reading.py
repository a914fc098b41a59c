"""Files of one part of a dataset -> examples; rows that are none become findings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.data.conversation import conversation_faults, repeated_role
from runner.data.faults import Fault
from runner.data.findings import Findings
from runner.data.formats import RowShape, convert, detect
from runner.data.lines import RawRow, read_rows
from runner.data.preferences import rejected_faults
from runner.data.rows import Example, Message
from runner.data.slices import fields_of
from runner.data.tally import FileTally
from runner.data.tool_calls import tool_faults
from runner.spec.models import Dataset

MAX_GROUP_LENGTH = 200


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What a file held, for the card."""

    name: str
    part: str
    rows: int
    shapes: Mapping[RowShape, int]
    """Rows of each known format."""


class Reader:
    """Reads the files of a dataset, adding to `findings` what is wrong and to `summaries` what was there."""

    def __init__(self, dataset: Dataset, findings: Findings, slices: Collection[str] = ()) -> None:
        self.summaries: list[FileSummary] = []
        self._dataset = dataset
        self._findings = findings
        self._slices = slices
        self._read_elsewhere = [*filter(None, (dataset.split.group_by, dataset.label)), *slices]

    def read(self, part: str, files: Mapping[str, Path]) -> list[Example]:
        """Return the usable examples of files, given by their names in messages, in file order."""
        return [example for name, path in files.items() for example in self._read_file(part, name, path)]

    def _read_file(self, part: str, name: str, path: Path) -> list[Example]:
        tally, rows, examples = FileTally(), 0, []
        for raw in read_rows(path, name, self._findings):
            rows += 1
            shape = detect(raw.value) if self._dataset.format == "auto" else self._dataset.format
            if shape is None:
                tally.unknown.note(tuple(sorted(raw.value)), raw.where)
                continue
            tally.shapes.note(shape, raw.where)
            if example := self._example(raw, shape, tally):
                examples.append(example)
        tally.tell(self._findings)
        self.summaries.append(FileSummary(name, part, rows, dict(tally.shapes.counts)))
        return examples

    def _example(self, raw: RawRow, shape: RowShape, tally: FileTally) -> Example | None:
        result = convert(raw.value, shape, self._read_elsewhere)
        for pointer in dict.fromkeys(result.unused):
            tally.unused.note(pointer, raw.where)
        faults = result.faults or [*conversation_faults(result.messages), *tool_faults(result.messages, result.tools)]
        if result.rejected is not None and not faults:
            faults = [*rejected_faults(result.messages, result.rejected, result.tools)]
        group = self._group(raw, faults)
        for fault in faults:
            self._findings.add(
                fault.code,
                "error",
                fault.message,
                raw.where,
                pointer=fault.pointer,
                sample=fault.sample,
                hint=fault.hint,
            )
        if faults:
            return None
        self._warn_repeated_role(result.messages, raw)
        messages = self._with_system(result.messages)
        fields = fields_of(raw.value, self._slices) if self._slices else None
        return Example(messages, group, raw.where, result.tools, result.rejected, fields)

    def _group(self, raw: RawRow, faults: list[Fault]) -> str | None:
        key = self._dataset.split.group_by
        value = None if key is None else raw.value.get(key)
        if isinstance(value, str) and 0 < len(value) <= MAX_GROUP_LENGTH:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if key is not None:
            wrong = "must be a short text or a whole number" if key in raw.value else "is missing"
            faults.append(Fault("no_group", f"field {key!r} {wrong}: dataset.split.group_by keeps its rows together"))
        return None

    def _warn_repeated_role(self, messages: list[Message], raw: RawRow) -> None:
        index = repeated_role(messages)
        if index is not None:
            message = f"two turns of the {messages[index]['role']} follow each other"
            hint = "some chat templates refuse that: join them"
            self._findings.add("repeated_role", "warn", message, raw.where, pointer=f"/messages/{index}", hint=hint)

    def _with_system(self, messages: list[Message]) -> list[Message]:
        prompt = self._dataset.system_prompt
        if prompt is None or messages[0]["role"] == "system":
            return messages
        return [{"role": "system", "content": prompt}, *messages]
