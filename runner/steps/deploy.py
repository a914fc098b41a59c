"""DEPLOY: a model whose gates passed -> a released version, and the alias that points to it.

Killed before the log entry is written, the old version stays live and the next apply goes on here.
"""

from __future__ import annotations

from datetime import datetime

from runner.errors import RegistryError
from runner.plan.keys import content_of
from runner.plan.walk import Walk
from runner.progress import Progress
from runner.registry.chain import record_digest
from runner.registry.facts import Deployment, Version
from runner.registry.views import RegistryWriter
from runner.steps.context import StepContext
from runner.steps.load import LoadCheck


def version_of(walk: Walk, commit: str, now: datetime) -> Version:
    """Return the version to deploy: the released one, or a new one from what this walk yielded."""
    if (released := walk.released) is not None:
        return released
    spec, train, champion = walk.subject.spec, walk.decisions["train"], walk.champion
    return Version(
        name=spec.name,
        version=spec.version,
        content=content_of(spec, walk.subject.base, str(train.key), walk.records["train"]),
        keys={step: decision.key for step, decision in walk.decisions.items() if step != "deploy"},
        champion=champion.version if champion else None,
        rivals={name: rival for name, rival in walk.rival_names.items() if name.startswith("spec:")},
        verdict=walk.records["gate"].metrics["outcome"],
        approval=walk.approval,
        records={step: record_digest(record) for step, record in walk.records.items()},
        commit=commit,
        released=now,
    )


def load_check(context: StepContext, version: Version) -> LoadCheck:
    """Verify every byte of what was trained, and return the work that loads it in the engine that will serve it.

    Raises:
        RegistryError: when an artifact is missing or does not match its digest.
    """
    context.report(Progress(f"verifying and loading {version.name} {version.version}"))
    trained = context.registry.at_work(context.report).fetch(version.content.adapter)
    base = context.base_of(version.content)
    return LoadCheck(version.content.engine, base, trained, context.subject.loaded.root, context.cache)


def move_alias(
    registry: RegistryWriter, walk: Walk, version: Version, commit: str, now: datetime, live: Deployment | None
) -> Deployment:
    """Release the version if it is new, then append to the deployment log.

    Args:
        registry: where both are written.
        walk: what was decided.
        version: what goes live.
        commit: the commit that asks for it.
        now: the time.
        live: the entry that the decision to deploy was made on. Following that one and no other keeps an older commit
            from landing over a newer one that came in between.

    Raises:
        ConflictError: when another apply released or deployed first.
        RegistryError: when a released version is not what its proof says; what is live stays live.
    """
    spec = walk.subject.spec
    if walk.released is not None and (fault := registry.swapped(version, spec.deployment.alias)) is not None:
        raise RegistryError(
            f"{spec.name} {version.version} is not deployed: {fault}",
            hint=f"`gitune explain {spec.name} --version {version.version}` shows its proof; restore what does not "
            "verify from a copy of the store, or release a new version",
        )
    _require_whole(registry, walk, version)
    registry.release(version)
    entry = Deployment(
        number=live.number + 1 if live else 1,
        name=spec.name,
        alias=spec.deployment.alias,
        version=version.version,
        previous=live.version if live else None,
        commit=commit,
        target=spec.deployment.target,
        deployed=now,
    )
    return registry.append_deployment(entry)


def _require_whole(registry: RegistryWriter, walk: Walk, version: Version) -> None:
    """Look once more at what is to be released: nothing ever makes again what a released version has lost."""
    records = {} if walk.released else walk.records
    gone = [step for step, record in records.items() if registry.record(record.step, record.key) is None]
    if gone or not registry.exists(version.content.adapter):
        what = f"what {gone[0]} yielded" if gone else "its weights"
        raise RegistryError(
            f"{version.name} {version.version} is not deployed: {what} went from the registry meanwhile",
            hint="plan and apply again; a garbage collection may have taken it",
        )


def take_away(registry: RegistryWriter, live: Deployment, commit: str, now: datetime) -> Deployment:
    """Append that nothing is live any more: servers let go of it, its version stays released.

    Raises:
        ConflictError: when another apply deployed or undeployed first.
    """
    gone = {"number": live.number + 1, "version": None, "previous": live.version, "commit": commit, "deployed": now}
    return registry.append_deployment(live.model_copy(update=gone))
