"""What every engine can do: `open_engine("llama_cpp", ModelFiles(base, adapter))`, then `answer` or `chat`.

Light to import; opening an engine imports its libraries and loads the model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from runner.errors import GituneError, TerminalError, UsageError
from runner.models.base import BaseFiles
from runner.models.checkpoint import longest_context
from runner.models.cores import bounded_threads, wait_politely
from runner.models.trained import as_base, is_checkpoint, require_base
from runner.progress import Report

if TYPE_CHECKING:
    from runner.data.prompts import Prompt
    from runner.spec.evaluation import Generation


CONTEXT = 2048
"""Tokens of prompt and answer together, unless a caller asks for another number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one prompt."""

    prompt_id: str
    text: str
    finish_reason: str
    """`stop`: the model ended its turn; `length`: it was cut off at max_new_tokens or at the end of the context."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """Wall time of this answer (or its share of a batch's), beside what else was answered: no measure of latency."""
    sample: int = 0
    """Which of the answers to the prompt, from 0."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A prompt that got no answer: the fault of the machinery or of the prompt, and no wrong answer."""

    prompt_id: str
    error: str
    """Why, and what to do about it."""
    lasting: bool
    """Whether it would be refused again: it does not fit the context, or the chat template cannot render it."""

    @classmethod
    def because(cls, prompt: Prompt, error: GituneError) -> Self:
        """Return what an error says of a prompt."""
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        return cls(prompt.id, reason, lasting=isinstance(error, UsageError | TerminalError))


Reply = Answer | Refused
NONE_DONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A base model, alone or with an adapter folder."""

    base: BaseFiles
    adapter: Path | None

    @classmethod
    def tuned(cls, base: BaseFiles, trained: Path) -> Self:
        """Return the model that training made of `base`: with its adapter, or the whole checkpoint in its place."""
        return cls(as_base(base, trained), None) if is_checkpoint(trained) else cls(base, trained)


class PromptReader(Protocol):
    """Reads prompts as an engine does."""

    def read(self, prompt: Prompt) -> list[int]:
        """Return the token ids that a prompt is to the engine.

        Raises:
            GituneError: when its chat template refuses the prompt.
        """

    def close(self) -> None:
        """Free what reading needed."""


class Engine(Protocol):
    """Writes answers. Close it, or use it as a context manager; another can be opened in the same process."""

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Generation,
        report: Report,
        sample: int = 0,
        done: Collection[str] = NONE_DONE,
    ) -> Iterator[Reply]:
        """Yield a reply to every prompt as it is ready, in any order.

        Args:
            prompts: All that is asked; which batches they make must not depend on what is done.
            settings: How answers are written.
            report: Told how many are done.
            sample: Which of several answers to each prompt; another one is written with another seed.
            done: Ids of prompts that are answered already; of a batch, all may be answered again.
        """

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return an OpenAI `chat.completion` for a request body.

        Raises:
            UsageError: when the request is at fault, such as a conversation longer than the context.
        """

    def chat_stream(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield OpenAI `chat.completion.chunk`s; closing the iterator stops the model."""

    def close(self) -> None:
        """Free the model. Calling it twice does no harm."""

    def __enter__(self) -> Self:
        """Return the engine."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the engine."""


def bulk_body(prompt: Prompt, settings: Generation, sample: int = 0) -> dict[str, Any]:
    """Return the request body that asks for one of a prompt's answers in evaluation."""
    body = {
        "messages": prompt.messages,
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "seed": sample,
    }
    return body if prompt.tools is None else body | {"tools": prompt.tools}


def open_engine(
    name: str, model: ModelFiles, threads: int | None = None, slots: int = 4, context: int = CONTEXT
) -> Engine:
    """Load a model into an engine.

    Args:
        name: `llama_cpp` or `transformers`.
        model: What to load.
        threads: CPU threads; never more than this process has cores, which is also the default.
        slots: Answers written at the same time.
        context: Tokens of prompt and answer together, for each slot; never more than the model was made for.
    """
    if model.adapter:
        require_base(model.adapter, model.base)
    context = min(context, longest_context(model.base.checkpoint) or context)
    cores = bounded_threads(threads)
    wait_politely()
    if name == "llama_cpp":
        from runner.inference.llama_cpp import LlamaCppEngine

        return LlamaCppEngine(model, cores, slots, context)
    if name == "transformers":
        from runner.inference.transformers import TransformersEngine

        return TransformersEngine(model, cores, slots, context)
    raise _unknown(name)


def open_reader(name: str, base: BaseFiles) -> PromptReader:
    """Return what reads prompts as the engine called `name` does; cheaper than the engine where it can be."""
    wait_politely()
    if name == "transformers":
        from runner.inference.transformers import TransformersReader

        return TransformersReader(base)
    if name == "llama_cpp":
        from runner.inference.llama_cpp import LlamaCppEngine

        # A prompt that is only read may be longer than the context; that is for the short answer that opening asks for.
        return LlamaCppEngine(ModelFiles(base, None), bounded_threads(None), slots=1, context=1024)
    raise _unknown(name)


def _unknown(name: str) -> UsageError:
    return UsageError(f"engine {name!r} is not available yet", hint="use engine: llama_cpp or transformers")
