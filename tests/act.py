"""The workflows themselves, run by `act` on this machine, against the hub of tests/github_server and a bare remote.

    act = Act(hub, remote, scratch)
    run = act.run("plan", "pull_request", hub.pull_request_event(number), token)
    assert run.code == 0, run.output

The workflow file is that of the default branch, of another commit where `at` says so. Jobs run in processes of this
machine, without containers; actions that cannot be downloaded have stand-ins in tests/actions. What act does not do:
start `workflow_run` after a run, take permissions from a token, keep environments' rules, queue by concurrency.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ACTIONS = HERE / "actions"
_USES = re.compile(r"uses: (actions/([\w-]+)@[0-9a-f]{40})")
# What of this machine's own environment a job sees; a runner has no secrets of its own.
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


def tool(name: str) -> str:
    """Return a program that was installed beside this Python: its folder need not be on the PATH."""
    return str(Path(sys.executable).with_name(name))


@dataclass(frozen=True)
class Run:
    """What became of a run."""

    code: int
    """0 when every job succeeded or was skipped."""
    output: str
    """What all jobs printed, each line behind `[workflow/job]`."""

    def jobs(self) -> dict[str, bool]:
        """The jobs that ran, and whether they succeeded."""
        ends = re.findall(r"^\[[^/]+/(.*?)\s*\] 🏁  Job (succeeded|failed)$", self.output, re.MULTILINE)
        return {name: end == "succeeded" for name, end in ends}


class Act:
    """Runs workflows of the repository behind a hub."""

    def __init__(self, hub, remote: Path, scratch: Path, **variables: str) -> None:
        """Args are the hub, its bare repository, a folder of our own, and variables that every job gets (`GITUNE_CACHE`)."""
        self.hub = hub
        self.remote = remote
        self.scratch = scratch
        self.variables = variables
        # As GitHub does: any commit can be fetched by its name.
        self._git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=remote)

    def run(
        self,
        workflow: str,
        event: str,
        payload: dict,
        token: str,
        *,
        at: str | None = None,
        app_token: str = "",
        **secrets,
    ) -> Run:
        """Run a workflow as an event starts it; `secrets` are what the environments of its jobs hold."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        checkout = folder / "workflow"
        self._git("clone", "--quiet", str(self.remote), str(checkout), cwd=folder)
        self._git("checkout", "--quiet", at or self.hub.default_branch, cwd=checkout)
        (folder / "event.json").write_text(json.dumps(payload))
        file = checkout / ".github" / "workflows" / f"{workflow}.yml"
        secrets |= {"GITUNE_APP_PRIVATE_KEY": app_token} if app_token else {}
        command = [
            *(
                tool("act"),
                event,
                "--directory",
                str(checkout),
                "--workflows",
                str(file),
                "--eventpath",
                f"{folder}/event.json",
            ),
            *("--no-skip-checkout", "--no-cache-server", "--action-cache-path", f"{folder}/cache", "--rm"),
            *("--platform", "ubuntu-latest=-self-hosted", "--actor", self._actor(payload)),
            *_each("--local-repository", self._stand_ins(file)),
            *_each("--env", {**self._environment(event, payload, token), **self.variables}),
            *_each("--secret", {**secrets, "GITHUB_TOKEN": token}),
            *_each("--var", {"GITUNE_APP_ID": "1"} if app_token else {}),
        ]
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=900, check=False)
        # Whole checkouts and environments lie there; the output says what was done.
        shutil.rmtree(folder)
        return Run(done.returncode, done.stdout + done.stderr)

    @staticmethod
    def _actor(payload: dict) -> str:
        return payload.get("sender", {}).get("login", "ada")

    def _environment(self, event: str, payload: dict, token: str) -> dict[str, str]:
        ours = self.hub.environ(event, payload, token)
        # The runner's own, which act makes itself; and the token is not in the environment unless a step asks for it.
        own = ("GITHUB_EVENT_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_TOKEN")
        return {name: value for name, value in ours.items() if name not in own} | {
            "ACT_REMOTE": str(self.remote),
            "ACT_CODE": str(HERE.parent),
            "ACT_PYTHON": sys.executable,
            "ACT_GITUNE": "-m runner",
            "RUNNER_ENVIRONMENT": "self-hosted",
        }

    def _stand_ins(self, file: Path) -> dict[str, str]:
        return {uses: str(ACTIONS / name) for uses, name in _USES.findall(file.read_text())}

    @staticmethod
    def _git(*arguments: str, cwd: Path) -> None:
        subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


def _each(flag: str, values: dict[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (flag, f"{name}={value}")]


def install(root: Path) -> None:
    """Give a repository our workflows, and the stand-in for the action that installs gitune; the caller commits."""
    shutil.copytree(HERE.parent / "runner" / "workflows", root / ".github" / "workflows", dirs_exist_ok=True)
    (root / ".github" / "workflows" / "action.yml").unlink()
    (root / ".github" / "actions").mkdir(exist_ok=True)
    shutil.copytree(ACTIONS / "gitune", root / ".github" / "actions" / "gitune", dirs_exist_ok=True)
