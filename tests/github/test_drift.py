"""`gitune github drift`: one issue, opened, kept and closed, and never somebody else's."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from github_server import Fault, GitHubServer
from releases import blobs_of, flip, release, signed_world
from repository import git, run

from runner.cli.github_drift import drift
from runner.drift.finding import Drift
from runner.github.issues import MARKER, render_issue

MINE = {"issues": "write"}


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    world = signed_world(tmp_path / "here", monkeypatch)
    for version in ("1.0.0", "1.1.0"):
        release(world, version)
    git(world, "clone", "--quiet", "--bare", str(world.root), str(tmp_path / "hub.git"))
    capsys.readouterr()
    return world


@pytest.fixture
def hub(world, monkeypatch):
    with GitHubServer(world.root.parent / "hub.git") as server:
        for name, value in server.environ("schedule", {}, server.token(MINE)).items():
            monkeypatch.setenv(name, value)
        yield server


def look(world, *arguments):
    return CliRunner().invoke(drift, list(arguments), obj=world.root, catch_exceptions=False).output


def hold(world, version="1.1.0"):
    run(world, "gate", "hold", "bot", "--version", version, "--reason", "@all <b>bad</b>", "--by", "Ada")


def test_all_is_well(world, hub):
    assert "nothing has drifted" in look(world)
    assert hub.issues == []


def test_one_issue_from_its_opening_to_its_end(world, hub):
    hold(world)
    assert "opened" in look(world)
    (issue,) = hub.issues
    assert (issue.title, issue.labels, issue.state) == ("Drift: 1 finding", ["gitune-drift"], "open")
    assert MARKER in issue.body
    assert "**bot/production** `held_but_live`: 1.1.0 is live, but" in issue.body
    assert "@all" not in issue.body
    assert "<b>" not in issue.body
    # The same again changes nothing.
    before = len([one for one in hub.requests if one.method in ("POST", "PATCH")])
    assert "told already" in look(world)
    assert len([one for one in hub.requests if one.method in ("POST", "PATCH")]) == before
    flip(blobs_of(world, "1.1.0")[0])
    assert "updated" in look(world, "--full")
    assert hub.issues[0].title == "Drift: 2 findings"


def test_it_is_closed_with_a_word(world, hub):
    hold(world)
    look(world)
    run(world, "release", "--unhold", "bot@1.1.0", "--reason", "fine", "--by", "Ada")
    assert "closed" in look(world)
    (issue,) = hub.issues
    assert issue.state == "closed"
    assert [one.body for one in hub.comments(issue.number)] == ["All is well again: nothing drifts any more."]
    hold(world)
    look(world)
    assert [one.state for one in hub.issues] == ["closed", "open"]


def test_an_issue_of_somebody_else_with_our_marker_is_left_alone(world, hub):
    hub.open_issue("Drift: none", f"{MARKER}\nall is well", "mallory", ["gitune-drift"])
    hold(world)
    look(world)
    assert [one.login for one in hub.issues] == ["mallory", "github-actions[bot]"]
    assert hub.issues[0].body.endswith("all is well")


def test_a_refusal_is_an_error(world, hub):
    hub.faults.append(Fault(403, "Resource not accessible by integration", path="/issues"))
    result = CliRunner().invoke(drift, [], obj=world.root)
    assert result.exit_code == 1
    assert "GitHub answered 403" in str(result.exception)


def test_any_number_of_findings_fits():
    long = "x" * 5000
    drifts = [Drift("pointer", f"spec-{number}", "production", long, long) for number in range(300)]
    body = render_issue(drifts)
    assert len(body) < 65_536
    assert "… and 250 more" in body
