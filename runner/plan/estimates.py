"""What a step is expected to take: seconds from earlier records of its kind, memory from the model's dimensions.

Nothing is guessed: without a record of the same step over the same base model there is no time, and without the base
model's dimensions no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

from runner.models.memory import Memory
from runner.plan.cost import HOUR, Estimate, MemoryNeed
from runner.plan.decision import PREDICT_STEPS
from runner.plan.walk import Walk
from runner.registry.facts import Record, Step
from runner.spec.config import Price

if TYPE_CHECKING:
    from runner.training.sizing import Rows

RECENT = 20
"""Records that an estimate is made from, at most; older ones were other machines and other times."""

BYTES_OF_TOKEN = 3
"""A token of English has four or five bytes, one of Chinese three; a row's own JSON weighs more than a template."""


def estimate_step(step: Step, walk: Walk, memory: Memory | None, price: Price | None = None) -> Estimate:
    """Estimate a step that will run, or may have to.

    Args:
        step: which step.
        walk: what is decided for its spec.
        memory: what training may use here; None to leave memory out.
        price: of the spec's compute profile, where it is known.
    """
    if step == "train":
        need = memory_need(walk, memory) if memory and walk.subject.spec.backend == "local" else None
        return _between(_train_seconds(walk), need, price)
    if step in PREDICT_STEPS:
        return _between(_predict_seconds(step, walk), None, price)
    own = walk.history.own(step, walk.subject.spec.name)
    return _between([record.seconds for record in islice(own, RECENT)], None, price)


def memory_need(walk: Walk, memory: Memory) -> MemoryNeed | None:
    """Estimate a training's memory; None when nothing here tells the base model's dimensions."""
    # Only a plan with something to train needs these.
    from runner.models.shape import find_shape
    from runner.training.sizing import PRECISIONS, estimate_run, remedy

    subject = walk.subject
    if (shape := find_shape(subject.base, subject.loaded.root)) is None:
        return None
    training, rows = subject.spec.training, _rows(walk)
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


def _rows(walk: Walk) -> Rows:
    """Return the longest row as far as it is known: by its bytes, where the spec's rows were prepared."""
    from runner.training.sizing import Rows

    longest = walk.subject.spec.training.max_length
    prepared = _prepared(walk)
    size = prepared.metrics.get("longest_row") if prepared else None
    return Rows(longest if size is None else min(longest, size // BYTES_OF_TOKEN))


def _train_seconds(walk: Walk) -> list[float]:
    spec, base = walk.subject.spec, walk.subject.base.digest
    prepared = _prepared(walk)
    if prepared is None:
        return []

    def same(record: Record) -> bool:
        inputs = record.inputs
        return bool(inputs["base_model"] == base and inputs["training"]["method"] == spec.training.method)

    found = []
    for record in _like("train", walk, same):
        maker = walk.history.maker("prepare", "train", record.inputs["train"])
        rows, epochs = maker.metrics["rows"]["train"] if maker else None, record.inputs["training"]["num_epochs"]
        if not rows:
            continue
        learning, elapsed = _learning_seconds(record), record.seconds
        done = rows * record.metrics.get("epochs", epochs)
        work = prepared.metrics["rows"]["train"] * spec.training.num_epochs / done
        found.append(max(0.0, elapsed - learning) + learning * work)
    return found


def _learning_seconds(record: Record) -> float:
    """Return the part of a training's time that grows with its tokens; loading the model does not."""
    tokens, speed = record.metrics.get("tokens"), record.metrics.get("tokens_per_second")
    if not tokens or not speed:
        return record.seconds
    # What an earlier process did before it was killed is not in the elapsed time.
    resumed = "resumed_from_step" in record.metrics
    learning = float(tokens / speed)
    return learning if resumed else min(learning, record.seconds)


def _predict_seconds(step: Step, walk: Walk) -> list[float]:
    base, engine = walk.subject.base.digest, walk.subject.spec.engine
    if step == "predict_champion" and (champion := walk.champion) is not None:
        base, engine = champion.content.base_digest, champion.content.engine  # type: ignore[assignment]  # as released
    prepared = _prepared(walk)
    if prepared is None:
        return []

    def same(record: Record) -> bool:
        asked = record.inputs.get("base_model") == base and record.inputs.get("engine") == engine
        return bool(asked and record.metrics.get("answers"))

    prompts = prepared.metrics["rows"]["test"]
    return [record.seconds / record.metrics["answers"] * prompts for record in _like(step, walk, same)]


def _like(step: Step, walk: Walk, same: Callable[[Record], bool]) -> list[Record]:
    """Return recent records that `same` accepts; only those of the walk's own spec where there are any."""
    own = list(islice(filter(same, walk.history.own(step, walk.subject.spec.name)), RECENT))
    return own or list(islice(filter(same, walk.history.newest(step)), RECENT))


def _prepared(walk: Walk) -> Record | None:
    """Return what the spec's rows are, or were when they were last prepared."""
    return walk.records.get("prepare") or next(walk.history.own("prepare", walk.subject.spec.name), None)


def _between(seconds: Sequence[float], memory: MemoryNeed | None, price: Price | None) -> Estimate:
    if not seconds:
        return Estimate(memory=memory)
    import statistics

    middle, several = round(statistics.median(seconds), 1), len(seconds) > 1
    low, high = (round(min(seconds), 1), round(max(seconds), 1)) if several else (None, None)
    return Estimate(
        seconds=middle,
        low=low,
        high=high,
        memory=memory,
        usd=_usd(middle, price),
        usd_low=_usd(low, price),
        usd_high=_usd(high, price),
    )


def _usd(seconds: float | None, price: Price | None) -> float | None:
    if seconds is None or price is None:
        return None
    return round(seconds / HOUR * price.usd_per_hour, 4)
