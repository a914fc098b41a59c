"""Split a model's layers among devices: FSDP2 (`fully_shard`), each device holding a part of every layer's weights.

Embeddings, norms outside the layers, the output layer and adapters stay whole everywhere: the loss reads the output
layer apart from the model, it often is the embeddings, and adapters are small.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from runner.training.local.parallel import Group


def shard_layers(model: Any, group: Group) -> None:
    """Split the frozen or, without an adapter, the trained weights of `model`'s decoder layers in place."""
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    mesh = init_device_mesh(group.device.type, (group.size,))
    layers = _layers(network.base_model)
    adapter = {p for p in model.parameters() if p.requires_grad} if model is not network else set()
    split = set(layers.parameters()) - adapter
    whole = set(model.parameters()) - split
    for tensor in [*whole, *network.buffers()]:
        tensor.data = tensor.data.to(group.device)
    for layer in layers:
        fully_shard(layer, mesh=mesh, ignored_params=whole)
    fully_shard(network.base_model, mesh=mesh, ignored_params=whole)
    for module in network.modules():
        if isinstance(module, FSDPModule):
            # Sums, not means: the loss is already divided by the labels of all.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(enable=True)


def _layers(base: torch.nn.Module) -> torch.nn.ModuleList:
    """Return the decoder layers: the list that holds the most weights, whatever a family calls it."""
    lists = [module for module in base.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=lambda some: sum(p.numel() for p in some.parameters()))
