"""What gc takes and what it leaves: nothing that a commit in reach, a release, a lease or a running apply needs."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from gitworld import GitWorld
from world import fake_weights

from runner.errors import RegistryError, UsageError
from runner.git_history import read_history
from runner.progress import silent
from runner.registry.gc import namespace, sweep, sweep_namespace
from runner.registry.registry import Registry
from runner.registry.verify import check_artifacts, check_records


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = GitWorld(tmp_path)
    world.run(days=300)
    return world


ALL = {"prepare", "train", "predict_base", "predict_tuned", "predict_champion", "score", "gate"}


def wish(world, epochs=3, version="1.1.0"):
    """Ask for more rows and another training."""
    world.files["data/c.jsonl"] = list(range(120, 150))
    world.spec |= {"version": version, "training": {"num_epochs": epochs, "learning_rate": 0.001}}


def unwish(world):
    del world.files["data/c.jsonl"]
    world.spec |= {"version": "1.0.0", "training": {"num_epochs": 2, "learning_rate": 0.001}}


def experiment(world, days=200.0, **asked):
    """Run something on a branch that is never released, and go back to main."""
    world.git("checkout", "--quiet", "-b", "try")
    wish(world, **asked)
    commit = world.run(days)
    unwish(world)
    world.git("checkout", "--quiet", "main")
    world.write()
    return commit


def forget(world):
    world.git("branch", "--quiet", "-D", "try")


def steps(garbage):
    return {item.key.split("/")[1] for item in garbage.records}


def faults(world):
    registry = Registry(world.store, world.root / "cache2")
    damaged = check_artifacts(world.store, list(world.store.entries("blobs")), silent)
    return [*check_records(world.store, registry.exists), *damaged]


def test_an_abandoned_experiment_goes_and_main_stays_free(world):
    commit = experiment(world)
    forget(world)
    garbage = world.garbage()
    assert steps(garbage) == ALL
    (revert,) = garbage.reverts
    assert (revert.spec, revert.version, revert.commit) == ("bot", "1.1.0", commit)
    assert set(revert.steps) == ALL
    count, size = sweep(world.store, garbage, world.roots(), silent)
    assert (count, size) == (garbage.count, garbage.size)
    assert faults(world) == []
    assert world.plan().idle
    assert not world.garbage().count


@pytest.mark.parametrize(
    "why",
    ["branch", "remote", "tag", "window", "reverted in the window", "grace", "working tree"],
)
def test_what_somebody_may_come_back_to_stays(world, why):
    recent = why in ("window", "reverted in the window")
    experiment(world, days=30 if recent else 5 if why == "grace" else 200)
    match why:
        case "remote":
            world.git("update-ref", "refs/remotes/origin/pull/7", "try")
        case "tag":
            world.git("tag", "-a", "-m", "keep", "kept", "try")
        case "window":
            world.git("merge", "--quiet", "--no-ff", "try", "-m", "merge")
            world.git("revert", "--no-edit", "-m", "1", "HEAD")
        case "reverted in the window":
            # The experiment stood at the beginning of the window, by a commit that is older.
            world.days = 200
            world.git("reset", "--quiet", "--hard", "try")
            world.days = 5
            world.git("commit", "--quiet", "--allow-empty", "-m", "x")
            world.git("revert", "--no-edit", "HEAD~1")
        case "working tree":
            wish(world)
            world.write()
    if why != "branch":
        forget(world)
    assert world.garbage().count == 0


def test_a_reused_training_is_found_by_its_spec_not_by_its_commit(world):
    """The record names an abandoned commit, but a branch asks for the same content under another one."""
    experiment(world)
    forget(world)
    world.git("checkout", "--quiet", "-b", "again")
    world.days = 30
    wish(world, version="1.2.0")
    world.commit()
    unwish(world)
    world.git("checkout", "--quiet", "main")
    assert world.garbage().count == 0


@pytest.mark.parametrize("protection", ["lease", "inflight"])
def test_what_somebody_works_on_stays(world, protection):
    experiment(world)
    forget(world)
    (key,) = {item.key.split("/")[2] for item in world.garbage().records if "/train/" in item.key}
    if protection == "lease":
        world.store.create(f"leases/train/{key}/00000007.json", b"{}")
    else:
        world.store.create(f"inflight/{key}/1/job.json", b"{}")
    assert world.garbage().count == 0
    if protection == "lease":
        world.age(f"leases/train/{key}/00000007.json", 20)
        assert steps(world.garbage()) == ALL
        assert len(world.garbage().leases) == 1
    else:
        world.store.create(f"inflight/{key}/1/end.json", b"{}")
        assert world.garbage().count


def test_sharing_rows_with_what_stays_keeps_nothing(world):
    """Every row of this experiment is a test row: its training rows are those of main."""
    world.files["data/test.jsonl"] = list(range(300, 330))
    world.spec["dataset"]["test"] = ["data/test.jsonl"]
    world.spec["dataset"]["train"] = ["data/[abc].jsonl"]
    world.run(days=250, version="1.0.1")
    world.files["data/test.jsonl"].append(330)
    world.git("checkout", "--quiet", "-b", "try")
    world.run(days=200, version="1.1.0")
    world.git("checkout", "--quiet", "main")
    forget(world)
    assert steps(world.garbage()) == ALL - {"train"}


def test_a_kept_training_keeps_the_rows_it_was_made_from(world):
    """The preparation was run at an abandoned commit; the training of the same rows is younger than the grace."""
    experiment(world)
    forget(world)
    (training,) = [item for item in world.garbage().records if "/train/" in item.key]
    world.age(training.key, 1)
    assert world.garbage().count == 0


def test_released_versions_keep_their_whole_chain_whatever_git_says(world):
    world.run(days=200, version="2.0.0", training={"num_epochs": 4})
    world.git("reset", "--quiet", "--hard", "HEAD~1")
    assert world.garbage().count == 0


def test_records_of_specs_that_this_repository_never_held_are_not_judged(world):
    record = world.registry.record("train", world.registry.version("bot", "1.0.0").keys["train"])
    for name, key in (("alien", "e" * 64), ("bot", "f" * 64)):
        world.registry.add_record(record.model_copy(update={"key": key, "spec": name, "commit": None, "outputs": {}}))
        world.age(f"records/train/{key}/1.json", 300)
    garbage = world.garbage()
    assert garbage.foreign == ("alien",)
    assert [item.key for item in garbage.records] == [f"records/train/{'f' * 64}/1.json"]


def test_files_outside_the_folder_are_read_as_each_commit_had_them(world):
    """A base model that is committed beside the specs changes without any spec changing."""
    trainings = []
    for days, weights in ((80, "other weights"), (70, "third weights")):
        world.git("checkout", "--quiet", "-b", weights.split()[0])
        world.base = weights
        wish(world)
        world.run(days)
        trainings.append(world.plan().specs[0].step("train").key)
    assert len(set(trainings)) == 2
    assert {("train", key) for key in trainings} <= world.roots().keys


def test_a_base_model_that_is_not_committed_is_read_where_it_lies(world):
    (world.root / ".gitignore").write_text("registry/store/\ncache/\nbase/\n")
    world.git("rm", "-r", "--quiet", "--cached", "base")
    wish(world)
    world.run(30)
    assert ("train", world.plan().specs[0].step("train").key) in world.roots().keys


class Interrupted(BaseException):
    pass


class Faulty:
    """A store whose deletes end after some, as a killed process would, or where something else happens meanwhile."""

    def __init__(self, store, left, then=None):
        self.store, self.left, self.then = store, left, then
        self.lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self.store, name)

    def delete(self, key):
        with self.lock:
            if self.left <= 0 and self.then is None:
                raise Interrupted
            if self.left == 0:
                self.then()
            self.left -= 1
            return self.store.delete(key)


def test_killed_at_any_delete_nothing_names_what_is_gone(world):
    experiment(world)
    forget(world)
    garbage, roots = world.garbage(), world.roots()
    saved = world.root / "saved"
    shutil.copytree(world.root / "registry", saved, copy_function=shutil.copy2)
    for left in range(garbage.count):
        with pytest.raises(Interrupted):
            sweep(Faulty(world.store, left), garbage, roots, silent)
        assert faults(world) == []
        assert world.plan().idle
        sweep(world.store, world.garbage(), world.roots(), silent)
        assert not world.garbage().count
        shutil.rmtree(world.root / "registry")
        shutil.copytree(saved, world.root / "registry", copy_function=shutil.copy2)


def test_a_record_that_comes_meanwhile_keeps_its_artifacts(world):
    experiment(world)
    forget(world)
    garbage, roots = world.garbage(), world.roots()
    (key,) = [item.key for item in garbage.records if "/train/" in item.key]
    data = world.store.read(key)
    # Other records than its own are deleted after it has come.
    order = [item for item in garbage.records if item.key != key]
    garbage = replace(garbage, records=[next(i for i in garbage.records if i.key == key), *order])
    sweep(Faulty(world.store, 1, lambda: world.store.create(key, data)), garbage, roots, silent)
    assert world.registry.record("train", key.split("/")[2]) is not None


def test_a_release_that_comes_while_records_go_keeps_its_weights(world):
    experiment(world)
    forget(world)
    garbage, roots = world.garbage(), world.roots()
    training = next(item.key for item in garbage.records if "/train/" in item.key)
    record = world.registry.record("train", training.split("/")[2])
    version = world.registry.version("bot", "1.0.0")
    content = version.content.model_copy(update={"train_key": record.key, "adapter": record.outputs["adapter"]})
    late = version.model_copy(update={"version": "9.0.0", "content": content})
    sweep(Faulty(world.store, 1, lambda: world.registry.release(late)), garbage, roots, silent)
    assert world.registry.exists(late.content.adapter)


def test_a_release_that_comes_while_a_person_is_asked_keeps_its_whole_proof(world):
    experiment(world)
    forget(world)
    garbage, roots = world.garbage(), world.roots()
    records = {item.key.split("/")[1]: item.key.split("/")[2] for item in garbage.records}
    training = world.registry.record("train", records["train"])
    version = world.registry.version("bot", "1.0.0")
    content = version.content.model_copy(update={"train_key": training.key, "adapter": training.outputs["adapter"]})
    world.registry.release(version.model_copy(update={"version": "9.0.0", "content": content, "keys": records}))
    sweep(world.store, garbage, roots, silent)
    assert [step for step, key in records.items() if world.registry.record(step, key) is None] == []


def test_refuses_when_a_released_version_cannot_be_read(world):
    path = world.store.local_path("versions/bot/1.0.0.json")
    path.chmod(0o644)
    path.write_text("{")
    with pytest.raises(RegistryError, match="cannot be told"):
        world.garbage()


def test_refuses_when_the_list_of_a_releases_files_is_lost(world):
    digest = world.registry.version("bot", "1.0.0").content.adapter.digest
    world.store.delete(f"blobs/sha256/{digest[:2]}/{digest[2:]}")
    with pytest.raises(RegistryError, match="lost or damaged"):
        world.garbage()


def test_needs_a_repository_with_its_whole_history(world, tmp_path):
    shallow = tmp_path / "shallow"
    command = ["git", "clone", "--quiet", "--depth", "1", f"file://{world.root}", str(shallow)]
    world.commit()
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(UsageError, match="shallow"):
        read_history(shallow, 0)
    alone = tmp_path.parent / f"{tmp_path.name}-alone"
    alone.mkdir()
    with pytest.raises(UsageError, match="no git repository"):
        read_history(alone, 0)


def test_old_failures_go_and_wanted_ones_stay(world):
    for step, key in (("train", "a" * 64), ("train", next(k for s, k in world.roots().keys if s == "train"))):
        world.store.create(f"failures/{step}/{key}/1.json", b"{}")
        world.age(f"failures/{step}/{key}/1.json", 100)
    assert [item.key for item in world.garbage().records] == [f"failures/train/{'a' * 64}/1.json"]


def test_damaged_bytes_go_unless_a_release_needs_them(world):
    needed = world.registry.version("bot", "1.0.0").content.adapter.digest
    for digest in (needed, "a" * 64):
        world.store.create(f"corrupt/{digest}", b"x")
        world.age(f"corrupt/{digest}", 20)
    world.store.create(f"corrupt/{'b' * 64}", b"young")
    assert [item.key for item in world.garbage().artifacts] == [f"corrupt/{'a' * 64}"]


def test_a_pull_requests_namespace_goes_alone_and_records_first(store):
    for key in ("pr/7/blobs/sha256/ab/c", "pr/7/records/train/k/1.json", "pr/71/blobs/sha256/ab/c", "blobs/sha256/a/b"):
        store.create(key, b"x")
    files = namespace(store, 7)
    assert [file.key for file in files] == ["pr/7/records/train/k/1.json", "pr/7/blobs/sha256/ab/c"]
    assert sweep_namespace(store, files, silent) == (2, 2)
    assert sorted([*store.list("pr"), *store.list("blobs")]) == ["blobs/sha256/a/b", "pr/71/blobs/sha256/ab/c"]


def test_stores_tell_size_and_age_and_delete(store):
    store.create("records/train/k/1.json", b"xyz")
    (entry,) = store.entries("records")
    assert (entry.key, entry.size) == ("records/train/k/1.json", 3)
    assert abs(entry.modified - time.time()) < 60
    assert store.delete(entry.key)
    assert not store.delete(entry.key)
    assert list(store.entries("records")) == list(store.list("")) == []
