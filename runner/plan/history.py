"""Earlier records, as few of them read as a question needs: the newest of a spec, or the one that made something.

A plan asks only about steps that miss, so its cost grows with what changed and not with what the registry holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from runner.registry.chain import homes
from runner.registry.facts import Record, Step, Summary
from runner.registry.views import RegistryReader

NEAR = 50
"""Newest records of a spec that are looked at, and as many of all others where it has none."""


@dataclass(slots=True)
class History:
    """What the registry remembers of each step; every record is read once however many specs ask for it.

    Threads may share it: a table is put in its place once it is whole, and two that make the same one agree.
    """

    reader: RegistryReader
    _summaries: dict[Step, list[Summary]] = field(default_factory=dict)
    _by_spec: dict[Step, dict[str, list[Summary]]] = field(default_factory=dict)
    _makers: dict[Step, dict[tuple[str, str], str]] = field(default_factory=dict)
    _records: dict[tuple[Step, str], Record | None] = field(default_factory=dict)
    _noted: dict[tuple[Step, str, str], Record] = field(default_factory=dict)

    def own(self, step: Step, spec: str) -> Iterator[Record]:
        """Yield the newest records that a spec ran, newest first."""
        if step not in self._by_spec:
            grouped: dict[str, list[Summary]] = {}
            for summary in self._all(step):
                grouped.setdefault(summary.spec, []).append(summary)
            self._by_spec[step] = grouped
        yield from self._read(step, self._by_spec[step].get(spec, [])[:NEAR])

    def newest(self, step: Step) -> Iterator[Record]:
        """Yield the newest records of a step, whoever ran them, newest first."""
        yield from self._read(step, self._all(step)[:NEAR])

    def record(self, step: Step, key: str) -> Record | None:
        """Return the newest record of a key, though its artifacts may be gone; of answers, whoever asked for them."""
        if (step, key) not in self._records:
            found = (self.reader.latest(home, key) for home in homes(step))
            self._records[step, key] = next((record for record in found if record is not None), None)
        return self._records[step, key]

    def maker(self, step: Step, output: str, digest: str) -> Record | None:
        """Return the newest record whose output has a digest."""
        if (noted := self._noted.get((step, output, digest))) is not None:
            return noted
        if step not in self._makers:
            makers: dict[tuple[str, str], str] = {}
            for summary in self._all(step):
                for name, made in summary.outputs.items():
                    makers.setdefault((name, made), summary.key)
            self._makers[step] = makers
        key = self._makers[step].get((output, digest))
        return None if key is None else self.record(step, key)

    def note(self, record: Record) -> None:
        """Remember a record that was written since the registry was asked."""
        self._records[record.step, record.key] = record
        self._noted.update({(record.step, name, made.digest): record for name, made in record.outputs.items()})

    def seen(self) -> list[Record]:
        """Return the records that were read."""
        return [record for record in self._records.values() if record is not None]

    def _all(self, step: Step) -> list[Summary]:
        if step not in self._summaries:
            self._summaries[step] = self.reader.summaries(step)
        return self._summaries[step]

    def _read(self, step: Step, summaries: list[Summary]) -> Iterator[Record]:
        found = (self.record(step, summary.key) for summary in summaries)
        yield from (record for record in found if record is not None)
