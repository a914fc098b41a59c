"""Plan, registry, git and, where asked, the network -> every drift, ordered by name.

    drifts = find_drift(Look(plan, subjects, registry, store, delivery, root, cache, index, now), prober=Prober())

Nothing is changed, healed or pruned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner.drift.finding import Drift
from runner.drift.pointer import find_pointer
from runner.drift.probes import Prober
from runner.drift.stored import find_broken, find_held, find_lost_base, find_missing, versions_of
from runner.file_index import FileIndex
from runner.plan.delivery import Delivery
from runner.plan.model import Plan, SpecPlan
from runner.plan.subject import Subject
from runner.progress import Report, silent
from runner.registry.facts import Deployment, Version
from runner.registry.store import Store
from runner.registry.views import RegistryReader
from runner.spec.config import Config


@dataclass(frozen=True, slots=True)
class Look:
    """Where drift is looked for."""

    plan: Plan
    """Of every spec that counts, and of what is live though no spec asks for it."""
    subjects: Sequence[Subject]
    """Those specs."""
    registry: RegistryReader
    """What is stored."""
    store: Store
    """The store below it, for a look at every byte."""
    config: Config
    """Servers and endpoints."""
    delivery: Delivery
    """Git's side of a deployment."""
    root: Path
    """The repository."""
    cache: Path
    """Machine-wide cache."""
    index: FileIndex
    """Digests of files that have not changed."""
    now: datetime
    """The time."""

    def alias_of(self, plan: SpecPlan) -> str:
        """Return whose log a spec's plan is about."""
        asked = {subject.spec.name: subject.spec.deployment.alias for subject in self.subjects}
        return plan.removed or asked[plan.name]

    def live(self) -> list[tuple[SpecPlan, Deployment]]:
        """Return the plans of what is live, with their entries."""
        entries = [(plan, self.registry.live(plan.name, self.alias_of(plan))) for plan in self.plan.specs]
        return [(plan, entry) for plan, entry in entries if entry is not None and entry.version is not None]


def find_drift(look: Look, prober: Prober | None = None, *, full: bool = False, report: Report = silent) -> list[Drift]:
    """Find every difference between what is asked for and what is there.

    Args:
        look: where.
        prober: asks servers, providers and the hub; None asks nobody.
        full: read every byte that live versions and champions rest on.
        report: told about what is read.

    Raises:
        GituneError: when the registry cannot be read at all.
    """
    found: list[Drift] = []
    for plan in look.plan.specs:
        drift = find_pointer(plan, look.alias_of(plan), look.registry, look.delivery, look.root, look.now)
        found += [drift] if drift else []
    for plan, live in look.live():
        found += [*find_held(live, look.registry), *find_broken(live, look.registry)]
        for version in versions_of(live, plan.champion, look.registry):
            found += [version] if isinstance(version, Drift) else _of_version(version, live, look, prober)
            if full and isinstance(version, Version):
                found += _damaged(version, live, look, report)
    if prober is not None:
        found += prober.find_servers(look.config.servers, [live for _, live in look.live()], look.now)
        found += prober.find_models({one.name: one for one in look.config.endpoints}, _judges(look.subjects))
    look.index.save()
    return list(dict.fromkeys(found))


def _of_version(version: Version, live: Deployment, look: Look, prober: Prober | None) -> Iterator[Drift]:
    yield from find_missing(version, live, look.registry)
    yield from find_lost_base(version, live, look.root, look.config.policy.file_roots, look.index)
    if prober is not None:
        yield from prober.find_base(version, live)


def _damaged(version: Version, live: Deployment, look: Look, report: Report) -> Iterator[Drift]:
    """Yield artifacts whose bytes are not those that their names say."""
    from runner.report.audit import audit  # as dear as a plan, and seldom asked for

    found = audit(look.store, look.cache, look.root, report, version.name, version.version)
    for fault in found.faults:
        if fault.where.startswith("blobs/"):
            what = f"{version.version} rests on {fault.where}, which {fault.what}"
            yield Drift("damaged", version.name, live.alias, what, fault.remedy)


def _judges(subjects: Sequence[Subject]) -> dict[str, list[str]]:
    """Return the names of the specs that ask each endpoint."""
    asked: dict[str, list[str]] = {}
    for subject in subjects:
        evaluation = subject.spec.evaluation
        for name in {one.judge for one in evaluation.custom_metrics if one.judge and one.name in evaluation.metrics}:
            asked.setdefault(name, []).append(subject.spec.name)
    return asked
