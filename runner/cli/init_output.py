"""What `gitune init` tells when it is done: what it found, what it wrote, what comes next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from runner.init.create import Created
from runner.init.layout import WHY_NOT_EMBEDDED, is_remote

_SHOWN = 8


def tell(created: Created, target: Path, carried: Sequence[str], store: str | None) -> None:
    """Print everything a person wants to know now."""
    proposal = created.proposal
    if proposal is not None:
        click.echo(click.style(proposal.name, bold=True))
        for line in proposal.told:
            click.echo(f"  {line}")
    for line in carried:
        click.echo(f"  {line}")
    _tell_remarks(created.remarks)
    _tell_files(created, target)
    _tell_next(created, target, store)


def _tell_remarks(remarks: Sequence[str]) -> None:
    for remark in remarks[:_SHOWN]:
        click.echo(f"{click.style('!', fg='yellow')} {remark}")
    if len(remarks) > _SHOWN:
        click.echo(f"  and {len(remarks) - _SHOWN} more remarks like these; `gitune apply` tells all")


def _tell_files(created: Created, target: Path) -> None:
    click.echo(f"\n{target}{' (now a git repository; nothing is committed)' if created.began else ''}")
    for place, names in _grouped(created.written).items():
        click.echo(f"  {click.style('+', fg='green')} {place}{names}")
    if created.kept:
        click.echo(f"  kept as it was: {', '.join(created.kept)}")


def _grouped(names: Sequence[str]) -> dict[str, str]:
    """Group files by folder, so that a dozen workflows are one line."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        folders.setdefault(f"{folder}/" if folder else "", []).append(file)
    return {place: files[0] if len(files) == 1 else f"{{{', '.join(files)}}}" for place, files in folders.items()}


def _tell_next(created: Created, target: Path, store: str | None) -> None:
    near = os.path.relpath(target)
    here = str(target) if near.startswith("..") else near
    click.echo("\nNext:")
    if here != ".":
        click.echo(f"  cd {here}")
    if created.proposal is None:
        click.echo("  gitune init --data FILE.jsonl    adds a spec from your data")
    else:
        click.echo("  git add -A && git commit -m 'Propose a first version'")
        click.echo("  gitune plan     what an apply would do, and why")
        click.echo("  gitune apply    trains, measures, judges the gates, deploys")
    if store is not None and not is_remote(store) and any(name.startswith(".github/") for name in created.written):
        click.echo(f"\nResults go to {store} for now: {WHY_NOT_EMBEDDED}.")
        click.echo(
            "Before the first pull request name a bucket in registry/config.yaml, and follow docs/github.md of gitune."
        )
