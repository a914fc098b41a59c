"""What `status` and `github drift` share: a repository -> where drift is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from runner.cli.project import Project, cache_folder
from runner.drift.find import Look
from runner.plan.build import build_plan


def look_at(project: Project, specs: Sequence[str] = ()) -> Look:
    """Plan the specs (default: all of them, and what no spec asks for any more) against the registry."""
    subjects, delivery, registry = project.subjects(specs), project.delivery(), project.registry
    plan = build_plan(subjects, registry, delivery, complete=not specs)
    return Look(
        plan=plan,
        subjects=subjects,
        registry=registry,
        store=project.store,
        config=project.config,
        delivery=delivery,
        root=project.root,
        cache=cache_folder(),
        index=project.file_index(),
        now=datetime.now(UTC),
    )
