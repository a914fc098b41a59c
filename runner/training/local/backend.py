"""`backend: local`: training on this machine's GPU or CPU, from canonical rows to an adapter or a whole checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from runner.data.rows import rows_from_jsonl
from runner.errors import TerminalError
from runner.models.chat import EncodedRow, encode_rows
from runner.models.checkpoint import load_causal_lm, load_nf4, load_tokenizer, longest_context
from runner.models.cores import available_cores
from runner.models.hf_to_gguf import export_gguf
from runner.models.lora_gguf import write_lora_gguf
from runner.models.memory import memory_of, return_freed_memory
from runner.models.shape import checkpoint_shape
from runner.models.trained import CHECKPOINT_GGUF
from runner.progress import Progress, Report
from runner.spec.models import Training
from runner.training.backend import TrainJob, TrainResult
from runner.training.curve import best_evaluation
from runner.training.local.adapter import add_adapter, save_adapter
from runner.training.local.batches import PassLimit, count_labels, longest_answer
from runner.training.local.checkpoints import Checkpoints, held
from runner.training.local.lora_linear import fuse_lora
from runner.training.local.pairs import EncodedPair, encode_pairs
from runner.training.local.precision import has_fast_bf16
from runner.training.local.sft import Data, Fit, fit
from runner.training.local.whole import save_checkpoint
from runner.training.sizing import Precision, Rows, require_fits, tokens_per_pass

AS_LORA = "none: trained as lora, on dequantized weights"
"""What a qlora training without a CUDA GPU says of itself. 4-bit products on a CPU are several times slower."""


@dataclass(frozen=True, slots=True)
class LocalBackend:
    """Trains in this process."""

    checkpoint_seconds: float = 30.0
    """Seconds between checkpoints, at least."""

    def train(self, job: TrainJob, report: Report) -> TrainResult:
        """Train and return the weights of the best epoch; see `Backend.train`."""
        training = job.training
        _refuse_unsupported(job)
        report(Progress("training: reading rows and base model"))
        tokenizer = load_tokenizer(job.base.checkpoint, job.base.ref.chat_template)
        if training.objective == "dpo":
            return self._prefer(job, tokenizer, report)
        train, validation = (_tokenized(path, tokenizer, training) for path in (job.train, job.validation))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        limit = _require_memory(job, [*train, *validation], device)
        with _reproducible(training.seed):
            model = _load(job, device, report)
            with _state_folder(job.state, report) as folder:
                checkpoints = Checkpoints(folder, self.checkpoint_seconds)
                result = fit(model, Data(train, validation), training, limit, checkpoints, report)
        _save(job, model, result, report)
        return TrainResult(job.out, result.stream.lines, _metrics(job, result, train, device))

    def _prefer(self, job: TrainJob, tokenizer: Any, report: Report) -> TrainResult:
        """Train on preference data."""
        from runner.training.local.dpo import Pairs, Place, fit_preferences  # TRL is an extra of its own

        training = job.training
        pairs = Pairs(*(_pairs(path, tokenizer, training) for path in (job.train, job.validation)))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        limit = _require_memory(job, [pair.together() for pair in (*pairs.train, *pairs.validation)], device)
        with _reproducible(training.seed):
            model = _load_base(job, device, report)
            with _state_folder(job.state, report) as folder:
                place = Place(folder, self.checkpoint_seconds)
                model, result = fit_preferences(model, tokenizer, pairs, training, limit, place, report)
        _save(job, model, result, report)
        metrics = _metrics(job, result, [pair.chosen for pair in pairs.train], device)
        return TrainResult(job.out, result.stream.lines, metrics)


def _load(job: TrainJob, device: torch.device, report: Report) -> Any:
    """Return the model on its device, with the weights that are to be trained set free."""
    method = job.training.method
    model = _load_base(job, device, report)
    if method == "full":
        return model.to(device)
    if method == "qlora" and device.type == "cuda":
        return add_adapter(model, job.training)
    model = add_adapter(model, job.training).to(device)
    if not has_fast_bf16(device):
        fuse_lora(model)
    return model


def _load_base(job: TrainJob, device: torch.device, report: Report) -> Any:
    if job.training.method == "qlora":
        if device.type == "cuda":
            return load_nf4(job.base.checkpoint, device)
        report(Progress("training: no CUDA GPU here, so qlora trains as lora does, on dequantized weights"))
    return load_causal_lm(job.base.checkpoint, torch.float32)


def _save(job: TrainJob, model: Any, result: Fit, report: Report) -> None:
    base = job.base
    if job.training.method == "full":
        report(Progress("training: writing the model"))
        save_checkpoint(model, result.weights, base.checkpoint, job.out)
        if job.export_gguf:
            export_gguf(job.out, job.out / CHECKPOINT_GGUF, report)
        return
    save_adapter(model, result.weights, base.ref, job.out)
    if job.export_gguf:
        report(Progress("training: writing the adapter as GGUF"))
        write_lora_gguf(job.out, base.checkpoint, job.out / "adapter.gguf")


def _tokenized(path: Path, tokenizer: Any, training: Training) -> list[EncodedRow]:
    return encode_rows(tokenizer, rows_from_jsonl(path.read_bytes()), training)


def _pairs(path: Path, tokenizer: Any, training: Training) -> list[EncodedPair]:
    return encode_pairs(tokenizer, rows_from_jsonl(path.read_bytes()), training)


def _require_memory(job: TrainJob, rows: Sequence[EncodedRow], device: torch.device) -> PassLimit:
    """Refuse what cannot fit before the base model is loaded; return what a forward pass may hold."""
    precision: Precision = "bf16" if device.type == "cuda" else "autocast" if has_fast_bf16(device) else "fp32"
    lengths = [len(row.input_ids) for row in rows]
    known, memory = Rows(max(lengths), count_labels(rows) / sum(lengths)), memory_of(device.type)
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
def _reproducible(seed: int) -> Iterator[None]:
    """Fix every source of chance, and use this machine's cores, no more."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(available_cores())
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


def _metrics(
    job: TrainJob, result: Fit, train: Sequence[EncodedRow], device: torch.device
) -> dict[str, float | int | str]:
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
        "precision": "bf16" if has_fast_bf16(device) else "fp32",
        "batches": "shared prefixes" if result.shares_prefixes else "padded",
        "device": device.type,
    }
    if job.training.method == "qlora":
        metrics["quantization"] = "nf4" if device.type == "cuda" else AS_LORA
    if job.training.objective == "dpo":
        metrics |= {name: value for name, value in best.items() if name.startswith("rewards/")}
    if result.resumed_from:
        metrics["resumed_from_step"] = result.resumed_from
    return {name: value for name, value in metrics.items() if value is not None}
