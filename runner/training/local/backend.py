"""`backend: local`: LoRA on this machine's GPU or CPU, from canonical rows to the files of an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from runner.data.rows import rows_from_jsonl
from runner.errors import TerminalError
from runner.models.chat import EncodedRow, encode_rows
from runner.models.checkpoint import load_causal_lm, load_tokenizer
from runner.models.cores import available_cores
from runner.models.lora_gguf import write_lora_gguf
from runner.progress import Progress, Report
from runner.spec.models import Training
from runner.training.backend import TrainJob, TrainResult
from runner.training.local.adapter import add_adapter, save_adapter
from runner.training.local.precision import has_fast_bf16
from runner.training.local.sft import Fit, fit


class LocalBackend:
    """Trains in this process."""

    def train(self, job: TrainJob, report: Report) -> TrainResult:
        """Train and return the adapter of the best epoch; see `Backend.train`."""
        training = job.training
        _refuse_unsupported(training)
        report(Progress("training: reading rows and base model"))
        tokenizer = load_tokenizer(job.base.checkpoint, job.base.ref.chat_template)
        train, validation = (_tokenized(path, tokenizer, training) for path in (job.train, job.validation))
        with _reproducible(training.seed):
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            model = add_adapter(load_causal_lm(job.base.checkpoint, torch.float32), training).to(device)
            result = fit(model, train, validation, training, report)
        save_adapter(model, result.weights, job.base.ref.uri, job.out)
        if job.export_gguf:
            report(Progress("training: writing the adapter as GGUF"))
            write_lora_gguf(job.out, job.base.checkpoint, job.out / "adapter.gguf")
        return TrainResult(job.out, result.curve.points, _metrics(result, device))


def _tokenized(path: Path, tokenizer: Any, training: Training) -> list[EncodedRow]:
    return encode_rows(tokenizer, rows_from_jsonl(path.read_bytes()), training)


def _refuse_unsupported(training: Training) -> None:
    if training.objective != "sft":
        raise TerminalError("training.objective dpo is not available yet", hint="use objective: sft")
    if training.method != "lora":
        raise TerminalError(f"training.method {training.method} is not available yet", hint="use method: lora")


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
