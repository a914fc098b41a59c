"""The deployment log -> engines that are loaded and ready, one for each `name/alias`.

`Follower` looks at the registry twice a second. A new entry is loaded beside the old one, then takes its place, then
the old engine closes when its last request has ended; so a deploy drops nothing. An undeployment closes it likewise.
What cannot be loaded changes nothing: the old version goes on answering, and `troubles()` says why.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from runner.errors import RegistryError
from runner.inference.engine import Engine
from runner.registry.facts import Deployment, Version
from runner.registry.views import RegistryReader
from runner.serving.engines import EnginePool, Load, SharedEngine
from runner.serving.names import exact_name, resolve

LONGEST_WAIT = 60.0  # seconds between two tries to load a version that fails
JOIN_WAIT = 5.0  # seconds a closing follower waits for a load that has begun

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """A version that answers requests."""

    version: Version
    """What it is."""
    deployment: Deployment
    """The log entry that made it live."""
    engine: Engine
    """What writes its answers; equal content shares one."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a deployed version is not live, or (`deployment` is None) why the registry cannot be read."""

    deployment: Deployment | None
    """What should be live."""
    message: str
    """What went wrong."""
    attempts: int = 1
    """How often it was tried."""
    retry_at: float = 0.0
    """Next try, on the follower's clock."""


@dataclass(frozen=True, slots=True)
class _Entry:
    live: Live
    shared: SharedEngine


SwapListener = Callable[[Live, Live | None], None]
"""Called with what went live and what it replaced."""


