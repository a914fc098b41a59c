"""The table of a comment: one row for each spec that changes, with its verdict whatever happens to the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.proposals.model import ProposedSpec
from runner.proposals.words import state_words
from runner.report.duration import duration
from runner.report.escape import inline
from runner.report.figures import bounds, change, figure
from runner.report.markdown_section import Section
from runner.report.model import Report
from runner.report.plan_markdown import change_text, root_words
from runner.report.table import table
from runner.report.words import obstacle_words

HEADER = ("spec", "action", "why", "time and cost", "metric (95 % bounds of the gain)", "format", "gates")

_WIDTHS = (300, 150, 80, 40, 0)
"""Characters of the column `why` to try; without it the row says no more than what was decided."""
_NEVER_SHOWN = 10_000
_SAFE_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~/%+=?&-]*)?(?:#[A-Za-z0-9._-]*)?")


def link(words: str, url: str | None) -> str:
    """Link words of ours to an address; only the words where the address is none of the web's, or might break out."""
    return f"[{words}]({url})" if url and _SAFE_URL.fullmatch(url) and "://[" not in url else words


def overview(specs: Sequence[ProposedSpec]) -> Section:
    """Return the table of all specs that change, the important ones first as they are given."""

    def write(width: int) -> str:
        if width:
            return table(HEADER, [_row(spec, width) for spec in specs], _NEVER_SHOWN)
        return table(("spec", "gates"), [(_name(spec), _gates(spec)) for spec in specs], _NEVER_SHOWN)

    return Section("the table of all specs", 0, write, _WIDTHS)


def shortest(specs: Sequence[ProposedSpec], rows: int) -> str:
    """Return no more than the first rows, and how many there are beyond, for more specs than any comment can name."""
    return table(("spec", "gates"), [(_name(spec), _gates(spec)) for spec in specs], rows)


def _row(spec: ProposedSpec, width: int) -> list[str]:
    report = spec.report if spec.state == "judged" else None
    compliance = next((one for one in report.compliance if one.subject == "tuned"), None) if report else None
    return [
        _name(spec),
        _action(spec),
        inline(_why(spec), width),
        _time(spec),
        inline(_metric(report), 200) if report else "",
        figure(compliance.value, "share") if compliance else "",
        _gates(spec),
    ]


def _name(spec: ProposedSpec) -> str:
    return inline(f"{spec.name} {spec.version}".strip(), 80)


def _action(spec: ProposedSpec) -> str:
    if spec.state == "removed":
        return "undeploy" if spec.plan else "remove"
    return change_text(spec.plan) if spec.plan else "–"


def _why(spec: ProposedSpec) -> str:
    """Say what stands in the way, else what changed: the plan of what was run already has no reason to run."""
    if spec.report is not None and spec.state == "judged":
        changed = "; ".join(change.words for change in spec.report.changed)
        return changed if spec.report.releasable else obstacle_words(spec.report) or changed
    said = " ".join(spec.reason.split())
    if not said and spec.report is not None and spec.report.changed:
        # What was trained is reused by now: the plan knows no cause any more, but what it differs in is the cause.
        return "; ".join(change.words for change in spec.report.changed)
    return said or (root_words(spec.plan) if spec.plan else "")


def _time(spec: ProposedSpec) -> str:
    """Say what it took, or is expected to; a release of before costs nothing."""
    if spec.state in ("released", "idle", "removed"):
        return "0 s of training"
    if spec.report is not None and spec.report.training is not None and spec.report.training.seconds is not None:
        return f"trained in {duration(spec.report.training.seconds)}"
    estimates = [step.estimate for step in spec.plan.steps if step.action in ("RUN", "DEPENDS")] if spec.plan else []
    seconds = sum(one.seconds or 0.0 for one in estimates)
    usd = sum(one.usd or 0.0 for one in estimates)
    told = [f"up to {duration(seconds)}"] if seconds else []
    return ", ".join([*told, *([f"&#36;{usd:.2f}"] if usd >= 0.01 else [])])  # noqa: PLR2004 - a cent


def _metric(report: Report) -> str:
    head = report.headline
    values = f"{head.metric} {figure(head.base, head.unit)} → {figure(head.tuned, head.unit)}"
    found = bounds(head.low, head.high, head.unit, signed=True)
    return f"{values} ({change(head.difference, head.unit)}{'; ' + found if found else ', measured once'})"


def _gates(spec: ProposedSpec) -> str:
    words = inline(state_words(spec), 80)
    run = f" ({link('run', spec.run_url)})" if spec.run_url and spec.state == "running" else ""
    return words + run
