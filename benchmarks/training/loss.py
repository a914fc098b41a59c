"""Adapters -> mean loss of the held-out rows' learned tokens: one evaluator for every side.

    python loss.py FOLDER ADAPTER...

Padded batches in fp32 and transformers' own attention, so that it shares no code with what Gitune trains through.
Prints a JSON list, one loss per adapter.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from meter import MASKED, read_job
from peft import PeftModel

from runner.models.checkpoint import load_causal_lm

ROWS_PER_PASS = 8


def main(folder: Path, adapters: list[str]) -> None:
    """Print the loss of each adapter."""
    checkpoint = Path(read_job(folder)["checkpoint"])
    rows = [json.loads(line) for line in (folder / "heldout.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = []
    for adapter in adapters:
        model = PeftModel.from_pretrained(load_causal_lm(checkpoint, torch.float32), adapter).eval()
        losses.append(held_out_loss(model, rows))
    print(json.dumps(losses))


@torch.no_grad()
def held_out_loss(model: Any, rows: list[dict[str, list[int]]]) -> float:
    """Return the mean cross entropy of the tokens that the rows' labels do not mask."""
    total, learned = 0.0, 0
    for start in range(0, len(rows), ROWS_PER_PASS):
        batch = rows[start : start + ROWS_PER_PASS]
        ids = _padded([row["input_ids"] for row in batch], 0)
        labels = _padded([row["labels"] for row in batch], MASKED)[:, 1:]
        mask = _padded([[1] * len(row["input_ids"]) for row in batch], 0)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        kept = labels != MASKED
        total += float(torch.nn.functional.cross_entropy(logits[kept], labels[kept], reduction="sum"))
        learned += int(kept.sum())
    return total / learned


def _padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [filler] * (width - len(row)) for row in rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
