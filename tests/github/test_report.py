"""`gitune github report` and `resolve`: whatever event asks, what is told is judged anew, and never told wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from github_server import Fault, GitHubServer
from gitworld import GitWorld
from hubs import writes
from world import fake_weights

import runner.github.report as module
from runner.cli.github_command import command
from runner.cli.github_report import report
from runner.cli.github_resolve import resolve
from runner.errors import UsageError
from runner.github.check import NAME
from runner.github.connection import connect
from runner.github.pull_requests import pull_request
from runner.github.report import WEAKER, Desk, report_pull_request
from runner.proposals.markdown import MARKER
from runner.registry.registry import open_namespace, open_registry

JOB = {"actions": "read", "checks": "write", "contents": "read", "pull-requests": "write"}


class Proposals(GitWorld):
    """A project on a hub: main has released 1.0.0, developers propose 1.1.0, jobs report."""

    def __init__(self, root, monkeypatch):
        (root / "dev").mkdir()
        super().__init__(root / "dev")
        self.folder, self.monkeypatch = root, monkeypatch
        self.config = {"store": str(root / "store")}
        self.registry = self.main = open_registry(str(root / "store"), self.root, root / "cache")
        self.commit()
        _, outcome = self.apply()
        assert outcome.deployment is not None
        self.git("clone", "--quiet", "--bare", str(self.root), str(root / "app.git"))
        self.git("remote", "add", "origin", str(root / "app.git"))
        self.git("clone", "--quiet", str(root / "app.git"), str(root / "base"))
        self.hub = GitHubServer(root / "app.git")
        self.hub.people |= {"bob": "write"}

    def propose(self, branch, *, fork=False, **training):
        """Push a branch whose spec learns in another way, and open its pull request; return number and commit."""
        self.git("switch", "--quiet", "--create", branch, "main")
        self.spec["version"] = "1.1.0"
        self.spec["training"] |= training
        sha = self.push(branch)
        return self.hub.open_pull_request(branch, f"Change {branch}", fork=fork), sha

    def push(self, branch):
        sha = self.commit()
        self.git("push", "--quiet", "--force", "origin", f"HEAD:{branch}")
        self.hub.sync()
        return sha

    def train(self, number):
        """What retrain.yml does for the branch that is checked out."""
        self.registry = open_namespace(str(self.folder / "store"), self.root, self.folder / "cache", f"pr/{number}")
        self.apply(through="gate")
        self.registry = self.main

    def job(self, command, event, payload, *, app=True):
        """Run a verb in the base branch's clone, as a job of ours."""
        token = self.hub.token({} if app else JOB)
        environ = self.hub.environ(event, payload, token, self.hub.token(JOB, app="gitune") if app else "")
        environ |= {"RUNNER_ENVIRONMENT": "self-hosted", "GITUNE_CACHE": str(self.folder / "cache")}
        with self.monkeypatch.context() as patched:
            for name, value in environ.items():
                patched.setenv(name, value)
            done = CliRunner().invoke(command, [], obj=self.folder / "base", standalone_mode=False)
        self.outputs = Path(environ["GITHUB_OUTPUT"]).read_text()
        self.summary = Path(environ["GITHUB_STEP_SUMMARY"]).read_text()
        if done.exception is not None:
            raise done.exception
        return done.return_value or 0, done.output

    def report(self, number, **more):
        event = self.hub.dispatch_event("report.yml", number=str(number))
        return self.job(report, "workflow_dispatch", event, **more)

    def check(self, sha, app="gitune"):
        (found,) = [run for run in self.hub.checks(sha) if (run.name, run.app) == (NAME, app)]
        return found

    def conclusion(self, sha):
        return self.check(sha).conclusion or self.check(sha).status

    def comment(self, number):
        (found,) = [one for one in self.hub.comments(number) if MARKER in one.body and one.login == "gitune[bot]"]
        return found.body


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    made = Proposals(tmp_path, monkeypatch)
    with made.hub:
        yield made


GOOD, BAD = {"learning_rate": 0.002}, {"learning_rate": 0.5}


