"""`engine: transformers`: a checkpoint and a PEFT adapter in torch; for what llama.cpp cannot do, and as its check.

Greedy answers agree with llama.cpp's (a test proves it); in bulk, prompts of similar length share a padded batch.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from runner.data.prompts import Prompt
from runner.errors import GituneError, UsageError
from runner.inference.engine import NONE_DONE, Answer, ModelFiles, Refused, Reply, bulk_body
from runner.models.base import BaseFiles
from runner.models.chat import Message, Tools, encode, render
from runner.models.checkpoint import load_causal_lm, load_tokenizer
from runner.progress import Progress, Report
from runner.spec.evaluation import Generation

_BATCH = 16
"""Prompts of a bulk batch: on a CPU more gain nothing, and longer answers make shorter ones wait."""

_ALWAYS_END = {"<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>", "</s>"}


class _Request(NamedTuple):
    """The part of an OpenAI request body that this engine honours."""

    ids: list[int]
    limit: int
    sampling: dict[str, Any]
    stop: list[str]
    seed: int


class TransformersEngine:
    """A model in torch. Requests of several threads wait for each other."""

    def __init__(self, model: ModelFiles, threads: int, slots: int, context: int) -> None:
        torch.set_num_threads(threads)
        self._tokenizer = load_tokenizer(model.base.checkpoint, model.base.ref.chat_template)
        self._tokenizer.padding_side = "left"
        self._batch = max(slots, _BATCH)
        self._lock = threading.Lock()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model: Any = _load(model, device)
        self._context = context
        self._ends = _end_tokens(self._tokenizer, self._model)
        # What a checkpoint recommends (penalties, top_k) is not what the spec says.
        self._model.generation_config = GenerationConfig(eos_token_id=self._ends)

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Generation,
        report: Report,
        sample: int = 0,
        done: Collection[str] = NONE_DONE,
    ) -> Iterator[Reply]:
        """Yield answers batch by batch; see `Engine.answer`."""
        requests: list[tuple[str, _Request]] = []
        for prompt in prompts:
            try:
                requests.append((prompt.id, self._request(bulk_body(prompt, settings, sample))))
            except GituneError as error:
                yield Refused.because(prompt, error)
        requests.sort(key=lambda item: (len(item[1].ids), item[0]))
        for start in range(0, len(requests), self._batch):
            batch = requests[start : start + self._batch]
            if all(prompt_id in done for prompt_id, _ in batch):
                continue
            watch = _Watch(partial(report, Progress("answering", start, len(requests), "prompts")))
            started = time.monotonic()
            outputs = self._generate([request for _, request in batch], watch)
            seconds = round((time.monotonic() - started) / len(batch), 3)
            for (prompt_id, request), output in zip(batch, outputs, strict=True):
                text, reason, tokens = self._read(output, request)
                yield Answer(prompt_id, text, reason, len(request.ids), tokens, seconds, sample)

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a whole answer; see `Engine.chat`."""
        request = self._request(body)
        text, reason, tokens = self._read(self._generate([request], _Watch(lambda: None))[0], request)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        return _envelope("chat.completion", [choice]) | {"usage": _usage(len(request.ids), tokens)}

    def chat_stream(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield an answer in chunks; see `Engine.chat_stream`."""
        request = self._request(body)
        watch = _Watch(lambda: None)
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        outputs: list[list[int]] = []
        failures: list[BaseException] = []

        def produce() -> None:
            try:
                outputs.extend(self._generate([request], watch, streamer))
            except BaseException as error:  # noqa: BLE001 - raised again in the reader's thread
                failures.append(error)
                streamer.end()

        thread = threading.Thread(target=produce, name="transformers-stream", daemon=True)
        thread.start()
        head = _envelope("chat.completion.chunk", [])
        try:
            yield head | {"choices": [_delta({"role": "assistant", "content": ""})]}
            for piece in _until_stop(streamer, request.stop):
                yield head | {"choices": [_delta({"content": piece})]}
        finally:
            watch.stopped.set()
            thread.join()
        if failures:
            raise failures[0]
        _, reason, tokens = self._read(outputs[0], request)
        yield head | {"choices": [_delta({}, reason)]}
        if (body.get("stream_options") or {}).get("include_usage"):
            yield head | {"usage": _usage(len(request.ids), tokens)}

    def _request(self, body: Mapping[str, Any]) -> _Request:
        ids = _read_prompt(self._tokenizer, body["messages"], body.get("tools"))
        if len(ids) >= self._context:
            raise UsageError(
                f"the conversation has {len(ids)} tokens and the context holds {self._context}",
                hint="shorten it, or open the engine with a larger context",
            )
        room = self._context - len(ids)
        limit = min(body.get("max_completion_tokens") or body.get("max_tokens") or room, room)
        stop = body.get("stop") or []
        sampling: dict[str, Any] = {"do_sample": False}
        if temperature := body.get("temperature", 1.0):
            sampling = {"do_sample": True, "temperature": temperature, "top_p": body.get("top_p", 1.0), "top_k": 0}
        return _Request(ids, limit, sampling, [stop] if isinstance(stop, str) else stop, body.get("seed") or 0)

    def _generate(self, requests: Sequence[_Request], watch: _Watch, streamer: Any = None) -> list[list[int]]:
        """Return the new tokens of requests that share their settings."""
        if self._model is None:
            raise GituneError("the engine is closed")
        first = requests[0]
        batch = self._tokenizer.pad({"input_ids": [request.ids for request in requests]}, return_tensors="pt")
        config = GenerationConfig(
            max_new_tokens=max(request.limit for request in requests),
            eos_token_id=self._ends,
            pad_token_id=self._tokenizer.pad_token_id,
            stop_strings=first.stop or None,
            **first.sampling,
        )
        with self._lock, torch.inference_mode():
            torch.manual_seed(first.seed)
            output = self._model.generate(
                **batch.to(self._model.device),
                generation_config=config,
                tokenizer=self._tokenizer,
                stopping_criteria=StoppingCriteriaList([watch]),
                streamer=streamer,
            )
        new: list[list[int]] = output[:, batch["input_ids"].shape[1] :].tolist()
        return new

    def _read(self, output: list[int], request: _Request) -> tuple[str, str, int]:
        """Return text, finish reason and number of tokens of one answer."""
        end = next((place for place, token in enumerate(output) if token in self._ends), None)
        tokens = output[: request.limit] if end is None else output[:end]
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        cut = "".join(_until_stop([text], request.stop))
        reason = "stop" if end is not None or cut != text else "length"
        return cut, reason, len(tokens) + (end is not None)

    def close(self) -> None:
        """Free the model; see `Engine.close`."""
        self._model = None

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the engine."""
        self.close()


class TransformersReader:
    """Reads prompts as `TransformersEngine` does, without its weights."""

    def __init__(self, base: BaseFiles) -> None:
        self._tokenizer = load_tokenizer(base.checkpoint, base.ref.chat_template)

    def read(self, prompt: Prompt) -> list[int]:
        """Return the token ids of a prompt; see `PromptReader.read`."""
        return _read_prompt(self._tokenizer, prompt.messages, prompt.tools)

    def close(self) -> None:
        """Do nothing; see `PromptReader.close`."""


def _read_prompt(tokenizer: Any, messages: Sequence[Message], tools: Tools | None) -> list[int]:
    return encode(tokenizer, render(tokenizer, messages, tools))


class _Watch(StoppingCriteria):  # type: ignore[misc] # transformers has no types here
    """Looks in after every token: says that work goes on, and ends it when the reader has gone."""

    def __init__(self, alive: Callable[[], None]) -> None:
        self.stopped = threading.Event()
        self._alive = alive

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:  # noqa: ARG002 - theirs
        self._alive()
        return torch.full((input_ids.shape[0],), self.stopped.is_set(), device=input_ids.device)


def _load(model: ModelFiles, device: torch.device) -> Any:
    network = load_causal_lm(model.base.checkpoint, torch.float32 if device.type == "cpu" else torch.bfloat16)
    if model.adapter:
        network = _merged(network, model.adapter)
    return network.eval().to(device)


def _merged(network: Any, adapter: Path) -> Any:
    """Add an adapter's update to the weights; merged, it costs nothing while answering."""
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(network, adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise GituneError(
            f"the adapter in {adapter} cannot be put on {type(network).__name__}: {str(error).splitlines()[0]}",
            hint="it is damaged, or of another base model",
        ) from error


def ends_of_turn(tokenizer: Any) -> set[int]:
    """Return the tokens that end an answer: the tokenizer's, and what the template writes after one."""
    conversation = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rendered = render(tokenizer, conversation, add_generation_prompt=False).rstrip()
    ends = {tokenizer.eos_token_id, encode(tokenizer, rendered)[-1]}
    # llama.cpp ends an answer at these, whatever the configuration says.
    ends |= {index for index, token in tokenizer.added_tokens_decoder.items() if token.content in _ALWAYS_END}
    return {end for end in ends if end is not None}


def _end_tokens(tokenizer: Any, network: Any) -> list[int]:
    """Return the tokens that end an answer, those of the model's own configuration too."""
    configured = network.generation_config.eos_token_id
    ends = set(configured) if isinstance(configured, list) else {configured}
    return sorted(end for end in ends | ends_of_turn(tokenizer) if end is not None)


def _until_stop(pieces: Any, stops: Sequence[str]) -> Iterator[str]:
    """Pass text on up to the first stop string, holding back what could be the beginning of one."""
    held = ""
    for piece in pieces:
        held += piece
        found = min((place for stop in stops if (place := held.find(stop)) >= 0), default=None)
        if found is not None:
            yield held[:found]
            return
        keep = max((n for stop in stops for n in range(1, len(stop)) if held.endswith(stop[:n])), default=0)
        if ready := held[: len(held) - keep]:
            yield ready
        held = held[len(held) - keep :]
    if held:
        yield held


def _envelope(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": "",
        "choices": choices,
    }


def _delta(delta: dict[str, str], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": reason}


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
