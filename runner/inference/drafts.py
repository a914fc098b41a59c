"""Drafts of a batch, and which of them the serving engine must be asked about: `settled(drafts, ask, doubt)`.

Drafts and llama.cpp's answers come from the same weights, but llama.cpp rounds activations to 8 bits. Where the model
is sure of every token both write the same; where two tokens are nearly as good, rounding decides. So the serving
engine answers what the model is least sure of, from the most doubtful draft up, as far as twice the margin at which
both last differed; only what lies above is taken from the batch. A model that wavers everywhere, or a batch that
computes something else, is asked about every prompt, which is slower. A difference above all margins that were looked
at would go unseen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runner.inference.engine import Answer, ModelFiles, Reply
from runner.models.base import base_gguf
from runner.models.memory import main_memory
from runner.models.shape import gguf_shape
from runner.spec.evaluation import Generation

if TYPE_CHECKING:
    from runner.inference.batched_llama import BatchedLlama, Beginning, Written

WORTH_DRAFTING = 48
"""Prompts; of fewer most would be asked about anyway, and drafting must load the model once more."""

LEAST_ASKED, ASKED_SHARE = 6, 1 / 32
"""Answers that are compared in any case, those that the model is least sure of: so many, and so many of all."""

LEAST_MARGIN = 0.25
"""Logits; below it no draft is believed. Rounding moves those of SmolLM2-135M by 0.13; answers parted at 0.12."""

_ROWS = 64
"""Prompts of a batch: fp32 products of 16 rows reach half the speed of those of 64, of 128 hardly more."""

_KEPT_BYTES = 512 << 20
"""Keys and values of one batch, at most."""

_WRONG = "\ufffd"


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer out of a batch."""

    answer: Answer
    margin: float
    """How sure the model was of the token that it was least sure of, in logits."""


class Doubt:
    """What asking has taught so far; one for a whole test set of so many prompts."""

    def __init__(self, prompts: int) -> None:
        self.least = max(LEAST_ASKED, math.ceil(prompts * ASKED_SHARE))
        """Answers to compare in any case."""
        self.asked = 0
        self.parted = 0
        """How many drafts the serving engine did not confirm."""
        self.limit = LEAST_MARGIN

    def learn(self, draft: Draft, reply: Reply) -> None:
        """Take in what the serving engine replied to a drafted prompt."""
        self.asked += 1
        if not (isinstance(reply, Answer) and replace(reply, seconds=0.0) == replace(draft.answer, seconds=0.0)):
            self.parted += 1
            self.limit = max(self.limit, 2 * draft.margin)


def settled(drafts: Sequence[Draft], ask: Callable[[Sequence[str]], Iterator[Reply]], doubt: Doubt) -> Iterator[Reply]:
    """Yield the serving engine's replies where it was asked, then the drafts that are as good.

    Args:
        drafts: One for each prompt.
        ask: Has the serving engine answer prompts, named by their ids.
        doubt: What was learned before; is taught on.
    """
    waiting = sorted(drafts, key=lambda draft: (draft.margin, draft.answer.prompt_id))
    while waiting:
        due = sum(draft.margin <= doubt.limit for draft in waiting)
        due = max(due, min(doubt.least - doubt.asked, len(waiting)))
        if due <= 0:
            break
        asked = {draft.answer.prompt_id: draft for draft in waiting[:due]}
        del waiting[:due]
        for reply in ask(list(asked)):
            doubt.learn(asked[reply.prompt_id], reply)
            yield reply
    yield from (draft.answer for draft in waiting)


