"""`engine: llama_cpp`: a base GGUF and a LoRA GGUF in llama.cpp's server, inside this process (xllamacpp).

The server batches requests that are in flight at the same time and keeps the prompt of each slot, so that in a chat a
system prompt is read once per slot. It opens a loopback port, which a random key locks; only `read` uses it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import xllamacpp

from runner.data.rows import text_of
from runner.data.tool_calls import read_calls
from runner.errors import GituneError, UsageError
from runner.inference.engine import NONE_DONE, Answer, ModelFiles, Refused, Reply, bulk_body
from runner.models.base import base_gguf
from runner.progress import Progress, Report

if TYPE_CHECKING:
    from runner.data.prompts import Prompt
    from runner.spec.evaluation import Generation

# llama.cpp's own sampling defaults (top_k 40, top_p 0.95, min_p 0.05) are nobody's choice; these are OpenAI's.
_NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}

_SIGN_OF_LIFE = 5.0
"""Seconds after which progress is told again though no answer has come."""

_PATIENCE = 30.0
"""Seconds for rendering or tokenizing one prompt."""


class LlamaCppEngine:
    """A model in llama.cpp. Requests may come from several threads."""

    def __init__(self, model: ModelFiles, threads: int, slots: int, context: int) -> None:
        adapter = model.adapter / "adapter.gguf" if model.adapter else None
        if adapter and not adapter.is_file():
            raise GituneError(
                f"the adapter in {model.adapter} has no adapter.gguf",
                hint="it was trained for another engine; train it again with engine: llama_cpp",
            )
        self._slots = slots
        self._key = secrets.token_hex(16)
        # Prompts are people's text: nobody else may read the folder, and it goes with the engine.
        self._states = tempfile.TemporaryDirectory(prefix="gitune-prompts-")
        self._beginnings: Mapping[str, Sequence[int]] = {}
        self._kept: dict[Sequence[int], str] = {}
        self._server: Any = _start(self._params(model, adapter, threads, context), adapter)
        # One token now: a model that cannot answer fails here, and a server that is freed before its loop has started
        # waits for itself for ever (xllamacpp 2026.10).
        self.chat({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1})

    def _params(self, model: ModelFiles, adapter: Path | None, threads: int, context: int) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = str(base_gguf(model.base))
        if adapter:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        if model.base.ref.chat_template is not None:
            params.chat_template = model.base.ref.chat_template
        params.n_ctx = self._slots * context
        params.n_parallel = self._slots
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.warmup = False
        # It splits a long context by threads and adds the parts up in another order: answers would depend on the cores.
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        # Not even errors: they come back as replies, and a terminal belongs to our own lines.
        params.verbosity = -1
        # Its default would keep up to 8 GiB of old prompts in memory.
        params.cache_ram_mib = 0
        # Text as the model wrote it: nothing is taken out as reasoning.
        params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
        params.slot_save_path = f"{self._states.name}/"
        params.ui = False
        params.endpoint_slots = False
        params.api_keys = [self._key]
        return params

    def share(self, beginnings: Mapping[str, Sequence[int]]) -> None:
        """From now on, read what prompts begin with once. For an engine that was opened with one slot.

        Args:
            beginnings: Token ids that a prompt begins with, by the prompt's id.
        """
        self._beginnings = beginnings

    def answer(
        self,
        prompts: Sequence[Prompt],
        settings: Generation,
        report: Report,
        sample: int = 0,
        done: Collection[str] = NONE_DONE,
    ) -> Iterator[Reply]:
        """Yield answers as they are ready, `slots` at a time; see `Engine.answer`."""
        pool = ThreadPoolExecutor(self._slots, thread_name_prefix="llama")
        try:
            asked = [prompt for prompt in prompts if prompt.id not in done]
            jobs = [pool.submit(self._reply, prompt, settings, sample) for prompt in asked]
            waiting = set(jobs)
            while waiting:
                ready, waiting = wait(waiting, timeout=_SIGN_OF_LIFE, return_when=FIRST_COMPLETED)
                yield from (job.result() for job in ready)
                report(Progress("answering", len(jobs) - len(waiting), len(jobs), "prompts"))
        finally:
            pool.shutdown(cancel_futures=True)

    def _reply(self, prompt: Prompt, settings: Generation, sample: int) -> Reply:
        try:
            return self._answer_one(prompt, settings, sample)
        except GituneError as error:
            return Refused.because(prompt, error)

    def _answer_one(self, prompt: Prompt, settings: Generation, sample: int) -> Answer:
        started = time.monotonic()
        beginning = self._beginnings.get(prompt.id)
        if beginning is not None:
            self._recall(beginning)
        # Nothing of the prompt before is reused: how much that is depends on the order, and with it the last bits.
        reply = self.chat(bulk_body(prompt, settings, sample) | {"cache_prompt": beginning is not None})
        choice, usage = reply["choices"][0], reply["usage"]
        return Answer(
            prompt_id=prompt.id,
            text=_text(choice["message"]),
            # A call of a tool ends an answer as anything else does.
            finish_reason="length" if choice["finish_reason"] == "length" else "stop",
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            seconds=round(time.monotonic() - started, 3),
            sample=sample,
        )

    def _recall(self, beginning: Sequence[int]) -> None:
        """Put the slot into the state of having read just this, whatever it read before."""
        if beginning not in self._kept:
            self._post("/completion", {"prompt": beginning, "n_predict": 0, "cache_prompt": False, "id_slot": 0})
            name = f"{len(self._kept)}.bin"
            self._post("/slots/0?action=save", {"filename": name})
            self._kept[beginning] = name
        self._post("/slots/0?action=restore", {"filename": self._kept[beginning]})

    def chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a whole answer; see `Engine.chat`."""
        replies: list[dict[str, Any]] = []

        def receive(reply: dict[str, Any]) -> bool:
            replies.append(reply)
            return False

        self._send({**_NEUTRAL, **body, "stream": False}, receive)
        return _public(replies[0])

    def chat_stream(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield an answer in chunks; see `Engine.chat_stream`."""
        chunks: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
        stopped = threading.Event()

        def receive(chunk: dict[str, Any]) -> bool:
            chunks.put(chunk)
            return stopped.is_set()

        def produce() -> None:
            try:
                self._send({**_NEUTRAL, **body, "stream": True}, receive)
                chunks.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again in the reader's thread
                chunks.put(error)

        thread = threading.Thread(target=produce, name="llama-stream", daemon=True)
        thread.start()
        try:
            while (chunk := chunks.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                yield _public(chunk)
        finally:
            stopped.set()
            thread.join()

    def read(self, prompt: Prompt) -> list[int]:
        """Return the token ids that a prompt is to this engine; see `PromptReader.read`."""
        body = {key: value for key, value in asdict(prompt).items() if key != "id" and value is not None}
        text = self._post("/apply-template", body)["prompt"]
        found: list[int] = self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})[
            "tokens"
        ]
        return found

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask what xllamacpp offers over HTTP only. No proxy of the environment stands before loopback."""
        address = urlsplit(self._server.listening_address)
        # It brings TLS and e-mail along, which the load check of a deployment need not pay for.
        import http.client

        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=_PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            reply: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in reply:
            raise _refusal(reply["error"])
        return reply

    def _send(self, request: Mapping[str, Any], receive: Callable[[dict[str, Any]], bool]) -> None:
        """Send a request and hand what comes back to `receive`, until it returns true."""
        if self._server is None:
            raise GituneError("the engine is closed")
        failures: list[dict[str, Any]] = []

        def sort(reply: dict[str, Any]) -> bool:
            if "error" in reply:
                failures.append(reply["error"])
                return True
            return receive(reply)

        try:
            self._server.handle_chat_completions(dict(request), sort)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if failures:
            raise _refusal(failures[0])

    def close(self) -> None:
        """Free the model and its threads; see `Engine.close`."""
        self._server = None
        self._states.cleanup()

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the engine."""
        self.close()


def _start(params: Any, adapter: Path | None) -> Any:
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        gguf = Path(params.model.path)
        what = f"{gguf.name} with {adapter}" if adapter else str(gguf)
        hint = "the file is damaged, not a GGUF model, or of another base model"
        if params.chat_template:
            hint += "; or the spec's `chat_template` uses what llama.cpp's Jinja does not know"
        raise GituneError(f"llama.cpp cannot load {what}", hint=hint) from error


def _text(message: Mapping[str, Any]) -> str:
    """Return an answer as references are written; llama.cpp takes calls of tools out of the text."""
    plain = {"content": message.get("content") or ""}
    calls = message.get("tool_calls")
    return text_of(plain | {"tool_calls": read_calls(calls, "", [])} if calls else plain)


def _refusal(error: Mapping[str, Any]) -> GituneError:
    if error.get("type") == "exceed_context_size_error":
        return UsageError(
            f"the conversation has {error['n_prompt_tokens']} tokens and the context holds {error['n_ctx']}",
            hint="shorten it, or open the engine with a larger context",
        )
    kind = UsageError if 400 <= int(error.get("code", 500)) < 500 else GituneError  # noqa: PLR2004 - HTTP's classes
    return kind(f"llama.cpp: {error.get('message', 'unknown error')}")


def _public(reply: dict[str, Any]) -> dict[str, Any]:
    """Drop what is llama.cpp's own: file paths and timings."""
    with contextlib.suppress(KeyError):
        del reply["timings"]
    reply["model"] = ""
    return reply
