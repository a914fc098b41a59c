"""Which tool the settings come from -> what is taken over of them."""

from __future__ import annotations

from pathlib import Path

from runner.errors import UsageError
from runner.init.foreign import Carried, read_settings


def take_over(openai: Path | None, job: Path | None, other: Path | None) -> Carried:
    """Take over OpenAI's file and job, or another tool's config.

    Raises:
        UsageError: when both are given, a job without its data, or a config of no tool that is known here.
    """
    if openai and other:
        raise UsageError("--from-openai and --from name two beginnings", hint="give one of them")
    if openai:
        from runner.init.openai_job import take_over_openai

        return take_over_openai(openai, job)
    if other is None:
        raise UsageError("--settings is the job of --from-openai", hint="name its data: --from-openai FILE.jsonl")
    return _config(other)


def _config(path: Path) -> Carried:
    from runner.init.axolotl import is_axolotl, take_over_axolotl
    from runner.init.llama_factory import is_llama_factory, take_over_llama_factory

    document = read_settings(path)
    if is_axolotl(document):
        return take_over_axolotl(document, path.parent)
    if is_llama_factory(document):
        return take_over_llama_factory(document, path.parent)
    hint = "Axolotl's has `datasets`, LLaMA-Factory's `stage` and `dataset`; else begin with --data FILE.jsonl"
    raise UsageError(f"{path} is no config of Axolotl or LLaMA-Factory", hint=hint)
