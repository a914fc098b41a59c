"""A YAML file in the repository -> `Document`, or one SpecError in plain words.

`read_yaml(root / "specs/x/spec.yaml", root)`. The file comes from a stranger's pull request: it is looked at before it
is opened (kind, size, links), read once up to its limit, and parsed as data only.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePath

import yaml

from runner.errors import Location, Problem, SpecError
from runner.spec.yaml_tree import Document, read_tree

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Syntax:
    """What a message of the YAML parser means for the person who wrote the file."""

    fragment: str
    message: str
    hint: str
    at_start: bool = False
    """Point at where the unfinished thing began, not at where the parser gave up."""


_SYNTAX = (
    _Syntax(
        "mapping values are not allowed",
        "a key is not expected here",
        "give keys of one level the same indentation, and quote text that contains `: `",
    ),
    _Syntax(
        "could not find expected ':'",
        "this line is no `key: value`",
        "a key ends with a colon and a space",
        at_start=True,
    ),
    _Syntax(
        "alphabetic or numeric character",
        "`*` and `&` at the start of a value have a meaning of their own in YAML",
        'quote the text: "*.jsonl"',
        at_start=True,
    ),
    _Syntax("',' or ']'", "this list is not closed with `]`", "separate its items by commas", at_start=True),
    _Syntax("',' or '}'", "this mapping is not closed with `}`", "separate its keys by commas", at_start=True),
    _Syntax("found unexpected end of stream", "this quotation mark is never closed", "close it", at_start=True),
    _Syntax(
        "unknown escape character", "unknown `\\` escape in a double-quoted text", "write `\\\\`, or single quotes"
    ),
    _Syntax("that cannot start any token", "a value cannot start with this character", "quote the text"),
    _Syntax("expected key", "this line does not fit the indentation above it", "align it with its siblings"),
    _Syntax("<block end>", "this line does not fit the indentation above it", "align it with its siblings"),
)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONFLICT = re.compile("^(<{7}|>{7}) ", re.MULTILINE)
_TAB_INDENT = re.compile(r"[ ]*\t")
# How YAML and libyaml's line numbers see the end of a line.
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


def read_yaml(path: Path, root: Path) -> Document:
    """Read one YAML file that lies in the repository `root`.

    Raises:
        SpecError: when it cannot be read as one YAML document of plain data.
    """
    name = name_in(root, path)
    text = _decode(_read_bytes(path, root, name), name)
    try:
        return read_tree(text, name)
    except yaml.YAMLError as error:
        raise SpecError([_syntax_problem(error, text, name)]) from None


def name_in(root: Path, path: Path) -> str:
    """Return the repository-relative name of `path` with forward slashes, links unresolved."""
    return os.path.relpath(path, root).replace(os.sep, "/")


def inside(root: Path, path: Path) -> bool:
    """Return whether `path`, links resolved, lies in the repository and not in git's own folder."""
    if path.is_relative_to(root) and ".." not in path.parts and not has_link(root, path.relative_to(root)):
        return ".git" not in path.relative_to(root).parts
    real, top = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    return real.is_relative_to(top) and ".git" not in real.relative_to(top).parts


def has_link(folder: Path, below: PurePath) -> bool:
    """Return whether a relative path passes through a link on its way down from `folder`."""
    return any((folder / step).is_symlink() for step in (below, *below.parents[:-1]))


def _read_bytes(path: Path, root: Path, name: str) -> bytes:
    """Return the content of a regular file of acceptable size that lies inside the repository."""
    where = Location(name)
    if not inside(root, path):
        raise SpecError([Problem("this path leads out of the repository", where, "replace the link by a plain file")])
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError([Problem("not a regular file", where)])
        if status.st_size > MAX_BYTES:
            message = f"{status.st_size:,} bytes are too much: at most {MAX_BYTES:,} are read"
            raise SpecError([Problem(message, where, "keep data in files of its own")])
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise SpecError([Problem(f"cannot be read: {error.strerror or error}", where)]) from None


def _decode(data: bytes, name: str) -> str:
    """Return the text of UTF-8 bytes; a byte order mark is taken off."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        message = f"not UTF-8: byte 0x{data[error.start]:02x} at position {error.start}"
        where = Location(name, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise SpecError([Problem(message, where, "save the file as UTF-8")]) from None


def _syntax_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
    """Return what is wrong with a text that is not YAML, where the writer would look for it."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _unprintable(text, name)
    if conflict := _CONFLICT.search(text):
        where = Location(name, len(_LINE_END.split(text[: conflict.start()])), 1)
        return Problem("an unresolved merge conflict", where, "resolve it: `git diff` shows both sides")
    said = error.problem or "cannot be parsed"
    mark = error.problem_mark
    lines = _LINE_END.split(text)
    line = lines[mark.line] if mark.line < len(lines) else ""
    if indent := _TAB_INDENT.match(line):
        where = Location(name, mark.line + 1, indent.end())
        return Problem("a tab in the indentation", where, "YAML indents with spaces only")
    for known in _SYNTAX:
        if known.fragment in said:
            mark = (error.context_mark or mark) if known.at_start else mark
            return Problem(known.message, Location(name, mark.line + 1, mark.column + 1), known.hint)
    return Problem(f"not valid YAML: {said}", Location(name, mark.line + 1, mark.column + 1))


def _unprintable(text: str, name: str) -> Problem:
    """Return the problem of a text with a control character, the one thing the parser refuses to look at."""
    found = _UNPRINTABLE.search(text)
    if found is None:
        return Problem("not valid YAML", Location(name))
    before = _LINE_END.split(text[: found.start()])
    where = Location(name, len(before), len(before[-1]) + 1)
    return Problem(f"control character U+{ord(found[0]):04X}", where, "remove it")
