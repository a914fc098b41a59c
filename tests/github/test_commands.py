"""`/gitune …` in comments: who is heard, what is read, and what it does; anybody may have written the text."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from github_server import GitHubServer
from hypothesis import given
from hypothesis import strategies as st
from releases import signed_world
from repository import commit, git, run

from runner.github.commands import Command, Misread, Target, read_command
from runner.spec.section import NAME

SHA = "1a2b3c4d5e6f"


def target(spec="bot", sha=SHA):
    return Target(spec, sha)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("/gitune plan", Command("plan")),
        ("Please:\r\n/gitune plan  \r\nThanks", Command("plan")),
        ("/gitune help", Command("help")),
        (f"/gitune retrain bot@{SHA}", Command("retrain", (target(),))),
        (f"/gitune\tretrain  bot@{SHA.upper()}\ta-1@{SHA}", Command("retrain", (target(), target("a-1")))),
        (f"/gitune approve bot@{SHA} thin,\x07 but  fine", Command("approve", (target(),), "thin, but fine")),
        ("I like /gitune plan", None),
        (" /gitune plan", None),
        ("> /gitune plan", None),
        ("/gitunes plan", None),
        ("```\n/gitune plan\n```", None),
        ("~~~\n```\n/gitune plan\n~~~\n/gitune help", Command("help")),
        ("", None),
    ],
)
def test_what_is_read(body, found):
    assert read_command(body) == found


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("/gitune", "no such command"),
        ("/gitune destroy", "no such command"),
        ("/gitune plan now", "takes nothing more"),
        ("/gitune plan\n/gitune help", "one command"),
        ("/gitune retrain", "with the commit"),
        ("/gitune retrain bot", "with the commit"),
        ("/gitune retrain bot@1a2b3c", "with the commit"),
        ("/gitune retrain bot@" + "a" * 41, "with the commit"),
        (f"/gitune retrain ../bot@{SHA}", "with the commit"),
        (f"/gitune retrain bot$(id)@{SHA}", "with the commit"),
        (f"/gitune retrain bot@{SHA} --yes", "with the commit"),
        (f"/gitune retrain {' '.join(f's{n}@{SHA}' for n in range(21))}", "20 specs at most"),
        (f"/gitune approve bot@{SHA}", "needs its reason"),
        (f"/gitune approve bot@{SHA} \u202e\x00", "needs its reason"),
        ("/gitune approve bot why", "with the commit"),
    ],
)
def test_what_is_misread(body, why):
    found = read_command(body)
    assert isinstance(found, Misread)
    assert why in found.why


WORDS = st.sampled_from(
    [
        "/gitune",
        "retrain",
        "approve",
        "plan",
        "help",
        f"bot@{SHA}",
        "@",
        "\n",
        "\r",
        " ",
        "\t",
        "```",
        "::set-output",
        "$(id)",
    ]
)


@given(st.lists(WORDS | st.text(), max_size=12).map("".join) | st.lists(WORDS, max_size=9).map(" ".join))
def test_no_text_does_more_than_it_may(body):
    found = read_command(body)
    if isinstance(found, Misread):
        assert found.why.isprintable()
    elif found is not None:
        assert all(re.fullmatch(NAME, one.spec) and re.fullmatch("[0-9a-f]{12,40}", one.sha) for one in found.targets)
        assert "\n" not in found.reason
        assert found.reason.isprintable()


class Place:
    """A released spec behind a hub, and a pull request whose evidence is thin."""

    def __init__(self, world, hub, monkeypatch):
        self.world, self.hub, self.monkeypatch = world, hub, monkeypatch
        self.number = 0

    def propose(self, *, learning_rate=0.5, points=10, owner="bob"):
        """Propose a useless model that so few test rows cannot tell from a useful one, and train it."""
        git(self.world, "switch", "--quiet", "--create", "change")
        self.world.spec["version"] = "1.1.0"
        self.world.files = {"data/a.jsonl": list(range(8))}
        self.world.spec["dataset"]["checks"] = {"min_examples": 1}
        self.world.spec["training"]["learning_rate"] = learning_rate
        self.world.spec["evaluation"]["gates"] = [{"metric": "exact_match", "beats": "base", "by": {"points": points}}]
        self.sha = commit(self.world, "change")
        git(self.world, "push", "--quiet", "origin", "change")
        self.number = self.hub.open_pull_request("change", "Change", owner)
        return run(self.world, "apply", "--yes", "--through", "gate", "--namespace", f"pr/{self.number}")

    def say(self, body, login="ada", *, code=0, action="created", app=None):
        """Write a comment, and run the verb as its workflow does."""
        git(self.world, "switch", "--quiet", "main")
        self.before = len(self.hub.comments(self.number))
        self.comment = self.hub.comment(self.number, login, body, app)
        payload = self.hub.comment_event(self.comment, action)
        token = self.hub.token(
            {"actions": "write", "contents": "read", "issues": "write", "pull-requests": "write", "checks": "read"}
        )
        for name, value in self.hub.environ("issue_comment", payload, token).items():
            self.monkeypatch.setenv(name, value)
        assert run(self.world, "github", "command") == code

    @property
    def reactions(self):
        return self.comment.contents

    @property
    def replies(self):
        return [one.body for one in self.hub.comments(self.number)[self.before + 1 :]]

    @property
    def dispatches(self):
        return [(one.workflow, one.inputs) for one in self.hub.dispatches]

    @property
    def rulings(self):
        return [(one.kind, one.version, one.who, one.reason) for one in self.world.registry.rulings("bot")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    world = signed_world(tmp_path / "here", monkeypatch)
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text(f"store: {world.root}/registry/store\n")
    (world.root / "CODEOWNERS").write_text("/specs/ @ada @org/ml\n")
    workflows = world.root / ".github/workflows"
    workflows.mkdir(parents=True)
    for name in ("report", "retrain"):
        shutil.copy(Path(__file__).parents[2] / f"runner/workflows/{name}.yml", workflows)
    commit(world, "set up")
    git(world, "init", "--quiet", "--bare", "--initial-branch", "main", str(tmp_path / "hub.git"))
    git(world, "remote", "add", "origin", str(tmp_path / "hub.git"))
    git(world, "push", "--quiet", "origin", "main")
    with GitHubServer(tmp_path / "hub.git") as hub:
        hub.people |= {"ada": "write", "bob": "write", "cyd": "write", "eve": "read"}
        yield Place(world, hub, monkeypatch)


def test_plan_asks_for_a_report(place):
    place.propose()
    place.say("/gitune plan", "cyd")
    assert place.reactions == ["eyes", "+1"]
    assert place.dispatches == [("report.yml", {"number": "1"})]
    assert place.replies == []


def test_who_may_not_write_gets_no_answer(place):
    place.propose()
    for login in ("eve", "stranger"):
        place.say(f"/gitune retrain bot@{place.sha}", login)
        assert (place.reactions, place.replies, place.dispatches) == ([], [], [])


def test_edits_bots_and_other_comments_do_nothing(place):
    place.propose()
    place.say("/gitune plan", action="edited")
    assert place.reactions == []
    place.say("Nice.\n> /gitune plan")
    assert place.reactions == []
    place.say("/gitune plan", "gitune[bot]", app="gitune")
    assert (place.reactions, place.dispatches) == ([], [])


def test_retrain_names_the_commit_that_was_looked_at(place):
    place.propose()
    place.say(f"/gitune retrain bot@{place.sha[:12]}", "cyd")
    inputs = {"number": "1", "sha": place.sha, "specs": "bot"}
    assert (place.reactions, place.dispatches) == (["eyes", "+1"], [("retrain.yml", inputs)])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("/gitune retrain bot@000000000000", "The head is {sha} by now"),
        ("/gitune retrain other@{sha}", "There is no spec other at {sha}."),
        ("/gitune approve other@{sha} why", "This pull request changes no spec other."),
        ("/gitune @everyone <b>", "There is no such command."),
    ],
)
def test_refusals_say_why(place, body, said):
    place.propose()
    place.say(body.format(sha=place.sha[:12]))
    assert (place.reactions, place.dispatches) == (["eyes", "confused"], [])
    (reply,) = place.replies
    assert reply.startswith(said.format(sha=place.sha[:12]))
    assert "/gitune approve SPEC@SHA" in reply
    assert not re.search("@everyone|<b>", reply)


def test_help(place):
    place.propose()
    place.say("/gitune help")
    assert place.reactions == ["eyes", "+1"]
    assert "/gitune retrain SPEC@SHA" in place.replies[0]


def test_a_code_owner_approves_thin_evidence(place):
    assert place.propose() == 4
    place.say(f"/gitune approve bot@{place.sha[:12]} thin, but\u200b @everyone needs it")
    assert place.reactions == ["eyes", "+1"], place.replies
    assert place.dispatches == [("report.yml", {"number": "1"})]
    ((kind, version, who, reason),) = place.rulings
    assert (kind, version, who) == ("approve", "1.1.0", "ada")
    assert reason.endswith("@everyone needs it (#1)")
    # Said twice it changes nothing.
    place.say(f"/gitune approve bot@{place.sha[:12]} again")
    assert "Bot 1.1.0 needs no approval." in place.replies[0]
    assert len(place.rulings) == 1


@pytest.mark.parametrize(
    ("login", "said"), [("bob", "The author of a pull request does not"), ("cyd", "Only a code owner of specs/bot")]
)
def test_not_everybody_approves(place, login, said):
    place.propose()
    place.say(f"/gitune approve bot@{place.sha} why", login)
    assert place.replies[0].startswith(said)
    assert place.rulings == []


def test_an_owner_named_by_the_proposal_is_none(place):
    (place.world.root / "CODEOWNERS").write_text("* @cyd\n")
    place.propose()
    place.say(f"/gitune approve bot@{place.sha} why", "cyd")
    assert place.rulings == []


def test_a_fail_is_never_approved(place):
    place.world.files = {"data/a.jsonl": list(range(200))}
    git(place.world, "switch", "--quiet", "--create", "change")
    place.world.spec["version"], place.world.spec["training"]["learning_rate"] = "1.1.0", 0.5
    place.sha = commit(place.world, "bad")
    git(place.world, "push", "--quiet", "origin", "change")
    place.number = place.hub.open_pull_request("change", "Bad", "bob")
    assert run(place.world, "apply", "--yes", "--through", "gate", "--namespace", "pr/1") == 3
    place.say(f"/gitune approve bot@{place.sha} why")
    assert place.replies[0].startswith("The gates of bot 1.1.0 say FAIL, which nobody approves")
    assert place.rulings == []


def test_what_was_not_trained_is_not_approved(place):
    place.propose()
    shutil.rmtree(place.world.root / "registry/store/pr")
    place.say(f"/gitune approve bot@{place.sha} why")
    assert place.replies[0].startswith("Bot 1.1.0 is not judged: it is waiting")


def test_what_breaks_is_told_without_its_words(place):
    """An error may name stores and hosts."""
    place.propose()
    git(place.world, "switch", "--quiet", "main")
    shutil.rmtree(place.world.root / ".github")
    commit(place.world, "no workflows")
    git(place.world, "push", "--quiet", "origin", "main")
    place.say("/gitune plan", code=1)
    assert place.reactions == ["eyes", "confused"]
    assert place.replies[0].startswith("It could not be done: the log says why")
