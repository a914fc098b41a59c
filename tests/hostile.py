"""Texts that try to become something else than text, and reports in which every text is one of them."""

from __future__ import annotations

from pydantic import BaseModel

from runner.report.parts import Subject

ATTACKS = (
    "</details></section></main></body>",
    "```\n</details>\n````",
    "@everyone @admin #1",
    "<script>document.title='XSS'</script>",
    "</script><script>document.title='XSS'</script>",
    "<img src=x onerror=\"document.title='XSS'\">",
    '<img src="http://attacker.test/image.png">',
    '<iframe src="http://attacker.test/frame"></iframe>',
    "<svg onload=document.title='XSS'>",
    "<style>body{display:none}</style>",
    '<link rel="stylesheet" href="http://attacker.test/style.css">',
    "<meta http-equiv=refresh content='0;url=http://attacker.test/away'>",
    "<base href='http://attacker.test/'><form action='http://attacker.test/'>",
    "</template></pre></textarea></title></style>",
    '" onmouseover="document.title=\'XSS\'" autofocus onfocus="document.title=\'XSS\'" x="',
    "' onfocus='document.title=1",
    "[x](javascript:alert(1)) ![i](http://attacker.test/i.png) https://attacker.test",
    "| a | b |\n| - | - |\n| 1 | 2 |",
    "\n---\n# heading\n> quote\n* item\n",
    "\u200f\u202egnp.exe\u2069\u061c",
    "]]>",
    "<!--",
    "-->",
    "\u2028\u2029\u0085",
    "half \ud83d",
    "\x00\x1b[31m\x08",
    "&lt;script&gt;&#64;root",
    "$$\\href{javascript:alert(1)}{x}$$ {{7*7}} <%= 7*7 %>",
)

# Words that the tool itself writes, and of which only few are valid.
_FIXED = frozenset({"schema_version", "outcome", "status", "unit", "better", "subject"})
# Mappings whose keys are data too.
_KEYED = frozenset({"violations", "data", "digests", "environment", "scored_with", "slices"})


def with_text(value, text, name=""):
    """Put a text in the place of every text of a model, and number the keys that are data."""
    match value:
        case BaseModel():
            told = {field: with_text(getattr(value, field), text, field) for field in type(value).model_fields}
            kept = {"name": value.name} if isinstance(value, Subject) else {}
            return value.model_copy(update={**told, **kept})
        case str():
            return value if name in _FIXED else text
        case dict():
            keys = [f"{text}{place}" for place in range(len(value))] if name in _KEYED else value
            return dict(zip(keys, (with_text(inner, text) for inner in value.values()), strict=True))
        case list() | tuple():
            return [with_text(inner, text) for inner in value]
    return value
