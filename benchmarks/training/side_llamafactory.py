"""LLaMA-Factory's side: its SFT stage on the same tokens, in the same order.

`python side_llamafactory.py FOLDER OUT`
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path

from meter import Meter, read_job, read_tokens, trainer_callback


def main(folder: Path, out: Path) -> None:
    """Train, write the adapter to OUT/adapter and the cost to OUT/result.json."""
    _without_torchaudio()
    from datasets import Dataset, DatasetDict
    from llamafactory.train.tuner import run_exp

    job = read_job(folder)
    meter = Meter(job["steps"])
    columns = read_tokens(folder)
    columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
    DatasetDict({"train": Dataset.from_dict(columns)}).save_to_disk(str(out / "tokens"))
    settings = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": job["checkpoint"],
        "template": "smollm2",
        "dataset": "ignored",  # asked for, then not read: the tokens are there
        "tokenized_path": str(out / "tokens"),
        "disable_shuffling": True,
        "finetuning_type": "lora",
        "lora_rank": job["rank"],
        "lora_alpha": job["alpha"],
        "lora_target": "all",
        "per_device_train_batch_size": job["batch_size"],
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "linear",
        "cutoff_len": job["max_length"],
        "seed": job["seed"],
        "use_cpu": True,
        "logging_first_step": True,
        "report_to": "none",
        "disable_tqdm": True,
        "output_dir": str(out / "adapter"),
    }
    run_exp(settings, [trainer_callback(meter)])
    state = json.loads((out / "adapter" / "trainer_state.json").read_text(encoding="utf-8"))
    meter.write(out, state["log_history"][0]["loss"])


def _without_torchaudio() -> None:
    """Let an empty module stand in for torchaudio, which LLaMA-Factory imports always and uses for sound alone."""
    if importlib.util.find_spec("torchaudio") is None:
        module = types.ModuleType("torchaudio")
        module.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = module


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
