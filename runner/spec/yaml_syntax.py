"""An error of the YAML parser -> what is wrong, in the words of the person who wrote the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from runner.errors import Location, Problem


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


def syntax_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
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
