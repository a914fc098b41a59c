"""Data files as people bring them, and a folder that stands for a base model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from runner.cli.main import main

BASE = "file://base"


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def labelled(count: int = 80) -> list[dict]:
    return [{"input": f"item {number}", "output": ("red", "blue")[number % 2]} for number in range(count)]


def base_in(folder: Path) -> Path:
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "model.safetensors").write_bytes(b"weights")
    (folder / "base" / "config.json").write_text("{}")
    return folder


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("main ends the process")


def gitune(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    """Return every file but git's own."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
