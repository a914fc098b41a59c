"""Data files -> examples and what is wrong with them, read by the code that prepares every dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.data.checks import unique_examples
from runner.data.findings import Findings
from runner.data.reading import Reader
from runner.data.rows import Example
from runner.errors import DataError, Location, Problem, UsageError
from runner.spec.models import Checks, Dataset, RowFormat

FEWEST = Checks().min_examples
"""Rows worth fine-tuning on; a spec asks for as many where it says nothing."""

_TABLES = (".csv", ".tsv", ".xls", ".xlsx", ".parquet")
_HOW_FROM_CSV = (
    'name its columns input and output, and write an object a line: python -c "import csv, json; '
    "[print(json.dumps(row)) for row in csv.DictReader(open('rows.csv'))]\" > rows.jsonl"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What data files hold."""

    files: Mapping[str, Path]
    """The files by the names that the person gave them."""
    shape: RowFormat
    """Format of the rows; `auto` where files differ."""
    examples: list[Example]
    """Different rows."""
    rows: int
    """All rows, repeated ones too."""


def read_sample(paths: Sequence[Path]) -> Sample:
    """Read data files.

    Raises:
        UsageError: when a file is missing, or two have the same name.
        DataError: with everything that cannot be read, or when there are too few rows.
    """
    files = _named(paths)
    findings = Findings()
    reader = Reader(Dataset(train=["data/*"]), findings)
    read = reader.read("train", files)
    findings.raise_errors()
    examples = unique_examples(read, "drop", findings)
    shapes = {shape for summary in reader.summaries for shape in summary.shapes}
    if len(examples) < FEWEST:
        raise _too_few(len(examples), len(read), next(iter(files)))
    return Sample(files, shapes.pop() if len(shapes) == 1 else "auto", examples, len(read))


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    taken: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", hint="name its files: --data a.jsonl --data b.jsonl")
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        if path.suffix.lower() in _TABLES:
            raise UsageError(f"{path} is a table, not JSONL", hint=_HOW_FROM_CSV)
        if other := taken.get(path.name):
            raise UsageError(f"{path} and {other} have the same name", hint="rename one; both go to one folder")
        if path.name.startswith(".") or not path.name.isprintable() or "\\" in path.name or ":" in path.name[:2]:
            raise UsageError(f"{path.name!r} cannot be named in a spec", hint="rename it, such as train.jsonl")
        taken[path.name] = path
    return {str(path): path for path in taken.values()}


def _too_few(different: int, rows: int, name: str) -> DataError:
    counted = f"{rows} rows" if rows == different else f"{rows} rows, {different} of them different"
    message = f"{counted}: too few to fine-tune on, and far too few to measure whether it helped"
    hint = (
        f"put the best of them into the prompt as examples, which does better below about {FEWEST} rows;"
        f" or collect {FEWEST} and more"
    )
    return DataError([Problem(message, Location(name), hint)])
