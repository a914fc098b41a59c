"""Gitune's side: trains the job through the backend that a spec's `backend: local` opens.

`python side_gitune.py FOLDER OUT`
"""

from __future__ import annotations

import sys
from pathlib import Path

from meter import Meter, read_job
from rows import base_files

from runner.progress import Progress
from runner.spec.models import Lora, Training
from runner.training.backend import TrainJob, open_backend


def main(folder: Path, out: Path) -> None:
    """Train, write the adapter to OUT/adapter and the cost to OUT/result.json."""
    job = read_job(folder)
    training = Training(
        num_epochs=1,
        learning_rate=job["learning_rate"],
        lr_scheduler="linear",
        warmup_ratio=0.0,
        batch_size=job["batch_size"],
        max_length=job["max_length"],
        lora=Lora(r=job["rank"], alpha=job["alpha"]),
        seed=job["seed"],
    )
    no_validation, adapter = out / "validation.jsonl", out / "adapter"
    no_validation.touch()
    adapter.mkdir()
    meter = Meter(job["steps"])

    def report(progress: Progress) -> None:
        if progress.unit == "steps":
            meter.end_step(progress.done)

    train = folder / "train.jsonl"
    task = TrainJob(base_files(), train, no_validation, training, export_gguf=False, out=adapter)
    result = open_backend("local").train(task, report)
    meter.learned = job["learned"]
    meter.write(out, next(line["loss"] for line in result.lines if "loss" in line))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
