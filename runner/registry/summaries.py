"""Records in brief: enough to choose among thousands of them without reading any.

A record never changes once it is written, so what was read of it stays true: it is kept in the local cache under its
path in the store, and a plan reads only the records that came since. A cache that is gone costs time, nothing else; one
that speaks of another store's records spoils an explanation or an estimate, never a decision.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from runner.digest import digest_bytes
from runner.registry.entries import decode, numbered
from runner.registry.facts import Record, Step, Summary
from runner.registry.records import RECORDS
from runner.registry.store import Store

FORMAT = 2

AT_ONCE = 32
"""Records read at the same time from a remote store: a fresh machine would wait for each in turn."""


class Summaries:
    """Summaries of all records of a step.

    Args:
        store: where the records are.
        cache: folder for what was read of them.
    """

    def __init__(self, store: Store, cache: Path) -> None:
        self._store = store
        self._folder = cache / "index" / f"records-{digest_bytes(str(store).encode())[:16]}"

    def all(self, step: Step) -> list[Summary]:
        """Return the summary of the newest readable record of every key of a step, the newest record first."""
        return self._of(numbered(self._store, f"{RECORDS}/{step}").values(), step)

    def of_namespaces(self, step: Step) -> list[Summary]:
        """Return the same of the records that the runs of pull requests wrote, whichever there are."""
        place = re.compile(rf"pr/\d+/{RECORDS}/{step}/[^/]+")
        logs = [entries for log, entries in numbered(self._store, "pr").items() if place.fullmatch(log)]
        return self._of(logs, f"pr-{step}")

    def _of(self, logs: Collection[dict[int, str]], known_as: str) -> list[Summary]:
        newest = [entries[max(entries)] for entries in logs]
        known = self._load(known_as)
        new = dict(self._read([path for path in newest if path not in known]))
        found = {path: known.get(path) or new.get(path) for path in newest}
        if new or len(known) != len(newest):
            self._save(known_as, {path: summary for path, summary in found.items() if summary is not None})
        damaged = [entries for entries in logs if found[entries[max(entries)]] is None]
        summaries = [*(summary for summary in found.values() if summary), *self._older(damaged)]
        return sorted(summaries, key=lambda summary: summary.finished, reverse=True)

    def _read(self, paths: list[str]) -> Iterator[tuple[str, Summary]]:
        if paths and self._store.local_path(paths[0]) is None:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(AT_ONCE) as pool:
                contents: Iterable[bytes | None] = list(pool.map(self._store.read, paths))
        else:
            contents = map(self._store.read, paths)
        for path, data in zip(paths, contents, strict=True):
            if (record := decode(Record, data)) is not None:
                yield path, _summary(record)

    def _older(self, logs: Iterable[dict[int, str]]) -> Iterator[Summary]:
        """Fall back where the newest record of a key is damaged; that is rare, and not kept."""
        for entries in logs:
            older = [entries[number] for number in sorted(entries, reverse=True)[1:]]
            if (found := next(self._read(older), None)) is not None:
                yield found[1]

    def _load(self, known_as: str) -> dict[str, Summary]:
        try:
            content = json.loads((self._folder / f"{known_as}.json").read_bytes())
            known = content["records"] if content["format"] == FORMAT else {}
            return {path: Summary(*values) for path, values in known.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def _save(self, known_as: str, found: dict[str, Summary]) -> None:
        file = self._folder / f"{known_as}.json"
        temporary = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
        # A cache that cannot be written, on a read-only disk or a full one, must not stop a plan.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"format": FORMAT, "records": found}))
            temporary.replace(file)


def _summary(record: Record) -> Summary:
    outputs = {name: artifact.digest for name, artifact in record.outputs.items()}
    return Summary(record.key, record.spec, record.finished.timestamp(), outputs, _scored(record))


def _scored(record: Record) -> dict[str, str]:
    """Return which candidate was scored on which test rows; a stranger's record may say anything."""
    answers = record.inputs.get("answers")
    found = {"test": record.inputs.get("test"), "tuned": answers.get("tuned") if isinstance(answers, dict) else None}
    whole = record.step == "score" and all(isinstance(value, str) for value in found.values())
    return {name: str(value) for name, value in found.items()} if whole else {}
