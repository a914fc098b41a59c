"""Plain data -> YAML that our own reader reads back as the same, and that a diff shows line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from runner.spec.yaml_scalars import resolve


def yaml_text(data: Mapping[str, Any]) -> str:
    """Write a mapping, in the order of its keys."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10_000)


def inline_yaml(value: Any) -> str:
    """Write a value on one line, as it stands after a key."""
    if isinstance(value, str):
        # Outside of a list fewer signs need quotes.
        return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=10**9).removesuffix("...\n").strip()
    text = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9)
    return text.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    """Quotes what our own reader would not read back as text, such as a digest that looks like `12e4…`."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write text plain where it reads back as itself."""
    plain = text.isprintable() and resolve(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)
