"""What an apply after a merge did -> the Markdown of a job's summary and of a release."""

from __future__ import annotations

from collections.abc import Sequence

from runner.reconcile import Outcome
from runner.registry.facts import Version
from runner.registry.views import RegistryReader
from runner.report.escape import fence, inline
from runner.report.notes import write_notes
from runner.report.outcome import render_outcome, summarize
from runner.report.releases import predecessor, released_side, render_notes
from runner.report.table import table


def deployed_markdown(
    alias: str, outcomes: Sequence[Outcome], numbers: Sequence[int], released: Sequence[str], left: Sequence[str]
) -> str:
    """Render what became of an alias: what is live now, what was adopted, what was released, and all that was said.

    Args:
        alias: the alias.
        outcomes: of its specs.
        numbers: pull requests that were merged since it moved last.
        released: tags of new releases.
        left: why tags, releases or the registry's snapshot are left to the next run.
    """
    moved = [_row(outcome) for outcome in outcomes if outcome.deployment or outcome.exit_code]
    parts = [f"## Deployment of {inline(alias)}"]
    parts.append(table(("spec", "live", "before", "note"), moved, len(moved)) if moved else "Nothing had to move.")
    if numbers:
        parts.append(f"Merged since: {', '.join(f'#{number}' for number in numbers)}.")
    if released:
        parts.append(f"Released: {', '.join(inline(tag) for tag in released)}.")
    parts += [f"Left to the next run: {inline(fault, 300)}" for fault in left]
    told = "\n\n".join(
        render_outcome(outcome, coloured=False) for outcome in outcomes if outcome.ran or outcome.exit_code
    )
    if told:
        parts.append(
            f"<details><summary>{summarize(outcomes).splitlines()[0]}</summary>\n\n{fence(told)}\n\n</details>"
        )
    return "\n\n".join(parts) + "\n"


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    entry = outcome.deployment
    name = inline(outcome.name)
    if entry is None:
        return name, "–", "–", inline(f"not deployed: {outcome.error or outcome.blocked or 'its gates'}", 300)
    return name, inline(entry.version or "undeployed"), inline(entry.previous or "–"), f"entry {entry.number}"


def release_markdown(version: Version, primary: str, reader: RegistryReader) -> str:
    """Render what a released version changed, and where it came from.

    Args:
        version: the version.
        primary: metric that is told first.
        reader: what the registry holds.

    Raises:
        UsageError: when a record that it is written from is gone.
    """
    old = predecessor(version.version, reader.versions(version.name))
    side = released_side(version, reader)
    before = released_side(old, reader) if old else None
    notes = render_notes(write_notes(version.name, side, before, primary, reader))
    made = [
        ("commit", version.commit),
        ("base model", version.content.base_model),
        ("adapter sha256", version.content.adapter.digest),
        ("engine", version.content.engine),
        ("verdict", version.verdict),
        ("champion", version.champion or "none"),
    ]
    rows = [(name, inline(value, 200)) for name, value in made]
    return f"{notes}\n\n{table(('what', 'value'), rows, len(rows))}\n"
