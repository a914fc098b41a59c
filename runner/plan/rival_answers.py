"""Rivals -> whether they must answer the test set, have answered it, or can be asked no more.

A model whose weights are lost may have answered some of these prompts before: then what it answered is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from runner.plan.decision import PREDICT_STEPS, Decision
from runner.plan.lookup import Lookup
from runner.plan.pointer import lost
from runner.plan.rivals import CHAMPION, Rival, combined, is_champion_alone
from runner.registry.chain import sealed_record
from runner.registry.facts import Artifact, Record, Version
from runner.registry.views import RegistryReader

Rivals = tuple[Rival, ...]


def decide_answers(
    rivals: Rivals, prompts: Artifact, lookup: Lookup, released: Version | None
) -> tuple[Decision, Rivals]:
    """Decide `predict_champion`, and return how each rival's answers come about.

    Args:
        rivals: who is compared with; at least one.
        prompts: what they are asked.
        lookup: finds earlier answers.
        released: the released version of the spec's number, if there is one.
    """
    inputs = rivals[0].inputs if is_champion_alone(rivals) else combined(rivals)
    record = lookup.as_released("predict_champion", inputs, released) or _sealed(rivals, lookup, released)
    if record is not None:
        return _reuse("up to date", record), rivals
    able, extents = [], []
    for rival in rivals:
        if lookup.known("predict_champion", rival.key) or lookup.reader.exists(rival.version.content.adapter):
            able.append(rival)
        elif (earlier := _earlier(rival, prompts, lookup.reader)) is not None:
            able.append(replace(rival, earlier=earlier[0]))
            extents.append(f"the weights of {rival.name} are lost; what it answered of {earlier[1]} is compared")
        else:
            return _lost(rival), rivals
    rivals = tuple(able)
    if is_champion_alone(rivals):
        if (partial := rivals[0].earlier) is not None:
            return replace(_reuse(extents[0], partial), code="earlier_answers"), rivals
        return lookup.find("predict_champion", inputs, released), rivals
    found = lookup.find("predict_champion", combined(rivals), released)
    return replace(found, reason="; ".join([found.reason, *extents])), rivals


def _reuse(reason: str, record: Record) -> Decision:
    return Decision("predict_champion", "REUSE", reason, record.key, record.inputs, record)


def _lost(rival: Rival) -> Decision:
    what = "the champion" if rival.subject == CHAMPION else f"the rival {rival.subject}:"
    reason = f"{what} {lost(rival.version, 'its weights')}"
    return Decision("predict_champion", "BLOCKED", reason, rival.key, rival.inputs, fault=True, code="released_lost")


def _sealed(rivals: Rivals, lookup: Lookup, released: Version | None) -> Record | None:
    """Return the earlier answers that a release was compared with, though a lost rival can be asked again by now."""
    record = sealed_record(released, "predict_champion", lookup.reader) if released else None
    if record is None:
        return None
    if is_champion_alone(rivals):
        return record if _is_same_model(record.inputs, rivals[0]) else None
    now = combined(rivals)
    was = {**record.inputs, "rivals": dict(record.inputs.get("rivals", {}))}
    # Which answers those were is in the record that was released; what a version is never changes.
    was["rivals"] |= {name: now["rivals"].get(name) for name, inputs in was["rivals"].items() if "earlier" in inputs}
    return record if was == now else None


def _earlier(rival: Rival, prompts: Artifact, reader: RegistryReader) -> tuple[Record, str] | None:
    """Return the record with the most answers of the same model to these prompts, and how many that are, in words."""
    wanted = set(_ids(reader.read(prompts), "id"))
    found = []
    for step in PREDICT_STEPS:
        for record in reader.records(step):
            answers = record.outputs.get("answers")
            if answers is not None and _is_same_model(record.inputs, rival) and reader.exists(answers):
                common = wanted.intersection(_ids(reader.read(answers), "prompt_id"))
                found.append((len(common), record.finished, record))
    best = max(found, key=lambda item: item[:2], default=None)
    return None if best is None or not best[0] else (best[2], f"{best[0]} of {len(wanted)} prompts")


def _is_same_model(inputs: Mapping[str, object], rival: Rival) -> bool:
    return {**inputs, "prompts": ""} == {**rival.inputs, "prompts": ""}


def _ids(data: bytes, name: str) -> Iterator[str]:
    return (json.loads(line)[name] for line in data.split(b"\n") if line)
