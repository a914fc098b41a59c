"""The same work for the peers: N specs of four steps each (prepare, train, eval, deploy), up to date.

DVC: a stage per step, which copies a file; dependencies, parameters (a file for each spec, its fastest layout) and outs
as DVC's own documentation has them. Terraform: a `terraform_data` resource per step, each reading the one before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from meter import Run, measured
from repository import commit, start

STEPS = ("prepare", "train", "eval", "deploy")


class Dvc:
    """DVC in an environment of its own."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def __call__(self, root: Path, *arguments: object) -> Run:
        """Run it in a repository."""
        return measured(
            [self.program, *arguments], root, {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root / ".site")}
        )

    def build(self, root: Path, count: int) -> None:
        """Write a repository, its lock and its cache as `dvc repro` leaves them; `up_to_date` is the check of that."""
        start(root)
        self(root, "init", "-q")
        pipeline, lock = {}, {}
        for number in range(count):
            folder = root / "specs" / f"item-{number:04}"
            folder.mkdir(parents=True)
            (folder / "params.yaml").write_text(f"rate: {number}\n", encoding="utf-8")
            (folder / "source").write_text(f"rows of {number}\n" * 50, encoding="utf-8")
            before = "source"
            for step in STEPS:
                name = f"{step}-{number:04}"
                pipeline[name], lock[name] = _stage(root, folder, before, step)
                before = step
        # JSON is YAML; DVC reads either.
        (root / "dvc.yaml").write_text(json.dumps({"stages": pipeline}, indent=1), encoding="utf-8")
        (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": lock}, indent=1), encoding="utf-8")
        with (root / ".gitignore").open("a", encoding="utf-8") as file:
            file.writelines(f"/specs/*/{step}\n" for step in STEPS)
        commit(root, f"Add {count} specs")

    def up_to_date(self, root: Path) -> Run:
        """Look for work, and find none."""
        run = self(root, "status")
        if "up to date" not in run.printed:
            raise SystemExit(f"dvc finds work where there is none:\n{run.printed[:2000]}")
        return run


def _stage(root: Path, folder: Path, source: str, target: str) -> tuple[object, object]:
    """Return a stage and its lock entry, after doing what the stage does."""
    shutil.copyfile(folder / source, folder / target)
    data = (folder / target).read_bytes()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    cached = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(data)
    here = folder.relative_to(root).as_posix()
    command, params = f"cp {here}/{source} {here}/{target}", f"{here}/params.yaml"
    state = {"hash": "md5", "md5": md5, "size": len(data)}
    stage = {
        "cmd": command,
        "deps": [f"{here}/{source}"],
        "params": [{params: ["rate"]}],
        "outs": [f"{here}/{target}"],
    }
    entry = {
        "cmd": command,
        "deps": [{"path": f"{here}/{source}", **state}],
        "params": {params: {"rate": int(folder.name[-4:])}},
        "outs": [{"path": f"{here}/{target}", **state}],
    }
    return stage, entry


class Terraform:
    """Terraform, with the provider that is built in."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __call__(self, root: Path, *arguments: object) -> Run:
        """Run it in a folder."""
        return measured([self.program, *arguments], root, {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"})

    def build(self, root: Path, count: int) -> None:
        """Write a configuration and apply it."""
        root.mkdir(parents=True)
        lines = []
        for number in range(count):
            before = f'"rows of {number}"'
            for step in STEPS:
                name = f"{step}-{number:04}"
                lines.append(f'resource "terraform_data" "{name}" {{\n  input = {before}\n}}\n')
                before = f"terraform_data.{name}.output"
        (root / "main.tf").write_text("".join(lines), encoding="utf-8")
        self(root, "init", "-input=false", "-no-color")
        self(root, "apply", "-auto-approve", "-input=false", "-no-color")

    def up_to_date(self, root: Path) -> Run:
        """Look for work, and find none."""
        run = self(root, "plan", "-detailed-exitcode", "-input=false", "-no-color")
        if "No changes" not in run.printed:
            raise SystemExit(f"terraform finds work where there is none:\n{run.printed[:2000]}")
        return run
