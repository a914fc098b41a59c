"""Cross entropy of the answers, with the vocabulary's logits computed only where something is learned.

A chat row is mostly prompt, and the output layer of a small model is a third of its work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft import PeftModel

from runner.models.chat import MASKED
from runner.training.local.batches import Batch
from runner.training.local.precision import autocast

LossSum = Callable[[Batch], torch.Tensor]


def loss_of(model: Any, probe: Batch) -> LossSum:
    """Return the function that sums the loss of a batch's answers under `model`.

    Args:
        model: The model, with its adapter if it has one.
        probe: Any small batch; the short way is taken only if it gives the model's own logits for it.
    """
    network = model.get_base_model() if isinstance(model, PeftModel) else model
    device = probe.input_ids.device
    with autocast(device):
        logits = _answer_logits if _has_plain_head(network, probe.input_ids) else _all_logits

    def loss(batch: Batch) -> torch.Tensor:
        targets = batch.labels[:, 1:]
        learned = targets != MASKED
        with autocast(device):
            scores = logits(network, batch.input_ids, learned)
        return torch.nn.functional.cross_entropy(scores.float(), targets[learned], reduction="sum")

    return loss


def _answer_logits(network: Any, input_ids: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
    hidden = network.model(input_ids=input_ids, use_cache=False).last_hidden_state
    logits: torch.Tensor = network.lm_head(hidden[:, :-1][learned])
    return logits


def _all_logits(network: Any, input_ids: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = network(input_ids=input_ids, use_cache=False).logits[:, :-1][learned]
    return logits


def _has_plain_head(network: Any, input_ids: torch.Tensor) -> bool:
    """Return whether logits are `lm_head(model(ids))` and nothing more: some families scale or cap them afterwards."""
    if not (hasattr(network, "model") and hasattr(network, "lm_head")):
        return False
    few = input_ids[:1, :8]
    everywhere = torch.ones_like(few[:, 1:], dtype=torch.bool)
    with torch.no_grad():
        return torch.allclose(
            _answer_logits(network, few, everywhere), _all_logits(network, few, everywhere), rtol=1e-3, atol=1e-3
        )
