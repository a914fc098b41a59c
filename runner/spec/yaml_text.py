"""Plain data -> YAML that our own reader reads back as the same, and that a diff shows line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from runner.spec.yaml_scalars import resolve


def yaml_text(data: Mapping[str, Any]) -> str:
    """Write a mapping, in the order of its keys."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10_000)


class _Dumper(yaml.SafeDumper):
    """Quotes what our own reader would not read back as text, such as a digest that looks like `12e4…`."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Write text plain where it reads back as itself."""
    plain = text.isprintable() and resolve(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)
