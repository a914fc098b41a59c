"""A config of LLaMA-Factory -> what a spec takes over of it. Its datasets are found in `dataset_info.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.init.axolotl import base_model_uri, carry_batch, carry_method
from runner.init.foreign import Carried, Ledger, read_settings
from runner.spec.document import Document

_SAME = {
    "num_train_epochs": "training.num_epochs",
    "learning_rate": "training.learning_rate",
    "warmup_ratio": "training.warmup_ratio",
    "weight_decay": "training.weight_decay",
    "max_grad_norm": "training.max_grad_norm",
    "cutoff_len": "training.max_length",
    "lr_scheduler_type": "training.lr_scheduler",
    "seed": "training.seed",
    "lora_rank": "training.lora.r",
    "lora_alpha": "training.lora.alpha",
    "lora_dropout": "training.lora.dropout",
    "use_rslora": "training.lora.rslora",
    "train_on_prompt": "training.train_on_prompt",
    "pref_beta": "training.dpo.beta",
}
_INFO = "dataset_info.json"
_REASONS = {
    "do_train": "apply trains where that is needed",
    "do_eval": "every version is measured",
    "do_predict": "every version answers the test rows",
    "overwrite_output_dir": "nothing that was stored is ever overwritten",
    "plot_loss": "every report has the loss curve",
    "logging_steps": "every step is logged",
    "save_steps": "checkpoints come by themselves",
}


def is_llama_factory(document: Document) -> bool:
    """Return whether a document is a config of LLaMA-Factory."""
    return isinstance(document.data, dict) and {"stage", "dataset"} <= set(document.data)


def take_over_llama_factory(document: Document, folder: Path) -> Carried:
    """Take over a config.

    Args:
        document: the config.
        folder: what its paths are relative to.

    Raises:
        UsageError: when it names no data on this machine, or asks for what nothing here does.
    """
    ledger = Ledger(document, "LLaMA-Factory")
    _carry_objective(ledger)
    data = tuple(_data(ledger, folder))
    base = base_model_uri(ledger, ledger.take("model_name_or_path"), ledger.take("model_revision"))
    method = ledger.take("finetuning_type") or "lora"
    quantized = ledger.take("quantization_bit")
    chosen = "qlora" if quantized and method == "lora" else method
    carry_method(ledger, "finetuning_type", chosen, dora=bool(ledger.take("use_dora")))
    carry_batch(ledger, ledger.take("per_device_train_batch_size"), ledger.take("gradient_accumulation_steps"))
    _carry_targets(ledger)
    size = ledger.take("val_size")
    if isinstance(size, float) and 0 < size < 0.5:  # noqa: PLR2004 - a share that leaves rows for the other parts
        ledger.set("dataset.split.validation", size, "val_size of LLaMA-Factory")
    elif size:
        ledger.leave(f"val_size: {size}", "dataset.split.validation is a share of the rows below a half")
    ledger.carry(_SAME)
    ledger.leave_rest(_REASONS)
    return Carried(data, "", base, ledger.settings, ledger.told)


def _carry_objective(ledger: Ledger) -> None:
    where, stage = ledger.where("stage"), ledger.take("stage")
    if stage not in ("sft", "dpo"):
        raise UsageError(f"{where}: stage {stage!r} has no counterpart", hint="sft and dpo have one")
    ledger.set("training.objective", stage, "stage of LLaMA-Factory")


def _data(ledger: Ledger, folder: Path) -> Iterator[Path]:
    where, names = ledger.where("dataset"), str(ledger.take("dataset"))
    place = folder / str(ledger.take("dataset_dir") or "data")
    known: dict[str, Any] = read_settings(place / _INFO).data
    for name in (name.strip() for name in names.split(",")):
        entry = known.get(name)
        file = entry.get("file_name") if isinstance(entry, dict) else None
        if not isinstance(file, str) or not (place / file).is_file():
            hint = f"add it to {place / _INFO} with its file_name, and download the file"
            raise UsageError(f"{where}: {name} is no dataset on this machine", hint=hint)
        yield place / file


def _carry_targets(ledger: Ledger) -> None:
    target = ledger.take("lora_target")
    if isinstance(target, str):
        names = [name.strip() for name in target.split(",")]
        value = "all-linear" if names == ["all"] else names
        ledger.set("training.lora.target_modules", value, "lora_target of LLaMA-Factory")