@pytest.mark.parametrize(("training", "end"), [(GOOD, "success"), (BAD, "failure")])
def test_from_waiting_to_a_verdict(world, training, end):
    number, sha = world.propose("change", **training)
    code, said = world.report(number)
    assert (code, world.conclusion(sha)) == (0, "in_progress"), said
    assert "1.1.0" in world.comment(number)
    world.train(number)
    assert world.report(number)[0] == 0
    assert world.conclusion(sha) == end
    assert "exact_match" in world.comment(number)
    assert f"## #{number}" in world.summary
    assert world.check(sha).output["title"]
    assert len(world.hub.comments(number)) == 1


def test_the_same_again_changes_nothing(world):
    number, _ = world.propose("change", **GOOD)
    for train in (False, True):
        if train:
            world.train(number)
        world.report(number)
        before, told = writes(world.hub), world.comment(number)
        world.report(number)
        assert (writes(world.hub), world.comment(number)) == (before, told)


def test_without_an_app_the_check_says_what_it_is_worth(world):
    number, sha = world.propose("change", **GOOD)
    world.report(number, app=False)
    assert world.check(sha, "github-actions").output["summary"].startswith(WEAKER)
    world.report(number)
    assert WEAKER not in world.check(sha).output["summary"]


def test_a_new_commit_marks_the_old_verdict_before_anything_else_is_known(world):
    number, old = world.propose("change", **GOOD)
    world.train(number)
    world.report(number)
    world.spec["training"] |= BAD
    new = world.push("change")
    run = world.hub.run("plan.yml", event="pull_request", head_sha=new, head_branch="change")
    world.hub.faults.append(Fault(500, method="POST", path="check-runs"))
    world.monkeypatch.setattr("runner.github.patience._TRIES", 0)
    world.job(report, "workflow_run", world.hub.workflow_run_event(run))
    told = world.comment(number)
    assert "Out of date" in told
    assert new[:12] in told
    assert old[:12] in told
    world.job(report, "workflow_run", world.hub.workflow_run_event(run))
    assert "Out of date" not in world.comment(number)
    assert world.conclusion(new) == "in_progress"
    assert world.conclusion(old) == "success"
    assert "earlier verdict" in world.comment(number)


def test_a_slow_report_of_an_old_commit_takes_no_place_from_the_new_one(world):
    number, old = world.propose("change", **GOOD)
    with world.monkeypatch.context() as patched:
        for name, value in world.hub.environ("push", {}, world.hub.token(), world.hub.token(JOB, app="gitune")).items():
            patched.setenv(name, value)
        connection = connect(os.environ)
        desk = Desk(connection, world.folder / "base", world.folder / "cache", dict(os.environ))
        asked = pull_request(connection.repository, number)
        # Its tree is at hand, and while it is judged a newer commit is pushed and told.
        world.spec["training"] |= BAD
        patched.setattr(module, "judge_pull_request", push_meanwhile(world, number, patched))
        report_pull_request(desk, asked)
    assert world.hub.pull(number).head[:12] in world.comment(number).partition("\n\n")[0]
    assert world.conclusion(old) == "in_progress"
    assert world.conclusion(world.hub.pull(number).head) == "in_progress"


def push_meanwhile(world, number, patched):
    """Judge as ever, but let a newer commit be pushed, judged and told before the first judgement is handed back."""

    def slow(desk, pull, judged=module.judge_pull_request):
        found = judged(desk, pull)
        patched.setattr(module, "judge_pull_request", judged)
        world.push("change")
        world.report(number)
        return found

    return slow


def test_what_cannot_be_judged_is_red_and_stops_no_other(world):
    first, sick = world.propose("change", **GOOD)
    world.train(first)
    world.report(first)
    assert world.conclusion(sick) == "success", world.comment(first)
    world.git("switch", "--quiet", "main")
    second, well = world.propose("other", learning_rate=0.003)
    refuse(world, sick)
    run = world.hub.run("deploy.yml", event="push", head_sha=sick, head_branch="main", status="completed")
    code, said = world.job(report, "workflow_run", world.hub.workflow_run_event(run))
    assert code == 1
    assert f"#{first}: " in said
    assert world.conclusion(sick) == "failure"
    assert world.check(sick).output["title"] == "It could not be judged"
    assert world.conclusion(well) == "in_progress", said
    assert world.comment(second)


def refuse(world, sha):
    """Let a pull request's ref lead to another commit than the API says."""
    world.hub.git.git("update-ref", "refs/pull/1/head", world.hub.git.commit("main"))
    world.monkeypatch.setattr(world.hub, "sync", lambda: None)
    assert world.hub.pull(1).head == sha


