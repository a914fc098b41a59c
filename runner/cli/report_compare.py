"""`gitune report NAME --compare A B`: two versions, row by row."""

from __future__ import annotations

from runner.cli.project import Project
from runner.errors import UsageError
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.report.compare import compare_releases
from runner.report.comparison_text import comparison_markdown, comparison_text
from runner.report.notes import Release
from runner.report.releases import candidate_side, released_side
from runner.spec.semver import parse


def compared(project: Project, name: str, versions: tuple[str, str], form: str, *, common_rows: bool) -> str:
    """Return the comparison of two versions as `text`, `markdown` or `json`.

    Raises:
        UsageError: when a version is neither released nor the spec's own, or the two cannot be compared.
    """
    (subject,) = project.subjects([name])
    walk = look(Walk(subject, project.registry, project.delivery()))
    old, new = (_side(project, walk, version) for version in versions)
    metric = subject.spec.evaluation.primary
    found = compare_releases(name, old, new, metric, project.registry, common_rows=common_rows)
    if form == "json":
        return found.model_dump_json(indent=2) + "\n"
    return comparison_markdown(found) if form == "markdown" else comparison_text(found) + "\n"


def _side(project: Project, walk: Walk, number: str) -> Release:
    parse(number)
    spec = walk.subject.spec
    if (version := project.registry.version(spec.name, number)) is not None:
        return released_side(version, project.registry)
    if number == spec.version:
        return candidate_side(walk)
    known = ", ".join(one.version for one in project.registry.versions(spec.name)) or "none"
    raise UsageError(f"{spec.name} {number} is neither released nor what the spec says", hint=f"released: {known}")
