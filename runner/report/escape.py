"""Untrusted text -> Markdown that shows it and does nothing else.

Model output and data may hold anything: fences, tables, HTML, `@mentions`, `#123`, links, half characters. Ways to
show it: `fence` for text of any length, `code` for one value outside tables, `inline` for a few words in a line or a
cell, `sentence` where they begin a line.
Structure is broken with character references, which by CommonMark can never be structure; GitHub's own mentions and
references, which it looks for after rendering, with a zero-width space.
"""

from __future__ import annotations

import re

_ZERO_WIDTH = "\u200b"
# Control characters but for tab and line feed, halves of surrogate pairs, and what reverses the reading direction
# (CVE-2021-42574).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_REFERENCES = str.maketrans({char: f"&#{ord(char)};" for char in "&<>|`*[]~\\!$"})
# Inside a word an underscore emphasises nothing, and `exact_match` stays readable in an e-mail.
_EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINK = re.compile(r"(?<=:)//|(?i:(?<=www))\.")
# What opens a list, a rule or an underlined heading; the other openers are references by then.
_OPENING = re.compile(r"^([0-9]*)([-+=.)])")
_BACKTICKS = re.compile("`+")


def clean(text: str) -> str:
    """Keep line breaks and tabs; show other control characters, half characters and direction marks as U+FFFD."""
    return _UNSAFE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def inline(text: str, limit: int = 400) -> str:
    """Show text on one line, in a table cell or a sentence."""
    words = " ".join(clean(text).split())
    cut = words if len(words) <= limit else words[:limit] + "…"
    quiet = cut.translate(_REFERENCES).replace("@", f"@{_ZERO_WIDTH}")
    # Not the `#` of the references just made.
    quiet = re.sub(r"(?<!&)#", f"&#35;{_ZERO_WIDTH}", quiet)
    quiet = _EDGE_UNDERSCORE.sub("&#95;", quiet)
    return _LINK.sub(lambda match: "".join(f"&#{ord(char)};" for char in match.group()), quiet)


def sentence(text: str, limit: int = 400) -> str:
    """Show text as `inline` does where a line or a list item begins: it opens no list, rule or heading."""
    return _OPENING.sub(lambda match: f"{match[1]}&#{ord(match[2])};", inline(text, limit))


def code(text: str, limit: int = 400) -> str:
    """Show text as a code span; not for tables, where a `|` would still end the cell."""
    words = " ".join(clean(text).split())[:limit] or " "
    ticks = "`" * (_longest_run(words) + 1)
    # CommonMark strips one space from both ends when both have one.
    return f"{ticks} {words} {ticks}" if words.startswith("`") or words.endswith("`") else f"{ticks}{words}{ticks}"


def fence(text: str, language: str = "text") -> str:
    """Show text as a code block whose fence is longer than any in the text."""
    body = clean(text)
    ticks = "`" * max(3, _longest_run(body) + 1)
    return f"{ticks}{language}\n{body}\n{ticks}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
