"""transformers: padded batches of 16 by length: `python side_transformers.py FOLDER OUT TOKENS CHECKPOINT DTYPE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import meter  # type: ignore[import-not-found]
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

BATCH = 16


def main(folder: Path, out: Path, tokens: int, checkpoint: Path, dtype: str) -> None:
    """Answer every prompt; a turn ends where the template ends it."""
    rows = [json.loads(line) for line in (folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, padding_side="left")
    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).eval()
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    tokenizer.pad_token_id = ends[1]
    rows.sort(key=lambda row: len(row["text"]))
    answers, started = {}, meter.clocks()
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        batch = tokenizer([row["text"] for row in part], padding=True, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            output = network.generate(
                **batch, max_new_tokens=tokens, do_sample=False, eos_token_id=ends, pad_token_id=ends[1]
            )
        texts = tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        answers |= {row["id"]: text for row, text in zip(part, texts, strict=True)}
    meter.write(out, started, answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
