"""A Llama's GGUF and LoRA GGUF in torch, many prompts at once: `BatchedLlama(gguf, adapter).write(prompts, …)`.

llama.cpp's products of 4-bit weights gain nothing from a batch; fp32 products of the same weights do. Its 8-bit
activations are not copied: what a rounding does to the next layer's rounding is chaos, so that no other program could
follow bit by bit. Instead every answer comes with its margin, from which `drafts` tells whom to believe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional

from runner.inference.llama_weights import WeightFiles, layer_of

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(layer, queries (T, heads, size), keys and values (T, key heads, size)) -> (T, heads * size)."""


class Written(NamedTuple):
    """What the model wrote after one prompt."""

    tokens: list[int]
    """With the token that ended it, if one did."""
    margin: float
    """Least distance between the logits of the token that was chosen and of the next best, over all tokens."""


class Beginning(NamedTuple):
    """Keys and values, (key heads, tokens, size) in each layer, of what prompts begin with."""

    length: int
    keys: list[torch.Tensor]
    values: list[torch.Tensor]


class BatchedLlama:
    """Weights in fp32, the adapter merged into them. Several threads may write at once."""

    def __init__(self, gguf: Path, adapter: Path | None) -> None:
        """Load the weights.

        Raises:
            UnknownShapeError: for a model with biases, scaled rotary embeddings or anything else beyond a plain Llama.
        """
        files = WeightFiles(gguf, adapter)
        self.size: int = files.need("embedding_length")
        self.heads: int = files.need("attention.head_count")
        self.key_heads: int = files.need("attention.head_count_kv")
        self.head_size: int = self.size // self.heads
        self._epsilon: float = files.need("attention.layer_norm_rms_epsilon")
        layers: int = files.need("block_count")
        self.layers = [layer_of(files, f"blk.{number}") for number in range(layers)]
        self._embeddings = files.matrix("token_embd")
        self._norm = files.matrix("output_norm")
        self._head = files.matrix("output") if files.has("output") else self._embeddings
        files.require_all_used()
        exponents = torch.arange(0, self.head_size, 2).float() / self.head_size
        self._frequencies = 1.0 / (files.need("rope.freq_base") ** exponents)

    def kept_bytes(self, tokens: int) -> int:
        """Return the memory that keys and values of so many tokens take."""
        return 2 * 4 * tokens * len(self.layers) * self.key_heads * self.head_size

    @torch.inference_mode()
    def read(self, tokens: Sequence[int]) -> Beginning:
        """Read what prompts begin with, once for all of them."""
        keys: list[torch.Tensor] = []
        values: list[torch.Tensor] = []
        count, groups = len(tokens), self.heads // self.key_heads

        def attend(_: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
            keys.append(key.transpose(0, 1).contiguous())
            values.append(value.transpose(0, 1).contiguous())
            wide_keys, wide_values = (states.repeat_interleave(groups, dim=0) for states in (keys[-1], values[-1]))
            seen = functional.scaled_dot_product_attention(
                query.transpose(0, 1), wide_keys, wide_values, is_causal=True
            )
            return seen.transpose(0, 1).reshape(count, self.size)

        self._forward(torch.tensor(tokens), torch.arange(count), attend)
        return Beginning(count, keys, values)

    @torch.inference_mode()
    def write(
        self, prompts: Sequence[Sequence[int]], beginning: Beginning | None, limit: int, ends: frozenset[int]
    ) -> list[Written]:
        """Write greedily after every prompt, all at once; what has ended takes no more work.

        Args:
            prompts: Token ids, without those of the beginning.
            beginning: What stands before all of them.
            limit: Tokens to write at most.
            ends: Tokens that end an answer.
        """
        batch = _Batch(self, prompts, beginning, limit)
        states = self._forward(batch.tokens, batch.positions, batch.attend_to_prompts)[batch.last]
        tokens: list[list[int]] = [[] for _ in prompts]
        margins = [math.inf] * len(prompts)
        alive = list(range(len(prompts)))
        for written in range(limit):
            best = self._logits(states).topk(2)
            chosen = best.indices[:, 0].tolist()
            for row, token, gap in zip(alive, chosen, (best.values[:, 0] - best.values[:, 1]).tolist(), strict=True):
                tokens[row].append(token)
                margins[row] = min(margins[row], gap)
            going = [place for place, token in enumerate(chosen) if token not in ends]
            if not going or written == limit - 1:
                break
            if len(going) < len(alive):
                batch.keep(going)
                alive, chosen = [alive[place] for place in going], [chosen[place] for place in going]
            positions = batch.step()
            states = self._forward(torch.tensor(chosen), positions, batch.attend_to_one)
        return [Written(*pair) for pair in zip(tokens, margins, strict=True)]

    def _forward(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        angles = torch.outer(positions.float(), self._frequencies).repeat(1, 2)[:, None]
        cosine, sine = angles.cos(), angles.sin()
        states = functional.embedding(tokens, self._embeddings)
        sizes = [count * self.head_size for count in (self.heads, self.key_heads, self.key_heads)]
        for number, layer in enumerate(self.layers):
            mixed = functional.linear(self._normed(states, layer.attention_norm), layer.qkv)
            parts = torch.split(mixed, sizes, dim=-1)
            query, key, value = (part.view(len(tokens), -1, self.head_size) for part in parts)
            seen = attend(number, _turned(query, cosine, sine), _turned(key, cosine, sine), value)
            states = states + functional.linear(seen, layer.output)
            gate, up = functional.linear(self._normed(states, layer.mlp_norm), layer.gate_up).chunk(2, dim=-1)
            states = states + functional.linear(functional.silu(gate) * up, layer.down)
        return states

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        return functional.linear(self._normed(states, self._norm), self._head)

    def _normed(self, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(states, (self.size,), weight, self._epsilon)


def _turned(states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    first, second = states.chunk(2, dim=-1)
    return states * cosine + torch.cat([-second, first], dim=-1) * sine


class _Batch:
    """Keys and values of prompts that are answered together, and attention over them and their shared beginning."""

    def __init__(
        self, model: BatchedLlama, prompts: Sequence[Sequence[int]], beginning: Beginning | None, limit: int
    ) -> None:
        self._beginning = beginning
        self._before = beginning.length if beginning else 0
        self._groups, self._key_heads, self._head_size = (
            model.heads // model.key_heads,
            model.key_heads,
            model.head_size,
        )
        self._lengths = torch.tensor([len(prompt) for prompt in prompts])
        self._longest = max(len(prompt) for prompt in prompts)
        self._rows = torch.arange(len(prompts)).repeat_interleave(self._lengths)
        self._places = torch.cat([torch.arange(len(prompt)) for prompt in prompts])
        self.tokens = torch.tensor([token for prompt in prompts for token in prompt])
        self.positions = self._before + self._places
        self.last = self._lengths.cumsum(0) - 1
        shape = (len(prompts), self._key_heads, self._longest + limit, self._head_size)
        self._keys = [torch.zeros(shape) for _ in model.layers]
        self._values = [torch.zeros(shape) for _ in model.layers]

    def attend_to_prompts(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Attend from all prompts' tokens, which come without padding."""
        self._keys[layer][self._rows, :, self._places] = key
        self._values[layer][self._rows, :, self._places] = value
        wide = query.new_zeros(len(self._lengths), self._longest, *query.shape[1:])
        wide[self._rows, self._places] = query
        places = torch.arange(self._longest)
        seen = self._attend(layer, wide, self._longest, places[:, None] >= places)
        return seen[self._rows, self._places]

    def keep(self, places: list[int]) -> None:
        """Go on with some of the answers."""
        self._lengths = self._lengths[places]
        self._keys = [keys[places] for keys in self._keys]
        self._values = [values[places] for values in self._values]

    def step(self) -> torch.Tensor:
        """Make room for one more token of each answer, and return its positions."""
        self._lengths = self._lengths + 1
        return self._before + self._lengths - 1

    def attend_to_one(self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Attend from one token of each answer."""
        rows, places = torch.arange(len(query)), self._lengths - 1
        self._keys[layer][rows, :, places] = key
        self._values[layer][rows, :, places] = value
        width = int(self._lengths.max())
        visible = torch.arange(width) < self._lengths[:, None, None, None, None]
        return self._attend(layer, query[:, None], width, visible)[:, 0]

    def _attend(self, layer: int, query: torch.Tensor, width: int, visible: torch.Tensor) -> torch.Tensor:
        """Attend from (B, S, heads, size) to the beginning, which all share, and to each answer's own tokens."""
        rows, count = query.shape[:2]
        scaled = query * self._head_size**-0.5
        grouped = scaled.view(rows, count, self._key_heads, self._groups, self._head_size).permute(2, 0, 3, 1, 4)
        own_keys, own_values = (kept[layer][:, :, :width].transpose(0, 1) for kept in (self._keys, self._values))
        apart = grouped.reshape(self._key_heads, rows, self._groups * count, self._head_size)
        own = (apart @ own_keys.transpose(-1, -2)).view(self._key_heads, rows, self._groups, count, width)
        # (1 or B, 1, S, W) stands at (key heads, B, groups, S, W).
        own = own.masked_fill(~visible.view(-1, 1, *visible.shape[-2:]), -torch.inf)
        if self._beginning is None:
            return self._laid_out(own.softmax(-1).view(*apart.shape[:3], width) @ own_values, count)
        together = apart.flatten(1, 2)
        shared = (together @ self._beginning.keys[layer].transpose(-1, -2)).view(*own.shape[:-1], self._before)
        weights = torch.cat([shared, own], dim=-1).softmax(-1)
        from_shared = weights[..., : self._before].reshape(self._key_heads, -1, self._before)
        seen = (from_shared @ self._beginning.values[layer]).view(apart.shape)
        return self._laid_out(seen + weights[..., self._before :].reshape(*apart.shape[:3], width) @ own_values, count)

    def _laid_out(self, seen: torch.Tensor, count: int) -> torch.Tensor:
        """Bring (key heads, B, groups * S, size) into (B, S, heads * size)."""
        parts = seen.view(self._key_heads, -1, self._groups, count, self._head_size).permute(1, 3, 0, 2, 4)
        return parts.reshape(*parts.shape[:2], -1)
