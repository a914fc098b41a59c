"""`gitune doctor`: what this machine has, what will be used, and what is missing. One screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from runner.cli.checkup import Checkup, examine
from runner.cli.project import coloured
from runner.training.sizing import gigabytes

WIDTH = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@click.pass_obj
def doctor(directory: Path, as_json: bool) -> int:
    """Say what this machine has, what will be used, and what is missing; exit with 1 when the main job cannot run."""
    found = examine(directory)
    if as_json:
        shown = {"format_version": "1.0", "ok": not found.problems, "problems": found.problems, **found.facts}
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo("\n".join(render(found)), color=coloured())
    return 1 if found.problems else 0


def render(found: Checkup) -> Iterator[str]:
    """Say the facts, one topic a line, then what must be mended."""
    facts = found.facts
    yield _line("cpu", f"{facts['cpu']['threads']} of {facts['cpu']['cores']} cores are used, a thread each")
    yield _line("memory", _memory(facts["memory"]))
    for number, gpu in facts.get("gpus", {}).items():
        words = f"{gpu['name']}, {gigabytes(gpu['memory'])} GB, compute capability {gpu['compute_capability']}"
        yield _line(f"gpu {number}", words)
    if not facts.get("gpus"):
        yield _line("gpu", "none that torch can use")
    for extra, libraries in facts["extras"].items():
        yield _line(f"[{extra}]", _libraries(extra, libraries))
    yield _line("store", _store(facts["store"]))
    cache = facts["cache"]
    yield _line("cache", f"{cache['folder']}, {_gb(cache['size'])}; {_gb(cache['free_disk'])} of disk free")
    yield _line("git", facts["git"]["version"] or "not installed")
    if (training := facts.get("training")) is not None:
        fast = " and ".join(training["fast"])
        several = f" ({len(facts['gpus'])} at once)" if len(facts.get("gpus", {})) > 1 else ""
        yield _line("training", f"on {training['device']}{several} in {training['precision']} (fast here: {fast})")
    for engine, specs in facts["engine"].items():
        yield _line("answers", f"{engine} ({', '.join(specs)})")
    yield ""
    yield from (click.style(f"missing: {problem}", fg="red") for problem in found.problems)
    if not found.problems:
        yield click.style("Ready: everything that the main job needs is here.", fg="green")


def _line(topic: str, words: str) -> str:
    return f"{topic:<{WIDTH}} {words}"


def _memory(facts: dict[str, Any]) -> str:
    words = f"{_gb(facts['usable'])} usable"
    if facts["container_limit"] is not None:
        words += f" (container limit {_gb(facts['container_limit'])})"
    return words + (f", {_gb(facts['free'])} free now" if facts["free"] is not None else "")


def _libraries(extra: str, libraries: dict[str, str | None]) -> str:
    have = [f"{name} {version}" for name, version in libraries.items() if version is not None]
    missing = [name for name, version in libraries.items() if version is None]
    lacks = f"missing {', '.join(missing)}: pip install 'gitune[{extra}]'" if missing else ""
    return "; ".join(part for part in (", ".join(have), lacks) if part)


def _store(facts: dict[str, Any]) -> str:
    if facts["url"] is None:
        return str(facts["note"])
    words = f"{facts['url']}, {'reachable and writable' if facts['writable'] else 'cannot be used'}"
    return words + (f"; {_gb(facts['free_disk'])} of disk free" if "free_disk" in facts else "")


def _gb(size: int) -> str:
    return f"{gigabytes(size)} GB"
