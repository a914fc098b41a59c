"""A release and its git commit: do the spec and the data of that commit make the keys that the release is proven by?

Read from git's objects, never from the working tree. What is not in this clone is told as not checked, and is no fault.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runner import git
from runner.digest import digest_bytes
from runner.errors import GituneError
from runner.plan import keys
from runner.registry.facts import Record, Step, Version
from runner.spec.load import FILE_NAME
from runner.spec.models import Spec
from runner.spec.validation import validated
from runner.spec.yaml_file import read_yaml


class Committed(NamedTuple):
    """What was checked against the commit."""

    detail: str
    """What was found there, and what was not checked."""
    broken: str | None = None
    """What differs, if anything."""


def check_commit(version: Version, records: Mapping[Step, Record], root: Path) -> Committed:
    """Compare a release with the commit that it names.

    Args:
        version: the released version.
        records: the records it was made of.
        root: the repository.
    """
    at = f"commit {version.commit[:12]}"
    file = f"specs/{version.name}/{FILE_NAME}"
    text = git.show(root, version.commit, file)
    if text is None:
        return Committed(f"{at} or its {file} is not in this clone: not checked")
    spec = _parse(text, version.name)
    if spec is None:
        # An older gitune may have allowed what this one refuses.
        return Committed(f"{at}: {file} is no spec for this gitune: not checked")
    if (broken := _differs(spec, version, records)) is not None:
        return Committed(at, f"{file} of that commit does not lead here: {broken}")
    return _check_data(at, version.commit, records.get("prepare"), root)


def _parse(text: bytes, name: str) -> Spec | None:
    """Read a spec alone, without the files it names; None when it is none."""
    with tempfile.TemporaryDirectory(prefix="gitune-spec-") as folder:
        file = Path(folder) / "specs" / name / FILE_NAME
        file.parent.mkdir(parents=True)
        file.write_bytes(text)
        try:
            return validated(Spec, read_yaml(file, Path(folder)))[0]
        except GituneError:
            return None


def _differs(spec: Spec, version: Version, records: Mapping[Step, Record]) -> str | None:
    """Return which input of the release the committed spec would have made differently."""
    content = version.content
    settings = keys.effective(spec.evaluation.generation)
    found: dict[str, tuple[object, object]] = {
        "version": (spec.version, version.version),
        "base_model": (spec.base_model, content.base_model),
        "engine": (spec.engine, content.engine),
        "evaluation.generation": (settings, content.generation),
        "dataset.system_prompt": (spec.dataset.system_prompt, content.system_prompt),
    }
    if (prepared := records.get("prepare")) is not None:
        found |= _inputs("prepare", keys.prepare_inputs(spec, {}, None), prepared.inputs, {"files", "contract"})
        if (trained := records.get("train")) is not None:
            made = keys.train_inputs(spec, content.base_digest, prepared, content.chat_template)
            found |= _inputs("train", made, trained.inputs, set())
    return next((f"its {path} is another" for path, (ours, theirs) in found.items() if ours != theirs), None)


def _inputs(
    step: Step, ours: Mapping[str, Any], theirs: Mapping[str, Any], unknown: set[str]
) -> dict[str, tuple[object, object]]:
    # A newer tool's implementation numbers say nothing about an older release.
    names = (ours.keys() | theirs.keys()) - unknown - {"implementation"}
    return {f"{step}.{name}": (ours.get(name), theirs.get(name)) for name in sorted(names)}


def _check_data(at: str, commit: str, prepared: Record | None, root: Path) -> Committed:
    files: dict[str, str] = dict(prepared.metrics.get("files", {})) if prepared else {}
    found = {path: git.show(root, commit, path) for path in files}
    for path, data in found.items():
        if data is not None and digest_bytes(data) != files[path]:
            return Committed(at, f"{path} of that commit is not the file that was prepared")
    here = sum(data is not None for data in found.values())
    unchecked = "" if here == len(files) else f"; {len(files) - here} are not in git: not checked"
    return Committed(f"{at}: spec.yaml and {here} of {len(files)} data files are as committed{unchecked}")
