"""`pr/<number>/`: what the runs of a pull request write, apart from what main knows, in the same store.

`Overlay` is the store as such a run sees it: all of main's, and its own below the prefix. Whatever it creates goes
below the prefix, and what only main may say (versions, deployments, decisions) is refused. What main knows is never
overlaid, but for blobs: those are verified by their digest, so its own copy of one serves where main's is damaged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from runner.errors import RegistryError, UsageError
from runner.registry.decisions import DECISIONS
from runner.registry.deployments import DEPLOYMENTS
from runner.registry.facts import Step
from runner.registry.records import RECORDS
from runner.registry.store import Store
from runner.registry.versions import VERSIONS

MAIN_ONLY = (VERSIONS, DEPLOYMENTS, DECISIONS)
"""Folders that a namespace has no part in."""

BLOBS = "blobs"

ADOPTABLE: tuple[Step, ...] = ("train", "predict_base", "predict_tuned", "predict_champion")
"""Steps whose records main takes over: the dear ones. Data, scores and verdicts it always makes itself."""

_NAMESPACE = re.compile(r"pr/[1-9]\d{0,9}", re.ASCII)


def check_namespace(text: str) -> str:
    """Return `text` when it is the name of a namespace.

    Raises:
        UsageError: when it is not.
    """
    if _NAMESPACE.fullmatch(text) is None:
        raise UsageError(
            f"{text!r} is no namespace", hint="write pr/ and the number of the pull request, such as pr/12"
        )
    return text


def inside(url: str, namespace: str) -> str:
    """Return the URL or folder of a namespace's own part of a store."""
    return f"{url.rstrip('/')}/{check_namespace(namespace)}"


class Overlay:
    """A store under a namespace, as `Store` asks for it.

    Args:
        main: the whole store.
        own: its part below the namespace.
        namespace: such as `pr/12`.
        shown: which of the namespace's records are seen; default: all.
    """

    def __init__(self, main: Store, own: Store, namespace: str, shown: tuple[Step, ...] | None = None) -> None:
        self._main, self._own, self._namespace = main, own, namespace
        self._shown = None if shown is None else (BLOBS, *(f"{RECORDS}/{step}" for step in shown))

    def __str__(self) -> str:
        return f"{self._main} ({self._namespace})"

    def read(self, key: str) -> bytes | None:
        """Return all bytes of a small object, or None when there is none."""
        return next((data for store in self._order(key) if (data := store.read(key)) is not None), None)

    def stream(self, key: str) -> Iterator[bytes] | None:
        """Return the bytes of an object in pieces, or None when there is none."""
        return next((chunks for store in self._order(key) if (chunks := store.stream(key)) is not None), None)

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        return next((size for store in self._order(key) if (size := store.size(key)) is not None), None)

    def create(self, key: str, data: bytes) -> bool:
        """Create a small object below the prefix; return False, and change nothing, when the key is taken."""
        self._require_own(key)
        return self._main.size(key) is None and self._own.create(key, data)

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> None:
        """Write an object from pieces below the prefix."""
        self._require_own(key)
        self._own.put_stream(key, chunks)

    def delete(self, key: str) -> bool:
        """Remove an object below the prefix; return False when there is none."""
        self._require_own(key)
        return self._own.delete(key)

    def set_aside(self, key: str, to: str) -> None:
        """Move an object below the prefix to another key."""
        self._require_own(key)
        if self._own.size(key) is None and self._main.size(key) is not None:
            raise RegistryError(
                f"{key} is main's, and the namespace {self._namespace} changes nothing there",
                hint="Apply on the deploy branch: it sets damaged bytes aside, and the apply after it makes them anew.",
            )
        self._own.set_aside(key, to)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder, main's and its own, each once."""
        seen = set()
        for store in self._order(prefix):
            for key in store.list(prefix):
                if key not in seen and store in self._order(key):
                    seen.add(key)
                    yield key

    def local_path(self, key: str) -> Path | None:
        """Return the object's own file when the store is a folder here, else None."""
        order = self._order(key)
        holder = next((store for store in order if store.size(key) is not None), order[0])
        return holder.local_path(key)

    def _order(self, key: str) -> tuple[Store, ...]:
        """Return where a key is looked for, first to last."""
        head = key.partition("/")[0]
        hidden = self._shown is not None and not any(f"{key}/".startswith(f"{seen}/") for seen in self._shown)
        if head in MAIN_ONLY or hidden:
            return (self._main,)
        return (self._own, self._main) if head == BLOBS else (self._main, self._own)

    def _require_own(self, key: str) -> None:
        if self._shown is not None or key.partition("/")[0] in MAIN_ONLY:
            raise RegistryError(
                f"{key} is not written from the namespace {self._namespace}: only main releases, deploys and decides",
                hint="Run it on the deploy branch without --namespace; --adopt takes over what the namespace holds.",
            )
