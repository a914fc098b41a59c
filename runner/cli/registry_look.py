"""`gitune registry ls` and `show`: what is kept.

The short listing answers within what importing our models alone would cost, so everything else is imported late.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from runner.cli.repository import cache_folder, find_root
from runner.registry import inventory
from runner.registry.store import Store, open_store
from runner.report.columns import columns

_PLAIN_STORE = re.compile(rb"^store: *([\w./:@-]+) *$", re.MULTILINE)


@click.command("ls")
@click.argument("pattern", default="*")
@click.option("-l", "--long", "long", is_flag=True, help="Read every version: date, verdict, size, LOST weights.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_obj
def ls_(directory: Path, pattern: str, long: bool, as_json: bool) -> None:
    """List names that match PATTERN (NAME or NAME@VERSION, with * and ?), their versions and what is live."""
    store = _store(find_root(directory))
    name, at, numbers = pattern.partition("@")
    found = inventory.names(store, name)
    if not found and pattern != "*":
        from runner.registry.lookup import unknown_name

        raise unknown_name(pattern, [known.name for known in inventory.names(store)])
    rows = _long(found, store, numbers or "*") if long or at else [_short(entry) for entry in found]
    if as_json:
        click.echo(json.dumps({"format_version": "1.0", "names" if not (long or at) else "versions": rows}, indent=2))
    elif not rows:
        click.echo(f"nothing has been released yet in {store}")
    else:
        for line in columns([_cells(row) for row in rows]):
            click.echo(line)


def _store(root: Path) -> Store:
    """Open the store; a configuration of the usual form is not parsed as a whole for a listing."""
    file = root / "registry" / "config.yaml"
    plain = _PLAIN_STORE.findall(file.read_bytes()) if file.is_file() else [b"registry/store"]
    if len(plain) == 1 and not os.environ.get("GITUNE_CONFIG_FROM"):
        return open_store(plain[0].decode(), root)
    from runner.cli.configuration import read_config

    return open_store(read_config(root).store, root)


def _short(entry: inventory.Name) -> dict[str, Any]:
    return {"name": entry.name, "versions": entry.versions, "live": entry.live}


def _long(found: Sequence[inventory.Name], store: Store, numbers: str) -> list[dict[str, Any]]:
    from runner.registry.registry import Registry

    rows = []
    for held in inventory.held(found, Registry(store, cache_folder()), numbers):
        version = held.version
        rows.append(
            {
                "name": version.name,
                "version": version.version,
                "released": version.released.isoformat(timespec="seconds"),
                "verdict": version.verdict,
                "bytes": held.size,
                "live": list(held.live),
                "lost": held.lost,
                "commit": version.commit,
            }
        )
    return rows


def _cells(row: dict[str, Any]) -> list[str]:
    if "versions" in row:
        count = len(row["versions"])
        newest = row["versions"][-1] if count else "-"
        live = ", ".join(f"{alias} → {version}" for alias, version in row["live"].items()) or "nothing live"
        return [row["name"], f"{count} version{'' if count == 1 else 's'}", f"newest {newest}", live]
    mark = "LOST" if row["lost"] else ", ".join(row["live"])
    size = f"{row['bytes'] / 1e6:,.1f} MB"
    return [f"{row['name']}@{row['version']}", row["released"][:16].replace("T", " "), row["verdict"], size, mark]


@click.command("show")
@click.argument("what")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def show_(directory: Path, what: str, as_json: bool) -> None:
    """Show WHAT: NAME, NAME@VERSION, STEP/KEY-PREFIX of a record, or the first digits of an artifact's digest."""
    from runner.registry.lookup import find
    from runner.registry.registry import Registry
    from runner.report.facts import as_text, as_value

    store = _store(find_root(directory))
    registry = Registry(store, cache_folder())
    found = find(what, store, registry)
    if as_json:
        click.echo(json.dumps({"format_version": "1.0", **as_value(found)}, indent=2, ensure_ascii=False))
    else:
        click.echo(as_text(found, registry))
