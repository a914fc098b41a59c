"""Chat messages -> prompt text -> token ids, by the chat template; for training with what is learned marked.

One module renders for training and for the transformers engine; every train step holds it against what the serving
engine reads, for a template that differs between training and serving is a bug nobody sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from runner.errors import TerminalError
from runner.spec.models import Training

MASKED = -100
"""Label of a token that is read but not learned; the value that PyTorch's cross entropy ignores."""

Message = Mapping[str, Any]
Tools = Sequence[Mapping[str, Any]]

_OTHER_TEMPLATE = "name a template that can in the spec's `chat_template`, or take another model"


class Conversation(Protocol):
    """What is trained on: a row of the canonical dataset."""

    @property
    def id(self) -> str:
        """Name of the row in messages."""

    @property
    def messages(self) -> Sequence[Message]:
        """The turns, in OpenAI's form; an assistant's may have a `weight`."""

    @property
    def tools(self) -> Tools | None:
        """Functions that the model may call."""


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One conversation as token ids; `labels` repeats the ids of what is learned and masks everything else."""

    id: str
    input_ids: list[int]
    labels: list[int]
    weights: list[float] | None = None
    """How much each token's loss counts, 0 where it is masked; None where every learned token counts 1."""


class _Span(NamedTuple):
    """An answer in the rendered text, by characters, and how much it is learned."""

    start: int
    end: int
    weight: float


def render(tokenizer: Any, messages: Sequence[Message], tools: Tools | None = None, **options: bool) -> str:
    """Return the text that the model reads for `messages`.

    Args:
        tokenizer: whose chat template renders.
        messages: the turns, in OpenAI's form.
        tools: functions that the model may call.
        options: `add_generation_prompt=False` for a conversation that ends with its answer.

    Raises:
        TerminalError: when there is no chat template, or it refuses the messages.
    """
    import jinja2

    if not tokenizer.chat_template:
        raise TerminalError(
            "the base model has no chat template",
            hint="write `chat_template: FILE` into the spec, a Jinja file beside it, or take a tuned model",
        )
    shown = [_for_template(message) for message in messages]
    options = {"add_generation_prompt": True} | options
    try:
        return str(tokenizer.apply_chat_template(shown, tools=tools, tokenize=False, **options))
    except jinja2.TemplateSyntaxError as error:
        raise TerminalError(f"the chat template is no Jinja template: line {error.lineno}: {error.message}") from error
    # A filter or a `+` on what it does not expect ends in Python's own error.
    except (jinja2.TemplateError, TypeError) as error:
        roles = ", ".join(message["role"] for message in messages)
        raise TerminalError(
            f"the chat template refuses a conversation of {roles}: {error}", hint=_OTHER_TEMPLATE
        ) from error


def _for_template(message: Message) -> Message:
    """Return a message as templates expect it: the arguments of calls as objects, and nothing of ours."""
    shown = {key: value for key, value in message.items() if key != "weight"}
    if calls := message.get("tool_calls"):
        shown["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
            for call in calls
        ]
    return shown


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of rendered text; the template has written the special tokens already."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_row(tokenizer: Any, row: Conversation, training: Training) -> EncodedRow:
    """Tokenize a conversation and mark what is learned: answers with the token that ends each, or everything.

    Raises:
        TerminalError: naming the row, when the chat template cannot render it or its answers have no place or end.
    """
    try:
        text, spans = _answer_spans(tokenizer, row, training)
        _check_tools_shown(tokenizer, row, text)
        elsewhere = 1.0 if training.train_on_prompt else 0.0
        ids, weights = _weighted(tokenizer, text, spans, elsewhere)
    except TerminalError as error:
        raise TerminalError(f"row {row.id}: {error.message}", hint=error.hint) from error
    labels = [token if weight else MASKED for token, weight in zip(ids, weights, strict=True)]
    return EncodedRow(row.id, ids, labels, weights if any(weight not in (0, 1) for weight in weights) else None)


def _answer_spans(tokenizer: Any, row: Conversation, training: Training) -> tuple[str, list[_Span]]:
    """Render the conversation and find where each answer begins and ends, by rendering it turn by turn."""
    text = render(tokenizer, row.messages, row.tools, add_generation_prompt=False)
    turns = [turn for turn, message in enumerate(row.messages) if message["role"] == "assistant"]
    spans = []
    for turn in turns[-1:] if training.only_last_turn else turns:
        prompt = render(tokenizer, row.messages[:turn], row.tools)
        answered = render(tokenizer, row.messages[: turn + 1], row.tools, add_generation_prompt=False)
        if not (answered.startswith(prompt) and text.startswith(answered)):
            raise TerminalError(
                f"the chat template rewrites earlier turns, so the answer of turn {turn + 1} has no fixed place in "
                "the text",
                hint="set `training.train_on: last_turn`, or name in the spec's `chat_template` one that renders each "
                "turn the same whatever follows it",
            )
        # White space after the end-of-turn token is never generated, so it is not learned.
        spans.append(_Span(len(prompt), len(answered.rstrip()), row.messages[turn].get("weight", 1.0)))
    return text, spans


