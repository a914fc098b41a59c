"""(dimensions of a model, spec.training) -> the memory a training run needs, before anything is loaded.

    estimate = estimate_run(shape, training, precision, rows, memory)
    require_fits(shape, training, precision, rows, memory)         # the train step, once its rows are tokenized
    tokens_per_pass(memory, shape, training, precision, rows)      # how much `micro_batch_size: auto` puts into a pass

Activations are counted as in Korthikanti et al. 2022 (arXiv:2205.05198, section 4): every tensor that autograd keeps
until the backward pass, here those of a Llama block under peft without checkpointing, read off with
`torch.autograd.graph.saved_tensors_hooks`. Attention keeps queries, keys, values and its output but no scores, as the
fused kernels do; logits exist only where something is learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple

from runner.errors import GituneError
from runner.models.memory import Memory
from runner.models.shape import ModelShape
from runner.spec.models import Training

Precision = Literal["fp32", "autocast", "bf16"]
"""Weights and products in fp32; fp32 weights under bf16 autocast; a GPU's: frozen weights and products in bf16, what is
trained in fp32."""

PRECISIONS: Mapping[str, tuple[Precision, ...]] = {"cpu": ("fp32", "autocast"), "cuda": ("bf16",)}
"""What training on a device may use; which of the two a CPU is faster with, runner.training.local.precision tells."""

Method = Literal["lora", "qlora", "dora", "full"]

GB = 10**9

USUAL_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Tokens that a pass holds under `micro_batch_size: auto` where memory allows. A CPU loses a third of its speed from
1024 to 2048 (caches), a GPU needs many to be busy."""

RUNTIME = {"cpu": 480_000_000, "cuda": 900_000_000}
"""What the process takes before any weight. CPU: Python, torch, transformers and peft, measured on Linux x86-64. CUDA:
context and kernel workspaces, as NVIDIA's driver shows them for torch."""

FRAGMENTATION = 0.75
"""Share of the activations that glibc's heap adds in holes; measured on SmolLM2-135M with 1024 and 2048 tokens."""

NF4_BYTES = 0.5 + 0.127 / 8
"""Bytes of a 4-bit weight and its double-quantized scale of 0.127 bits (Dettmers et al. 2023, arXiv:2305.14314)."""


class Rows(NamedTuple):
    """What memory depends on in the rows."""

    longest: int
    """Tokens of the longest."""
    learned: float = 0.5
    """Share of all tokens that are learned; half as long as nobody has counted."""


class Range(NamedTuple):
    """GB of GPU memory, for short rows in small batches and for longer ones."""

    low: int
    high: int


