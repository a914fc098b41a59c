"""What the processes of one training share: each holds a share of every effective batch, one device, and this `Group`.

The loss is divided by the labels of the whole effective batch before anyone's backward pass, so the gradient of the
batch is the plain sum of the shares' gradients. A process alone is a group of one, and then every method here gives
back what it was given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor

from runner.models.chat import EncodedRow

BUCKET = 25_000_000
"""Numbers that are added up in one message; larger ones gain no speed and cost a copy of their size."""


@dataclass(frozen=True, slots=True)
class Group:
    """One process's view of all that train together."""

    device: torch.device
    """What this process computes on."""
    rank: int = 0
    """Its number."""
    size: int = 1
    """How many there are."""
    sharded: bool = False
    """Whether the layers' weights are split among them (FSDP), so that every forward pass is one of all processes."""

    @property
    def leads(self) -> bool:
        """Whether this is the one that reports, writes checkpoints and the result."""
        return self.rank == 0

    def share(self, rows: Sequence[EncodedRow]) -> Sequence[EncodedRow]:
        """Return this process's rows of a batch: about as many tokens as any other's, and such as begin alike."""
        if self.size == 1:
            return rows
        ordered = sorted(rows, key=lambda row: (row.input_ids, row.id))
        lengths = [len(row.input_ids) for row in ordered]
        # A row belongs where its middle token falls when the batch is cut into equal parts.
        middles = [2 * end - length for end, length in zip(accumulate(lengths), lengths, strict=True)]
        whole = 2 * sum(lengths)
        return [row for row, middle in zip(ordered, middles, strict=True) if middle * self.size // whole == self.rank]

    def level(self, passes: Iterable[list[EncodedRow]], rows: Sequence[EncodedRow]) -> Iterator[list[EncodedRow]]:
        """Yield `passes` and, where weights are split, idle ones until every process has had as many.

        An idle pass is one of `rows` with no weight: its loss and gradient are zero.
        """
        if not self.sharded:
            yield from passes
            return
        own = list(passes)
        most = int(self._shared(len(own), dist.ReduceOp.MAX))  # now: passes wait for each other
        yield from own
        for _ in range(most - len(own)):
            yield [replace(rows[0], weights=[0.0] * len(rows[0].input_ids))]

    def sum(self, value: float) -> float:
        """Return the sum of everyone's value."""
        return self._shared(value, dist.ReduceOp.SUM)

    def least(self, value: int) -> int:
        """Return the smallest of everyone's values."""
        return int(self._shared(value, dist.ReduceOp.MIN))

    def leaders(self, decision: bool) -> bool:  # noqa: FBT001
        """Return what the leader decided."""
        return bool(self.sum(self.leads and decision)) if self.size > 1 else decision

    def vary(self, seed: int, step: int) -> None:
        """Give every process its own chance (dropout) in a step, the same one after a resume."""
        if self.size > 1:
            torch.manual_seed((seed * 1_000_003 + step) * self.size + self.rank)

    def add_up(self, parameters: Iterable[torch.Tensor]) -> None:
        """Sum everyone's gradients; those of split weights were summed in the backward pass."""
        if self.size == 1:
            return
        whole = [p for p in parameters if not isinstance(p, DTensor)]
        # What nobody has a gradient for (an expert that no token went to) stays without, as in a process alone.
        has = torch.tensor([p.grad is not None for p in whole], dtype=torch.float32, device=self.device)
        dist.all_reduce(has)
        learned = [p for p, somebody in zip(whole, has.tolist(), strict=True) if somebody]
        for bucket in _buckets(learned):
            together = torch.cat([_gradient(p).flatten() for p in bucket])
            dist.all_reduce(together)
            for p, part in zip(bucket, torch.split(together, [p.numel() for p in bucket]), strict=True):
                p.grad = part.view_as(p).clone()

    def clip(self, parameters: Iterable[torch.Tensor], limit: float) -> float:
        """Scale gradients down to a norm of `limit`; return the norm they had, over all weights of all processes."""
        learned = list(parameters)
        if not self.sharded:
            return float(torch.nn.utils.clip_grad_norm_(learned, limit))
        parts = [p.grad.to_local() for p in learned if isinstance(p.grad, DTensor)]
        wholes = [p.grad for p in learned if p.grad is not None and not isinstance(p.grad, DTensor)]
        norm = math.sqrt(self.sum(_square(parts)) + _square(wholes))
        for gradient in parts + wholes:
            gradient.mul_(min(1.0, limit / (norm + 1e-6)))
        return norm

    def _shared(self, value: float, how: Any) -> float:
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(shared, how)
        return float(shared)


def alike(parameters: Iterable[torch.Tensor]) -> list[dict[str, Any]]:
    """Return parameters as an optimizer's groups: one kernel updates many, but not whole and split ones together."""
    wholes, parts = list[torch.Tensor](), list[torch.Tensor]()
    for parameter in parameters:
        (parts if isinstance(parameter, DTensor) else wholes).append(parameter)
    return [{"params": some} for some in (wholes, parts) if some]


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor whole; where it is split, every process must ask for it at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def laid_out(whole: torch.Tensor, as_in: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor where `as_in` lies: on its device, and split as it is."""
    moved = whole.to(as_in.device)
    if not isinstance(as_in, DTensor):
        return moved
    # Every process has read the whole one, so nothing has to be sent.
    return distribute_tensor(moved, as_in.device_mesh, as_in.placements, src_data_rank=None)


def _gradient(parameter: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _buckets(parameters: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield parameters of one number format, some at a time."""
    held: list[torch.Tensor] = []
    for parameter in sorted(parameters, key=lambda p: str(p.dtype)):
        full = sum(p.numel() for p in held) + parameter.numel() > BUCKET
        if held and (full or held[0].dtype != parameter.dtype):
            yield held
            held = []
        held.append(parameter)
    if held:
        yield held


def _square(tensors: Iterable[torch.Tensor]) -> float:
    return float(sum(torch.linalg.vector_norm(tensor, dtype=torch.float64).square() for tensor in tensors))