def _check_tools_shown(tokenizer: Any, row: Conversation, text: str) -> None:
    """Refuse a template that drops tools, calls or results without a word: what it renders must depend on them."""
    if row.tools:
        _check_shown(tokenizer, text, row.messages, None, "the row's `tools`")
    if any("tool_calls" in message for message in row.messages):
        silent = [{key: value for key, value in message.items() if key != "tool_calls"} for message in row.messages]
        _check_shown(tokenizer, text, silent, row.tools, "`tool_calls`")
    if any(message["role"] == "tool" and message["content"] for message in row.messages):
        blank = [{**message, "content": ""} if message["role"] == "tool" else message for message in row.messages]
        _check_shown(tokenizer, text, blank, row.tools, "the results of tools")


def _check_shown(tokenizer: Any, text: str, without: Sequence[Message], tools: Tools | None, what: str) -> None:
    try:
        same = render(tokenizer, without, tools, add_generation_prompt=False) == text
    except TerminalError:
        return  # it misses them
    if same:
        raise TerminalError(f"the chat template does not show {what}", hint=_OTHER_TEMPLATE)


def _weighted(tokenizer: Any, text: str, spans: Sequence[_Span], elsewhere: float) -> tuple[list[int], list[float]]:
    """Tokenize the text and weigh its tokens: an answer's by the answer, the others by `elsewhere`."""
    ids = encode(tokenizer, text)
    weights = [elsewhere] * len(ids)
    for span in spans:
        prompt, answered = encode(tokenizer, text[: span.start]), encode(tokenizer, text[: span.end])
        _check_end(tokenizer, answered[-1])
        # Serving tokenizes the prompt by itself. Where the whole text melts its last and the answer's first characters
        # into one token, the pieces are tokenized one by one, as the model will see them.
        if ids[: len(prompt)] != prompt:
            return _piece_by_piece(tokenizer, text, spans, elsewhere)
        weights[len(prompt) : len(answered)] = [span.weight] * (len(answered) - len(prompt))
    return ids, weights


def _check_end(tokenizer: Any, last: int) -> None:
    """Refuse a template whose answers end in ordinary text: the tuned model would never stop."""
    if last not in tokenizer.added_tokens_decoder and last not in tokenizer.all_special_ids:
        raise TerminalError(
            "the chat template does not close an answer with an end-of-turn token",
            hint=f"the tuned model would not know where to stop; {_OTHER_TEMPLATE}",
        )


def _piece_by_piece(
    tokenizer: Any, text: str, spans: Sequence[_Span], elsewhere: float
) -> tuple[list[int], list[float]]:
    pieces, at = [], 0
    for span in spans:
        pieces += [(text[at : span.start], elsewhere), (text[span.start : span.end], span.weight)]
        at = span.end
    ids: list[int] = []
    weights: list[float] = []
    for piece, weight in [*pieces, (text[at:], elsewhere)]:
        encoded = encode(tokenizer, piece)
        ids += encoded
        weights += [weight] * len(encoded)
    return ids, weights


def encode_rows(tokenizer: Any, rows: Sequence[Conversation], training: Training) -> list[EncodedRow]:
    """Tokenize rows for training.

    Raises:
        TerminalError: naming the rows that are too long or have nothing to learn.
    """
    examples = [encode_row(tokenizer, row, training) for row in rows]
    if empty := [row for row, example in zip(rows, examples, strict=True) if not learns(example)]:
        raise TerminalError(
            f"{_rows([row.id for row in empty])} without an answer to learn: {why_nothing(empty[0], training)}",
            hint="every row needs an assistant message that is learned",
        )
    if long := [e for e in examples if len(e.input_ids) > training.max_length]:
        longest = max(len(e.input_ids) for e in long)
        raise TerminalError(
            f"{_rows([e.id for e in long])} longer than training.max_length {training.max_length} tokens",
            hint=f"raise training.max_length to {longest} or shorten the rows; a cut answer teaches to stop early",
        )
    return examples


def learns(example: EncodedRow) -> bool:
    """Whether anything of a row is learned; its first token is never predicted."""
    return any(label != MASKED for label in example.labels[1:])


def why_nothing(row: Conversation, training: Training) -> str:
    """Return why nothing of a row is learned."""
    answers = [message for message in row.messages if message["role"] == "assistant"]
    if not answers:
        return f"{row.id} has no assistant turn"
    if training.only_last_turn:
        return f"{row.id} is trained on its last turn, whose weight is 0"
    return f"every assistant turn of {row.id} has weight 0"


def _rows(ids: Sequence[str], shown: int = 5) -> str:
    names = ", ".join(ids[:shown]) + (f" and {len(ids) - shown} more" if len(ids) > shown else "")
    return f"{len(ids)} row{'s' if len(ids) > 1 else ''} ({names}) {'are' if len(ids) > 1 else 'is'}"
