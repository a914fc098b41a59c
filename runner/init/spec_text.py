"""Settings -> the text of a spec: YAML in the order of the settings, each reason as a comment beside its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.init.setting import Setting, Settings
from runner.spec.yaml_text import inline_yaml

_WIDTH = 118
_INDENT = "  "


def spec_text(settings: Settings, header: str) -> str:
    """Write settings by key path; `header` is told in a comment at the top."""
    lines = ["# yaml-language-server: $schema=../../schemas/spec.schema.json", f"# {header}"]
    for key, value in _tree(settings).items():
        if isinstance(value, Mapping):
            lines.append("")
        lines += _entry(key, value, "")
    return "\n".join(lines) + "\n"


def _tree(settings: Settings) -> dict[str, Any]:
    """Nest settings by their paths; a section stands where its first setting does."""
    tree: dict[str, Any] = {}
    for path, setting in settings.items():
        *sections, key = path.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = setting
    return tree


def _entry(key: str, value: Setting | Mapping[str, Any], indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"{indent}{key}:"
        for inner, setting in value.items():
            yield from _entry(inner, setting, indent + _INDENT)
    elif isinstance(value.value, tuple):
        yield f"{indent}{key}:"
        for item in value.value:
            yield from _commented(f"{indent}{_INDENT}- {inline_yaml(item.value)}", item.why)
    else:
        line = f"{indent}{key}: {inline_yaml(value.value)}"
        if isinstance(value.value, list) and len(line) > _WIDTH:
            yield from _commented(f"{indent}{key}:", value.why)
            yield from _wrapped(value.value, indent + _INDENT)
        else:
            yield from _commented(line, value.why)


def _commented(line: str, why: str) -> Iterator[str]:
    if not why:
        yield line
    elif len(line) + len(why) + 4 <= _WIDTH:
        yield f"{line}  # {why}"
    else:
        yield f"{line[: len(line) - len(line.lstrip())]}# {why}"
        yield line


def _wrapped(items: list[Any], indent: str) -> Iterator[str]:
    """Write a long list with as many items a line as it takes."""
    line = f"{indent}["
    for number, item in enumerate(items):
        text = inline_yaml(item) + ("]" if number == len(items) - 1 else ", ")
        if len(line) + len(text) > _WIDTH and line.strip() != "[":
            yield line.rstrip()
            line = f"{indent} "
        line += text
    yield line
