"""A plan <-> a file: `gitune plan -o FILE` writes what `gitune apply FILE` then does, or refuses to do.

The file holds digests of all that the plan was made from, so that a refusal can name what changed since. It holds no
secret and no path outside the repository. Its seal finds damage and edits by hand; it is no signature.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from runner import __version__
from runner.digest import digest_bytes, digest_json
from runner.errors import GituneError
from runner.plan.decision import PREDICT_STEPS
from runner.plan.keys import IMPLEMENTATION, template_digest
from runner.plan.model import Plan, PlannedStep, PlanPart, SpecPlan, settled
from runner.plan.request import Request
from runner.plan.subject import Subject
from runner.registry.facts import RegistryReader, Step
from runner.spec.config import CONFIG_FILE, Config

KIND = "gitune/plan"
LARGEST = 256 << 20
"""Bytes; a plan of 2,500 specs has ten million."""

MOST_TOLD = 12
"""Differences that a refusal lists."""

_AGAIN = "plan again, review it, and apply the new plan"


class SavedPlan(PlanPart):
    """A plan with all that it depends on."""

    kind: Literal["gitune/plan"] = "gitune/plan"
    """What this file is."""
    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    tool: str
    """Release of Gitune that made it."""
    implementation: dict[str, int]
    """Implementation numbers of the steps."""
    config: dict[str, str]
    """Digest of every field of registry/config.yaml."""
    inputs: dict[str, dict[str, str]]
    """By spec: digest of everything it asks for, by file."""
    request: Request
    """What was asked for."""
    plan: Plan
    """The plan."""
    seal: str = ""
    """sha256 of all the rest."""


def seal_plan(plan: Plan, request: Request, subjects: Sequence[Subject], config: Config) -> SavedPlan:
    """Bind a plan to what it was made from."""
    saved = SavedPlan(
        tool=__version__,
        implementation={str(step): number for step, number in IMPLEMENTATION.items()},
        config={path: digest_json(value) for path, value in _config_values(config)},
        inputs={subject.spec.name: _inputs(subject) for subject in subjects},
        request=request,
        plan=plan,
    )
    return saved.model_copy(update={"seal": _seal(saved.model_dump(mode="json"))})


def write_plan(saved: SavedPlan, file: Path) -> None:
    """Write a plan to a file, whole or not at all."""
    text = saved.model_dump_json(indent=1) + "\n"
    if file.exists() and not file.is_file():
        # A pipe or /dev/stdout is written to, never replaced.
        file.write_text(text, encoding="utf-8")
        return
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def read_plan(file: Path) -> SavedPlan:
    """Read what `write_plan` wrote.

    Raises:
        GituneError: when there is no such file, it is no plan, another tool made it, or it was changed since.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise GituneError(f"{file} is larger than any plan")
        data = file.read_bytes()
    except OSError as error:
        hint = "`gitune plan -o FILE` writes one"
        raise GituneError(f"the plan {file} cannot be read: {error.strerror or error}", hint=hint) from error
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        what = "is empty" if not data.strip() else "is not a saved plan"
        raise GituneError(f"{file} {what}", hint="`gitune plan -o FILE` writes one; `plan --json` is for reading only")
    if content.get("format_version") != "1.0" or content.get("tool") != __version__:
        made, here = content.get("tool"), f"this is {__version__}"
        raise GituneError(
            f"{file} was made by gitune {made} (format {content.get('format_version')}), and {here}", hint=_AGAIN
        )
    if content.get("seal") != _seal(content):
        raise GituneError(f"{file} is damaged, or was edited by hand", hint=_AGAIN)
    try:
        return SavedPlan.model_validate(content)
    except ValidationError as error:
        raise GituneError(f"{file} is not a plan of this tool: {error.errors()[0]['msg']}", hint=_AGAIN) from error


def refuse_stale(saved: SavedPlan, now: SavedPlan, file: Path) -> None:
    """Refuse a plan that would come out differently now.

    Args:
        saved: the plan as it was made.
        now: the same request, planned from the present.
        file: the plan's file, for the message.

    Raises:
        GituneError: with everything that changed.
    """
    told = list(_differences(saved, now))
    if not told and saved.plan.digest == now.plan.digest:
        return
    if _is_done(saved, now):
        done = f"the plan {file} was already applied, or another run did the same: nothing is left to do"
        raise GituneError(done, hint="`gitune status` shows what is live; plan again for what is to come")
    lines = told[:MOST_TOLD] or ["what it was made from"]
    if len(told) > MOST_TOLD:
        lines.append(f"and {len(told) - MOST_TOLD} more")
    listed = "\n".join(f"  - {line}" for line in lines)
    message = f"the plan {file} is stale, and nothing was done. Since it was made, this changed:\n{listed}"
    raise GituneError(message, hint=_AGAIN)


