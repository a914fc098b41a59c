"""`gitune data preview`: rows as tokens with the trained ones marked, and whether serving reads the same prompts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from runner.cli.progress import Narrator
from runner.cli.project import cache_folder, coloured, open_project
from runner.contract.contract import build_contract
from runner.data.prepare import Prepared, prepare
from runner.data.slices import slice_places
from runner.errors import GituneError
from runner.inference.agreement import check_same_tokens
from runner.inference.preview import Piece, PreviewedRow
from runner.inference.preview import preview as preview_rows
from runner.models.base import materialize
from runner.plan.subject import Subject
from runner.report.escape import clean


@click.command()
@click.argument("spec")
@click.option("--rows", "count", type=click.IntRange(1, 1000), default=3, show_default=True, help="Rows to show.")
@click.option(
    "--split", type=click.Choice(["train", "validation"]), default="train", show_default=True, help="Where from."
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@click.pass_obj
def preview(directory: Path, spec: str, count: int, split: str, as_json: bool) -> int:
    """Show what SPEC trains on: rows as tokens, those that are learned in ⟦…⟧; nothing is written to the registry."""
    project = open_project(directory)
    (subject,) = project.subjects([spec])
    prepared = _prepared(subject)
    rows = getattr(prepared, split)
    training, engine = subject.spec.training, subject.spec.engine
    with Narrator() as narrator:
        base = materialize(subject.base, project.root, cache_folder(), narrator.report)
        shown = preview_rows(rows[:count], base, training)
        difference, compared = None, 0
        try:
            compared = check_same_tokens(engine, base, rows, training)
        except GituneError as error:
            difference = str(error)
    places = {row["id"]: f"{row['file']}:{row['line']}" for row in prepared.sources}
    if as_json:
        check = {"engine": engine, "rows": compared, "same": difference is None, "difference": difference}
        told = [_as_json(row, places[row.id]) for row in shown]
        body = {"format_version": "1.0", "spec": spec, "split": split, "total": len(rows), "rows": told, "check": check}
        click.echo(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        for row in shown:
            click.echo(_as_text(row, places[row.id]) + "\n")
        click.echo(f"{min(count, len(rows))} of {len(rows)} {split} rows")
        click.echo(difference or f"{engine} reads the same prompts as training ({compared} rows compared)")
    return 1 if difference or any(row.problem for row in shown) else 0


def _prepared(subject: Subject) -> Prepared:
    loaded = subject.loaded
    evaluation, where = loaded.spec.evaluation, loaded.where("evaluation.output_format")
    contract = build_contract(evaluation.output_format, loaded.folder, loaded.root, where)
    return prepare(loaded.spec.dataset, loaded.folder, loaded.root, contract, slice_places(loaded))


def _as_json(row: PreviewedRow, place: str) -> dict[str, Any]:
    counts = {"place": place, "rejected": row.rejected, "tokens": row.tokens, "trained": row.trained}
    return {"id": row.id, **counts, "problem": row.problem, "pieces": [asdict(piece) for piece in row.pieces]}


def _as_text(row: PreviewedRow, place: str) -> str:
    learned = "rejected" if row.rejected else "trained"
    head = f"{row.id}  {place}  {row.tokens} tokens, {row.trained} {learned}"
    problem = f"\n! {row.problem}" if row.problem else ""
    text, weight = "", 0.0
    for piece in row.pieces:
        text += _boundary(weight, piece.weight) if piece.weight != weight else "|" if text else ""
        text += _styled(piece)
        weight = piece.weight
    shown = (text + _boundary(weight, 0.0)).rstrip("\n")
    return f"{click.style(head, bold=True) if coloured() else head}{problem}\n{shown}"


def _boundary(before: float, now: float) -> str:
    """Return the marks between a token and the next of another weight."""
    opened = "" if not now else "⟦" if now == 1 else f"⟦×{now:g} "
    return ("⟧" if before else "") + opened


def _styled(piece: Piece) -> str:
    text = clean(piece.text).replace("\n", "⏎\n")
    return click.style(text, fg="green") if piece.weight and coloured() else text