class Drafter:
    """Writes drafts in batches that the prompts alone determine; threads share the batches, not the products."""

    def __init__(self, model: BatchedLlama, tokenizer: Any, ends: frozenset[int], threads: int) -> None:
        self._model, self._tokenizer, self._ends, self._threads = model, tokenizer, ends, threads

    def draft(
        self, prompts: dict[str, list[int]], beginnings: dict[str, tuple[int, ...]], settings: Generation
    ) -> list[Draft]:
        """Answer prompts, given as token ids by their own id, in any order."""
        import torch

        known = {tokens: self._model.read(tokens) for tokens in sorted({*beginnings.values()})}
        before = torch.get_num_threads()

        def work(ids: Sequence[str]) -> list[Draft]:
            # In every thread: a product that several threads share may add its parts up in another order.
            torch.set_num_threads(1)
            beginning = known[beginnings[ids[0]]] if ids[0] in beginnings else None
            return self._write({name: prompts[name] for name in ids}, beginning, settings.max_new_tokens)

        try:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="drafting") as pool:
                found = pool.map(work, self._batches(prompts, beginnings, settings.max_new_tokens))
                return [draft for drafts in found for draft in drafts]
        finally:
            torch.set_num_threads(before)

    def _batches(
        self, prompts: dict[str, list[int]], beginnings: dict[str, tuple[int, ...]], limit: int
    ) -> Iterator[list[str]]:
        """Put together what begins alike and is about as long."""
        groups: dict[tuple[int, ...], list[str]] = {}
        for name in prompts:
            groups.setdefault(beginnings.get(name, ()), []).append(name)
        for _, group in sorted(groups.items()):
            names = sorted(group, key=lambda name: (-len(prompts[name]), name))
            at = 0
            while at < len(names):
                fits = _KEPT_BYTES // self._model.kept_bytes(len(prompts[names[at]]) + limit)
                rows = max(1, min(_ROWS, fits))
                yield names[at : at + rows]
                at += rows

    def _write(self, prompts: dict[str, list[int]], beginning: Beginning | None, limit: int) -> list[Draft]:
        shared, started = beginning.length if beginning else 0, time.monotonic()
        written = self._model.write([tokens[shared:] for tokens in prompts.values()], beginning, limit, self._ends)
        seconds = round((time.monotonic() - started) / len(prompts), 3)
        return [
            self._read(name, len(tokens), answer, seconds)
            for (name, tokens), answer in zip(prompts.items(), written, strict=True)
        ]

    def _read(self, name: str, length: int, written: Written, seconds: float) -> Draft:
        ended = written.tokens[-1] in self._ends
        tokens = written.tokens[:-1] if ended else written.tokens
        text = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        answer = Answer(name, text, "stop" if ended else "length", length, len(written.tokens), seconds)
        # Half a character at the end is shown by each engine in its own way.
        return Draft(answer, 0.0 if _WRONG in text else written.margin)


def open_drafter(model: ModelFiles, settings: Generation, threads: int) -> Drafter | None:
    """Return what drafts the answers of a model, or None where that does not pay or cannot be checked."""
    # A base that was not taught the task wavers everywhere: with drafts SmolLM2-135M took 71 s for 113 prompts, nearly
    # all of them asked about too, and 49 s without. (A whole checkpoint, which could gain, is not told apart here.)
    if model.adapter is None:
        return None
    gguf = base_gguf(model.base)
    shape = gguf_shape(gguf)
    # Sampled answers follow the engine's own random numbers. fp32 weights may take half of the memory.
    if settings.temperature or settings.samples > 1 or shape is None or 8 * shape.parameters > main_memory():
        return None
    try:
        from runner.inference.batched_llama import BatchedLlama
        from runner.inference.llama_weights import UnknownShapeError
        from runner.inference.transformers import ends_of_turn
        from runner.models.checkpoint import load_tokenizer
    except ImportError:
        return None
    try:
        batched = BatchedLlama(gguf, model.adapter / "adapter.gguf")
    except UnknownShapeError:
        return None
    tokenizer = load_tokenizer(model.base.checkpoint, model.base.ref.chat_template)
    return Drafter(batched, tokenizer, frozenset(ends_of_turn(tokenizer)), threads)
