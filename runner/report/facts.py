"""What `gitune registry show` found -> text for a person, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from runner.errors import RegistryError
from runner.registry.facts import STEPS, Artifact, Record, Version
from runner.registry.inventory import Name
from runner.registry.lookup import Blob, Found
from runner.registry.views import RegistryReader

_WIDTH = 100


def as_value(found: Found) -> dict[str, Any]:
    """Return a thing as JSON, with its kind."""
    match found:
        case Version():
            return {"kind": "version", "version": found.model_dump(mode="json")}
        case Record():
            return {"kind": "record", "record": found.model_dump(mode="json")}
        case Name():
            return {"kind": "name", "name": asdict(found)}
        case Blob():
            return {"kind": "artifact", "artifact": asdict(found)}


def as_text(found: Found, registry: RegistryReader) -> str:
    """Render a thing in lines of `label  value`."""
    match found:
        case Version():
            pairs = _version(found, registry)
        case Record():
            pairs = _record(found, registry)
        case Name():
            pairs = _name(found)
        case Blob():
            pairs = _blob(found)
    return "\n".join(f"{label:<18}{value}" for label, value in pairs)


def size_words(size: int) -> str:
    """Say a number of bytes in the unit that fits."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _name(found: Name) -> Iterator[tuple[str, str]]:
    yield "name", found.name
    yield "versions", ", ".join(found.versions) or "none"
    for alias, version in found.live.items():
        yield "live", f"{alias} → {version}"


def _version(found: Version, registry: RegistryReader) -> Iterator[tuple[str, str]]:
    content = found.content
    yield "version", f"{found.name}@{found.version}"
    yield "released", f"{found.released:%Y-%m-%d %H:%M}, {found.verdict}, commit {found.commit[:12]}"
    yield "champion", found.champion or "none"
    yield "base model", f"{content.base_model} (sha256 {content.base_digest[:12]})"
    yield "engine", content.engine
    yield "generation", _short(content.generation)
    if content.system_prompt is not None:
        yield "system prompt", _short(content.system_prompt)
    if content.chat_template is not None:
        yield "chat template", f"its own, {len(content.chat_template)} characters"
    yield "weights", _artifact(content.adapter, registry)
    for deployed in registry.deployed():
        if (deployed.name, deployed.version) == (found.name, found.version):
            yield "live as", f"{deployed.alias} since {deployed.deployed:%Y-%m-%d %H:%M} (#{deployed.number})"
    for step in STEPS[:-1]:
        yield step, found.keys.get(step) or "not part of this release"


def _record(found: Record, registry: RegistryReader) -> Iterator[tuple[str, str]]:
    yield "record", f"{found.step}/{found.key}"
    yield "run by", f"{found.spec} {found.version}, commit {(found.commit or 'none')[:12]}"
    seconds = (found.finished - found.started).total_seconds()
    yield "finished", f"{found.finished:%Y-%m-%d %H:%M}, after {seconds:.1f} s"
    yield from _items("inputs", found.inputs)
    for name, artifact in sorted(found.outputs.items()):
        yield name, _artifact(artifact, registry)
    yield from _items("metrics", found.metrics)
    yield from _items("environment", found.environment)


def _blob(found: Blob) -> Iterator[tuple[str, str]]:
    yield "artifact", found.digest
    yield "size", size_words(found.size)
    for who in found.named_by or ["nothing that is recorded; part of a folder, or garbage"]:
        yield "named by", who
    for path, size in found.files.items():
        yield "file", f"{path} ({size_words(size)})"


def _items(label: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        yield label, f"{name} = {_short(value)}"
        label = ""


def _artifact(artifact: Artifact, registry: RegistryReader) -> str:
    try:
        lost = "" if registry.exists(artifact) else ", MISSING"
    except RegistryError:
        lost = ", cannot be read"
    return f"{artifact.kind} {artifact.digest[:16]} ({size_words(artifact.size)}{lost})"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
