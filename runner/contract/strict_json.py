"""Strict JSON text -> its value, or a fault that a person understands.

Lines of data, schema files and models' answers are all read by `read_json`. It refuses what Python's own `json` lets
through (duplicate keys, NaN, lone surrogates, numbers beyond a float) and says what is wrong in the writer's terms:
"the JSON ends early", not "Expecting ',' delimiter".
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, Literal, NoReturn

from runner.contract.excerpt import excerpt

SPACE = " \t\r\n"
"""White space as JSON defines it."""

MAX_DEPTH = 100
"""Deepest nesting; keeps everything that walks a value away from Python's recursion limit."""

FaultKind = Literal["empty", "cut_off", "extra_text", "duplicate_key", "not_json"]


@dataclass(frozen=True, slots=True)
class JsonFault:
    """Why a text is no strict JSON value."""

    kind: FaultKind
    message: str
    position: int = 0
    """Offset in characters; 0 when the fault has no single place."""
    hint: str = ""


def read_json(text: str) -> Any:
    """Return the value of a JSON text, or a `JsonFault`."""
    try:
        value = _DECODER.decode(text)
    except _RefusedError as refused:
        return refused.fault
    except JSONDecodeError as error:
        return _explain(text, error)
    except RecursionError:
        return _TOO_DEEP
    except ValueError:  # Python's own limit for turning text into an int
        return JsonFault("not_json", "a number has more than 4300 digits")
    fault = _fault_of(value, text)
    return value if fault is None else fault


class _RefusedError(ValueError):
    """Carries a fault out of the decoder's hooks; never leaves this module."""

    def __init__(self, fault: JsonFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


_TOO_DEEP = JsonFault("not_json", f"nested more than {MAX_DEPTH} levels deep")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_HALF_NUMBER = re.compile(r"\.|[eE][+-]?")
_PYTHON_WORDS = ("True", "False", "None")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    hint = "readers disagree on which of the two counts: keep one"
    raise _RefusedError(JsonFault("duplicate_key", f"the key {excerpt(twice)!r} occurs twice", hint=hint))


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedError(JsonFault("not_json", f"{name} is not JSON", hint="use null, or leave the key out"))


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _RefusedError(JsonFault("not_json", f"the number {excerpt(text, 20)} is too large"))
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _fault_of(value: Any, text: str) -> JsonFault | None:
    """Find what no decoder hook sees. The text is asked first: walking every value costs as much as parsing."""
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        return _TOO_DEEP
    if _SURROGATE.search(text) and _has_lone_surrogate(value):
        hint = "the text was cut in the middle of a character, such as an emoji; write it again"
        return JsonFault("not_json", "half a surrogate pair (\\ud800 to \\udfff): no character", hint=hint)
    return None


def _explain(text: str, error: JSONDecodeError) -> JsonFault:
    """Say what the writer did, from where the decoder stopped and what stands there."""
    if not text.strip(SPACE):
        return JsonFault("empty", "there is nothing")
    if error.msg == "Extra data":
        return _extra(text, error.pos)
    message, hint = _slip(text, error)
    if message:
        return JsonFault("not_json", message, error.pos, hint)
    if ends_early(text, error):
        return JsonFault("cut_off", "the JSON ends before it is complete", error.pos)
    reason = f"{error.msg[0].lower()}{error.msg[1:]}".removesuffix(" at")
    return JsonFault("not_json", f"not JSON: {reason} at character {error.pos + 1}", error.pos)


def _slip(text: str, error: JSONDecodeError) -> tuple[str, str]:
    """Recognise the usual slips; a message and a hint, both empty for anything else."""
    rest = text[error.pos :]
    if rest.startswith("\ufeff"):
        return "a byte order mark stands before the JSON", "remove it"
    if rest.startswith("'"):
        return "single quotes; JSON uses double quotes", "write it with json.dumps, not str()"
    if _is_trailing_comma(text, error.pos):
        return "a comma stands before the closing bracket", "remove the comma"
    if rest.startswith(_PYTHON_WORDS):
        return "Python's True, False or None; JSON has true, false, null", "write it with json.dumps, not str()"
    if error.msg.startswith("Invalid control character"):
        message = f"a raw control character (U+{ord(rest[0]):04X}) stands inside a string"
        return message, "write a tab as \\t and a line break as \\n"
    return "", ""


def _extra(text: str, at: int) -> JsonFault:
    if text.startswith(("{", "["), at):
        return JsonFault("extra_text", "a second JSON value follows the first", at)
    return JsonFault("extra_text", "more text follows the JSON", at)


def _is_trailing_comma(text: str, at: int) -> bool:
    # Python 3.13 stops at the comma, earlier ones at the bracket behind it.
    before = text[:at].rstrip(SPACE) + ("," if text.startswith(",", at) else "")
    after = text[at:].lstrip(SPACE + ",")
    return before.endswith(",") and after.startswith(("}", "]"))


def ends_early(text: str, error: JSONDecodeError) -> bool:
    """Return whether a decoder failed because the text stops before its JSON is complete."""
    rest = text[error.pos :].rstrip(SPACE)
    inside_escape = error.msg.startswith("Invalid \\") and '"' not in rest
    return (
        error.msg.startswith("Unterminated string")
        or inside_escape
        or any(literal.startswith(rest) for literal in _LITERALS)  # also when nothing is left
        or _HALF_NUMBER.fullmatch(rest) is not None
    )


def _depth(value: Any) -> int:
    """Count levels without recursion; stops one past the limit."""
    depth, level = 0, [value]
    while depth <= MAX_DEPTH and (level := [item for item in level if isinstance(item, dict | list)]):
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
