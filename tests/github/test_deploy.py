"""`gitune github deployments` and `deploy`: what was merged goes live, with tag, release and snapshot, and only once."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from click.testing import CliRunner
from github_server import Fault, GitHubServer
from releases import signed_world
from repository import commit, git, run

from runner.cli.github_deploy import deploy
from runner.cli.github_deployments import deployments
from runner.github import snapshot_branch
from runner.github.connection import connect
from runner.github.snapshot_branch import publish_registry
from runner.registry.registry import open_registry
from runner.registry.snapshot import read_snapshot
from runner.registry.store import open_store

MINE = {"contents": "write", "pull-requests": "read"}


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    world = signed_world(tmp_path / "here", monkeypatch)
    world.config = {"store": str(tmp_path / "store")}
    world.registry = open_registry(str(tmp_path / "store"), world.root, tmp_path / "cache")
    commit(world, "a store outside")
    git(world, "clone", "--quiet", "--bare", str(world.root), str(tmp_path / "hub.git"))
    git(world, "remote", "add", "origin", str(tmp_path / "hub.git"))
    capsys.readouterr()
    return world


@pytest.fixture
def hub(world, monkeypatch):
    monkeypatch.setenv("RUNNER_ENVIRONMENT", "self-hosted")
    with GitHubServer(world.root.parent / "hub.git") as server:
        for name, value in server.environ("push", {}, server.token(MINE)).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GITHUB_WORKSPACE", str(world.root))
        yield server


def move(world, *arguments):
    """Run `github deploy` and return how it ended."""
    return CliRunner().invoke(deploy, ["--alias", "production", *arguments], obj=world.root, standalone_mode=False)


def told(result):
    assert result.exception is None, result.exception
    return result.return_value, result.output


def waiting(world):
    """The aliases that `github deployments` finds."""
    done = CliRunner().invoke(deployments, [], obj=world.root, catch_exceptions=False)
    return [job["alias"] for job in json.loads(done.output.splitlines()[-1])["include"]]


def live(world):
    entry = world.registry.live("bot", "production")
    return entry.version if entry else None


def trainings(world):
    return len(list(world.root.parent.joinpath("store").rglob("records/train/*/1.json")))


def propose(world, hub, name, *, train=True, **spec):
    """Push a branch that changes the spec, open a pull request, and train it as retrain.yml does; return its number."""
    git(world, "fetch", "--quiet", "origin")
    git(world, "checkout", "--quiet", "-B", name, "origin/main")
    world.spec |= {key: value for key, value in spec.items() if key != "rate"}
    if "rate" in spec:
        world.spec["training"]["learning_rate"] = spec["rate"]
    commit(world, name)
    git(world, "push", "--quiet", "--force", "origin", name)
    number = hub.open_pull_request(name, name)
    if train:
        assert run(world, "apply", "--yes", "--through", "evaluate", "--namespace", f"pr/{number}") == 0
    return number


def merge(world, hub, number, method="merge"):
    hub.merge(number, method=method)
    git(world, "fetch", "--quiet", "origin")
    git(world, "checkout", "--quiet", "-B", "main", "origin/main")


def first(world, hub):
    """Release 1.0.0 by hand, as a repository's first version is."""
    code, output = told(move(world, "--train"))
    assert code == 0, output


def tags(hub):
    return sorted(name.removeprefix("refs/tags/") for name in hub.git.refs("refs/tags"))


def published(hub, tmp_path):
    file = tmp_path / "published.json.gz"
    file.write_bytes(hub.git.read("cat-file", "blob", "refs/heads/gitune/registry:registry.json.gz"))
    return read_snapshot(file)


def test_what_nobody_trained_is_refused_until_a_person_says_so(world, hub):
    assert waiting(world) == ["production"]
    code, output = told(move(world))
    assert code == 1
    assert "bot would be trained" in output
    assert (live(world), tags(hub)) == (None, [])
    first(world, hub)
    assert (live(world), tags(hub)) == ("1.0.0", ["bot/v1.0.0"])
    assert hub.git.object_of("refs/tags/bot/v1.0.0")[0] == "tag"
    assert hub.git.commit("refs/tags/bot/v1.0.0") == git(world, "rev-parse", "HEAD")
    (release,) = hub.releases
    assert (release.name, release.draft) == ("bot 1.0.0", False)
    assert world.registry.version("bot", "1.0.0").content.adapter.digest in release.body


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merge_takes_over_what_the_pull_request_trained(world, hub, tmp_path, monkeypatch, method):
    first(world, hub)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    number = propose(world, hub, "faster", version="1.1.0", rate=0.002)
    before = trainings(world)
    merge(world, hub, number, method)
    code, output = told(move(world))
    assert code == 0, output
    assert live(world) == "1.1.0"
    assert f"adopted from pr/{number}: train of bot" in output
    assert trainings(world) == before + 1  # the copy
    assert tags(hub) == ["bot/v1.0.0", "bot/v1.1.0"]
    text = summary.read_text()
    assert f"#{number}" in text
    assert "1.1.0" in text
    assert "Released: bot/v1.1.0" in text.replace("`", "")
    # Nothing is left, and a second run writes nothing.
    assert waiting(world) == []
    writes = len([one for one in hub.requests if one.method in ("POST", "PATCH", "PUT")])
    assert told(move(world))[0] == 0
    assert len([one for one in hub.requests if one.method in ("POST", "PATCH", "PUT")]) == writes


def test_two_pull_requests_that_wait_are_both_taken_over(world, hub):
    first(world, hub)
    one = propose(world, hub, "one", version="1.1.0", rate=0.002)
    merge(world, hub, one)
    other = propose(world, hub, "other", version="1.2.0", rate=0.003)
    merge(world, hub, other, "squash")
    code, output = told(move(world))
    assert (code, live(world)) == (0, "1.2.0"), output
    assert f"pr/{other}" in output


