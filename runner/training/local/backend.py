"""`backend: local`: training on this machine's GPU or CPU, from canonical rows to an adapter or a whole checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from runner.data.rows import rows_from_jsonl
from runner.errors import GituneError, TerminalError
from runner.models.chat import EncodedRow, encode_rows
from runner.models.checkpoint import load_causal_lm, load_nf4, load_tokenizer, longest_context
from runner.models.cores import available_cores
from runner.models.hf_to_gguf import export_gguf
from runner.models.lora_gguf import write_lora_gguf
from runner.models.memory import Memory, memory_of, return_freed_memory
from runner.models.shape import checkpoint_shape
from runner.models.trained import CHECKPOINT_GGUF
from runner.progress import Progress, Report
from runner.spec.models import Training
from runner.training.backend import Tracking, TrainJob, TrainResult
from runner.training.curve import best_evaluation
from runner.training.local.adapter import add_adapter, save_adapter
from runner.training.local.batches import PassLimit, learned_share, longest_answer
from runner.training.local.checkpoints import Checkpoints, held
from runner.training.local.lora_linear import fuse_lora
from runner.training.local.pairs import EncodedPair, encode_pairs
from runner.training.local.parallel import Group
from runner.training.local.precision import has_fast_bf16
from runner.training.local.ranks import Layout, in_ranks
from runner.training.local.sft import Data, Fit, fit
from runner.training.local.tracking import tracked
from runner.training.local.whole import save_checkpoint
from runner.training.sizing import Precision, Rows, estimate_run, require_fits, tokens_per_pass

AS_LORA = "none: trained as lora, on dequantized weights"
"""What a qlora training without a CUDA GPU says of itself. 4-bit products on a CPU are several times slower."""


@dataclass(frozen=True, slots=True)
class LocalBackend:
    """Trains in this process, or in one for each GPU where there are several."""

    checkpoint_seconds: float = 30.0
    """Seconds between checkpoints, at least."""
    processes: int | None = None
    """How many processes share the work; None for one per GPU, and one on a CPU, whose cores share it already."""

    def train(self, job: TrainJob, report: Report) -> TrainResult:
        """Train and return the weights of the best epoch; see `Backend.train`."""
        _refuse_unsupported(job)
        with _state_folder(job.state, report) as folder:
            # Held here for all processes: of them only the one that leads writes.
            job, layout = replace(job, state=folder), _layout(job, self.processes, report)
            work = partial(_prefer if job.training.objective == "dpo" else _train, job, self.checkpoint_seconds)
            return work(layout.group(0), report) if layout.size == 1 else in_ranks(work, layout, report)


def _train(job: TrainJob, checkpoint_seconds: float, group: Group, report: Report) -> TrainResult:
    """Train as one process of a group; the one that leads writes the result and tells about it."""
    training = job.training
    report(Progress("training: reading rows and base model"))
    train, validation = _rows(job)
    limit = _require_memory(job, [*train, *validation], group)
    with _reproducible(training.seed, available_cores() // group.size):
        model = _load(job, group, report)
        checkpoints = Checkpoints(job.state, checkpoint_seconds)
        with tracked(job.tracking if group.leads else Tracking(), training, model, report) as follow:
            result = fit(model, Data(train, validation), training, limit, checkpoints, report, group, follow)
    if not group.leads:
        return TrainResult(job.out)
    _save(job, model, result, group, report)
    return TrainResult(job.out, result.stream.lines, _metrics(job, result, train, group))


def _prefer(job: TrainJob, checkpoint_seconds: float, group: Group, report: Report) -> TrainResult:
    """Train on preference data."""
    from runner.training.local.dpo import Pairs, Place, fit_preferences  # TRL is an extra of its own

    training = job.training
    report(Progress("training: reading rows and base model"))
    tokenizer = load_tokenizer(job.base.checkpoint, job.base.ref.chat_template)
    pairs = Pairs(*(_pairs(path, tokenizer, training) for path in (job.train, job.validation)))
    limit = _require_memory(job, [pair.together() for pair in (*pairs.train, *pairs.validation)], group)
    with _reproducible(training.seed, available_cores()):
        base = _load_base(job, group, report)
        with tracked(job.tracking, training, base, report) as follow:
            place = Place(job.state, checkpoint_seconds, follow)
            model, result = fit_preferences(base, tokenizer, pairs, training, limit, place, report)
    _save(job, model, result, group, report)
    learned = [pair.chosen for pair in pairs.train]
    return TrainResult(job.out, result.stream.lines, _metrics(job, result, learned, group))


def _layout(job: TrainJob, processes: int | None, report: Report) -> Layout:
    """Decide how many processes train, and whether each holds the whole model."""
    device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
    there = processes or (torch.cuda.device_count() if device == "cuda" else 1)
    asked, in_4_bits = job.training.parallelism, job.training.method == "qlora" and device == "cuda"
    one = "objective: dpo trains on one device" if job.training.objective == "dpo" else "there is one device here"
    if there == 1 or asked == "none" or job.training.objective == "dpo":
        if asked in {"ddp", "fsdp"}:
            report(Progress(f"training: {one}, so parallelism: {asked} changes nothing"))
        return Layout(device, 1, sharded=False)
    if asked == "fsdp" and in_4_bits:
        raise GituneError(
            "training.parallelism fsdp cannot split a base in 4 bits (method: qlora)",
            hint="use parallelism: ddp, or method: lora, whose base is split",
        )
    if asked == "fsdp" or (asked == "auto" and not in_4_bits and not _fits_one(job, device)):
        return Layout(device, there, sharded=True)
    return Layout(device, min(there, job.training.batch_size), sharded=False)


def _fits_one(job: TrainJob, device: Literal["cpu", "cuda"]) -> bool:
    shape, memory = checkpoint_shape(job.base.checkpoint), memory_of(device)
    known = _known([row for rows in _rows(job) for row in rows])
    return shape is None or estimate_run(shape, job.training, _precision(device), known, memory).total <= memory.bytes


def _load(job: TrainJob, group: Group, report: Report) -> Any:
    """Return the model on its device or devices, with the weights that are to be trained set free."""
    method, device = job.training.method, group.device
    model = _load_base(job, group, report)
    if method != "full":
        model = add_adapter(model, job.training)
    if method == "qlora" and device.type == "cuda":
        return model
    if group.sharded:
        from runner.training.local.sharding import shard_layers

        shard_layers(model, group)
        return model
    model = model.to(device)
    if method != "full" and not has_fast_bf16(device):
        fuse_lora(model)
    return model


def _load_base(job: TrainJob, group: Group, report: Report) -> Any:
    method, device = job.training.method, group.device
    if method == "qlora" and device.type == "cuda":
        return load_nf4(job.base.checkpoint, device)
    if method == "qlora":
        report(Progress("training: no CUDA GPU here, so qlora trains as lora does, on dequantized weights"))
    # A GPU holds a frozen base in half the memory; PEFT keeps the adapter in fp32, and the products are in bf16 anyway.
    frozen_on_gpu = device.type == "cuda" and method != "full" and has_fast_bf16(device)
    return load_causal_lm(job.base.checkpoint, torch.bfloat16 if frozen_on_gpu else torch.float32)


def _save(job: TrainJob, model: Any, result: Fit, group: Group, report: Report) -> None:
    base = job.base
    if job.training.method == "full":
        report(Progress("training: writing the model"))
        if group.sharded:
            model = load_causal_lm(base.checkpoint, torch.float32)
        save_checkpoint(model, result.weights, base.checkpoint, job.out)
        if job.export_gguf:
            export_gguf(job.out, job.out / CHECKPOINT_GGUF, report)
        return
    save_adapter(model, result.weights, base.ref, job.out)
    if job.export_gguf:
        report(Progress("training: writing the adapter as GGUF"))
        write_lora_gguf(job.out, base.checkpoint, job.out / "adapter.gguf")


def _rows(job: TrainJob) -> tuple[list[EncodedRow], list[EncodedRow]]:
    """Return the tokenized rows to learn, and those to validate with."""
    tokenizer = load_tokenizer(job.base.checkpoint, job.base.ref.chat_template)

    def tokenized(path: Path) -> list[EncodedRow]:
        return encode_rows(tokenizer, rows_from_jsonl(path.read_bytes()), job.training)

    return tokenized(job.train), tokenized(job.validation)


def _pairs(path: Path, tokenizer: Any, training: Training) -> list[EncodedPair]:
    return encode_pairs(tokenizer, rows_from_jsonl(path.read_bytes()), training)


def _known(rows: Sequence[EncodedRow]) -> Rows:
    return Rows(max(len(row.input_ids) for row in rows), learned_share(rows))


def _precision(device: Literal["cpu", "cuda"]) -> Precision:
    if not has_fast_bf16(torch.device(device)):
        return "fp32"
    return "bf16" if device == "cuda" else "autocast"


def _require_memory(job: TrainJob, rows: Sequence[EncodedRow], group: Group) -> PassLimit:
    """Refuse what cannot fit before the base model is loaded; return what a forward pass may hold."""
    device: Literal["cpu", "cuda"] = "cuda" if group.device.type == "cuda" else "cpu"
    known, precision = _known(rows), _precision(device)
    here = memory_of(device).bytes
    # Processes on a CPU share its memory, a GPU has its own.
    memory = Memory(device, here if device == "cuda" else here // group.size, group.size if group.sharded else 1)
    shape = checkpoint_shape(job.base.checkpoint)
    estimate = require_fits(shape, job.training, precision, known, memory)
    if estimate is not None and not estimate.fragmentation:
        return_freed_memory()
    if job.training.micro_batch_size == "auto":
        return PassLimit(tokens_per_pass(memory, shape, job.training, precision, known))
    return PassLimit(sys.maxsize, rows=job.training.micro_batch_size)


def _refuse_unsupported(job: TrainJob) -> None:
    asked, limit = job.training.max_length, longest_context(job.base.checkpoint)
    if limit is not None and asked > limit:
        raise TerminalError(
            f"training.max_length is {asked}, and {job.base.ref.uri} reads at most {limit} tokens",
            hint=f"write max_length: {limit}, or take a base model with a longer context",
        )


@contextmanager
def _reproducible(seed: int, cores: int) -> Iterator[None]:
    """Fix every source of chance, and use so many of this machine's cores, no more."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(max(1, cores))
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


