"""A project on the GitHub of our tests, and its workflows: what each job runs, in what order, with which token.

    forge = Forge(tmp_path)          a bare repository with one spec that a tiny Llama learns, a store outside of it
    forge.deploy(train=True)         releases it
    forge.push("change", ...)        a developer edits and pushes; `forge.open` makes it a pull request
    forge.plan(number), forge.retrain(number), forge.report(number)

Each job is a real process in a fresh checkout with a cache of its own. Its token has the permissions that the workflow's
YAML gives to that job, so a test fails when those do not suffice; what act cannot show.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from github_server import GitHubServer, WorkflowRun
from tiny import QUEUES, make_tiny_llama

from runner.registry.registry import Registry, open_registry

HERE = Path(__file__).parents[1]
WORKFLOWS = HERE / "runner" / "workflows"
APP = "gitune"
HANDED_ON = ("GITHUB_TOKEN", "GITUNE_APP_TOKEN", "GITUNE_APP_SLUG")
"""Variables that a step has only where its workflow names them."""
IDENTITY = ["-c", "user.name=bob", "-c", "user.email=bob@example.invalid"]
SECRET = "planted-secret-of-the-store"
SPEC: dict[str, Any] = {
    "apiVersion": "gitune/v1",
    "name": "router",
    "version": "1.0.0",
    "base_model": "file://base",
    "dataset": {"train": ["data/train.jsonl"], "test": ["data/test.jsonl"], "label": "queue"},
    "training": {"num_epochs": 6, "learning_rate": 0.005, "max_length": 256},
    "evaluation": {
        "task": "classification",
        "metrics": ["exact_match", "macro_f1"],
        "primary": "exact_match",
        "output_format": {"json_schema": "output.schema.json"},
        "generation": {"max_new_tokens": 16},
        "gates": [
            {"metric": "exact_match", "beats": "base", "by": {"points": 10}},
            {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 20}},
            {"metric": "format_compliance", "at_least": 0.8},
        ],
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"queue": {"enum": QUEUES}},
    "required": ["queue"],
    "additionalProperties": False,
}


def rows(start: int, count: int, *, shuffled: bool = False) -> str:
    """Questions whose first word decides the answer; shuffled, nothing does."""
    chance = random.Random(7)
    made = []
    for number in range(start, start + count):
        queue = QUEUES[number % len(QUEUES)]
        answer = chance.choice(QUEUES) if shuffled else queue
        made.append(json.dumps({"input": f"{queue} question {number}", "output": {"queue": answer}}))
    return "\n".join(made) + "\n"


@dataclass(frozen=True)
class Done:
    """What a job came to."""

    code: int
    out: str
    err: str
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def text(self) -> str:
        """Everything that can be read of it."""
        return "\n".join([self.out, self.err, self.summary, *self.outputs.values()])


class Forge:
    """One repository, its forge, its store, its developers."""

    def __init__(self, root: Path, *, private: bool = False):
        self.root = root
        self.store = root / "store"
        self.home = root / "home"
        self.remote = root / "app.git"
        self.clone = root / "clone"
        self.jobs: list[Done] = []
        self._plant()
        self._first_commit()
        self.hub = GitHubServer(self.remote, private=private)
        self.hub.people |= {"bob": "write"}
        self.hub.require("gitune", app=APP)

    def __enter__(self) -> Self:
        self.hub.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.hub.__exit__()

    def _plant(self) -> None:
        (self.home / ".aws").mkdir(parents=True)
        (self.home / ".aws" / "credentials").write_text(f"[default]\naws_secret_access_key = {SECRET}\n")
        (self.root / "private.txt").write_text(f"{SECRET}\n")

    def _first_commit(self) -> None:
        run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(self.remote)], self.root)
        run(["git", "clone", "--quiet", str(self.remote), str(self.clone)], self.root)
        make_tiny_llama(self.clone / "base")
        self.write("registry/config.yaml", yaml.safe_dump({"store": str(self.store)}))
        self.write(".github/CODEOWNERS", "/.github/ @ada\n/registry/ @ada\n/specs/ @ada\n")
        shutil.copytree(WORKFLOWS, self.clone / ".github" / "workflows")
        self.write_spec(SPEC)
        self.write("specs/router/output.schema.json", json.dumps(SCHEMA))
        self.write("specs/router/data/train.jsonl", rows(0, 120))
        self.write("specs/router/data/test.jsonl", rows(1000, 60))
        self.git("checkout", "--quiet", "-B", "main")
        self.commit("first")
        self.git("push", "--quiet", "origin", "main")

    # What developers do

    def git(self, *arguments: str) -> str:
        """Run git in the developers' clone."""
        return run(["git", *IDENTITY, *arguments], self.clone)

    def write(self, path: str, text: str) -> None:
        """Write a file of the clone."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def write_spec(self, spec: dict[str, Any]) -> None:
        """Write a spec."""
        self.write(f"specs/{spec['name']}/spec.yaml", yaml.safe_dump(spec, sort_keys=False))

    def commit(self, message: str) -> str:
        """Commit all that lies in the clone."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Begin a branch at what is on main."""
        self.git("fetch", "--quiet", "--prune", "origin")
        self.git("checkout", "--quiet", "--force", "-B", name, "origin/main")
        self.git("clean", "--quiet", "-fdx")

    def push(self, name: str, edit: Callable[[Forge], object], message: str = "change") -> str:
        """Push a branch with one commit on what is on main; return the commit."""
        self.branch(name)
        edit(self)
        sha = self.commit(message)
        self.git("push", "--quiet", "--force", "origin", name)
        return sha

    def propose(self, name: str, edit: Callable[[Forge], object], *, author: str = "bob", fork: bool = False) -> int:
        """Push a branch and open a pull request of it."""
        self.push(name, edit)
        return self.hub.open_pull_request(name, f"Let us try {name}", author, fork=fork)

    def head(self, number: int) -> str:
        """Head commit of a pull request."""
        return self.hub.pull(number).head

    # Jobs

    def checkout(self, ref: str) -> Path:
        """A fresh checkout of a commit, as a job has it."""
        folder = Path(self.hub.scratch) / f"checkout-{self.hub.new_id()}"
        run(["git", "clone", "--quiet", "--no-checkout", str(self.remote), str(folder)], self.root)
        run(["git", "fetch", "--quiet", "origin", ref], folder)
        run(["git", "checkout", "--quiet", "--detach", "FETCH_HEAD"], folder)
        return folder

    def base(self) -> Path:
        """A fresh checkout of main."""
        folder = Path(self.hub.scratch) / f"base-{self.hub.new_id()}"
        run(["git", "clone", "--quiet", str(self.remote), str(folder)], self.root)
        return folder

    def gitune(self, folder: Path, *arguments: str, environ: dict[str, str]) -> Done:
        """Run a verb in a checkout with these variables and hardly any other."""
        cache = Path(self.hub.scratch) / f"cache-{self.hub.new_id()}"
        usual = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(HERE),
            "GITUNE_CACHE": str(cache),
            "HF_HUB_OFFLINE": "1",
            "GITHUB_WORKSPACE": str(folder),
            "RUNNER_ENVIRONMENT": "self-hosted",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        command = [sys.executable, "-m", "runner", "-C", str(folder), *arguments]
        process = subprocess.run(
            command,
            env={**usual, **environ},
            cwd=folder.parent,
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
        outputs, summary = "", ""
        if "GITHUB_OUTPUT" in environ:
            outputs, summary = (Path(environ[name]).read_text() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"))
        shutil.rmtree(cache, ignore_errors=True)
        done = Done(process.returncode, process.stdout, process.stderr, parse_outputs(outputs), summary)
        self.jobs.append(done)
        return done

    def privileged(
        self, job: str, event: str, payload: dict[str, Any], *arguments: str, folder: Path | None = None, **more: str
    ) -> Done:
        """Run a verb as a job `WORKFLOW/JOB` does: its permissions, the App's token where that workflow makes one."""
        permissions, app = permissions_of(*job.split("/"))
        token = self.hub.token(permissions)
        app_token = self.hub.token(app, app=APP) if app else ""
        environ = self.hub.environ(event, payload, token, app_token)
        named = variables_of(*job.split("/"), verb=" ".join(arguments[:2]))
        environ = {name: value for name, value in environ.items() if name not in HANDED_ON or name in named}
        return self.gitune(folder or self.base(), *arguments, environ={**environ, **more})

    # Workflows

    def plan(self, number: int) -> Done:
        """plan.yml: no token, no secret, no store; only the snapshot that was published."""
        folder = self.checkout(f"refs/pull/{number}/head")
        snapshot = folder.parent / f"snapshot-{number}"
        shutil.rmtree(snapshot, ignore_errors=True)
        if self.hub.git.commit("refs/heads/gitune/registry"):
            run(["git", "clone", "--quiet", "--branch", "gitune/registry", str(self.remote), str(snapshot)], self.root)
        environ = {
            "GITUNE_CONFIG_FROM": "origin/main",
            "AWS_SECRET_ACCESS_KEY": "",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "GITHUB_ACTIONS": "true",
        }
        return self.gitune(
            folder, "plan", "--base", "origin/main", "--through", "evaluate", "--registry-snapshot",
            str(snapshot / "registry.json.gz"), "--format", "markdown", environ=environ,
        )  # fmt: skip

    def plan_run(self, number: int, *, ended: bool = True) -> WorkflowRun:
        """Enter a run of plan.yml for the head of a pull request."""
        pull = self.hub.pull(number)
        run_ = self.hub.run(
            "plan.yml", event="pull_request", head_sha=pull.head, head_branch=pull.branch, fork=pull.fork
        )
        if ended:
            run_.status, run_.conclusion = "completed", "success"
        return run_

    def report(self, run_: WorkflowRun) -> Done:
        """report.yml after another run."""
        event = self.hub.workflow_run_event(run_)
        return self.privileged("report.yml/report", "workflow_run", event, "github", "report")

    def retrain_run(self, sha: str) -> WorkflowRun:
        """Enter a run of retrain.yml that has begun."""
        main = self.hub.git.commit("main") or ""
        return self.hub.run(
            "retrain.yml", event="workflow_run", head_sha=main, head_branch="main", display_title=f"retrain {sha}",
            status="in_progress",
        )  # fmt: skip

    def matrix(
        self, event: str, payload: dict[str, Any], specs: Sequence[str] = ()
    ) -> tuple[Done, list[dict[str, str]]]:
        """retrain.yml's first job: which pull request, and what of it must run; nothing for a fork without a person."""
        proposal = self.privileged("retrain.yml/matrix", event, payload, "github", "resolve")
        told = proposal.outputs
        trusted = told.get("trusted") == "true" or event == "workflow_dispatch"
        if proposal.code or told.get("base") != "main" or not trusted:
            return proposal, []
        options = ["--base", "origin/main", "--namespace", f"pr/{told['number']}", "--through", "evaluate", "--matrix"]
        planned = self.privileged(
            "retrain.yml/matrix", event, payload, "plan", *options, "--", *specs,
            folder=self.checkout(told["sha"]), GITUNE_CONFIG_FROM="origin/main",
        )  # fmt: skip
        return proposal, json.loads(planned.out)["include"] if planned.code == 0 else []

    def retrain(self, number: int, event: str | None = None, payload: dict[str, Any] | None = None) -> list[Done]:
        """retrain.yml: after a run of plan, or with an event of its own. What each spec's job came to."""
        payload = payload or self.hub.workflow_run_event(self.plan_run(number))
        proposal, jobs = self.matrix(event or "workflow_run", payload)
        return [self.train(proposal, job["spec"]) for job in jobs]

    def train(self, proposal: Done, spec: str) -> Done:
        """retrain.yml's job of one spec."""
        told = proposal.outputs
        return self.gitune(
            self.checkout(told["sha"]), "apply", "--yes", "--through", "evaluate", "--namespace", f"pr/{told['number']}",
            "--", spec, environ={"GITUNE_CONFIG_FROM": "origin/main", "GITHUB_ACTIONS": "true"},
        )  # fmt: skip

    def deploy(self, *, train: bool = False) -> list[Done]:
        """deploy.yml: what each alias's job came to."""
        event = "workflow_dispatch" if train else "push"
        payload = self.hub.dispatch_event("deploy.yml") if train else self.hub.push_event(self.main())
        found = self.privileged("deploy.yml/aliases", event, payload, "github", "deployments")
        assert found.code == 0, found.text
        jobs = json.loads(found.outputs["matrix"])["include"]
        more = ["--train"] if train else []
        verb = ["github", "deploy", "--alias"]
        return [self.privileged("deploy.yml/deploy", event, payload, *verb, job["alias"], *more) for job in jobs]

    def drift(self) -> Done:
        """drift.yml."""
        return self.privileged("drift.yml/drift", "schedule", {}, "github", "drift")

    def main(self) -> str:
        """The commit that main is at."""
        return self.hub.git.commit("main") or ""

    # What is seen

    @property
    def registry(self) -> Registry:
        """The store."""
        return open_registry(str(self.store), self.root, self.root / "cache")

    def live(self) -> str | None:
        """The version that is live."""
        entry = self.registry.live("router", "production")
        return entry.version if entry else None

    def trainings(self) -> int:
        """How many trainings the store holds, those of pull requests included."""
        return len({file.parent.name for file in self.store.rglob("records/train/*/*.json")})

    def comment(self, number: int) -> str:
        """The one comment of ours."""
        (found,) = [one for one in self.hub.comments(number) if one.login == f"{APP}[bot]"]
        return found.body

    def check(self, sha: str) -> tuple[str, str | None]:
        """Status and conclusion of our check."""
        (found,) = [run for run in self.hub.checks(sha) if run.name == "gitune" and run.app == APP]
        return found.status, found.conclusion

    def public_text(self) -> str:
        """All that a stranger can read: comments, checks, issues, releases, tags, statuses, logs, outputs, requests."""
        hub = self.hub
        found = [
            hub.all_comments,
            hub.all_checks,
            hub.issues_by_number,
            hub.all_releases,
            hub.all_statuses,
            hub.dispatches,
        ]
        bodies = [json.dumps(request.body) for request in hub.requests]
        return "\n".join([*map(repr, found), *bodies, *(job.text for job in self.jobs)])

    def assert_nothing_leaked(self) -> None:
        """No secret and no file of the machine is in anything that a stranger can read."""
        text = self.public_text()
        password_file = Path("/etc/passwd").read_text().splitlines()[0]
        for secret in (SECRET, password_file, *self.hub.tokens):
            assert secret not in text


def run(command: list[str], folder: Path) -> str:
    """Run a program and return what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout.strip()


def permissions_of(workflow: str, job: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a job's GITHUB_TOKEN may, and what the App's token that it makes may."""
    entry = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]
    app = {}
    for step in entry["steps"]:
        if step.get("uses", "").startswith("actions/create-github-app-token@"):
            prefix = "permission-"
            app = {name.removeprefix(prefix): level for name, level in step["with"].items() if name.startswith(prefix)}
    return entry["permissions"], app


def variables_of(workflow: str, job: str, verb: str) -> set[str]:
    """Names of the variables that a workflow hands to the step with a verb."""
    steps = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]["steps"]
    (found,) = (step for step in steps if verb in step.get("run", "").replace("-C base ", "").replace("-C change ", ""))
    return set(found.get("env", {}))


def parse_outputs(text: str) -> dict[str, str]:
    """Read a file of GITHUB_OUTPUT as the runner does: `name=value`, and `name<<END` until END."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        if "<<" in name or not equals:
            name, _, end = line.partition("<<")
            body = []
            while (inner := next(lines)) != end:
                body.append(inner)
            value = "\n".join(body)
        found[name] = value
    return found