def test_a_fault_of_ours_is_red_and_says_only_its_kind(world):
    number, sha = world.propose("change", **GOOD)
    world.train(number)
    world.report(number)
    assert world.conclusion(sha) == "success"
    with world.monkeypatch.context() as patched:
        patched.setattr("runner.github.report.judge", broken)
        code, said = world.report(number)
    assert code == 1
    assert "secret of the machine" in said
    assert world.conclusion(sha) == "failure"
    assert "secret" not in repr(world.check(sha).output)
    assert "ZeroDivisionError" in world.check(sha).output["summary"]


def broken(_):
    raise ZeroDivisionError("secret of the machine")


def test_a_comment_that_is_refused_leaves_the_check_right(world):
    number, sha = world.propose("change", **BAD)
    world.train(number)
    world.hub.faults.append(Fault(403, "Resource not accessible by integration", method="POST", path="comments"))
    code, said = world.report(number)
    assert (code, world.conclusion(sha)) == (1, "failure")
    assert "commenting on #1: GitHub answered 403" in said


def test_into_another_branch_nothing_is_judged(world):
    world.git("push", "--quiet", "origin", "main:elsewhere")
    world.git("switch", "--quiet", "--create", "change", "main")
    world.spec["training"] |= GOOD
    sha = world.push("change")
    number = world.hub.open_pull_request("change", "Change", base="elsewhere")
    code, said = world.report(number)
    assert code == 0
    assert "nothing is judged" in said
    assert (world.hub.checks(sha), world.hub.comments(number)) == ([], [])


def test_a_command_has_nothing_judged_by_a_branch_of_somebodys_own(world):
    """Its configuration would be read with the store's secrets at hand, and its CODEOWNERS would say who approves."""
    world.git("push", "--quiet", "origin", "main:elsewhere")
    world.git("switch", "--quiet", "--create", "change", "main")
    sha = world.push("change")
    number = world.hub.open_pull_request("change", "Change", base="elsewhere")
    comment = world.hub.comment(number, "ada", f"/gitune approve bot@{sha} fine")
    with pytest.raises(UsageError, match="is to be merged into elsewhere"):
        world.job(command, "issue_comment", world.hub.comment_event(comment))
    assert "+1" not in comment.contents


def test_a_merge_group_gets_a_check_and_no_comment(world):
    number, _ = world.propose("change", **GOOD)
    branch, head = world.hub.merge_group(number)
    world.hub.git.git("config", "uploadpack.allowAnySHA1InWant", "true")
    event = world.hub.merge_group_event(branch, head)
    assert world.job(report, "merge_group", event)[0] == 0
    # Nothing trains in a queue: what lacks, lacks for good.
    assert world.conclusion(head) == "failure"
    world.train(number)
    assert world.job(report, "merge_group", event)[0] == 0
    assert world.conclusion(head) == "success"
    assert world.hub.comments(number) == []
    assert f"## #{number}" in world.summary


def test_resolve_tells_the_jobs_that_follow(world):
    number, sha = world.propose("change", **GOOD)
    run = world.hub.run("plan.yml", event="pull_request", head_sha=sha, head_branch="change")
    world.job(resolve, "workflow_run", world.hub.workflow_run_event(run, "completed"))
    assert said(world) == {"number": str(number), "sha": sha, "base": "main", "trusted": "true"}
    world.hub.close(number)
    world.job(resolve, "workflow_run", world.hub.workflow_run_event(run, "completed"))
    assert said(world) == dict.fromkeys(("number", "sha", "base", "trusted"), "")


def test_a_fork_is_trusted_when_a_person_names_its_commit(world):
    number, sha = world.propose("theirs", fork=True, **GOOD)
    run = world.hub.run("plan.yml", event="pull_request", head_sha=sha, head_branch="theirs", fork="bob/app")
    world.job(resolve, "workflow_run", world.hub.workflow_run_event(run, "completed"))
    assert said(world)["trusted"] == "false"
    for named, trusted in ((sha, "true"), ("", "false")):
        event = world.hub.dispatch_event("retrain.yml", number=str(number), sha=named)
        world.job(resolve, "workflow_dispatch", event)
        assert (said(world)["sha"], said(world)["trusted"]) == (sha, trusted)


def said(world):
    lines = world.outputs.splitlines()
    return {lines[at].partition("<<")[0]: lines[at + 1] for at in range(0, len(lines), 3)}
