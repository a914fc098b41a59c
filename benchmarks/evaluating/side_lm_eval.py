"""lm-evaluation-harness, its hf backend: `python side_lm_eval.py FOLDER OUT NEW_TOKENS CHECKPOINT DTYPE`.

`generate_until` is what a task of that kind calls; it is called with the same texts, so that only answering is timed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import meter  # type: ignore[import-not-found]
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM


def main(folder: Path, out: Path, tokens: int, checkpoint: Path, dtype: str) -> None:
    """Answer every prompt."""
    rows = [json.loads(line) for line in (folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]
    model = HFLM(pretrained=str(checkpoint), dtype=dtype, device="cpu", batch_size=16)
    settings = {"until": ["<|im_end|>", "<|endoftext|>"], "max_gen_toks": tokens, "do_sample": False}
    asked = [
        Instance(request_type="generate_until", doc={}, arguments=(row["text"], dict(settings)), idx=at)
        for at, row in enumerate(rows)
    ]
    started = meter.clocks()
    texts = model.generate_until(asked)
    meter.write(out, started, {row["id"]: text for row, text in zip(rows, texts, strict=True)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), sys.argv[5])
