"""The files of a repository beside its specs: settings, schemas for editors, workflows."""

from __future__ import annotations

from runner.github.templates import ACTION_FILE, action_file, workflow_files
from runner.spec.config import CONFIG_FILE
from runner.spec.schema import generated_files
from runner.spec.yaml_text import inline_yaml

EMBEDDED = "registry/store"
"""The store that needs nothing but a disk."""

WHY_NOT_EMBEDDED = (
    "it is on one machine: hosted runners lose their disk after each job, so what one job trains no other one finds"
)

_README = """\
# {title}

Language models, fine-tuned by pull request with [Gitune](https://pypi.org/project/gitune/).

- `specs/NAME/spec.yaml` says what each model is made of, how it is measured, and what a new version must achieve.
- `registry/config.yaml` says where results are kept, and what specs may do.

```
gitune validate     # whether the specs are right
gitune plan         # what an apply would do, and why
gitune apply        # does it: trains, measures, judges the gates, deploys
gitune report NAME  # what came of it
```
"""

_CONFIG = """\
# yaml-language-server: $schema=../schemas/config.schema.json
# Read from the base branch: what a pull request may not decide for itself.

# Where artifacts, records, versions and deployments live: a folder, or s3://, gs:// or az://BUCKET/PREFIX.
{warning}store: {store}

policy:
  # Only this branch deploys.
  deploy_branch: main
"""

_WARNING = """\
# This folder is enough for one machine, not for GitHub: hosted runners lose their disk after each job, so what one job
# trains no other one finds. Name a bucket before the first pull request: s3://BUCKET/PREFIX
"""

_OWNERS = """\
# Who must agree when a pull request changes the bar that models are held to. Take away the `# ` and name your own.
# /.github/                @your-team
# /registry/config.yaml    @your-team
# /specs/                  @your-team
"""


def config_text(store: str) -> str:
    """Return registry/config.yaml."""
    return _CONFIG.format(store=inline_yaml(store), warning="" if is_remote(store) else _WARNING)


def layout_files(title: str, store: str, *, github: bool, readme: bool) -> dict[str, str]:
    """Return the files of a repository: relative path -> text.

    Args:
        title: of the README.
        store: where results are kept.
        github: whether workflows are wanted.
        readme: whether a README is.
    """
    files = {
        CONFIG_FILE: config_text(store),
        **{name: text for name, text in generated_files().items() if name.startswith("schemas/")},
    }
    if readme:
        files["README.md"] = _README.format(title=title)
    if github:
        files |= {**workflow_files(), ACTION_FILE: action_file(), ".github/CODEOWNERS": _OWNERS}
    return files


def ignored_paths(store: str) -> list[str]:
    """Return what git must leave alone."""
    return [] if "://" in store or store.startswith(("/", "..")) else [f"{store.strip('/')}/"]


def is_remote(store: str) -> bool:
    """Return whether several machines can reach a store."""
    return "://" in store and not store.startswith("file://")
