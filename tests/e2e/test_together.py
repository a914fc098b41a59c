"""Several applies at once: one works, the others wait and reuse; who dies is replaced; older never lands over newer."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from s3 import serve_s3

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]

# Signs of life and patience that a test can wait for.
QUICK = """
from functools import partial
import runner.executors.local as local
local.Flights = partial(local.Flights, beat=0.3, ttl=3.0)
from runner.cli.main import main
main()
"""
# Another apply goes live between this one's decision to deploy and its entry in the log.
OVERTAKEN = """
import subprocess, sys
import runner.steps.deploy as deploy
real = deploy.move_alias
def move_alias(*arguments, **named):
    deploy.move_alias = real
    subprocess.run([sys.executable, "-m", "runner", "-C", {other!r}, "apply", "--yes"], check=True)
    return real(*arguments, **named)
deploy.move_alias = move_alias
from runner.cli.main import main
main()
"""


def all_at_once(repository, environments):
    processes = [repository.start("apply", "--yes", environment=environment) for environment in environments]
    with ThreadPoolExecutor(len(processes)) as pool:
        told = list(pool.map(lambda process: process.communicate(timeout=500), processes))
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, told, strict=True)]


def ran(told, step):
    return sum(len(re.findall(rf"^  bot {step}: done", err, re.MULTILINE)) for _, _, err in told)


def check_one_flight(repository, told):
    assert [code for code, _, _ in told] == [0] * len(told), told
    for step in ("prepare", "train", "predict_base", "predict_tuned", "score", "gate", "deploy"):
        assert ran(told, step) == 1, (step, told)
        assert step == "deploy" or len(list(repository.registry.records(step))) == 1
    assert any("WAIT another run is at it" in err for _, _, err in told)
    assert [entry.version for entry in repository.registry.deployments("bot", "production")] == ["1.0.0"]
    assert repository.registry.leases() == []


def test_eight_applies_of_a_commit_train_once(make_repository):
    repository = make_repository("eight")
    check_one_flight(repository, all_at_once(repository, [{}] * 8))
    assert len(list((repository.root / "registry/store/records/train").rglob("*.json"))) == 1


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory):
    yield from serve_s3(tmp_path_factory.mktemp("s3"))


def test_the_same_on_an_object_store(make_repository, s3_server, tmp_path, monkeypatch):
    s3_server.enter(monkeypatch)
    repository = make_repository("object")
    repository.use_store(s3_server.url())
    # Each on a machine of its own, as far as they can tell.
    caches = [{"GITUNE_CACHE": str(tmp_path / f"cache-{n}")} for n in range(8)]
    check_one_flight(repository, all_at_once(repository, caches))


def started(repository, words, **options):
    """Start an apply, and read what it tells until these words come."""
    process = repository.start("apply", "--yes", **options)
    for line in process.stderr:
        if words in line:
            return process
    raise AssertionError(process.communicate())


def test_a_killed_holder_is_replaced_at_once(make_repository):
    repository = make_repository("killed")
    holder = started(repository, "epoch")
    holder.send_signal(signal.SIGSTOP)  # or it is done before the other has begun
    waiter = started(repository, "train: WAIT")
    holder.kill()
    killed = time.monotonic()
    for line in waiter.stderr:
        if "bot train: RUN" in line:
            break
    assert time.monotonic() - killed < 20
    out, err = waiter.communicate(timeout=200)
    assert waiter.returncode == 0, out + err
    holder.communicate()
    assert repository.registry.live("bot", "production").version == "1.0.0"


def test_a_stopped_holder_is_replaced_and_does_no_harm_when_it_wakes_up(make_repository):
    repository = make_repository("stopped")
    holder = started(repository, "epoch", code=QUICK)
    holder.send_signal(signal.SIGSTOP)
    other = {"GITUNE_CACHE": str(repository.root / "cache2")}
    told = repository.start("apply", "--yes", code=QUICK, environment=other)
    out, err = told.communicate(timeout=200)
    assert told.returncode == 0, out + err
    assert "train: WAIT another run is at it" in err
    before = repository.state()
    holder.send_signal(signal.SIGCONT)
    out, err = holder.communicate(timeout=200)
    assert holder.returncode == 0, out + err
    assert repository.state() == before
    assert len(list((repository.root / "registry/store/records/train").rglob("*.json"))) == 1


def next_commit(repository, before, folder, number):
    """Clone a repository, and commit another version with another seed; its applies share the first one's store."""
    subprocess.run(["git", "clone", "--quiet", before, folder], check=True)
    file = folder / "specs/bot/spec.yaml"
    spec = yaml.safe_load(file.read_text())
    training = {**spec["training"], "seed": 7 + number}
    file.write_text(yaml.safe_dump({**spec, "version": f"1.{number}.0", "training": training}))
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *identity, "commit", "--quiet", "-am", "newer"], cwd=folder, check=True)
    (folder / "registry").mkdir(exist_ok=True)
    (folder / "registry/config.yaml").write_text(yaml.safe_dump({"store": str(repository.root / "registry/store")}))
    return folder


def descends(root, older, newer):
    return subprocess.run(["git", "merge-base", "--is-ancestor", older, newer], cwd=root, check=False).returncode == 0


def test_applies_of_different_commits_make_one_line(make_repository, tmp_path):
    """Whoever comes last, each entry follows the one before and is of a later commit; the newest can always land."""
    first = make_repository("line")
    roots = [first.root]
    for number in (1, 2, 3):
        roots.append(next_commit(first, roots[-1], tmp_path / str(number), number))
    newest = roots[-1]

    def apply(root):
        command = [sys.executable, "-m", "runner", "-C", root, "apply", "--yes"]
        return subprocess.run(command, env=first.environment, check=False, cwd=HERE).returncode

    with ThreadPoolExecutor(len(roots)) as pool:
        assert set(pool.map(apply, roots)) <= {0, 1}
    assert apply(newest) == 0
    log = first.registry.deployments("bot", "production")
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert [entry.previous for entry in log] == [None, *(entry.version for entry in log[:-1])]
    for before, after in itertools.pairwise(log):
        assert descends(newest, before.commit, after.commit)
        assert before.commit != after.commit
    assert log[-1].version == "1.3.0"
    assert first.registry.broken_links("bot", "production") == {}


def test_an_older_commit_never_lands_over_a_newer_one(make_repository, tmp_path):
    older = make_repository("older")
    newer = next_commit(older, older.root, tmp_path / "newer", 1)
    process = older.start("apply", "--yes", code=OVERTAKEN.format(other=str(newer)))
    out, err = process.communicate(timeout=500)
    assert process.returncode == 1, out + err
    assert "not in this history; pull first, or --force-older" in out
    assert [entry.version for entry in older.registry.deployments("bot", "production")] == ["1.1.0"]


def test_interrupted_side_by_side(make_repository):
    """Both specs' children end, what was finished is said, and nobody's claim is left behind."""
    repository = make_repository("two")
    repository.add_spec("other", training={"seed": 9})
    process = repository.start("apply", "--yes", "--parallel", "2")
    seen = set()
    for line in process.stderr:
        if found := re.match(r" +(\w+): training\b.*epoch|^    (\w+): train", line):
            seen.add(found[1] or found[2])
        if len(seen) == 2:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped; finished before that: " in err
    assert "Traceback" not in err
    assert repository.registry.leases() == []
    done = repository.gitune("apply", "--yes", "--parallel", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 specs: 2 deployed" in done.stdout
    assert not list((repository.root / "cache" / "running").iterdir())
