"""What a step is expected to take: seconds from earlier records of its kind, memory from the model's dimensions.

Nothing is guessed: without a record of the same step over the same base model there is no time, and without the base
model's dimensions no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from runner.models.memory import Memory
from runner.plan.model import Estimate, MemoryNeed
from runner.plan.walk import PREDICT_STEPS, Walk
from runner.registry.facts import Record, RegistryReader, Step

if TYPE_CHECKING:
    from runner.training.sizing import Rows

RECENT = 20
"""Records that an estimate is made from, at most; older ones were other machines and other times."""

BYTES_OF_TOKEN = 3
"""A token of English has four or five bytes, one of Chinese three; a row's own JSON weighs more than a template."""


@dataclass(slots=True)
class History:
    """The registry's records, each step's read once however many specs ask for them."""

    reader: RegistryReader
    _records: dict[Step, list[Record]] = field(default_factory=dict)

    def records(self, step: Step) -> list[Record]:
        """Return the newest record of every key of a step, newest first."""
        if step not in self._records:
            self._records[step] = sorted(self.reader.records(step), key=lambda record: record.finished, reverse=True)
        return self._records[step]

    def like(self, step: Step, walk: Walk, same: Callable[[Record], bool]) -> list[Record]:
        """Return recent records that `same` accepts; only those of the walk's own spec where there are any."""
        found = [record for record in self.records(step) if same(record)]
        own = [record for record in found if record.spec == walk.subject.spec.name]
        return (own or found)[:RECENT]

    def prepared(self, walk: Walk) -> Record | None:
        """Return what the spec's rows are, or were when they were last prepared."""
        own = (record for record in self.records("prepare") if record.spec == walk.subject.spec.name)
        return walk.records.get("prepare") or next(own, None)

    def rows(self, train: str) -> int | None:
        """Return how many rows the training split with this digest has."""
        found = (record for record in self.records("prepare") if record.outputs["train"].digest == train)
        return next((record.metrics["rows"]["train"] for record in found), None)


def estimate_step(step: Step, walk: Walk, history: History, memory: Memory | None) -> Estimate:
    """Estimate a step that will run, or may have to.

    Args:
        step: which step.
        walk: what is decided for its spec.
        history: earlier records.
        memory: what training may use here; None to leave memory out.
    """
    if step == "train":
        need = memory_need(walk, history, memory) if memory and walk.subject.spec.backend == "local" else None
        return _between(_train_seconds(walk, history), need)
    if step in PREDICT_STEPS:
        return _between(_predict_seconds(step, walk, history))
    own = history.like(step, walk, lambda record: record.spec == walk.subject.spec.name)
    return _between([_elapsed(record) for record in own])


def memory_need(walk: Walk, history: History, memory: Memory) -> MemoryNeed | None:
    """Estimate a training's memory; None when nothing here tells the base model's dimensions."""
    # Only a plan with something to train needs these.
    from runner.models.shape import find_shape
    from runner.training.sizing import PRECISIONS, estimate_run, remedy

    subject = walk.subject
    if (shape := find_shape(subject.base, subject.loaded.root)) is None:
        return None
    training, rows = subject.spec.training, _rows(walk, history)
    # Which of the two number formats a CPU is faster with takes torch to tell; the larger need counts.
    found = {name: estimate_run(shape, training, name, rows, memory) for name in PRECISIONS[memory.device]}
    precision = max(found, key=lambda name: found[name].total)
    need = found[precision]
    return MemoryNeed(
        **asdict(need),
        total=need.total,
        available=memory.bytes,
        device=memory.device,
        remedy=remedy(shape, training, precision, rows, memory) if need.total > memory.bytes else None,
    )


def _rows(walk: Walk, history: History) -> Rows:
    """Return the longest row as far as it is known: by its bytes, where the spec's rows were prepared."""
    from runner.training.sizing import Rows

    longest = walk.subject.spec.training.max_length
    prepared = history.prepared(walk)
    size = prepared.metrics.get("longest_row") if prepared else None
    return Rows(longest if size is None else min(longest, size // BYTES_OF_TOKEN))


def _train_seconds(walk: Walk, history: History) -> list[float]:
    spec, base = walk.subject.spec, walk.subject.base.digest
    prepared = history.prepared(walk)
    if prepared is None:
        return []

    def same(record: Record) -> bool:
        inputs = record.inputs
        return bool(inputs["base_model"] == base and inputs["training"]["method"] == spec.training.method)

    found = []
    for record in history.like("train", walk, same):
        rows, epochs = history.rows(record.inputs["train"]), record.inputs["training"]["num_epochs"]
        if not rows:
            continue
        learning, elapsed = _learning_seconds(record), _elapsed(record)
        done = rows * record.metrics.get("epochs", epochs)
        work = prepared.metrics["rows"]["train"] * spec.training.num_epochs / done
        found.append(max(0.0, elapsed - learning) + learning * work)
    return found


def _learning_seconds(record: Record) -> float:
    """Return the part of a training's time that grows with its tokens; loading the model does not."""
    tokens, speed = record.metrics.get("tokens"), record.metrics.get("tokens_per_second")
    if not tokens or not speed:
        return _elapsed(record)
    # What an earlier process did before it was killed is not in the elapsed time.
    resumed = "resumed_from_step" in record.metrics
    learning = float(tokens / speed)
    return learning if resumed else min(learning, _elapsed(record))


def _predict_seconds(step: Step, walk: Walk, history: History) -> list[float]:
    base, engine = walk.subject.base.digest, walk.subject.spec.engine
    if step == "predict_champion" and (champion := walk.champion) is not None:
        base, engine = champion.content.base_digest, champion.content.engine  # type: ignore[assignment]  # as released
    prepared = history.prepared(walk)
    if prepared is None:
        return []

    def same(record: Record) -> bool:
        asked = record.inputs["base_model"] == base and record.inputs["engine"] == engine
        return bool(asked and record.metrics.get("answers"))

    prompts = prepared.metrics["rows"]["test"]
    return [_elapsed(record) / record.metrics["answers"] * prompts for record in history.like(step, walk, same)]


def _elapsed(record: Record) -> float:
    return (record.finished - record.started).total_seconds()


def _between(seconds: Sequence[float], memory: MemoryNeed | None = None) -> Estimate:
    if not seconds:
        return Estimate(memory=memory)
    import statistics

    several = len(seconds) > 1
    return Estimate(
        seconds=round(statistics.median(seconds), 1),
        low=round(min(seconds), 1) if several else None,
        high=round(max(seconds), 1) if several else None,
        memory=memory,
    )
