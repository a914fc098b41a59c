"""`ChatRequest` -> the version's engine -> OpenAI's response objects, whole or in chunks.

Everything here blocks and runs in worker threads. Whatever engine answered, the response says the exact version.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import Any

from runner.registry.facts import Version
from runner.serving.follow import Follower, Live
from runner.serving.names import exact_name, model_id, resolve
from runner.serving.openai_schema import ChatRequest, Refusal
from runner.spec.evaluation import Generation

# Engines that enforce a response_format while they write; for the others the field is refused, never dropped.
# None yet: our llama_cpp engine keeps llama.cpp's pure content parser, and with it llama.cpp ignores the field.
CONSTRAINED: frozenset[str] = frozenset()
FINGERPRINT = 12  # characters of the adapter's digest


def complete(follower: Follower, chat: ChatRequest) -> dict[str, Any]:
    """Return the whole answer.

    Raises:
        Refusal: when no live version is meant, or it cannot do what is asked.
    """
    with follower.lease(chat.model) as live:
        if live is None:
            raise _not_live(follower, chat.model)
        return _stamp(live, "chat.completion")(live.engine.chat(engine_body(chat, live.version)))


def chunks(follower: Follower, chat: ChatRequest) -> Generator[dict[str, Any], None, None]:
    """Yield the answer piece by piece. The version stays leased until this ends or is closed.

    Raises:
        Refusal: before the first chunk, as `complete` does.
    """
    wants_usage = chat.stream_options is not None and chat.stream_options.include_usage
    with follower.lease(chat.model) as live:
        if live is None:
            raise _not_live(follower, chat.model)
        stamp = _stamp(live, "chat.completion.chunk")
        pieces = live.engine.chat_stream(engine_body(chat, live.version))
        try:
            # A piece without choices is usage alone; clients that did not ask for it trip over it.
            yield from (stamp(piece) for piece in pieces if piece["choices"] or wants_usage)
        finally:
            if isinstance(pieces, Generator):
                pieces.close()  # before the lease ends: the engine must not be closed under a stream


def engine_body(chat: ChatRequest, version: Version) -> dict[str, Any]:
    """Return what the engine is asked: the request, with the version's prompt and settings where it is silent."""
    defaults = Generation.model_validate(version.content.generation)
    body: dict[str, Any] = {
        "model": f"{version.name}@{version.version}",
        "messages": _conversation(chat, version.content.system_prompt),
        "max_tokens": chat.limit or defaults.max_new_tokens,
        "temperature": defaults.temperature if chat.temperature is None else chat.temperature,
        "stream": chat.stream,
    }
    wishes = chat.model_dump(
        include={"top_p", "stop", "seed", "stream_options", "response_format"}, exclude_none=True, by_alias=True
    )
    if wishes.get("response_format", {"type": "text"})["type"] == "text":
        wishes.pop("response_format", None)
    elif version.content.engine not in CONSTRAINED:
        message = f"`response_format` is not supported by this model's engine ({version.content.engine})"
        raise Refusal(400, message, param="response_format", code="unsupported_parameter")
    return body | wishes


def _conversation(chat: ChatRequest, system_prompt: str | None) -> list[dict[str, str]]:
    turns = [
        {"role": "system" if turn.role == "developer" else turn.role, "content": turn.content} for turn in chat.messages
    ]
    if system_prompt is None or any(turn["role"] == "system" for turn in turns):
        return turns
    return [{"role": "system", "content": system_prompt}, *turns]


def _stamp(live: Live, kind: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return what makes one response of engine output: one id and time, the exact version, OpenAI's keys alone."""
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": exact_name(live.deployment),
        "system_fingerprint": live.version.content.adapter.digest[:FINGERPRINT],
    }

    def stamp(output: Mapping[str, Any]) -> dict[str, Any]:
        return head | {key: output[key] for key in ("choices", "usage") if key in output}

    return stamp


def _not_live(follower: Follower, model: str) -> Refusal:
    """Return why a model does not answer: not yet, or not at all, and then what does."""
    live = [one.deployment for one in follower.live()]
    failing = [trouble.deployment for trouble in follower.troubles() if trouble.deployment is not None]
    if not live or resolve(model, failing) is not None:
        message = f"the model `{model}` is not loaded; /healthz says more"
        return Refusal(503, message, code="model_not_ready", headers={"Retry-After": "1"})
    names = ", ".join(f"`{model_id(entry, live)}` ({exact_name(entry)})" for entry in live)
    return Refusal(404, f"the model `{model}` does not exist; live: {names}", param="model", code="model_not_found")
