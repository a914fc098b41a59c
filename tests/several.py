"""What several processes do in tests/training/test_parallel.py: here, because new interpreters import it by name."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.distributed as dist
from architectures import SIZES, model_of

from runner.models.chat import MASKED, EncodedRow
from runner.spec.models import Training
from runner.training.local.batches import PassLimit
from runner.training.local.checkpoints import Checkpoints
from runner.training.local.sft import Data, fit
from runner.training.local.sharding import shard_layers

PROMPT = list(range(30, 50))
# Every batch of five has rows that begin alike and others; the last one has a single row.
IDS = [PROMPT * (n % 2) + list(range(n + 1, 12 + 3 * n)) for n in range(16)]
ROWS = [EncodedRow(str(n), ids, [MASKED] * 5 + ids[5:]) for n, ids in enumerate(IDS)]
DATA = Data(ROWS[:11], ROWS[11:])
TRAINING = Training(num_epochs=2, batch_size=5, learning_rate=1e-2, max_grad_norm=0.5, weight_decay=0.1)
LIMIT = PassLimit(60)


class Killed(BaseException):
    """What no code of ours catches."""


def learned(method, group=None, folder=None, end=None):
    """Train a tiny Llama; return losses, norms and weights as plain numbers. `end`: the step at which it is killed."""

    def report(progress):
        if progress.done == end and "tokens/s" in progress.note:
            raise Killed

    model = model_of("Llama", SIZES)
    if method == "full":
        model = model.unload().requires_grad_(requires_grad=True)
    if group and group.sharded:
        shard_layers(model, group)
    try:
        found = fit(model, DATA, TRAINING, LIMIT, Checkpoints(folder, 0), report, group)
    except Killed:
        return None
    keys = ("loss", "grad_norm", "validation_loss")
    lines = [[line[key] for key in keys if line.get(key) is not None] for line in found.stream.lines]
    return lines, {name: weight.numpy() for name, weight in found.weights.items()}, found.resumed_from


WAYS = [(method, sharded) for method in ("lora", "full") for sharded in (False, True)]


def every_way(folder, group, report):
    """Train, killed after three of six steps and resumed."""
    torch.set_num_threads(1)
    results = []
    for method, sharded in WAYS:
        several = replace(group, sharded=sharded)
        state = folder / f"{method}-{sharded}"
        state.mkdir(exist_ok=True)
        assert learned(method, several, state, end=4) is None
        dist.barrier()
        results.append(learned(method, several, state))
    return results
