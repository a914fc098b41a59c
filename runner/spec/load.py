"""`specs/<name>/spec.yaml` -> `LoadedSpec`: the frozen spec, and where each of its keys stands.

`load_specs(root)` reads all specs of a repository, `load_spec(file, root)` one. Everything that is wrong with any of
them is told in one SpecError.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from runner.errors import Location, Problem, SpecError, UsageError
from runner.spec.checks import check
from runner.spec.document import nearest_place
from runner.spec.excerpt import excerpt
from runner.spec.known import KnownDocuments
from runner.spec.models import Spec
from runner.spec.validation import tell, validated
from runner.spec.yaml_file import read_yaml

FILE_NAME = "spec.yaml"
MISNAMED = "spec.yml"


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A valid spec and its file."""

    spec: Spec
    """What the file says."""
    root: Path
    """The repository."""
    file: str
    """Repository-relative name of the file, such as `specs/x/spec.yaml`."""
    places: Mapping[str, Location]
    """Dotted key path -> where the key stands; list items by number: `evaluation.gates.0.metric`."""

    @property
    def folder(self) -> Path:
        """The spec's folder; data and schemas lie in it."""
        return (self.root / self.file).parent

    def where(self, path: str) -> Location:
        """Return the place of a key path; when it is not written in the file, of the nearest enclosing one."""
        return nearest_place(self.places, path, self.file)


def load_spec(file: Path, root: Path, known: KnownDocuments | None = None) -> LoadedSpec:
    """Read, validate and check one spec; `known` spares the parsing of files that have not changed.

    Raises:
        SpecError: with everything that is wrong with it.
    """
    document = read_yaml(file, root, known)
    spec, findings = validated(Spec, document)
    told = {path for path, _ in findings}
    folder = (root / document.file).parent
    findings += [found for found in check(document, folder) if found[0] not in told]
    if spec is None or findings:
        raise tell(findings)
    return LoadedSpec(spec, root, document.file, document.places)


def load_specs(root: Path, names: Sequence[str] = (), known: KnownDocuments | None = None) -> list[LoadedSpec]:
    """Read the specs of a repository in the order of their names; only those in `names`, if any are given.

    Raises:
        UsageError: when there is no spec, or none of a given name.
        SpecError: with everything that is wrong with any of them.
    """
    loaded: list[LoadedSpec] = []
    problems: list[Problem] = []
    for folder in _chosen(_folders(root), names, root):
        try:
            if _is_misnamed(folder):
                where = Location(f"specs/{folder.name}/{MISNAMED}")
                raise SpecError([Problem(f"the file is named {MISNAMED}", where, f"rename it to {FILE_NAME}")])  # noqa: TRY301
            loaded.append(load_spec(folder / FILE_NAME, root, known))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return loaded


def _folders(root: Path) -> dict[str, Path]:
    """Return the folders that hold a spec by name, in order. Broken links count, so that they are told."""
    specs = root / "specs"
    if not specs.is_dir():
        raise UsageError(
            f"there is no folder {specs}",
            hint="run in a repository with specs/<name>/spec.yaml, or use -C; `gitune init` makes one",
        )
    with os.scandir(specs) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    return {name: specs / name for name in names if _holds_spec(specs / name)}


def _holds_spec(folder: Path) -> bool:
    """Return whether there is a spec file, or something that was meant to be one."""
    broken = folder.is_symlink() and not folder.exists()
    return os.path.lexists(folder / FILE_NAME) or broken or _is_misnamed(folder)


def _is_misnamed(folder: Path) -> bool:
    """Return whether the only spec file has the other usual ending; skipping it would lose a spec silently."""
    return not os.path.lexists(folder / FILE_NAME) and os.path.lexists(folder / MISNAMED)


def _chosen(folders: Mapping[str, Path], names: Sequence[str], root: Path) -> list[Path]:
    """Return the folders of the given names, or all, in order."""
    if not folders:
        raise UsageError(
            f"there is no spec in {root / 'specs'}", hint="`gitune init --data FILE.jsonl` makes one of your data"
        )
    for name in names:
        if name not in folders:
            from runner.spec.names import nearest

            guess = nearest(name, folders)
            hint = f"did you mean `{guess}`?" if guess else f"there are: {', '.join(folders)}"
            parts = PurePath(name.removesuffix(f"/{FILE_NAME}")).parts
            if len(parts) > 1 and parts[-1] in folders:
                hint = f"name the spec, not its file: `{parts[-1]}`"
            raise UsageError(f"there is no spec named `{excerpt(name)}`", hint=hint)
    return [folder for name, folder in folders.items() if not names or name in names]
