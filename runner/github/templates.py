"""The workflows that a repository needs, as they lie in runner/workflows: name of the file there -> file here.

`gitune init` writes them into a new repository; `gitune schema` keeps this repository's own copies equal.
"""

from __future__ import annotations

from importlib import resources

from runner import __version__

WORKFLOWS = ("plan", "retrain", "report", "deploy", "drift", "rollback", "command")
"""In the order in which a proposal meets them."""
ACTION_FILE = ".github/actions/gitune/action.yml"


def workflow_files() -> dict[str, str]:
    """Return every workflow: repository-relative path -> text."""
    return {f".github/workflows/{name}.yml": _read(name) for name in WORKFLOWS}


def action_file() -> str:
    """Return the action with which a user's workflows install this release of gitune."""
    return _read("action").replace("@VERSION@", __version__)


def _read(name: str) -> str:
    return (resources.files("runner") / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
