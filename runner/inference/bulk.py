"""All prompts of a test set -> answers that do not depend on the machine's cores: `answer_all("llama_cpp", model, …)`.

A larger test set is drafted in batches (`drafts`); llama.cpp answers what a draft leaves in doubt.

One prompt at a time in each engine, because answers that share a batch change each other's last bits, and greedy
answers with them. llama.cpp works in several copies with few threads each: threads of one copy wait for each other
after every layer. SmolLM2-135M with an adapter on 2 cores: an answer took 0.75 CPU seconds with one thread and 0.85
with two; beside other processes 1.0 and 5.3 s of wall time. The answers were equal. What prompts begin with alike, such
as a system prompt, each copy reads once.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from runner.data.prompts import Prompt
from runner.errors import GituneError
from runner.inference.beginnings import shared_beginnings
from runner.inference.drafts import WORTH_DRAFTING, Doubt, Drafter, open_drafter, settled
from runner.inference.engine import CONTEXT, NONE_DONE, Engine, ModelFiles, Reply, open_engine
from runner.models.base import base_gguf
from runner.models.checkpoint import longest_context
from runner.models.cores import available_cores
from runner.models.memory import main_memory
from runner.progress import Progress, Report, silent
from runner.spec.evaluation import Generation

if TYPE_CHECKING:
    from runner.inference.llama_cpp import LlamaCppEngine

COPIES = 4
"""Copies at most: each keeps a context of its own in memory."""

_FIRST_SECTION, _SECTION = 64, 512
"""Prompts that are drafted before llama.cpp is asked about any of them; a kill costs the drafts of one section."""

_SIGN_OF_LIFE = 5.0
"""Seconds after which progress is told again though no answer has come."""


Done = Mapping[int, Collection[str]]
"""Ids of the prompts that are answered already, by sample."""


def answer_all(
    name: str,
    model: ModelFiles,
    prompts: Sequence[Prompt],
    settings: Generation,
    report: Report,
    done: Done | None = None,
) -> Iterator[Reply]:
    """Yield `settings.samples` replies to every prompt as they are ready, in any order.

    Args:
        name: `llama_cpp` or `transformers`.
        model: What answers.
        prompts: What is asked.
        settings: How answers are written.
        report: Told how many are done.
        done: What is answered already. The answers to the rest are the same as without it.
    """
    cores = available_cores()
    copies = max(1, min(COPIES, cores, len(prompts))) if name == "llama_cpp" else 1
    if copies > 1:
        copies = max(1, min(copies, _room(model)))
    with ExitStack() as stack:
        engines = [
            stack.enter_context(open_engine(name, model, threads=cores // copies, slots=1)) for _ in range(copies)
        ]
        if name == "llama_cpp":
            tokens, beginnings = _begin_alike(cast("list[LlamaCppEngine]", engines), prompts)
            if drafter := _drafter(model, tokens, settings, cores):
                context = min(CONTEXT, longest_context(model.base.checkpoint) or CONTEXT)
                plan = _Plan(prompts, tokens, beginnings, settings, context)
                yield from _answer_doubtful(engines, drafter, plan, report, (done or {}).get(0, NONE_DONE))
                return
        yield from _ask(engines, prompts, settings, report, done or {})


def _ask(
    engines: Sequence[Engine], prompts: Sequence[Prompt], settings: Generation, report: Report, done: Done
) -> Iterator[Reply]:
    if len(engines) == 1:
        yield from _answer(engines[0], prompts, settings, report, done)
    else:
        yield from _share(engines, prompts, settings, report, done)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is drafted together: all prompts decide, so that it is the same after a kill and on any machine."""

    prompts: Sequence[Prompt]
    tokens: dict[str, list[int]]
    beginnings: dict[str, tuple[int, ...]]
    settings: Generation
    context: int

    def sections(self) -> Iterator[Sequence[Prompt]]:
        """Cut prompts into parts that are drafted, then asked about: a small one first, to see whether it pays."""
        at = 0
        while at < len(self.prompts):
            yield self.prompts[at : at + (_SECTION if at else _FIRST_SECTION)]
            at += _SECTION if at else _FIRST_SECTION

    def drafted(self, section: Sequence[Prompt]) -> dict[str, list[int]]:
        """Leave out what calls tools, cannot be read or may reach the context's end: the engine's own affair."""
        found = ((p.id, self.tokens[p.id]) for p in section if p.tools is None and p.id in self.tokens)
        return {name: ids for name, ids in found if len(ids) + self.settings.max_new_tokens < self.context}


