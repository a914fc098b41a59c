"""What a proposal changes of the bar itself: gates and test sets, the configuration, the code that judges and runs.

Such changes are not wrong, but nobody may make them alone where the base branch names code owners.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.evaluation.outside import command_paths
from runner.plan.model import Flag, Plan
from runner.plan.revision import SPECS, Touched, find_commit
from runner.proposals.ground import Ground
from runner.proposals.model import BarChange
from runner.proposals.owners import FILES, owners_at
from runner.spec.config import CONFIG_FILE
from runner.spec.load import FILE_NAME

GUARDED = (".github/", "runner/", "pyproject.toml", "setup.", "constraints.txt", CONFIG_FILE, *FILES)
"""Files and folders whose every change is one of the bar: they say what runs, with which keys, and who decides."""

NAMED = 10
"""Files of the same owners that are told by name."""

_WORDS: dict[Flag, str] = {
    "gate_changed": "gates",
    "test_set_changed": "the test set",
    "output_format_changed": "the output format",
    "metrics_changed": "metrics",
    "data_checks_changed": "data checks",
}


def bar_changes(ground: Ground, touched: Touched, plan: Plan | None) -> list[BarChange]:
    """Return every change of the bar, with its owners on the base branch and who of them agreed.

    Args:
        ground: where it is judged.
        touched: what differs from the base.
        plan: plan of what differs; None where it could not be made.
    """
    programs = tuple(command_paths(ground.config))
    files = sorted(path for path in touched.paths if path.startswith(GUARDED) or path in programs)
    flagged = [*(_flags(plan, touched) if plan else ()), *_removals(touched)]
    if not (files or flagged):
        return []
    # Those of the branch as it is now: who owned a file when the proposal began may own it no more.
    owners = owners_at(ground.root, find_commit(ground.root, ground.base_ref))
    alike: dict[tuple[str, ...], list[str]] = {}
    for path in files:
        alike.setdefault(tuple(owners.of(path)), []).append(path)
    found = [(_together(paths), paths[0]) for paths in alike.values()] + flagged
    return [_change(what, path, list(owners.of(path)), ground) for what, path in found]


def _change(what: str, path: str, owners: list[str], ground: Ground) -> BarChange:
    agreed = ground.agreed(path, owners) if owners else None
    return BarChange(what=what, path=path, owners=owners, approved_by=agreed)


def _together(paths: list[str]) -> str:
    """Name files that have the same owners: whoever agrees must see which they are, not only the first."""
    shown = ", ".join(paths[:NAMED])
    return shown if len(paths) <= NAMED else f"{shown} and {len(paths) - NAMED} more"


def _flags(plan: Plan, touched: Touched) -> Iterator[tuple[str, str]]:
    for spec in plan.specs:
        # It was there, and nobody could read how it was judged: then all of its bar is another one.
        unread = spec.change_class == "new" and spec.name in touched.before
        words = ["all"] if unread else [_WORDS[flag] for flag in spec.flags]
        if words and spec.removed is None:
            yield f"{' and '.join(words)} of {spec.name}", spec.file


def _removals(touched: Touched) -> Iterator[tuple[str, str]]:
    """Under another name a spec is a new one, whose gates and tests nobody compares with those that went."""
    for name in touched.removed:
        yield f"removal of {name}, with its gates and tests", f"{SPECS}/{name}/{FILE_NAME}"
