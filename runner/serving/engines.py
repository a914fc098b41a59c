"""Versions -> open engines: one for each set of weights, closed when nobody holds it any more.

`loader` says how a version becomes an engine; `EnginePool` opens them and counts who holds which.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.inference.engine import Engine, ModelFiles, open_engine
from runner.models.base import BaseRef, materialize
from runner.registry.facts import Content, Version
from runner.registry.views import RegistryReader

log = logging.getLogger(__name__)

Load = Callable[[Version], Engine]
Weights = tuple[str, str | None, str, str]


def loader(registry: RegistryReader, root: Path, cache: Path) -> Load:
    """Return the function that opens a version's engine, after its weights and its base were verified by digest."""

    def load(version: Version) -> Engine:
        content = version.content
        trained = registry.fetch(content.adapter)
        # A version names its base by digest, which decides; the size is only ever shown.
        ref = BaseRef(content.base_model, content.base_digest, size=0, chat_template=content.chat_template)
        base = materialize(ref, root, cache)
        return open_engine(content.engine, ModelFiles.tuned(base, trained))

    return load


@dataclass(slots=True, eq=False)
class SharedEngine:
    """An open engine. Its pool guards the count."""

    engine: Engine
    """What writes answers."""
    weights: Weights
    """What versions must have in common to share it."""
    holders: int = 1
    """Versions that are live on it, and requests in flight."""


class EnginePool:
    """Opens and closes engines. One thread opens them; any thread may hold and release."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._engines: dict[Weights, SharedEngine] = {}

    def open(self, version: Version) -> SharedEngine:
        """Return the engine for a version, held once more by the caller; loads it when none is open."""
        weights = _weights(version.content)
        with self._lock:
            shared = self._engines.get(weights)
            if shared is not None:
                shared.holders += 1
                return shared
        shared = SharedEngine(self._load(version), weights)
        with self._lock:
            self._engines[weights] = shared
        return shared

    def hold(self, shared: SharedEngine) -> None:
        """Hold an engine once more; the caller must know that somebody holds it, else it may be closed already."""
        with self._lock:
            shared.holders += 1

    def release(self, shared: SharedEngine) -> None:
        """Give back one hold; the last one closes the engine."""
        with self._lock:
            shared.holders -= 1
            if shared.holders:
                return
            del self._engines[shared.weights]
        try:
            shared.engine.close()
        except Exception:  # it is out of use either way, and whoever held it last must not pay for this
            log.exception("closing an engine failed")


def _weights(content: Content) -> Weights:
    """Return what decides an engine; the system prompt and generation settings travel with each request."""
    return content.base_digest, content.chat_template, content.adapter.digest, content.engine