def _drafter(model: ModelFiles, tokens: Mapping[str, object], settings: Generation, cores: int) -> Drafter | None:
    return open_drafter(model, settings, cores) if len(tokens) >= WORTH_DRAFTING else None


def _answer_doubtful(
    engines: Sequence[Engine], drafter: Drafter, plan: _Plan, report: Report, done: Collection[str]
) -> Iterator[Reply]:
    """Yield what is settled, section by section. What is done is asked about again where others learn by it."""
    doubt, replied, total = Doubt(len(plan.prompts)), 0, len(plan.prompts)

    def ask(prompts: Sequence[Prompt]) -> Iterator[Reply]:
        def tell(progress: Progress) -> None:
            report(Progress("answering", replied + (progress.done or 0), total, "prompts"))

        return _ask(engines, prompts, plan.settings, tell, {})

    for section in plan.sections():
        by_id = {prompt.id: prompt for prompt in section}
        wanted = {} if doubt.asked and 2 * doubt.parted >= doubt.asked else plan.drafted(section)
        report(Progress("answering", replied, total, "prompts"))
        beginnings = {name: plan.beginnings[name] for name in wanted if name in plan.beginnings}
        drafts = drafter.draft(wanted, beginnings, plan.settings)
        plain = [prompt for prompt in section if prompt.id not in wanted and prompt.id not in done]
        for replies in (settled(drafts, lambda ids: ask([by_id[name] for name in ids]), doubt), ask(plain)):  # noqa: B023
            for reply in replies:
                if reply.prompt_id not in done:
                    yield reply
        replied += len(section)
    report(Progress("answering", replied, total, "prompts"))


def _answer(
    engine: Engine, prompts: Sequence[Prompt], settings: Generation, report: Report, done: Done
) -> Iterator[Reply]:
    for sample in range(settings.samples):
        yield from engine.answer(prompts, settings, report, sample, done.get(sample, NONE_DONE))


def _room(model: ModelFiles) -> int:
    """Return how many copies main memory holds, at most half of it: some formats are repacked, and then not shared."""
    return main_memory() // (2 * base_gguf(model.base).stat().st_size)


def _begin_alike(
    engines: Sequence[LlamaCppEngine], prompts: Sequence[Prompt]
) -> tuple[dict[str, list[int]], dict[str, tuple[int, ...]]]:
    """Tell the engines what prompts share, found among all of them: a copy's own share would depend on the cores.

    Returns:
        The tokens of every prompt that can be read, and those that it begins with as others do, by its id.
    """
    tokens = {}
    for prompt in prompts:
        # What cannot be read is refused when it is asked.
        with contextlib.suppress(GituneError):
            tokens[prompt.id] = engines[0].read(prompt)
    beginnings = shared_beginnings(tokens, {prompt.id: _instructions(prompt) for prompt in prompts})
    for engine in engines:
        engine.share(beginnings)
    return tokens, beginnings


def _instructions(prompt: Prompt) -> str:
    """Return what an application sends before every conversation."""
    first = prompt.messages[0]
    return json.dumps([first if first["role"] == "system" else None, prompt.tools])


def _share(
    engines: Sequence[Engine], prompts: Sequence[Prompt], settings: Generation, report: Report, done: Done
) -> Iterator[Reply]:
    """Give each engine a fixed share, so that it sees the same prompts in the same order every time."""
    ready: queue.SimpleQueue[Reply | Exception | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def work(engine: Engine, share: Sequence[Prompt]) -> None:
        try:
            for answer in _answer(engine, share, settings, silent, done):
                ready.put(answer)
                if stopped.is_set():
                    return
            ready.put(None)
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            ready.put(error)

    with ThreadPoolExecutor(len(engines), thread_name_prefix="answering") as pool:
        for at, engine in enumerate(engines):
            pool.submit(work, engine, prompts[at :: len(engines)])
        replies, working = 0, len(engines)
        try:
            while working:
                with contextlib.suppress(queue.Empty):
                    answer = ready.get(timeout=_SIGN_OF_LIFE)
                    if isinstance(answer, Exception):
                        raise answer
                    if answer is None:
                        working -= 1
                        continue
                    replies += 1
                    yield answer
                report(Progress("answering", replies, len(prompts) * settings.samples, "prompts"))
        finally:
            stopped.set()
