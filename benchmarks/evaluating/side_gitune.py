"""Gitune's bulk prediction: `python side_gitune.py FOLDER OUT NEW_TOKENS MODEL`, MODEL being tuned or base."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import meter  # type: ignore[import-not-found]

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from rows import base_files  # type: ignore[import-not-found]

from runner.data.prompts import Prompt
from runner.inference.bulk import answer_all
from runner.inference.engine import ModelFiles
from runner.progress import Progress
from runner.spec.evaluation import Generation


def main(folder: Path, out: Path, tokens: int, which: str) -> None:
    """Answer every prompt as `gitune apply` does; the first sign of progress comes when everything is loaded."""
    lines = (folder / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = [Prompt(row["id"], row["messages"]) for row in map(json.loads, lines)]
    model = ModelFiles(base_files(), folder / "adapter" if which == "tuned" else None)
    started: list[tuple[float, float]] = []

    def watch(_: Progress) -> None:
        if not started:
            started.append(meter.clocks())

    replies = answer_all("llama_cpp", model, prompts, Generation(max_new_tokens=tokens), watch)
    answers = {reply.prompt_id: reply.text for reply in replies}  # type: ignore[union-attr]
    meter.write(out, started[0], answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