def test_a_revert_moves_the_pointer_and_makes_nothing(world, hub):
    first(world, hub)
    number = propose(world, hub, "faster", version="1.1.0", rate=0.002)
    merge(world, hub, number)
    assert told(move(world))[0] == 0
    git(world, "revert", "--no-edit", "-m", "1", "HEAD")
    git(world, "push", "--quiet", "origin", "main")
    before, releases = trainings(world), len(hub.releases)
    assert waiting(world) == ["production"]
    code, output = told(move(world))
    assert (code, live(world), trainings(world), len(hub.releases)) == (0, "1.0.0", before, releases), output
    assert "ran: deploy\n" in output
    assert tags(hub) == ["bot/v1.0.0", "bot/v1.1.0"]


def test_a_change_beside_the_specs_is_looked_for_too(world, hub):
    first(world, hub)
    merge(world, hub, propose(world, hub, "number", train=False, version="1.1.0"))
    world.base = "other base weights"
    number = propose(world, hub, "base")
    merge(world, hub, number)
    code, output = told(move(world))
    assert (code, live(world)) == (0, "1.1.0"), output
    assert f"adopted from pr/{number}: train of bot" in output


def test_a_foreign_tag_stops_no_other_and_is_told(world, hub, tmp_path):
    foreign = git(world, "rev-parse", "HEAD~1")
    hub.git.git("update-ref", "refs/tags/bot/v1.0.0", foreign)
    code, output = told(move(world, "--train"))
    assert code == 1
    assert f"the tag bot/v1.0.0 is at {foreign[:12]}" in output
    assert live(world) == "1.0.0"
    assert hub.releases == []
    # What the registry knows is published all the same.
    assert published(hub, tmp_path).read("versions/bot/1.0.0.json")
    assert waiting(world) == ["production"]
    hub.git.git("update-ref", "-d", "refs/tags/bot/v1.0.0")
    assert told(move(world))[0] == 0
    assert (tags(hub), len(hub.releases)) == (["bot/v1.0.0"], 1)


def test_a_tag_of_the_same_commit_is_taken_as_it_is(world, hub):
    head = git(world, "rev-parse", "HEAD")
    hub.git.git("update-ref", "refs/tags/bot/v1.0.0", head)
    first(world, hub)
    assert len(hub.releases) == 1
    assert hub.git.object_of("refs/tags/bot/v1.0.0") == ("commit", head)


@pytest.mark.parametrize("path", ["/releases", "/git/tags", "/git/blobs"])
def test_what_github_refused_is_made_up_for_by_the_next_run(world, hub, tmp_path, path):
    hub.faults.append(Fault(403, "Resource not accessible by integration", method="POST", path=path))
    code, output = told(move(world, "--train"))
    assert (code, live(world)) == (1, "1.0.0")
    assert "GitHub answered 403" in output
    code, output = told(move(world))
    assert code == 0, output
    assert (tags(hub), [one.tag_name for one in hub.releases]) == (["bot/v1.0.0"], ["bot/v1.0.0"])
    assert published(hub, tmp_path).read("versions/bot/1.0.0.json")


def test_what_does_not_verify_is_not_taken_over_and_fails_by_name(world, hub):
    first(world, hub)
    number = propose(world, hub, "faster", version="1.1.0", rate=0.002)
    for record in world.root.parent.joinpath(f"store/pr/{number}/records/train").rglob("*.json"):
        fact = json.loads(record.read_text())
        fact["inputs"]["training"] = {"forged": True}
        record.chmod(0o644)
        record.write_text(json.dumps(fact))
    merge(world, hub, number)
    code, output = told(move(world))
    assert code == 1
    assert "its key is not the digest of its inputs" in output
    assert "bot would be trained" in output
    assert live(world) == "1.0.0"


def test_a_store_that_the_next_job_does_not_see_is_refused(world, hub):
    world.config = {"store": "registry/store"}
    commit(world, "embedded")
    for verb in (lambda: move(world), lambda: CliRunner().invoke(deployments, [], obj=world.root)):
        assert "lies in the checkout" in str(verb().exception)


def test_whoever_publishes_last_has_seen_everything(world, hub, tmp_path, monkeypatch):
    first(world, hub)
    store = open_store(world.config["store"], world.root)
    late = {"versions/other/1.0.0.json": b'{"late": 1}'}
    publish = snapshot_branch.publish_snapshot

    def overtaken(repository, data):
        for key, fact in late.items():
            store.create(key, fact)
        return publish(repository, data)

    monkeypatch.setattr(snapshot_branch, "publish_snapshot", overtaken)
    assert publish_registry(connect(os.environ).repository, store)
    assert published(hub, tmp_path).read("versions/other/1.0.0.json") == late["versions/other/1.0.0.json"]


def test_the_branch_has_one_commit_without_a_past_and_one_file(world, hub, tmp_path):
    first(world, hub)
    number = propose(world, hub, "faster", version="1.1.0", rate=0.002)
    merge(world, hub, number)
    assert told(move(world))[0] == 0
    assert hub.git.git("rev-list", "--count", "refs/heads/gitune/registry") == "1"
    assert hub.git.git("ls-tree", "--name-only", "refs/heads/gitune/registry") == "registry.json.gz"
    text = gzip.decompress(hub.git.read("cat-file", "blob", "refs/heads/gitune/registry:registry.json.gz")).decode()
    assert '"key":"pr/' not in text
    assert "item 7 green" not in text
