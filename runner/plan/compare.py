"""Two points of history -> `Difference`: what changed in each spec, and what that means."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack

from runner.digest import digest_json
from runner.errors import GituneError
from runner.plan.difference import Difference, SpecDifference, compare_subjects, value_changes
from runner.plan.model import Change, Plan
from runner.plan.revision import Found, Touched, specs_at
from runner.plan.subject import Subject


def compare(touched: Touched, new: Found | None = None, names: Collection[str] = ()) -> Difference:
    """Compare what differs between two commits, or between a commit and the working tree.

    Args:
        touched: what differs.
        new: touched specs of the working tree as they are; None to read those of the other commit.
        names: specs to tell; all when there are none.

    Raises:
        GituneError: when a spec of the newer side cannot be read. One of the older side is taken for new.
    """
    wanted = [name for name in sorted(touched.names) if not names or name in names]
    with ExitStack() as stack:
        old = stack.enter_context(specs_at(touched, touched.old, [name for name in wanted if name in touched.before]))
        if new is None:
            commit = touched.new or touched.old
            new = stack.enter_context(specs_at(touched, commit, [name for name in wanted if name in touched.after]))
        if new.problems:
            told = "\n".join(f"{touched.new or ''}:{problem}" for problem in new.problems.values())
            raise GituneError(told, hint="compare with a commit whose specs are valid (`gitune validate`)")
        specs = [_compare_one(name, touched, old, new) for name in wanted]
    told_specs = [spec for spec in specs if spec.change_class != "nothing" or spec.changes or spec.note]
    return Difference(
        old=touched.old,
        new=touched.new,
        specs=told_specs,
        config=_config_changes(old, new),
        unchanged=len(touched.after - {spec.name for spec in told_specs}),
    )


def narrowed(plan: Plan, touched: Touched, difference: Difference) -> Plan:
    """Return the plan of touched specs as the plan of a difference: since the base, not since the last release.

    Args:
        plan: the plan of the touched specs.
        touched: what differs between the base and the working tree.
        difference: what that means.
    """
    found = {spec.name: spec for spec in difference.specs}
    specs = []
    for spec in plan.specs:
        if spec.removed is not None:
            specs.append(spec)
            continue
        change = found.get(spec.name)
        since = (
            {"change_class": change.change_class, "flags": [*change.flags]}
            if change
            else {"change_class": "nothing", "flags": []}
        )
        specs.append(spec.model_copy(update=since))
    return plan.model_copy(
        update={
            "specs": specs,
            "digest": digest_json([plan.digest, touched.old, touched.removed]),
            "base": touched.old,
            "removed": touched.removed,
            "unchanged": len(touched.after - touched.names),
        }
    )


def _compare_one(name: str, touched: Touched, old: Found, new: Found) -> SpecDifference:
    before, now = old.subjects.get(name), new.subjects.get(name)
    if before is not None and now is not None:
        return compare_subjects(before, now)
    note = f"at {touched.old[:8]} it cannot be read: {old.problems[name]}" if name in old.problems else None
    if now is not None:
        return SpecDifference(
            name=name,
            file=now.loaded.file,
            old_version=None,
            new_version=now.spec.version,
            change_class="new",
            note=note,
        )
    return _removed(name, before, note)


def _removed(name: str, before: Subject | None, note: str | None) -> SpecDifference:
    return SpecDifference(
        name=name,
        file=f"specs/{name}/spec.yaml",
        old_version=before.spec.version if before else None,
        new_version=None,
        change_class="removed",
        note=note,
    )


def _config_changes(old: Found, new: Found) -> list[Change]:
    sides = (side.config.model_dump(mode="json") for side in (old, new))
    return [Change(path=path, old=before, new=now) for path, before, now in value_changes(*sides)]
