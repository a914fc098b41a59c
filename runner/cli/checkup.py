"""This machine -> facts for `gitune doctor`: what it has, what will be used, what is missing and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.cli.project import Project, cache_folder, find_root
from runner.errors import GituneError, UsageError
from runner.models.cores import available_cores, wait_politely
from runner.models.memory import container_limit, main_memory
from runner.registry.store import open_store

PROBE = "doctor/probe"
"""Object of the store that is written anew to see whether it can be."""

# What `all` and developers install is made of the others.
NOT_SHOWN = {"all", "dev"}


@dataclass(slots=True)
class Checkup:
    """Facts by topic, and what must be mended before the main job can run."""

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def note(self, topic: str, facts: Mapping[str, Any], problem: str = "") -> None:
        """Add a topic."""
        self.facts[topic] = dict(facts)
        if problem:
            self.problems.append(problem)


def examine(directory: Path) -> Checkup:
    """Look at everything; nothing is changed but one small object of the store."""
    found = Checkup()
    cores = available_cores()
    limit, memory = container_limit(), main_memory()
    found.note("cpu", {"cores": os.cpu_count(), "threads": cores})
    found.note("memory", {"usable": memory, "container_limit": limit, "free": _free_memory()})
    _extras(found)
    _torch(found)
    project = _project(found, directory)
    _store(found, project)
    _cache(found)
    _git(found)
    found.facts["engine"] = _engines(project)
    return found


def _free_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):
        return None


def _extras(found: Checkup) -> None:
    """Compare what gitune's extras ask for with what is installed."""
    extras: dict[str, dict[str, str | None]] = {}
    try:
        requirements = importlib.metadata.requires("gitune") or []
    except importlib.metadata.PackageNotFoundError:
        requirements = []
        found.problems.append("gitune itself is not installed: pip install 'gitune[local]'")
    for requirement in requirements:
        match = re.fullmatch(r"([\w.-]+)[^;\[]*;\s*extra == ['\"](\w+)['\"]", requirement)
        if match and match[2] not in NOT_SHOWN:
            extras.setdefault(match[2], {})[match[1]] = _version(match[1])
    found.note("extras", extras)
    if missing := [name for name, version in extras.get("local", {}).items() if version is None]:
        found.problems.append(f"cannot train or answer without {', '.join(missing)}: pip install 'gitune[local]'")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch(found: Checkup) -> None:
    """Ask torch for GPUs and number formats; it takes seconds to import, so only here."""
    if _version("torch") is None:
        return
    wait_politely()
    try:
        import torch

        from runner.training.local.precision import has_fast_bf16

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        fast = ["fp32", *(["bf16"] if has_fast_bf16(device) else [])]
    except (ImportError, OSError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        found.problems.append(f"torch is installed but does not load ({reason}): pip install --force-reinstall torch")
        return
    shown = [
        {"name": gpu.name, "memory": gpu.total_memory, "compute_capability": f"{gpu.major}.{gpu.minor}"} for gpu in gpus
    ]
    found.note("gpus", {str(number): gpu for number, gpu in enumerate(shown)})
    found.note("training", {"device": device.type, "precision": fast[-1], "fast": fast})


def _project(found: Checkup, directory: Path) -> Project | None:
    try:
        return Project(find_root(directory))
    except UsageError as error:
        found.note("store", {"url": None, "note": f"{error.message}; none is looked at"})
        return None


def _store(found: Checkup, project: Project | None) -> None:
    if project is None:
        return
    url = ""
    try:
        url = project.config.store
        store = open_store(url, project.root)
        next(iter(store.list("records")), None)
        store.put_stream(PROBE, [b"gitune doctor wrote this to see whether it can\n"])
    except GituneError as error:
        found.note("store", {"url": url, "writable": False}, f"the store cannot be used: {error.message}. {error.hint}")
        return
    facts: dict[str, Any] = {"url": url, "writable": True}
    if (probe := store.local_path(PROBE)) is not None:
        facts["free_disk"] = shutil.disk_usage(probe).free
    found.note("store", facts)


def _cache(found: Checkup) -> None:
    folder = cache_folder()
    size = sum(_disk_size(Path(top) / name) for top, _, names in os.walk(folder) for name in names)
    here = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    problem = "" if os.access(here, os.W_OK) else f"the cache {folder} is not writable: set GITUNE_CACHE to another"
    found.note("cache", {"folder": str(folder), "size": size, "free_disk": shutil.disk_usage(here).free}, problem)


def _disk_size(path: Path) -> int:
    """Return a file's size, its share where several names link to it; 0 when it is gone meanwhile."""
    try:
        stat = path.lstat()
    except OSError:
        return 0
    return stat.st_size // stat.st_nlink


def _git(found: Checkup) -> None:
    try:
        said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        found.note("git", {"version": None}, "git is not installed: a deployment names its commit")
        return
    found.note("git", {"version": said.removeprefix("git version").strip()})


def _engines(project: Project | None) -> dict[str, list[str]]:
    """Return which specs each engine serves; specs that cannot be read are validate's business."""
    from runner.spec.load import load_specs

    try:
        specs = [loaded.spec for loaded in load_specs(project.root)] if project else []
    except GituneError:
        return {}
    return {engine: [s.name for s in specs if s.engine == engine] for engine in sorted({s.engine for s in specs})}
