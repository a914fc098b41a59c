"""Records and terminal failures of steps, by step and key: `records/<step>/<key>/<n>.json`.

The highest valid number counts. A record is valid while all its artifacts are there, so a lost artifact is healed by
running the step again, which writes the next number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.registry.entries import AnyFact, append, decode, encode, numbered
from runner.registry.facts import Artifact, Failure, Record, Step
from runner.registry.store import Store, check_name

RECORDS = "records"
FAILURES = "failures"


class Records:
    """Finds and appends what is known about steps.

    Args:
        store: Where the facts are.
        exists: Whether all bytes of an artifact are there.
    """

    def __init__(self, store: Store, exists: Callable[[Artifact], bool]) -> None:
        self._store = store
        self._exists = exists

    def valid(self, step: Step, key: str) -> Iterator[Record]:
        """Yield the records of a key that are readable and whose artifacts all exist, newest first."""
        log = f"{RECORDS}/{step}/{check_name(key)}"
        records = self._newest_first(Record, numbered(self._store, log).get(log, {}))
        return (record for record in records if self._is_valid(record, step, key))

    def latest(self, step: Step, key: str) -> Record | None:
        """Return the newest readable record of a key, though its artifacts may be gone."""
        log = f"{RECORDS}/{step}/{check_name(key)}"
        return next(self._newest_first(Record, numbered(self._store, log).get(log, {})), None)

    def newest(self, step: Step) -> Iterator[Record]:
        """Yield the newest readable record of every key of a step; its artifacts may be gone."""
        for entries in numbered(self._store, f"{RECORDS}/{step}").values():
            record = next(self._newest_first(Record, entries), None)
            if record is not None:
                yield record

    def failure(self, step: Step, key: str) -> Failure | None:
        """Return the newest readable failure of a key."""
        log = f"{FAILURES}/{step}/{check_name(key)}"
        return next(self._newest_first(Failure, numbered(self._store, log).get(log, {})), None)

    def add(self, record: Record) -> None:
        """Append a record under the next number of its key."""
        append(self._store, f"{RECORDS}/{record.step}/{check_name(record.key)}", record)

    def add_once(self, record: Record) -> Record:
        """Append a record unless its key has a valid one by now; return the one that counts.

        Of several that were made of one key at the same time one is kept: later steps are made of its artifacts.
        """
        log = f"{RECORDS}/{record.step}/{check_name(record.key)}"
        while True:
            entries = numbered(self._store, log).get(log, {})
            found = self._newest_first(Record, entries)
            if (known := next((r for r in found if self._is_valid(r, record.step, record.key)), None)) is not None:
                return known
            if self._store.create(f"{log}/{max(entries, default=0) + 1}.json", encode(record)):
                return record

    def add_failure(self, failure: Failure) -> None:
        """Append a failure under the next number of its key."""
        append(self._store, f"{FAILURES}/{failure.step}/{check_name(failure.key)}", failure)

    def _newest_first(self, kind: type[AnyFact], entries: dict[int, str]) -> Iterator[AnyFact]:
        for number in sorted(entries, reverse=True):
            fact = decode(kind, self._store.read(entries[number]))
            if fact is not None:
                yield fact

    def _is_valid(self, record: Record, step: Step, key: str) -> bool:
        named_right = record.step == step and record.key == key
        return named_right and all(self._exists(artifact) for artifact in record.outputs.values())
