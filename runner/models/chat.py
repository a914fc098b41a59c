"""Chat messages -> prompt text -> token ids, by the model's own chat template; for training with the answers marked.

One module renders for training and for the transformers engine; a test holds it against what llama.cpp tokenizes, for a
template that differs between training and serving is a bug nobody sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.errors import TerminalError

MASKED = -100
"""Label of a token that is read but not learned; the value that PyTorch's cross entropy ignores."""

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One conversation as token ids; `labels` repeats the ids of the answers and masks everything else."""

    id: str
    input_ids: list[int]
    labels: list[int]


def render(tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool = True) -> str:  # noqa: FBT001, FBT002 - transformers' own name
    """Return the text that the model reads for `messages`.

    Raises:
        TerminalError: when the chat template refuses the messages.
    """
    import jinja2

    try:
        text = tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except jinja2.TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise TerminalError(f"the chat template refuses a conversation of {roles}: {error}") from error
    return str(text)


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of rendered text; the template has written the special tokens already."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_row(tokenizer: Any, row_id: str, messages: Sequence[Message]) -> EncodedRow:
    """Tokenize a conversation and mark every assistant turn, with the token that ends it, to be learned."""
    text, spans = _answer_spans(tokenizer, row_id, messages)
    ids = encode(tokenizer, text)
    labels = [MASKED] * len(ids)
    for start, end in spans:
        prompt, answered = encode(tokenizer, text[:start]), encode(tokenizer, text[:end])
        _check_end(tokenizer, row_id, answered[-1])
        # Serving tokenizes the prompt by itself. Where the whole text melts its last and the answer's first characters
        # into one token, the pieces are tokenized one by one, as the model will see them.
        if ids[: len(prompt)] != prompt:
            return _from_pieces(tokenizer, row_id, _split(text, spans))
        labels[len(prompt) : len(answered)] = ids[len(prompt) : len(answered)]
    return EncodedRow(row_id, ids, labels)


def _check_end(tokenizer: Any, row_id: str, last: int) -> None:
    """Refuse a template whose answers end in ordinary text: the tuned model would never stop."""
    if last not in tokenizer.added_tokens_decoder and last not in tokenizer.all_special_ids:
        raise TerminalError(
            f"row {row_id}: the chat template does not close an answer with an end-of-turn token",
            hint="the tuned model would not know where to stop; take a model with a complete chat template",
        )


def _answer_spans(tokenizer: Any, row_id: str, messages: Sequence[Message]) -> tuple[str, list[tuple[int, int]]]:
    """Render the conversation and find where each answer begins and ends, by rendering it turn by turn."""
    text = render(tokenizer, messages, add_generation_prompt=False)
    spans = []
    for turn, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = render(tokenizer, messages[:turn], add_generation_prompt=True)
        answered = render(tokenizer, messages[: turn + 1], add_generation_prompt=False)
        if not (answered.startswith(prompt) and text.startswith(answered)):
            raise TerminalError(
                f"row {row_id}: the chat template rewrites earlier turns, so the answer of turn {turn + 1} has no "
                "fixed place in the text",
                hint="take a model whose chat template renders each turn the same whatever follows it",
            )
        # White space after the end-of-turn token is never generated, so it is not learned.
        spans.append((len(prompt), len(answered.rstrip())))
    return text, spans


def _split(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """Cut text into pieces, each with whether it is learned."""
    pieces, at = [], 0
    for start, end in spans:
        pieces += [(text[at:start], False), (text[start:end], True)]
        at = end
    return [*pieces, (text[at:], False)]


def _from_pieces(tokenizer: Any, row_id: str, pieces: Sequence[tuple[str, bool]]) -> EncodedRow:
    ids: list[int] = []
    labels: list[int] = []
    for text, learned in pieces:
        piece = encode(tokenizer, text)
        ids += piece
        labels += piece if learned else [MASKED] * len(piece)
    return EncodedRow(row_id, ids, labels)


def encode_rows(tokenizer: Any, rows: Sequence[tuple[str, Sequence[Message]]], max_length: int) -> list[EncodedRow]:
    """Tokenize `(row id, messages)` pairs for training.

    Raises:
        TerminalError: naming the rows that are too long or have nothing to learn.
    """
    examples = [encode_row(tokenizer, row_id, messages) for row_id, messages in rows]
    if empty := [e.id for e in examples if all(label == MASKED for label in e.labels)]:
        raise TerminalError(
            f"{_rows(empty)} without an answer to learn", hint="every row needs an assistant message that is not empty"
        )
    if long := [e for e in examples if len(e.input_ids) > max_length]:
        longest = max(len(e.input_ids) for e in long)
        raise TerminalError(
            f"{_rows([e.id for e in long])} longer than training.max_length {max_length} tokens",
            hint=f"raise training.max_length to {longest} or shorten the rows; a cut answer teaches to stop early",
        )
    return examples


def _rows(ids: Sequence[str], shown: int = 5) -> str:
    names = ", ".join(ids[:shown]) + (f" and {len(ids) - shown} more" if len(ids) > shown else "")
    return f"{len(ids)} row{'s' if len(ids) > 1 else ''} ({names}) {'are' if len(ids) > 1 else 'is'}"
