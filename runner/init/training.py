"""Rows and base model -> how to divide them and how to train on them, with the reason for each number."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from runner.data.rows import Example, number_rows, text_of
from runner.data.split import PARTS, Part, part_of
from runner.init.setting import Setting, Settings
from runner.spec.models import Split

_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([mb])(?![a-z])", re.IGNORECASE)
_SMALL = 1e9
_SEEDS = range(42, 142)
_FEW, _MANY = 200, 10_000
_TEST_ROWS, _VALIDATION_ROWS = 2_000, 1_000
_EPOCHS = {200: 5, 2_000: 3, 10_000: 2, math.inf: 1}
"""Passes over fewer rows than the key."""
_BATCHES = {500: 4, 5_000: 8, math.inf: 16}
"""Rows in a step, of fewer rows than the key."""
_CONTEXT = 64
"""Tokens that a chat template adds to a row."""


def propose_split(examples: Sequence[Example]) -> tuple[Split, str, Counter[Part]]:
    """Return shares and seed, why, and how many rows each part gets."""
    rows = len(examples)
    test, validation, why = 0.2, 0.1, ""
    if rows < _FEW:
        test, why = 0.3, f"of {rows} rows, for fewer test rows could hardly tell a gain from luck"
    elif rows > _MANY:
        test, validation = (round(wanted / rows, 3) or 0.001 for wanted in (_TEST_ROWS, _VALIDATION_ROWS))
        why = f"about {_TEST_ROWS:,} rows, enough to tell a gain of two points"
    numbered = [row for row, _ in number_rows(examples)]
    for seed in _SEEDS:
        split = Split(validation=validation, test=test, seed=seed)
        parts = Counter(part_of(row, split) for row in numbered)
        # Of few rows, or many rows that ask the same, a part may get none.
        if len(parts) == len(PARTS):
            break
    return split, why, parts


def propose_training(examples: Sequence[Example], rows: int, base_model: str) -> Settings:
    """Return the section `training`.

    Args:
        examples: different rows.
        rows: those of them that are trained on.
        base_model: its URI, which often says how large the model is.
    """
    epochs, batch = _of(rows, _EPOCHS), _of(rows, _BATCHES)
    small = (parameters(base_model) or 2 * _SMALL) < _SMALL
    rate = Setting(1e-3, "high, as a small model needs it") if small else Setting(2e-4, "what LoRA usually takes")
    longest = max(tokens_at_most(example) for example in examples) + _CONTEXT
    steps = max(rows // batch, 1)
    return {
        "training.method": Setting("lora"),
        "training.num_epochs": Setting(epochs, f"the fewer rows, the more; the best epoch is kept ({rows:,} rows)"),
        "training.learning_rate": rate,
        "training.batch_size": Setting(batch, f"{steps:,} optimizer steps an epoch"),
        "training.max_length": Setting(_power_of_two(longest, 256), "tokens; the longest row fits for certain"),
        "training.seed": Setting(42),
    }


def propose_answer_length(examples: Sequence[Example]) -> Setting:
    """Return `max_new_tokens`."""
    longest = max(_tokens(text_of(example.messages[-1])) for example in examples) + 8
    return Setting(min(_power_of_two(longest, 16), 8192), "tokens; the longest answer fits for certain")


def parameters(uri: str) -> float | None:
    """Return how many parameters the name of a model says it has."""
    found = _SIZE.findall(uri.rpartition("@")[0] or uri)
    if not found:
        return None
    number, unit = found[-1]
    return float(number) * (1e6 if unit.lower() == "m" else 1e9)


def tokens_at_most(example: Example) -> int:
    """Return a number of tokens that a row hardly exceeds with any tokenizer."""
    return sum(_tokens(text_of(message)) + 8 for message in example.messages) + _tokens(repr(example.tools or ""))


def _of(rows: int, table: Mapping[float, int]) -> int:
    return next(value for most, value in table.items() if rows < most)


def _tokens(text: str) -> int:
    # Letters come in groups of four and more; digits and signs may be a token each, rare letters one for each byte.
    letters = sum(char.isascii() and (char.isalpha() or char == " ") for char in text)
    return letters // 2 + len(text.encode("utf-8", "replace")) - letters


def _power_of_two(number: int, least: int) -> int:
    while least < number:
        least *= 2
    return least
