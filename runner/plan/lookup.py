"""The inputs of a step -> the record that it can reuse, or why it must run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runner.plan.changes import describe, explain_miss, found_in, nearest
from runner.plan.decision import Decision
from runner.plan.history import History
from runner.plan.keys import Inputs, step_key
from runner.plan.subject import Subject
from runner.registry.chain import homes, sealed_record
from runner.registry.facts import Record, Step, Version
from runner.registry.views import RegistryReader

YIELDED: Mapping[Step, str] = {"train": "adapter"}
"""What the keys of later steps are made of: a record without it is none, whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Finds what steps of one spec yielded before."""

    subject: Subject
    reader: RegistryReader
    history: History
    retry: bool
    """Whether a step that failed for good runs again."""

    def find(self, step: Step, inputs: Inputs, released: Version | None) -> Decision:
        """Reuse the record of these inputs, or run, saying what differs from the nearest one."""
        if (record := self.as_released(step, inputs, released)) is not None:
            return Decision(step, "REUSE", "up to date", record.key, inputs, record)
        key = step_key(inputs)
        if (record := self.known(step, key)) is not None:
            return Decision(step, "REUSE", "up to date", key, inputs, record)
        failure = self.reader.failure(step, key)
        if failure is not None and not self.retry:
            remedy = f"{failure.hint}; " if failure.hint else ""
            reason = f"failed before: {failure.message} ({remedy}--retry runs it again)"
            return Decision(step, "BLOCKED", reason, key, inputs, fault=True, code="failed_before")
        missed = self._miss(step, key, inputs)
        if failure is None:
            return missed
        return replace(missed, reason=f"tried again: {missed.reason}; it failed with {failure.message}", code="retried")

    def _miss(self, step: Step, key: str, inputs: Inputs) -> Decision:
        """Run a step, saying why it cannot be reused."""
        record = self.history.record(step, key) or nearest(step, inputs, self.subject, self.history)
        if record is None:
            return Decision(step, "RUN", "never run before", key, inputs, code="never_run")
        found = found_in(record, self.history)
        changes = tuple(explain_miss(inputs, record, self.subject, self.history))
        if changes:
            return Decision(step, "RUN", describe(changes, self.subject), key, inputs, changes=changes, nearest=found)
        lost = ", ".join(found.missing) or "an artifact"
        reason = f"lost from the registry: {lost} of the earlier run"
        return Decision(step, "RUN", reason, key, inputs, nearest=found, code="artifact_missing")

    def known(self, step: Step, key: str) -> Record | None:
        """Return the record of a key."""
        found = (record for home in homes(step) if (record := self.reader.record(home, key)) is not None)
        return next((record for record in found if YIELDED.get(step) in (None, *record.outputs)), None)

    def as_released(self, step: Step, inputs: Inputs, released: Version | None) -> Record | None:
        """Return what a released version was made of, though a newer tool would make it differently by now.

        Else every release of an older tool would seem to differ from its own spec, and no revert could reach it.
        """
        record = sealed_record(released, step, self.reader) if released else None
        same = record is not None and {**record.inputs, "implementation": 0} == {**inputs, "implementation": 0}
        return record if same else None
