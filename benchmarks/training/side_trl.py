"""TRL's side: SFTTrainer on the same tokens, in the same order.

    python side_trl.py FOLDER OUT [--tuned]

As it comes, every setting that the comparison does not fix is SFTConfig's default (bf16, gradient checkpointing).
Tuned, it does not recompute activations and takes the number format that is fastest on this CPU.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from meter import Meter, read_job, read_tokens, trainer_callback


def main(folder: Path, out: Path, *, tuned: bool) -> None:
    """Train, write the adapter to OUT/adapter and the cost to OUT/result.json."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    job = read_job(folder)
    meter = Meter(job["steps"])
    config = SFTConfig(
        output_dir=str(out / "trainer"),
        use_cpu=True,
        per_device_train_batch_size=job["batch_size"],
        num_train_epochs=1,
        learning_rate=job["learning_rate"],
        lr_scheduler_type="linear",
        max_length=job["max_length"],
        seed=job["seed"],
        train_sampling_strategy="sequential",
        logging_first_step=True,
        report_to="none",
        disable_tqdm=True,
        **(_tuned(job) if tuned else {}),
    )
    lora = LoraConfig(
        r=job["rank"], lora_alpha=job["alpha"], lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    trainer = SFTTrainer(
        model=job["checkpoint"],
        args=config,
        train_dataset=Dataset.from_dict(read_tokens(folder)),
        peft_config=lora,
        callbacks=[trainer_callback(meter)],
    )
    trainer.train()
    trainer.save_model(str(out / "adapter"))
    meter.write(out, trainer.state.log_history[0]["loss"])


def _tuned(job: dict[str, Any]) -> dict[str, Any]:
    dtype = "bfloat16" if job["fast_bf16"] else "float32"
    return {"gradient_checkpointing": False, "bf16": job["fast_bf16"], "model_init_kwargs": {"dtype": dtype}}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), tuned="--tuned" in sys.argv)
