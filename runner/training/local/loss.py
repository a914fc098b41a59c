"""Cross entropy of the answers, with the vocabulary's logits computed only where something is learned.

A chat row is mostly prompt, and the output layer of a small model is a third of its work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from runner.training.local.forward import Predicted

TARGETS_AT_ONCE = 2048
"""Predicted tokens whose logits are held together; with more of them they are computed piece by piece, and again in the
backward pass: 2048 times a vocabulary of 128,000 is a gigabyte in fp32."""


def loss_sum(network: Any, predicted: Predicted, *, plain_head: bool) -> torch.Tensor:
    """Return the summed cross entropy of a pass, in nats.

    Args:
        network: The causal LM that predicted.
        predicted: Hidden states, or logits of a model without a plain output layer.
        plain_head: Which of the two.
    """
    if not plain_head:
        return _cross_entropy(predicted.states, predicted.targets, predicted.weights)
    head = network.get_output_embeddings()

    def piece(states: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return _cross_entropy(head(states), targets, weights)

    parts = list(zip(*(torch.split(part, TARGETS_AT_ONCE) for part in predicted[:3]), strict=True))
    if len(parts) == 1:
        return piece(*parts[0])
    return torch.stack([checkpoint(piece, *part, use_reentrant=False) for part in parts]).sum()


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none") * weights).sum()
