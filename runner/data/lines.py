"""A JSONL file -> its JSON objects with their lines, strictly; what cannot be read becomes a finding.

Bytes are cut at line feeds only (a U+2028 inside a text ends no line) and held one line at a time. A row is either
read exactly as it was written or not at all: no guessing of encodings, no repair, no last-key-wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from runner.contract.strict_json import JsonFault, read_json
from runner.data.findings import Findings
from runner.data.pii import mask
from runner.errors import Location

LINE_LIMIT = 1 << 20
FILE_LIMIT = 1 << 30
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class RawRow:
    """One JSON object and the line it stands on."""

    where: Location
    value: dict[str, Any]


class _Signature(NamedTuple):
    """First bytes of a file that is no JSONL, and what to tell its owner."""

    start: bytes
    code: str
    message: str
    hint: str


_TO_UTF8 = "write it as UTF-8: iconv -f {} -t UTF-8 OLD > NEW"
_UNPACK = "unpack it first"
_SIGNATURES = (
    _Signature(b"version https://git-lfs", "git_lfs_pointer", "a Git LFS pointer, not the data", "run `git lfs pull`"),
    _Signature(b"\xff\xfe\x00\x00", "encoding", "UTF-32 text", _TO_UTF8.format("UTF-32")),
    _Signature(b"\xff\xfe", "encoding", "UTF-16 text", _TO_UTF8.format("UTF-16")),
    _Signature(b"\xfe\xff", "encoding", "UTF-16 text", _TO_UTF8.format("UTF-16")),
    _Signature(b"\x1f\x8b", "compressed", "gzip data, not text", "unpack it: gunzip FILE.gz"),
    _Signature(b"(\xb5/\xfd", "compressed", "Zstandard data, not text", _UNPACK),
    _Signature(b"PK\x03\x04", "compressed", "a ZIP archive or an Excel file, not text", _UNPACK),
    _Signature(b"PAR1", "not_jsonl", "a Parquet file, not JSONL", "export it as JSONL"),
)


def read_rows(path: Path, name: str, findings: Findings) -> Iterator[RawRow]:
    """Yield the rows of a file; every line that is none is added to `findings`.

    Args:
        path: the file.
        name: its name in messages, relative to the repository.
        findings: collects what is wrong.
    """
    try:
        with path.open("rb") as file:
            yield from _read(file, path.stat().st_size, name, findings)
    except OSError as error:
        findings.add("unreadable", "error", f"cannot be read: {error.strerror}", Location(name))


def _read(file: BinaryIO, size: int, name: str, findings: Findings) -> Iterator[RawRow]:
    if size > FILE_LIMIT:
        hint = "split it into several files"
        findings.add(
            "file_too_large", "error", f"{size / FILE_LIMIT:.1f} GiB; a file may have 1 GiB", Location(name), hint=hint
        )
        return
    head = file.read(4096)
    if fault := _foreign(head):
        findings.add(fault.code, "error", f"this is {fault.message}", Location(name), hint=fault.hint)
        return
    if head.startswith(_BOM):
        findings.add("byte_order_mark", "warn", "starts with a byte order mark; it is ignored", Location(name, 1))
    file.seek(len(_BOM) if head.startswith(_BOM) else 0)
    empty = True
    for number, line in enumerate(_lines(file), 1):
        if line is not None and not line.strip():
            continue
        empty = False
        row = _row(line, Location(name, number), findings)
        if row is not None:
            yield row
    if empty:
        findings.add("empty_file", "error", "has no rows", Location(name))


def _foreign(head: bytes) -> _Signature | None:
    for signature in _SIGNATURES:
        if head.startswith(signature.start):
            return signature
    # JSON text never holds a raw NUL; UTF-16 without a byte order mark has one beside every ASCII character.
    if head.count(0) > len(head) // 4:
        return _Signature(b"", "encoding", "UTF-16 text or binary data", _TO_UTF8.format("UTF-16LE"))
    first_line = head.removeprefix(_BOM).lstrip().partition(b"\n")[0].strip()
    if first_line.startswith(b"["):
        hint = "write one object per line: jq -c '.[]' OLD > NEW.jsonl"
        return _Signature(b"", "json_array", "a JSON array, not one JSON object per line", hint)
    if first_line == b"{":
        hint = "write one object per line: jq -c . OLD > NEW.jsonl"
        return _Signature(b"", "pretty_printed", "pretty-printed JSON, not one JSON object per line", hint)
    return None


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line with its line feed; None for one beyond the limit, which is skipped without holding it."""
    while line := file.readline(LINE_LIMIT + 1):
        if len(line) <= LINE_LIMIT or line.endswith(b"\n"):
            yield line
            continue
        while (rest := file.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
            pass
        yield None


def _row(line: bytes | None, where: Location, findings: Findings) -> RawRow | None:
    if line is None:
        findings.add("line_too_long", "error", "longer than 1 MiB", where, hint="one row is one short conversation")
        return None
    text = _decode(line, where, findings)
    if text is None:
        return None
    value = read_json(text)
    if isinstance(value, JsonFault):
        _add_fault(value, text, where, findings)
    elif not isinstance(value, dict):
        kind = {list: "a list", str: "a string", type(None): "null"}.get(type(value), "a number or boolean")
        findings.add(
            "not_an_object", "error", f"the line is {kind}, not a JSON object", where, sample=text.rstrip("\r\n")
        )
    else:
        return RawRow(where, value)
    return None


def _decode(line: bytes, where: Location, findings: Findings) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        if error.end >= len(line) and error.reason == "unexpected end of data":
            _add_cut(line.decode(errors="ignore"), where, findings)
            return None
        message = f"not UTF-8 at byte {error.start + 1} of the line (0x{line[error.start]:02X})"
        sample = line[max(0, error.start - 30) : error.start].decode(errors="ignore")
        findings.add("encoding", "error", message, where, sample=sample, hint=_TO_UTF8.format("WINDOWS-1252"))
        return None


def _add_fault(fault: JsonFault, text: str, where: Location, findings: Findings) -> None:
    if fault.kind == "cut_off" and not text.endswith("\n"):
        _add_cut(text, where, findings)
        return
    code, hint = "bad_json", fault.hint
    if fault.kind == "duplicate_key":
        code = "duplicate_key"
    elif fault.kind == "extra_text" and text.lstrip().startswith("{"):
        code, hint = "several_values", "put each object on its own line"
    elif fault.kind == "cut_off":
        hint = "a row is one line; join lines with jq -c, and write a line break in a text as \\n"
    place = Location(where.file, where.line, fault.position + 1 if fault.position else None)
    sample = text[max(0, fault.position - 20) :].rstrip("\r\n")
    findings.add(code, "error", mask(fault.message), place, sample=sample, hint=hint)


def _add_cut(text: str, where: Location, findings: Findings) -> None:
    hint = "its last line is incomplete: copy or download the file again"
    findings.add("file_cut", "error", "the file was cut", where, sample=text[-60:], hint=hint)
