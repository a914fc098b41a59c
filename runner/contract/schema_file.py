"""A JSON Schema file named by a spec -> its content: bounded, UTF-8, strict JSON, inside the repository."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from runner.contract.strict_json import JsonFault, read_json
from runner.errors import Location, Problem, SpecError

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A schema and the repository path it was read from."""

    name: str
    content: dict[str, Any]


def read_schema(name: str, folder: Path, root: Path, where: Location) -> SchemaFile:
    """Read the schema file `name` beside a spec.

    Raises:
        SpecError: when it is missing, outside the repository, too large, or no JSON object.
    """
    path = _locate(name, folder, root, where)
    shown = path.relative_to(root.resolve()).as_posix()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError([Problem(f"schema file {name!r} cannot be read: {error.strerror}", where)]) from error
    if len(data) > MAX_BYTES:
        raise SpecError([Problem("a schema file may have 1 MiB at most", Location(shown))])
    return SchemaFile(shown, _parse(data, shown))


def _locate(name: str, folder: Path, root: Path, where: Location) -> Path:
    if PurePosixPath(name).is_absolute() or "\0" in name:
        raise SpecError([Problem(f"schema file {name!r} must be named relative to the spec", where)])
    path = Path(os.path.realpath(folder / name))  # unlike Path.resolve, no exception for a loop of links
    if not path.is_relative_to(root.resolve()):
        raise SpecError([Problem(f"schema file {name!r} leads out of the repository", where)])
    if not os.path.isfile(path):  # noqa: PTH113 - as above, for a name that is too long
        raise SpecError([Problem(f"there is no schema file {name!r} beside the spec", where)])
    return path


def _parse(data: bytes, shown: str) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError([Problem(f"not UTF-8 at byte {error.start + 1}", Location(shown))]) from error
    content = read_json(text)
    if isinstance(content, JsonFault):
        before = text[: content.position]
        place = Location(shown, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise SpecError([Problem(content.message, place, content.hint)])
    if not isinstance(content, dict):
        raise SpecError([Problem("a JSON Schema is a JSON object", Location(shown, 1))])
    return content