def undone(planned: SpecPlan, ran: Sequence[Step], reader: RegistryReader) -> list[Step]:
    """Return the steps that a plan said would run, and that neither ran nor were done by another run meanwhile.

    So an apply that did nothing is a success only where its plan said so, or somebody else did it all.
    """
    return [
        step.step
        for step in planned.steps
        if step.action == "RUN" and step.step not in ran and not _is_recorded(planned, step, reader)
    ]


def _is_recorded(planned: SpecPlan, step: PlannedStep, reader: RegistryReader) -> bool:
    if step.step == "deploy":
        return any(entry.name == planned.name and entry.version == planned.version for entry in reader.deployed())
    # Answers are shared by the predict steps.
    steps = PREDICT_STEPS if step.step in PREDICT_STEPS else (step.step,)
    return step.key is None or any(reader.record(name, step.key) is not None for name in steps)


def _is_done(saved: SavedPlan, now: SavedPlan) -> bool:
    same = (saved.inputs, saved.config, saved.plan.head) == (now.inputs, now.config, now.plan.head)
    return same and now.plan.idle and not saved.plan.idle and not now.plan.summary["blocked"]


def _differences(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    """Yield what changed, the cause before the effect: tool, settings, git, specs, registry."""
    for step, number in saved.implementation.items():
        if now.implementation.get(step) != number:
            yield f"tool: implementation {number} of {step} is now {now.implementation.get(step)}"
    for path in _changed(saved.config, now.config):
        yield f"settings: {path} in {CONFIG_FILE}"
    if saved.plan.head != now.plan.head:
        yield f"HEAD: {_commit(saved.plan.head)} is now {_commit(now.plan.head)}"
    if saved.plan.base != now.plan.base:
        yield f"base: {saved.request.base} met HEAD at {_commit(saved.plan.base)}, and now at {_commit(now.plan.base)}"
    for name in sorted(saved.inputs.keys() | now.inputs.keys()):
        if name not in now.inputs or name not in saved.inputs:
            yield f"spec: {name} is {'gone' if name not in now.inputs else 'new'}"
            continue
        for path in _changed(saved.inputs[name], now.inputs[name]):
            yield f"spec: {path}"
    before, after = ({spec.name: spec for spec in plan.specs} for plan in (saved.plan, now.plan))
    for name in (name for name in before if name in after):
        yield from _registry_differences(before[name], after[name])


def _registry_differences(saved: SpecPlan, now: SpecPlan) -> Iterator[str]:
    if saved.live != now.live:
        yield f"registry: {saved.name} {saved.live or 'not deployed'} was live, and now {now.live or 'nothing'}"
    if saved.champion != now.champion:
        was, now_is = saved.champion or "nothing", now.champion or "nothing"
        yield f"registry: {saved.name} was compared with {was}, and now with {now_is}"
    differing = [
        (old, new)
        for old, new in zip(saved.steps, now.steps, strict=True)
        if (settled(old.action), old.key) != (settled(new.action), new.key)
    ]
    if not differing:
        return
    # What follows from the first one is not worth a line each.
    (old, new), *later = differing
    change = f"was {old.action}, and is now {new.action} ({new.reason})"
    told = change if old.action != new.action else f"is still {old.action}, but with another key"
    also = f"; and so {', '.join(step.step for step, _ in later)}" if later else ""
    yield f"registry: {old.step} of {saved.name} {told}{also}"


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))


def _commit(commit: str | None) -> str:
    return commit[:8] if commit else "none"


def _inputs(subject: Subject) -> dict[str, str]:
    """Return what a spec asks for by the file that says it: values after defaults, content of all that it names."""
    loaded, base = subject.loaded, subject.base
    folder = loaded.file.rsplit("/", 1)[0]
    spec = subject.spec
    found = {loaded.file: digest_json(spec.model_dump(mode="json")), f"base model {base.uri}": base.digest}
    if spec.chat_template is not None:
        found[f"{folder}/{spec.chat_template}"] = template_digest(base.chat_template) or ""
    if subject.contract is not None:
        found[f"output format of {spec.name}"] = digest_json(subject.contract)
    for role, files in subject.files.items():
        for path, digest in files.items():
            # One file may serve in two roles.
            found[path] = digest_bytes(f"{found.get(path, '')}{role} {digest}".encode())
    return found


def _config_values(config: Config) -> Iterator[tuple[str, Any]]:
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value


def _seal(content: Mapping[str, Any]) -> str:
    return digest_json({name: value for name, value in content.items() if name != "seal"})
