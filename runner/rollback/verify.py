"""A version to go back to -> the proof that it can be had: its facts, every byte of its weights, and that they load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runner.errors import GituneError, RegistryError
from runner.executors.child import run_apart
from runner.models.base import BaseRef
from runner.plan.pointer import loss
from runner.plan.rulings import hold_on
from runner.progress import Progress, Report
from runner.registry.facts import Version
from runner.registry.views import RegistryReader
from runner.rollback.target import Target, earlier
from runner.steps.load import LoadCheck

_NAMED = 3
"""Other versions that an error names at most: each is verified by all its bytes."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A version that can be deployed, and what finding out took; deploying it takes the same again."""

    size: int
    """Bytes of its weights."""
    digest: str
    """sha256 of them."""
    verifying: float
    """Seconds to read and compare every byte."""
    loading: float
    """Seconds to load them into the engine that serves them."""

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.verifying + self.loading


def verify(target: Target, registry: RegistryReader, root: Path, cache: Path, report: Report) -> Verified:
    """Verify what a version is made of, and load it once in a process of its own. Changes nothing.

    Args:
        target: what to go back to.
        registry: where its facts and weights are.
        root: the repository, for a base model that lies in it.
        cache: machine-wide cache.
        report: told about progress.

    Raises:
        GituneError: when it cannot be had, with the earlier versions that can.
    """
    version, began = target.version, time.monotonic()
    report(Progress(f"verifying {version.name} {version.version}"))
    if (fault := _fault(version, target.alias, registry)) is not None:
        what = f"{version.name} {version.version} cannot be rolled back to: {fault}"
        raise RegistryError(what, hint=_others(target, registry))
    verified = time.monotonic()
    report(Progress(f"loading {version.name} {version.version}"))
    content = version.content
    base = BaseRef(content.base_model, content.base_digest, size=0, chat_template=content.chat_template)
    try:
        run_apart(LoadCheck(content.engine, base, registry.fetch(content.adapter), root, cache), report)
    except GituneError as error:
        raise GituneError(
            f"{version.name} {version.version} does not load: {error.message}",
            hint="; ".join(filter(None, (error.hint, _others(target, registry)))),
        ) from error
    return Verified(content.adapter.size, content.adapter.digest, verified - began, time.monotonic() - verified)


def _fault(version: Version, alias: str, registry: RegistryReader) -> str | None:
    """Return what is wrong with a version's file, its records or its weights, as a deployment would find it."""
    return registry.swapped(version, alias) or loss(version, registry)


def _others(target: Target, registry: RegistryReader) -> str:
    found = ", ".join(islice(_sound(target, registry), _NAMED))
    return f"these verify: {found} (--to VERSION)" if found else "no other version that was live verifies either"


def _sound(target: Target, registry: RegistryReader) -> Iterator[str]:
    rulings = registry.rulings(target.name)
    log = registry.deployments(target.name, target.alias)
    for number in earlier(log, [target.live.version, target.version.version]):
        version = registry.version(target.name, number)
        held = hold_on(rulings, number, released=True)
        if version is not None and held is None and _fault(version, target.alias, registry) is None:
            yield number