@contextmanager
def _state_folder(folder: Path | None, report: Report) -> Iterator[Path | None]:
    """Hold the folder of checkpoints; yields None where another process trains the same at this moment."""
    if folder is None:
        yield None
        return
    with held(folder) as free:
        if not free:
            report(Progress("training: another process trains the same; this one keeps no checkpoints"))
        yield folder if free else None


def _metrics(job: TrainJob, result: Fit, train: Sequence[EncodedRow], group: Group) -> dict[str, float | int | str]:
    steps, evaluations = result.stream.steps, result.stream.evaluations
    best = best_evaluation(evaluations) or evaluations[-1]
    tokens, busy = sum(line["tokens"] for line in steps), sum(line["seconds"] for line in steps)
    metrics = {
        "best_epoch": best["epoch"],
        "epochs": evaluations[-1]["epoch"],
        "steps": evaluations[-1]["step"],
        "train_loss": best["train_loss"],
        "validation_loss": best["validation_loss"],
        "base_validation_loss": evaluations[0]["validation_loss"],
        "tokens": tokens,
        "tokens_per_second": round(tokens / max(busy, 1e-9), 1),
        "seconds": round(busy, 1),
        "longest_answer_tokens": longest_answer(train),
        "parameters": sum(weight.numel() for weight in result.weights.values()),
        "precision": "bf16" if has_fast_bf16(group.device) else "fp32",
        "batches": "shared prefixes" if result.shares_prefixes else "padded",
        "device": group.device.type,
    }
    if group.size > 1:
        metrics |= {"devices": group.size, "parallelism": "fsdp" if group.sharded else "ddp"}
    if job.training.method == "qlora":
        metrics["quantization"] = "nf4" if group.device.type == "cuda" else AS_LORA
    if job.training.objective == "dpo":
        metrics |= {name: value for name, value in best.items() if name.startswith("rewards/")}
    if result.resumed_from:
        metrics["resumed_from_step"] = result.resumed_from
    return {name: value for name, value in metrics.items() if value is not None}
