"""A config of Axolotl -> what a spec takes over of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.init.foreign import Carried, Ledger
from runner.spec.document import Document

_SAME = {
    "num_epochs": "training.num_epochs",
    "learning_rate": "training.learning_rate",
    "warmup_ratio": "training.warmup_ratio",
    "weight_decay": "training.weight_decay",
    "max_grad_norm": "training.max_grad_norm",
    "sequence_len": "training.max_length",
    "lr_scheduler": "training.lr_scheduler",
    "seed": "training.seed",
    "lora_r": "training.lora.r",
    "lora_alpha": "training.lora.alpha",
    "lora_dropout": "training.lora.dropout",
    "lora_target_modules": "training.lora.target_modules",
    "peft_use_rslora": "training.lora.rslora",
    "train_on_inputs": "training.train_on_prompt",
    "rl_beta": "training.dpo.beta",
    "dpo_beta": "training.dpo.beta",
    "early_stopping_patience": "training.early_stopping.patience",
}


def is_axolotl(document: Document) -> bool:
    """Return whether a document is a config of Axolotl."""
    return isinstance(document.data, dict) and isinstance(document.data.get("datasets"), list)


def take_over_axolotl(document: Document, folder: Path) -> Carried:
    """Take over a config.

    Args:
        document: the config.
        folder: what its paths are relative to.

    Raises:
        UsageError: when it names no data on this machine.
    """
    ledger = Ledger(document, "Axolotl")
    data = _data(ledger, folder)
    base = base_model_uri(ledger, ledger.take("base_model"), ledger.take("revision_of_model"))
    carry_method(ledger, "adapter", ledger.take("adapter"), dora=bool(ledger.take("peft_use_dora")))
    ledger.take("load_in_4bit")
    if ledger.take("load_in_8bit"):
        ledger.leave("load_in_8bit", "the base is held as it is, or by method: qlora in 4 bits")
    _carry_objective(ledger)
    carry_batch(ledger, ledger.take("micro_batch_size"), ledger.take("gradient_accumulation_steps"))
    _carry_validation(ledger)
    if ledger.take("lora_target_linear"):
        ledger.set("training.lora.target_modules", "all-linear", "lora_target_linear of Axolotl")
    ledger.carry(_SAME)
    ledger.leave_rest({})
    return Carried(data, "", base, ledger.settings, ledger.told)


def base_model_uri(ledger: Ledger, model: Any, revision: Any) -> str:
    """Return the URI of a model of the hub, or nothing where no commit pins it."""
    if not isinstance(model, str):
        return ""
    if (
        isinstance(revision, str)
        and re.fullmatch(r"[0-9a-f]{40}", revision)
        and re.fullmatch(r"[\w.-]+/[\w.-]+", model)
    ):
        ledger.told.append(f"carried: {model} at {revision[:8]} as base_model")
        return f"hf://{model}@{revision}"
    why = f"no commit says which weights those are: --base-model hf://{model}@COMMIT (the model's page: Files, History)"
    ledger.leave(f"base model {model}", why)
    return ""


def carry_method(ledger: Ledger, key: str, method: Any, *, dora: bool) -> None:
    """Carry which weights change; where nothing is said, all of them do."""
    chosen = "dora" if dora else method or "full"
    if chosen == "dora":
        ledger.leave(
            "DoRA", "llama.cpp cannot serve it: lora is proposed; with `engine: transformers` write method: dora"
        )
        chosen = "lora"
    if chosen in ("lora", "qlora", "full"):
        ledger.set("training.method", chosen, key)
    else:
        ledger.leave(f"method {chosen}", "lora is proposed")


def carry_batch(ledger: Ledger, micro: Any, accumulation: Any) -> None:
    """Carry the effective batch."""
    if micro is None and accumulation is None:
        return
    if isinstance(micro or 1, int) and isinstance(accumulation or 1, int):
        batch = (micro or 1) * (accumulation or 1)
        ledger.set("training.batch_size", batch, f"batch of {micro or 1} × {accumulation or 1} (one GPU)")
    else:
        ledger.leave("the batch size", f"{micro!r} × {accumulation!r} is no number")


def _data(ledger: Ledger, folder: Path) -> tuple[Path, ...]:
    files = []
    for number, entry in enumerate(ledger.take("datasets") or ()):
        place = ledger.where(f"datasets.{number}")
        named = entry.get("data_files") or entry.get("path") if isinstance(entry, dict) else None
        for name in [named] if isinstance(named, str) else named or ():
            path = folder / str(name)
            if not path.is_file():
                hint = "download it, and name the file: datasets: [{path: train.jsonl}]"
                raise UsageError(f"{place}: {name} is no file on this machine", hint=hint)
            files.append(path)
    if not files:
        raise UsageError(f"{ledger.where('datasets')}: names no data file", hint="datasets: [{path: train.jsonl}]")
    return tuple(files)


def _carry_objective(ledger: Ledger) -> None:
    rl = ledger.take("rl")
    if rl == "dpo":
        ledger.set("training.objective", "dpo", "rl of Axolotl")
    elif rl is not None:
        ledger.leave(f"rl: {rl}", "sft and dpo are there")


def _carry_validation(ledger: Ledger) -> None:
    size = ledger.take("val_set_size")
    if isinstance(size, float) and 0 < size < 0.5:  # noqa: PLR2004 - a share that leaves rows for the other parts
        ledger.set("dataset.split.validation", size, "val_set_size of Axolotl")
    elif size:
        ledger.leave(f"val_set_size: {size}", "dataset.split.validation is a share of the rows below a half")