class Follower:
    """Keeps what the registry says is deployed loaded. `with Follower(...)` starts its thread and ends it."""

    def __init__(
        self,
        registry: RegistryReader,
        load: Load,
        interval: float = 0.5,
        *,
        on_swap: SwapListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._pool = EnginePool(load)
        self._interval = interval
        self._on_swap = on_swap
        self._clock = clock
        self._lock = threading.Lock()
        self._table: dict[tuple[str, str], _Entry] = {}
        self._troubles: dict[tuple[str, str], Trouble] = {}
        self._registry_trouble: Trouble | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gitune-follower", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def lease(self, model: str) -> Iterator[Live | None]:
        """Hold what `model` means, so that no deploy closes its engine before the block ends; None: nothing live."""
        entry = self._hold(model)
        if entry is None:
            yield None
            return
        try:
            yield entry.live
        finally:
            self._pool.release(entry.shared)

    def live(self) -> list[Live]:
        """Return what answers now, by name and alias."""
        with self._lock:
            return [self._table[key].live for key in sorted(self._table)]

    def troubles(self) -> list[Trouble]:
        """Return what should be live and is not, and whether the registry can be read."""
        with self._lock:
            found = [self._troubles[key] for key in sorted(self._troubles)]
        return [self._registry_trouble, *found] if self._registry_trouble else found

    def close(self) -> None:
        """Stop following. Engines close now, or when the requests that hold them end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_WAIT)
        with self._lock:
            entries, self._table = list(self._table.values()), {}
        for entry in entries:
            self._pool.release(entry.shared)

    def poll(self) -> None:
        """Look at the registry once: load and swap what is new, let go of what is no longer deployed."""
        deployed = self._deployed()
        if deployed is None:
            return
        kept = set()
        for entry in deployed:
            if entry.version is None and self._may_let_go(entry):
                continue
            kept.add((entry.name, entry.alias))
            if entry.version is not None and self._is_due(entry):
                self._bring_up(entry, entry.version)
        self._let_go(kept)

    def _may_let_go(self, entry: Deployment) -> bool:
        """Whether an entry that takes a deployment away is proven; what serves goes on serving otherwise."""
        key = (entry.name, entry.alias)
        if key not in self._table:
            return True
        if not self._is_due(entry):
            return False
        try:
            self._require_proof(entry)
        except RegistryError as error:
            self._note(key, entry, error)
            return False
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:  # whatever it was, the next look may succeed; a dead thread would never deploy again
                log.exception("following the registry failed; looking again in %.1f s", self._interval)
            self._stop.wait(self._interval)

    def _deployed(self) -> list[Deployment] | None:
        """Return the registry's answer, or None when it has none that may be acted on."""
        try:
            deployed = self._registry.deployed()
        except Exception as error:  # noqa: BLE001 - a store fails in many ways, and none may stop the server
            self._doubt(f"the registry cannot be read: {error}")
            return None
        if not deployed and self._table:
            # The log is append-only, so this is a store that went missing, not an order to stop serving everything.
            self._doubt("the registry lists no deployment any more; what was live stays")
            return None
        self._registry_trouble = None
        return deployed

    def _doubt(self, message: str) -> None:
        if self._registry_trouble is None or self._registry_trouble.message != message:
            log.error(message)
        self._registry_trouble = Trouble(None, message)

    def _is_due(self, entry: Deployment) -> bool:
        key = (entry.name, entry.alias)
        current, trouble = self._table.get(key), self._troubles.get(key)
        if current is not None and current.live.deployment == entry:
            self._clear_trouble(key)
            return False
        if trouble is not None and trouble.deployment == entry:
            return self._clock() >= trouble.retry_at
        return True

    def _bring_up(self, entry: Deployment, number: str) -> None:
        """Load what an entry asks for; only when that worked, put it in the old one's place."""
        key = (entry.name, entry.alias)
        try:
            self._require_proof(entry)
            version = self._registry.version(entry.name, number)
            if version is None:
                raise RegistryError(f"{exact_name(entry)} is deployed, but the registry has no such version")  # noqa: TRY301
            shared = self._pool.open(version)
        except Exception as error:  # noqa: BLE001 - engines raise anything; the old version must go on answering
            self._note(key, entry, error)
            return
        self._clear_trouble(key)
        self._swap(key, _Entry(Live(version, entry, shared.engine), shared))

    def _require_proof(self, entry: Deployment) -> None:
        """Refuse an entry whose chain is broken; artifacts' bytes are verified as they are fetched."""
        current = self._table.get((entry.name, entry.alias))
        if current is not None and current.live.deployment.number > entry.number:
            # A chain cannot tell that its own end was cut off; whoever saw that end can.
            raise RegistryError(
                f"the log of {entry.name}/{entry.alias} ends with entry {entry.number}, but entry "
                f"{current.live.deployment.number} was in it before",
                hint="restore what is missing from a copy of the store; a rollback is a new entry, never a missing one",
            )
        if (fault := self._registry.broken_link(entry)) is not None:
            raise RegistryError(
                f"entry {entry.number} of {entry.name}/{entry.alias} is not followed, its proof is broken: {fault}",
                hint=f"`gitune explain {entry.name}` shows it; restore what does not verify from a copy of the store",
            )

    def _swap(self, key: tuple[str, str], entry: _Entry) -> None:
        with self._lock:
            closing = self._stop.is_set()
            old = self._table.get(key)
            if not closing:
                self._table[key] = entry
        if closing:
            self._pool.release(entry.shared)
            return
        try:
            if self._on_swap is not None:
                self._on_swap(entry.live, old.live if old else None)
        finally:
            if old is not None:
                self._pool.release(old.shared)

    def _let_go(self, deployed: set[tuple[str, str]]) -> None:
        with self._lock:
            gone = [self._table.pop(key) for key in set(self._table) - deployed]
            self._troubles = {key: trouble for key, trouble in self._troubles.items() if key in deployed}
        for entry in gone:
            log.warning("%s/%s is no longer deployed", entry.live.deployment.name, entry.live.deployment.alias)
            self._pool.release(entry.shared)

    def _note(self, key: tuple[str, str], entry: Deployment, error: Exception) -> None:
        last = self._troubles.get(key)
        attempts = last.attempts + 1 if last is not None and last.deployment == entry else 1
        wait = min(0.5 * 2**attempts, LONGEST_WAIT)
        with self._lock:
            self._troubles[key] = Trouble(entry, str(error) or repr(error), attempts, self._clock() + wait)
        what = f"load {exact_name(entry)}" if entry.version else f"undeploy {entry.name}"
        log.error("cannot %s (%s), next try in %.0f s: %s", what, entry.alias, wait, error)

    def _clear_trouble(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._troubles.pop(key, None)

    def _hold(self, model: str) -> _Entry | None:
        with self._lock:
            found = resolve(model, [entry.live.deployment for entry in self._table.values()])
            if found is None:
                return None
            entry = self._table[found.name, found.alias]
            self._pool.hold(entry.shared)
            return entry