SIZING: Mapping[Method, Mapping[int, Range]] = {
    "full": {7: Range(60, 120), 14: Range(120, 240), 30: Range(300, 600), 70: Range(600, 1200)},
    "dora": {7: Range(16, 24), 14: Range(32, 48), 30: Range(64, 96), 70: Range(160, 240)},
    "lora": {7: Range(16, 24), 14: Range(32, 48), 30: Range(64, 96), 70: Range(160, 240)},
    "qlora": {7: Range(6, 10), 14: Range(12, 20), 30: Range(24, 40), 70: Range(48, 80)},
}
"""Rule of thumb by billions of parameters: the hardware table in LLaMA-Factory's README. full: pure bf16 and mixed
precision; lora: 16 bit and half as much again (there is one figure); qlora: 4 and 8 bit. A base of 13B goes as 14B."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes at the peak of training, by what they are for."""

    weights: int
    """The base model; under autocast also the bf16 copies of its matrices."""
    adapter: int
    """The adapter, and the copy of its best epoch; with `full` the copy of the weights."""
    gradients: int
    """Of whatever learns."""
    optimizer: int
    """AdamW's two moments."""
    activations: int
    """What one forward pass keeps for its backward pass, the answers' logits included."""
    runtime: int
    """Interpreter and libraries, or the CUDA context."""
    fragmentation: int
    """On a CPU: freed blocks that the C library keeps; where memory is short it can be made to give them back."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(asdict(self).values())

    def __str__(self) -> str:
        parts = [f"{name} {gigabytes(size)}" for name, size in asdict(self).items() if size >= GB // 20]
        return f"{gigabytes(self.total)} GB ({', '.join(parts)})"


def estimate_memory(
    shape: ModelShape, training: Training, precision: Precision, tokens: int, learned: float
) -> MemoryEstimate:
    """Estimate the peak of a run whose forward passes hold `tokens` tokens, padding included.

    AdamW keeps two moments for each trained parameter beside its gradient (Loshchilov and Hutter, arXiv:1711.05101).

    Args:
        shape: the base model.
        training: hyperparameters.
        precision: number format; `bf16` is what a GPU trains in.
        tokens: tokens of the largest forward pass.
        learned: share of them that are learned.
    """
    full = training.method == "full"
    trained = shape.parameters if full else _adapter_parameters(shape, training)
    # What is trained is kept in fp32 everywhere.
    trained_wide = 4
    on_gpu = precision == "bf16"
    activations = int(tokens * _activations_of_token(shape, training, precision, learned))
    return MemoryEstimate(
        weights=_weights(shape, training, precision),
        # The best epoch is kept in main memory, which a GPU run has besides.
        adapter=trained_wide * trained * ((not full) + (not on_gpu)),
        gradients=trained_wide * trained,
        optimizer=2 * trained_wide * trained,
        activations=activations,
        runtime=RUNTIME["cuda" if on_gpu else "cpu"],
        fragmentation=0 if on_gpu else int(FRAGMENTATION * activations),
    )


def tokens_per_pass(
    memory: Memory, shape: ModelShape | None, training: Training, precision: Precision, rows: Rows
) -> int:
    """Return how many tokens (padding included) a forward pass should hold under `micro_batch_size: auto`.

    As many as the device is fast with, fewer where memory is short, at least the longest row.

    Args:
        memory: what the device has.
        shape: the base model; None when its dimensions are not known, then memory is not looked at.
        training: hyperparameters.
        precision: number format.
        rows: their lengths.
    """
    usual = USUAL_TOKENS[memory.device]
    if shape is not None:
        nothing = estimate_memory(shape, training, precision, 0, rows.learned)
        left = memory.bytes - _shard(nothing, shape, training, memory.shards).total
        usual = min(usual, int(left / _activations_of_token(shape, training, precision, rows.learned)))
    return max(rows.longest, usual)


def largest_pass(memory: Memory, shape: ModelShape, training: Training, precision: Precision, rows: Rows) -> int:
    """Return the tokens of the largest forward pass of a run."""
    if training.micro_batch_size == "auto":
        return tokens_per_pass(memory, shape, training, precision, rows)
    return min(training.micro_batch_size, training.batch_size) * rows.longest


def estimate_run(
    shape: ModelShape, training: Training, precision: Precision, rows: Rows, memory: Memory
) -> MemoryEstimate:
    """Estimate a run as it will go: where memory is short, freed blocks go back to the system at once."""
    tokens = largest_pass(memory, shape, training, precision, rows)
    estimate = estimate_memory(shape, training, precision, tokens, rows.learned)
    estimate = _shard(estimate, shape, training, memory.shards)
    return replace(estimate, fragmentation=0) if estimate.total > memory.bytes else estimate


def require_fits(
    shape: ModelShape | None, training: Training, precision: Precision, rows: Rows, memory: Memory
) -> MemoryEstimate | None:
    """Refuse a run that needs more memory than there is, before it spends minutes on finding out.

    Returns:
        What it needs; None when the base model's dimensions are not known.

    Raises:
        GituneError: with what it needs, what there is, and what would fit. Another machine may have more, so the
            refusal is not remembered.
    """
    if shape is None:
        return None
    estimate = estimate_run(shape, training, precision, rows, memory)
    if estimate.total > memory.bytes:
        place = "the GPU" if memory.device == "cuda" else "this machine"
        raise GituneError(
            f"training needs about {estimate}, and {place} has {gigabytes(memory.bytes)} GB",
            hint=remedy(shape, training, precision, rows, memory),
        )
    return estimate


def remedy(shape: ModelShape, training: Training, precision: Precision, rows: Rows, memory: Memory) -> str:
    """Say what would make a run fit: a smaller micro batch, a cheaper method, a smaller base, or more memory."""

    def needs(changed: Training, rows: Rows = rows) -> int:
        return estimate_run(shape, changed, precision, rows, memory).total

    ways = []
    single = training.model_copy(update={"micro_batch_size": 1})
    if training.micro_batch_size != "auto" and needs(single) <= memory.bytes:
        ways.append(f"training.micro_batch_size: auto (one row at a time takes {gigabytes(needs(single))} GB)")
    for method in _cheaper(training.method, memory):
        cheap = single.model_copy(update={"method": method})
        if needs(cheap) <= memory.bytes:
            ways.append(f"training.method: {method} ({gigabytes(needs(cheap))} GB)")
            break
    if not ways and needs(single, Rows(1)) <= memory.bytes:
        ways.append(f"shorter rows (the longest has up to {rows.longest} tokens)")
    ways.append(_smaller_base(shape, training.method, memory))
    return "; or ".join(ways)


def _cheaper(method: Method, memory: Memory) -> tuple[Method, ...]:
    # On a CPU a 4-bit base is unpacked to be trained on, so qlora saves nothing there.
    order: tuple[Method, ...] = ("lora", "qlora") if memory.device == "cuda" else ("lora",)
    return order[order.index(method) + 1 :] if method in order else order


def _smaller_base(shape: ModelShape, method: Method, memory: Memory) -> str:
    # The table is for 16-bit weights; a CPU trains over 32-bit ones.
    scale = 1 if memory.device == "cuda" else 2
    smaller = {size: gb for size, gb in SIZING[method].items() if size * 10**9 < 0.9 * shape.parameters}
    fitting = [size for size, gb in smaller.items() if gb.low * scale * GB <= memory.bytes]
    if not smaller:
        return "a smaller base_model, or more memory"
    size = max(fitting, default=min(smaller))
    words = f"{size}B takes {smaller[size].low * scale} to {smaller[size].high * scale} GB with {method}"
    return f"a smaller base_model ({words})" if fitting else f"a much smaller base_model ({words})"


def _weights(shape: ModelShape, training: Training, precision: Precision) -> int:
    matrices = _matrices(shape)
    head = shape.vocabulary * shape.hidden
    match precision:
        case "fp32":
            return 4 * shape.parameters
        case "autocast":
            # Backward needs the bf16 copy of each matrix that the forward pass made, so all live at once.
            return 4 * shape.parameters + 2 * (matrices + head)
        case "bf16" if training.method == "qlora":
            quantized = min(matrices, shape.parameters)
            return int(NF4_BYTES * quantized) + 2 * (shape.parameters - quantized)
        case "bf16" if training.method == "full":
            return 4 * shape.parameters + 2 * (matrices + head)
        case "bf16":
            return 2 * shape.parameters


def _shard(estimate: MemoryEstimate, shape: ModelShape, training: Training, devices: int) -> MemoryEstimate:
    """Return what each of some devices needs that split the layers' weights; all else stays whole everywhere."""
    if devices == 1:
        return estimate
    inside = min(1.0, _matrices(shape) / shape.parameters)
    kept = 1 - inside + inside / devices
    # Two layers at a time are put together: the one at work and the next.
    weights = int(estimate.weights * min(1.0, kept + 2 * inside / shape.layers))
    if training.method != "full":
        return replace(estimate, weights=weights)
    gradients, optimizer = int(estimate.gradients * kept), int(estimate.optimizer * kept)
    return replace(estimate, weights=weights, gradients=gradients, optimizer=optimizer)


