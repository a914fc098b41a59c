"""Rules that every workflow of ours keeps: what may hold secrets, what is pinned, what a step may contain."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from act import tool

from runner import __version__
from runner.cli.main import gitune
from runner.github.templates import ACTION_FILE, WORKFLOWS, action_file, workflow_files
from runner.spec.config import load_config

ROOT = Path(__file__).parents[1]
OURS = "./base/.github/actions/gitune"
# As published; which commit a tag names can change, what a commit names cannot.
PINS = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/create-github-app-token": ("1b10c78c7865c340bc4f6099eb2f838309f1e8c3", "v3.1.1"),
}
# Events whose runs a stranger's proposal can start, and whose workflow file may be the proposal's own.
UNTRUSTED = {"pull_request", "pull_request_review", "merge_group"}
TEXTS = {**{Path(file).stem: text for file, text in workflow_files().items()}, "ci": (ROOT / ".github/workflows/ci.yml").read_text()}  # fmt: skip
ACTIONS = {"action": action_file(), "our action": (ROOT / ACTION_FILE).read_text()}
# The tool's own checks run the proposal's code, and nothing else is theirs.
SHIPPED = list(WORKFLOWS)


def parse(name):
    # YAML 1.1 reads the key `on` as true.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(TEXTS[name]).items()}


def jobs():
    return [pytest.param(name, job, id=f"{name}/{job}") for name in TEXTS for job in parse(name)["jobs"]]


def steps(name):
    return [step for job in parse(name)["jobs"].values() for step in job["steps"]]


def test_our_own_workflows_are_those_that_we_ship():
    for file, text in workflow_files().items():
        assert (ROOT / file).read_text() == text, f"{file}: run `gitune schema`"
    assert {file.stem for file in (ROOT / ".github/workflows").glob("*.yml")} == {*WORKFLOWS, "ci"}


def test_a_users_action_installs_this_release():
    assert f"gitune[local,judge,github]=={__version__}" in action_file()
    assert "@VERSION@" not in action_file()


def test_actionlint_finds_nothing():
    done = subprocess.run([tool("actionlint"), "-no-color"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing(tmp_path):
    shipped = tmp_path / ".github/actions/gitune/action.yml"
    shipped.parent.mkdir(parents=True)
    shipped.write_text(action_file())
    command = [
        tool("zizmor"),
        "--offline",
        "--no-progress",
        "--persona",
        "auditor",
        str(ROOT / ".github"),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [*TEXTS, *ACTIONS])
def test_every_action_is_pinned(name):
    used = re.findall(r"uses: (\S+)(?: # (\S+))?", {**TEXTS, **ACTIONS}[name])
    assert used
    for action, said in used:
        repository, _, commit = action.partition("@")
        assert action == OURS or (commit, said) == PINS[repository]


@pytest.mark.parametrize(("name", "job"), jobs())
def test_every_job_has_few_permissions_and_an_end(name, job):
    what = parse(name)
    assert "timeout-minutes" in what["jobs"][job]
    if name in SHIPPED:
        assert what["permissions"] == {}
        assert what["jobs"][job]["permissions"]
    assert "write-all" not in TEXTS[name]


@pytest.mark.parametrize(("name", "job"), jobs())
def test_secrets_are_seen_by_the_step_that_needs_them_alone(name, job):
    what = parse(name)
    outside = {key: value for key, value in what["jobs"][job].items() if key != "steps"}
    assert "secrets." not in str(outside)
    with_secrets = [step for step in what["jobs"][job]["steps"] if "secrets." in str(step)]
    for step in with_secrets:
        assert step.get("name") or step["uses"].startswith("actions/create-github-app-token@")
        assert not str(step.get("uses", "")).startswith(".")
    # An environment can be limited to the default branch: then no other branch's workflow file gets them.
    assert not with_secrets or "environment" in what["jobs"][job]


@pytest.mark.parametrize("name", [name for name in TEXTS if UNTRUSTED & set(parse(name)["on"])])
def test_what_a_proposal_can_start_holds_nothing(name):
    what = parse(name)
    assert "secrets" not in TEXTS[name]
    assert "github.token" not in TEXTS[name]
    for job in what["jobs"].values():
        assert "environment" not in job
        assert job.get("permissions", what["permissions"]) == {"contents": "read"}


@pytest.mark.parametrize("name", TEXTS)
def test_no_event_starts_a_proposals_code_with_rights(name):
    assert "pull_request_target" not in TEXTS[name]
    assert "allow-unsafe-pr-checkout" not in TEXTS[name]
    assert "download-artifact" not in TEXTS[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_expression_is_spelled_into_a_script(name):
    for step in steps(name):
        if "run" in step:
            assert "${{" not in step["run"]
            assert step["shell"] == "bash"  # with pipefail
        elif step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", SHIPPED)
def test_only_plans_are_cancelled(name):
    what = parse(name)
    groups = [what, *what["jobs"].values()]
    cancelled = [group["concurrency"]["cancel-in-progress"] for group in groups if "concurrency" in group]
    assert cancelled
    assert any(cancelled) == (name == "plan")


def test_what_follows_a_run_names_a_workflow_that_is_there():
    names = {parse(name)["name"] for name in SHIPPED}
    followed = [name for each in SHIPPED for name in parse(each)["on"].get("workflow_run", {}).get("workflows", [])]
    assert set(followed) == {"plan", "retrain", "deploy"} <= names


def test_retrain_says_in_its_name_which_commit_it_is_about():
    # runner.github reads it there: a run of the default branch tells of no other commit.
    assert parse("retrain")["run-name"].startswith("retrain ${{")


def test_the_deploy_branch_is_the_configured_one():
    branch = load_config(ROOT).policy.deploy_branch
    assert parse("deploy")["on"]["push"]["branches"] == [branch]
    assert parse("plan")["on"]["pull_request"]["branches"] == [branch]


def calls(name):
    """The words of every call of gitune in a workflow, and all flags that its script spells out."""
    for step in steps(name):
        script = step.get("run", "").replace("\\\n", " ")
        for call in re.findall(r"gitune (?:-C \w+ )?([^|)\n]*)", script):
            yield shlex.split(call), set(re.findall(r"(?<=[\s(])--[a-z][a-z-]*", script))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_verb_and_flag_exists(name):
    found = list(calls(name))
    assert found
    for words, flags in found:
        command, context = gitune, click.Context(gitune)
        while isinstance(command, click.Group):
            verb = words.pop(0)
            command = command.get_command(context, verb)
            assert command, f"gitune has no {verb}"
            context = click.Context(command, info_name=verb, parent=context)
        known = {option for parameter in command.params for option in parameter.opts}
        assert not flags - known
