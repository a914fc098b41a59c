"""What to do when memory runs out in training: smaller passes first, then recomputing activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from runner.errors import GituneError
from runner.models.chat import EncodedRow
from runner.training.local.batches import PassLimit

_WAYS = "take method: qlora or a smaller base model, or a machine with more memory"


class Memory:
    """How much a pass may hold, learned from what did not fit."""

    def __init__(self, network: Any, limit: PassLimit) -> None:
        self.network = network
        self.limit = limit
        self._held: Sequence[EncodedRow] = ()
        self._recomputing = False

    def holding(self, rows: Sequence[EncodedRow]) -> None:
        """Remember what the pass that begins now holds."""
        self._held = rows

    def shrink(self, error: Exception) -> str:
        """Make the next try need less, and return what was done in words.

        Raises:
            GituneError: when nothing smaller is left to try. Not terminal: another machine may have the memory.
        """
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()
        held = len(self._held)
        if held > 1:
            self.limit = self.limit.halved(held)
            return f"out of memory with {held} rows in a pass; going on with {self.limit.rows}, same effective batch"
        if not self._recomputing and self.network.supports_gradient_checkpointing:
            self.network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            self._recomputing = True
            return "out of memory with one row in a pass; recomputing activations from here on, which is slower"
        (row,) = self._held
        raise GituneError(
            f"out of memory with a single row of {len(row.input_ids)} tokens ({row.id})",
            hint=f"shorten the rows, {_WAYS}",
        ) from error

    @contextmanager
    def of_optimizer(self) -> Iterator[None]:
        """Explain memory that runs out while the optimizer works: its state does not shrink with the passes."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise GituneError("out of memory for the optimizer's state", hint=_WAYS) from error


def out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out, on a GPU or, where the system tells at all, on a CPU."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