def _matrices(shape: ModelShape) -> int:
    return shape.layers * sum(rows * columns for rows, columns in shape.linears.values())


def _adapter_parameters(shape: ModelShape, training: Training) -> int:
    wanted, linears = training.lora.target_modules, shape.linears
    # Names of another family's layers are taken for the widest.
    widest = (shape.hidden, shape.inner)
    chosen = linears.values() if isinstance(wanted, str) else [linears.get(name, widest) for name in wanted]
    magnitudes = sum(out for _, out in chosen) if training.method == "dora" else 0
    return shape.layers * (training.lora.r * sum(rows + columns for rows, columns in chosen) + magnitudes)


def _activations_of_token(shape: ModelShape, training: Training, precision: Precision, learned: float) -> float:
    """Return the bytes that one token of a forward pass costs, over all layers and the output layer.

    In a block: both norms' inputs and outputs (the inputs of the matrices; under mixed precision a copy for each of
    six), queries, keys, values, attention's output, the MLP's products, each adapter's inner vector. DoRA keeps the
    two summands of each matrix's output. At the output: logits, their softmax and two gradients of it.
    """
    narrow = 4 if precision == "fp32" else 2
    copies = 2 if precision == "fp32" else 6
    mlp = 4 if shape.gated else 2
    attention = 2 * (shape.queries + shape.keys)
    if precision == "bf16" and training.method != "full":
        # peft runs adapters in fp32, on fp32 copies of their inputs.
        block = narrow * (attention + (mlp - 1) * shape.inner) + 4 * (shape.inner + (copies + 2) * shape.hidden)
    else:
        block = narrow * (attention + mlp * shape.inner + copies * shape.hidden) + 4 * 2 * shape.hidden
    if training.method == "full":
        block += 4 * 2 * shape.hidden
    else:
        block += 4 * training.lora.r * len(shape.linears)
    if training.method == "dora":
        block += 2 * narrow * sum(out for _, out in shape.linears.values())
    logits = (3 * 4 + (0 if precision == "fp32" else 2)) * shape.vocabulary
    return shape.layers * block + learned * logits


def gigabytes(size: int) -> str:
    """Say a number of bytes in GB of 10^9."""
    return f"{size / GB:.1f}" if size < 100 * GB else f"{size / GB:.0f}"
