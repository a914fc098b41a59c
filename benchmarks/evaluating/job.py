"""CLINC150 -> a tuned model and the prompts that every side answers: `python job.py short DATA_DIR FOLDER ROWS`.

Writes prompts.jsonl (messages and the rendered text), adapter/ (trained here, with its LoRA GGUF) and merged/, the same
weights as one fp32 checkpoint for the peers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from rows import SETTINGS, _chat, _questions, _rows, base_files  # type: ignore[import-not-found]

from runner.data.prompts import prompts_of
from runner.data.rows import rows_to_jsonl
from runner.models.chat import render
from runner.models.checkpoint import load_causal_lm, load_tokenizer
from runner.spec.models import Training
from runner.training.backend import TrainJob, open_backend

TRAIN_ROWS = 480


def main(kind: str, data: Path, folder: Path, count: int) -> None:
    """Train on questions of the train split and write what is asked: questions of the test split."""
    train, asked = _questions(data / "train.jsonl"), _questions(data / "test.jsonl")
    chat, base = _chat(kind, train), base_files()
    (folder / "train.jsonl").write_bytes(rows_to_jsonl(_rows(train[:TRAIN_ROWS], chat)))
    (folder / "none.jsonl").write_bytes(b"")
    (folder / "adapter").mkdir()
    training = Training(
        num_epochs=1, learning_rate=2e-3, batch_size=8, lora={"r": SETTINGS["rank"], "alpha": SETTINGS["alpha"]}
    )
    job = TrainJob(
        base, folder / "train.jsonl", folder / "none.jsonl", training, export_gguf=True, out=folder / "adapter"
    )
    open_backend("local").train(job, lambda _: None)
    tokenizer = load_tokenizer(base.checkpoint)
    with (folder / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for prompt in prompts_of(_rows(asked[:count], chat)):
            text = render(tokenizer, prompt.messages, None)
            file.write(json.dumps({"id": prompt.id, "messages": prompt.messages, "text": text}) + "\n")
    _merge(base.checkpoint, folder, tokenizer)


def _merge(checkpoint: Path, folder: Path, tokenizer: object) -> None:
    import torch
    from peft import PeftModel

    network = load_causal_lm(checkpoint, torch.float32)
    PeftModel.from_pretrained(network, folder / "adapter").merge_and_unload().save_pretrained(folder / "merged")
    tokenizer.save_pretrained(folder / "merged")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
