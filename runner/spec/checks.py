"""What a spec must satisfy beyond the kinds of its values: its folder, its paths, its gates.

`check(document, folder)` works on plain data, so that these findings are told together with those of validation.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import Any

from runner import __version__
from runner.errors import Problem
from runner.spec.document import Document
from runner.spec.excerpt import excerpt
from runner.spec.section import NAME
from runner.spec.supported import unsupported
from runner.spec.yaml_file import has_link

Finding = tuple[str, Problem]

_SCHEME = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)
_BASE_MODEL = re.compile(r"pkg://[^/]+/.+|hf://[^/]+/[^/@]+@.+|file://.+")


def check(document: Document, folder: Path) -> list[Finding]:
    """Return the findings of every check."""
    return [
        *_folder(document, folder),
        *_base_model(document),
        *_method(document),
        *_data_files(document),
        *_plain_file(document, folder, "evaluation.output_format.json_schema"),
        *_plain_file(document, folder, "chat_template"),
        *_files_of_judges(document, folder),
        *_gates(document),
        *_samples(document),
        *_rivals(document),
        *unsupported(document),
    ]


def _found(document: Document, path: str, message: str, hint: str = "") -> list[Finding]:
    """Return one finding at the place of `path`."""
    return [(path, Problem(message, document.where(path), hint))]


def _folder(document: Document, folder: Path) -> list[Finding]:
    """A spec is found by its name, so its folder has the same."""
    name = document.at("name")
    if not isinstance(name, str) or name == folder.name:
        return []
    message = f"`name` is `{excerpt(name)}`, but the folder is specs/{folder.name}"
    if re.fullmatch(r"[a-z0-9-]+", name) and os.path.lexists(folder.parent / name / "spec.yaml"):
        good = re.fullmatch(NAME, folder.name) is not None
        hint = f"write `name: {folder.name}`" if good else "rename the folder, and give the spec its name"
        return _found(document, "name", f"{message}; specs/{name} has this name already", hint)
    return _found(document, "name", message, "rename one of them")


def _base_model(document: Document) -> list[Finding]:
    """A local base model is pinned: by package, by commit, or by the content of a folder."""
    base = document.at("base_model")
    if not isinstance(base, str) or document.at("backend") in ("openai", "together") or _BASE_MODEL.fullmatch(base):
        return []
    hint = "write pkg://PACKAGE/FILE.gguf, hf://ORG/NAME@COMMIT or file://DIR"
    return _found(document, "base_model", f"`base_model: {excerpt(base)}` does not say where the model is", hint)


def _method(document: Document) -> list[Finding]:
    """llama.cpp adds low-rank products to its weights; what DoRA does to their lengths it cannot express.

    The reference model of DPO is the base with the adapter off, which `full` does not have.
    """
    if document.at("training.objective") == "dpo" and document.at("training.method") == "full":
        message = f"`objective: dpo` with `method: full` is not available in gitune {__version__}"
        return _found(document, "training.method", message, "available: lora, qlora, dora")
    if document.at("training.method") != "dora" or (document.at("engine") or "llama_cpp") != "llama_cpp":
        return []
    return _found(document, "training.method", "llama.cpp cannot serve DoRA", "write `engine: transformers`")


def _data_files(document: Document) -> list[Finding]:
    """Data lies beside the spec."""
    findings = []
    for key in ("train", "validation", "test"):
        patterns: Any = document.at(f"dataset.{key}")
        for i, pattern in enumerate(patterns if isinstance(patterns, list) else []):
            if isinstance(pattern, str):
                findings += _beside(document, f"dataset.{key}.{i}", pattern)
    return findings


def _beside(document: Document, path: str, name: str) -> list[Finding]:
    """Refuse what is no relative path that stays below the spec's folder."""
    if _SCHEME.match(name):
        message = f"remote data such as `{excerpt(name)}` is not available in gitune {__version__}"
        return _found(document, path, message, "commit the file beside the spec")
    if not name or "\0" in name:
        return _found(document, path, f"`{path}` is no file name")
    if name.startswith(("/", "~")) or "\\" in name or ":" in name[:2] or ".." in name.split("/"):
        hint = "name a file below the spec's folder, with forward slashes: data/train.jsonl"
        return _found(document, path, f"the path `{excerpt(name)}` leads out of the spec's folder", hint)
    return []


def _plain_file(document: Document, folder: Path, path: str) -> list[Finding]:
    """What a spec reads whole, such as a chat template, lies beside it as a plain file."""
    name = document.at(path)
    if not isinstance(name, str):
        return []
    if findings := _beside(document, path, name):
        return findings
    if has_link(folder, PurePath(name)):
        return _found(document, path, f"`{excerpt(name)}` is a link", "put the file itself beside the spec")
    if not (folder / name).is_file():
        return _found(
            document, path, f"there is no file `{excerpt(name)}` beside the spec", "create it, or correct the name"
        )
    return []


def _files_of_judges(document: Document, folder: Path) -> list[Finding]:
    """Rubrics and calibrations lie beside the spec."""
    custom: Any = document.at("evaluation.custom_metrics")
    numbers = range(len(custom) if isinstance(custom, list) else 0)
    paths = [f"evaluation.custom_metrics.{i}.{key}" for i in numbers for key in ("rubric", "calibration")]
    return [found for path in paths for found in _plain_file(document, folder, path)]


def _gates(document: Document) -> list[Finding]:
    """A gate looks at something that is measured; else it could only fail, after hours of training."""
    metrics = document.at("evaluation.metrics")
    gates = document.at("evaluation.gates")
    if not isinstance(metrics, list) or not isinstance(gates, list):
        return []
    measured = {metric for metric in metrics if isinstance(metric, str)}
    if "evaluation.output_format" in document.places and document.at("evaluation.output_format") != "none":
        measured.add("format_compliance")
    findings = []
    for i in range(len(gates)):
        path = f"evaluation.gates.{i}.metric"
        metric = document.at(path)
        if isinstance(metric, str) and not {metric, metric.partition(".")[0]} & measured:
            message = f"the gate's metric `{excerpt(metric)}` is not measured"
            findings += _found(document, path, message, f"measured: {', '.join(sorted(measured))}")
    return findings


def _samples(document: Document) -> list[Finding]:
    """Several answers say more than one only where they can differ."""
    path = "evaluation.generation.samples"
    samples = document.at(path)
    if not isinstance(samples, int) or samples <= 1 or document.at("evaluation.generation.temperature"):
        return []
    message = f"`samples: {samples}` with temperature 0: greedy answers repeat themselves"
    return _found(document, path, message, "set temperature, such as `temperature: 0.7`, or leave `samples` out")


def _rivals(document: Document) -> list[Finding]:
    """A spec's own live version has a name already."""
    gates, name = document.at("evaluation.gates"), document.at("name")
    findings = []
    for i in range(len(gates) if isinstance(gates, list) else 0):
        for condition in ("beats", "not_worse_than"):
            path = f"evaluation.gates.{i}.{condition}"
            if (rival := document.at(path)) == f"spec:{name}":
                findings += _found(document, path, f"`{rival}` is this spec itself", f"write `{condition}: champion`")
    return findings
