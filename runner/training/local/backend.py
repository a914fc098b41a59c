"""`backend: local`: training on this machine's GPU or CPU, from canonical rows to an adapter or a whole checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from runner.models.trained import CHECKPOINT_GGUF
from runner.progress import Progress, Report
from runner.spec.models import Training
from runner.training.backend import TrainJob, TrainResult
from runner.training.local.adapter import add_adapter, save_adapter
from runner.training.local.precision import has_fast_bf16
from runner.training.local.sft import Fit, fit
from runner.training.local.whole import save_checkpoint

AS_LORA = "none: trained as lora, on dequantized weights"
"""What a qlora training without a CUDA GPU says of itself. 4-bit products on a CPU are several times slower."""


class LocalBackend:
    """Trains in this process."""

    def train(self, job: TrainJob, report: Report) -> TrainResult:
        """Train and return the weights of the best epoch; see `Backend.train`."""
        training = job.training
        _refuse_unsupported(job)
        report(Progress("training: reading rows and base model"))
        tokenizer = load_tokenizer(job.base.checkpoint)
        train, validation = (_tokenized(path, tokenizer, training) for path in (job.train, job.validation))
        with _reproducible(training.seed):
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            model = _load(job, device, report)
            result = fit(model, train, validation, training, report)
        _save(job, model, result, report)
        metrics = _metrics(result, device)
        if training.method == "qlora":
            metrics["quantization"] = "nf4" if device.type == "cuda" else AS_LORA
        return TrainResult(job.out, result.curve.points, metrics)


def _load(job: TrainJob, device: torch.device, report: Report) -> Any:
    """Return the model on its device, with the weights that are to be trained set free."""
    method, checkpoint = job.training.method, job.base.checkpoint
    if method == "qlora" and device.type == "cuda":
        return add_adapter(load_nf4(checkpoint, device), job.training)
    if method == "qlora":
        report(Progress("training: no CUDA GPU here, so qlora trains as lora does, on dequantized weights"))
    model = load_causal_lm(checkpoint, torch.float32)
    return (model if method == "full" else add_adapter(model, job.training)).to(device)


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
    rows = [(row.id, row.messages) for row in rows_from_jsonl(path.read_bytes())]
    return encode_rows(tokenizer, rows, training.max_length)


def _refuse_unsupported(job: TrainJob) -> None:
    asked, limit = job.training.max_length, longest_context(job.base.checkpoint)
    if job.training.objective != "sft":
        raise TerminalError("training.objective dpo is not available yet", hint="use objective: sft")
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


def _metrics(result: Fit, device: torch.device) -> dict[str, float | int | str]:
    curve = result.curve
    ends = {point["epoch"]: point for point in curve.points if isinstance(point["epoch"], int)}
    best = ends[result.best_epoch]
    metrics = {
        "best_epoch": result.best_epoch,
        "epochs": max(ends),
        "steps": curve.points[-1]["step"],
        "train_loss": best["train_loss"],
        "validation_loss": best["validation_loss"],
        "base_validation_loss": ends[0]["validation_loss"],
        "tokens": curve.tokens,
        "tokens_per_second": round(curve.speed, 1),
        "seconds": round(curve.seconds, 1),
        "parameters": sum(weight.numel() for weight in result.weights.values()),
        "precision": "bf16" if has_fast_bf16(device) else "fp32",
        "device": device.type,
    }
    return {name: value for name, value in metrics.items() if value is not None}
