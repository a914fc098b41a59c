"""A released version and its records -> a model card in the form of the Hugging Face Hub.

The YAML at the top is what the Hub and its libraries read; the text is for people. It holds figures, digests and
settings, and nothing of the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from runner.evaluation.compare import compare
from runner.evaluation.gates import Verdict
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.words import percent, points
from runner.registry.facts import STEPS, Record, Step, Version
from runner.registry.views import RegistryReader
from runner.report.escape import code, fence, inline

_MOST = 100


def model_card(version: Version, steps: Mapping[Step, Record], registry: RegistryReader, files: Sequence[str]) -> str:
    """Write the card.

    Args:
        version: what it describes.
        steps: the records of its chain.
        registry: where their artifacts are.
        files: names of the weights' files.
    """
    scores = _scores(steps, registry)
    head = yaml.safe_dump(_metadata(version, steps, scores, files), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n" + "\n\n".join(_sections(version, steps, scores, registry, files)) + "\n"


def _metadata(
    version: Version, steps: Mapping[Step, Record], scores: Mapping[str, SubjectScores], files: Sequence[str]
) -> dict[str, Any]:
    training = _training(steps)
    method = str(training.get("method", "lora"))
    whole = "config.json" in files
    base = version.content.base_model
    data: dict[str, Any] = {"library_name": "transformers" if whole else "peft"}
    if base.startswith("hf://"):  # the Hub links models of its own only
        data["base_model"] = base.removeprefix("hf://").partition("@")[0]
        data["base_model_relation"] = "finetune" if whole else "adapter"
    data["pipeline_tag"] = "text-generation"
    data["tags"] = ["gitune", method, *([str(training["objective"])] if "objective" in training else [])]
    if scores:
        dataset = {"name": f"{version.name}, test split", "type": version.name}
        task = {"type": "text-generation"}
        result = {"task": task, "dataset": dataset, "metrics": list(_metrics(scores))}
        data["model-index"] = [{"name": f"{version.name} {version.version}", "results": [result]}]
    return data


def _metrics(scores: Mapping[str, SubjectScores]) -> Iterator[dict[str, Any]]:
    tuned = scores["tuned"]
    for metric, value in tuned.values.items():
        about: dict[str, Any] = {"rows": tuned.n}
        for rival in ("base", "champion"):
            if rival in scores and metric in scores[rival].values:
                gain = compare(metric, tuned, rival, scores[rival])
                about[rival] = round(scores[rival].values[metric], 4)
                about[f"gain_over_{rival}"] = [round(x, 4) for x in (gain.difference, gain.low, gain.high)]
        yield {"type": metric, "value": round(value, 4), "name": metric, "args": about}


def _sections(
    version: Version,
    steps: Mapping[Step, Record],
    scores: Mapping[str, SubjectScores],
    registry: RegistryReader,
    files: Sequence[str],
) -> Iterator[str]:
    content = version.content
    yield f"# {inline(version.name)} {version.version}"
    what = "A whole model, tuned from" if "config.json" in files else "An adapter for"
    yield f"{what} {code(content.base_model)} (sha256 `{content.base_digest}`), released by Gitune: {version.verdict}."
    if content.system_prompt is not None:
        yield f"It was trained and judged with this system prompt:\n\n{fence(content.system_prompt)}"
    yield _usage(version, files)
    if scores:
        yield "## Evaluation\n\n" + _evaluation(scores, content.engine, content.generation)
    if "gate" in steps:
        yield "## Gates\n\n" + _gates(steps["gate"], registry)
    yield "## Data and training\n\n" + "\n".join(_made_of(steps, registry))
    yield "## Provenance\n\n" + "\n".join(_provenance(version, steps))


def _usage(version: Version, files: Sequence[str]) -> str:
    lines = ["## Use", ""]
    if "config.json" in files:
        lines += ["`AutoModelForCausalLM.from_pretrained(FOLDER)` loads it."]
    else:
        lines += ["`PeftModel.from_pretrained(BASE, FOLDER)` puts `adapter_model.safetensors` on the base model."]
    if gguf := [name for name in files if name.endswith(".gguf")]:
        option = "--model" if "config.json" in files else "--lora"
        lines += [f"llama.cpp takes `{option} {gguf[0]}`."]
    lines += [f"`gitune registry import FOLDER` takes {version.name} {version.version} over into another registry."]
    return "\n".join(lines)


def _evaluation(scores: Mapping[str, SubjectScores], engine: str, generation: Mapping[str, Any]) -> str:
    tuned = scores["tuned"]
    rivals = [name for name in ("base", "champion") if name in scores]
    header = ["metric", "this version", *(part for name in rivals for part in (name, f"gain over {name}"))]
    rows = []
    for metric, value in tuned.values.items():
        row = [inline(metric), percent(value)]
        for name in rivals:
            gain = compare(metric, tuned, name, scores[name])
            row += [percent(scores[name].values[metric]), f"{points(gain.difference)} ({_bounds(gain.low, gain.high)})"]
        rows.append(row)
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows])
    return (
        f"{text}\n\n{tuned.n} test rows; gains in points, with one-sided 95 % bounds; "
        f"answers by {inline(engine)} with {code(json.dumps(dict(generation), sort_keys=True))}."
    )


def _bounds(low: float, high: float) -> str:
    return f"{points(low)} … {points(high)}"


def _gates(record: Record, registry: RegistryReader) -> str:
    verdicts = [Verdict.model_validate(value) for value in json.loads(registry.read(record.outputs["verdicts"]))]
    lines = [f"- **{verdict.outcome}** {inline(verdict.gate)}: {inline(verdict.reason)}" for verdict in verdicts]
    return "\n".join(lines or ["None were asked for."])


def _made_of(steps: Mapping[Step, Record], registry: RegistryReader) -> Iterator[str]:
    if "prepare" in steps:
        card = json.loads(registry.read(steps["prepare"].outputs["card"]))
        rows = {name: count for name, count in card["rows"].items() if isinstance(count, int)}
        yield "- rows: " + ", ".join(f"{name} {count}" for name, count in rows.items())
        labels = (card.get("labels") or {}).get("counts", {}).get("train", {})
        if 0 < len(labels) <= _MOST:
            yield "- labels in training: " + ", ".join(f"{inline(name)} {count}" for name, count in labels.items())
    for name, value in _training(steps).items():
        yield f"- {name}: {code(json.dumps(value, sort_keys=True))}"
    if "train" in steps:
        measured = {name: steps["train"].metrics.get(name) for name in ("best_epoch", "validation_loss")}
        yield from (f"- {name}: {value}" for name, value in measured.items() if value is not None)


def _provenance(version: Version, steps: Mapping[Step, Record]) -> Iterator[str]:
    yield f"- commit: `{version.commit}`"
    yield f"- released: {version.released:%Y-%m-%d %H:%M} UTC; champion: {version.champion or 'none'}"
    yield f"- weights: `{version.content.adapter.digest}`"
    for step in STEPS[:-1]:
        if key := version.keys.get(step):
            yield f"- {step}: `{key}`"
    for name, value in (steps["train"].environment if "train" in steps else {}).items():
        yield f"- {name}: {inline(value)}"


def _training(steps: Mapping[Step, Record]) -> dict[str, Any]:
    return dict(steps["train"].inputs.get("training", {})) if "train" in steps else {}


def _scores(steps: Mapping[Step, Record], registry: RegistryReader) -> dict[str, SubjectScores]:
    if "score" not in steps:
        return {}
    stored = json.loads(registry.read(steps["score"].outputs["scores"]))
    return dict(Scores.model_validate(stored).subjects)
