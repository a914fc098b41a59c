"""Training rows and the engine that will serve -> whether both read the same tokens, before anything is trained.

A prompt that is rendered or tokenized otherwise in serving than in training costs quality without a sign. Every train
step compares a few rows, the preview of the data those it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

from runner.data.prompts import Prompt, prompt_before
from runner.data.rows import Row
from runner.errors import GituneError
from runner.inference.engine import open_reader
from runner.models.base import BaseFiles
from runner.models.chat import EncodedRow, encode, encode_row, render
from runner.models.checkpoint import load_tokenizer
from runner.spec.models import Training

SAMPLES = 8
"""Rows that are compared beside one of each shape of conversation."""

_AROUND = 4
"""Tokens shown on either side of the first that differs."""


def check_same_tokens(engine: str, base: BaseFiles, rows: Sequence[Row], training: Training) -> int:
    """Compare the tokens of a few prompts as they are trained on with what the serving engine reads.

    Returns:
        The number of rows compared.

    Raises:
        GituneError: when they differ. Not a terminal failure: a training's key does not cover the engine, so another
            one must not find it remembered.
    """
    chosen = samples(rows)
    tokenizer = load_tokenizer(base.checkpoint, base.ref.chat_template)
    # Encoded first: a row that cannot be trained on is told before an engine is opened.
    asked = [prompt for row in chosen for prompt in _prompts(tokenizer, row, training)]
    with closing(open_reader(engine, base)) as reader:
        for prompt, trained in asked:
            if (served := reader.read(prompt)) != trained:
                raise _difference(tokenizer, engine, prompt, trained, served)
    return len(chosen)


def refuse_calls_as_answers(engine: str, rows: Sequence[Row]) -> None:
    """Refuse test rows that no answer of the engine could match.

    Raises:
        GituneError: when a row ends with a call of a tool, and the engine leaves calls in the text of the template.
    """
    found = next((row for row in rows if "tool_calls" in row.messages[-1]), None)
    if found is not None and engine != "llama_cpp":
        raise GituneError(
            f"row {found.id} of the test split ends with a call of a tool, which {engine} cannot tell from text",
            hint="use engine: llama_cpp, or keep rows that end with a call out of the test split",
        )


def samples(rows: Sequence[Row]) -> list[Row]:
    """Return a few rows spread over all, and the first of every shape of conversation."""
    shapes: dict[tuple[bool, ...], Row] = {}
    for row in rows:
        shapes.setdefault(_shape(row), row)
    spread = rows[:: max(1, len(rows) // SAMPLES)][:SAMPLES]
    return [*{row.id: row for row in (*spread, *shapes.values())}.values()]


def _shape(row: Row) -> tuple[bool, ...]:
    roles = [message["role"] for message in row.messages]
    calls = any("tool_calls" in message for message in row.messages)
    repeats = any(before == role for before, role in pairwise(roles))
    return roles[0] == "system", roles.count("user") > 1, row.tools is not None, calls, "tool" in roles, repeats


def _prompts(tokenizer: Any, row: Row, training: Training) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield what stands before a row's first and last learned answer, with the tokens that training reads there."""
    encoded: EncodedRow = encode_row(tokenizer, row, training)
    turns = [turn for turn, message in enumerate(row.messages) if message["role"] == "assistant"]
    first = turns[-1] if training.only_last_turn else turns[0]
    for turn in dict.fromkeys((first, turns[-1])):
        prompt = prompt_before(row, turn)
        read = encode(tokenizer, render(tokenizer, prompt.messages, prompt.tools))
        trained = encoded.input_ids[: len(read)]
        # An answer that would melt into its prompt is tokenized apart where it is learned. The same answer as history
        # is melted when it is served: no row can be both.
        if turn == first or trained == read:
            yield Prompt(row.id, prompt.messages, prompt.tools), trained


def _difference(tokenizer: Any, engine: str, prompt: Prompt, trained: list[int], served: list[int]) -> GituneError:
    pairs = enumerate(zip(trained, served, strict=False))
    at = next((place for place, (ours, theirs) in pairs if ours != theirs), min(len(trained), len(served)))
    return GituneError(
        f"row {prompt.id}: training and {engine} read different prompts, from token {at + 1} on\n"
        f"    training reads {_shown(tokenizer, trained, at)}\n"
        f"    {engine} reads {_shown(tokenizer, served, at)}",
        hint="name a template that both render alike in the spec's `chat_template`, or serve with another `engine`",
    )


def _shown(tokenizer: Any, ids: Sequence[int], at: int) -> str:
    start = max(0, at - _AROUND)
    words = [repr(tokenizer.decode([token])) for token in ids[start : at + _AROUND + 1]]
    if at < len(ids):
        words[at - start] = f">>> {words[at - start]} <<<"
    else:
        words.append(">>> (end) <<<")
    return " ".join(words)
