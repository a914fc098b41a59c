"""What the plan says is what the apply does, also after lost and corrupt artifacts and kills; and then all is mended.

Random sequences of commits, each with something that goes wrong. Afterwards what was lost is restored, as the errors
ask for, and what is live is what the last commit alone would have brought about.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from edits import EDITS, edit, snapshot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from world import World, fake_weights

from runner.plan.decision import PREDICT_STEPS
from runner.registry.artifacts import blob_key
from runner.registry.folder_store import FolderStore
from runner.registry.registry import open_registry

# Whether a gate that names the champion passes depends on who was champion.
ALONE = sorted(EDITS.keys() - {"versus"})
WRITES = ("create", "put_stream")

edits = st.lists(st.tuples(st.sampled_from([*ALONE, "revert"]), st.integers(0, 2)), min_size=1, max_size=3)
mishaps = st.tuples(st.sampled_from(["none", "lose", "flip", "kill before", "kill after"]), st.integers(0, 40))


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.fixture(autouse=True)
def _weights(monkeypatch):
    fake_weights(monkeypatch)


@contextmanager
def killed_at(write: int, *, after: bool):
    """Kill at the given write to the store, before or after its bytes are there."""
    left = [write]

    def dying(real):
        def call(*arguments):
            left[0] -= 1
            if left[0] == -1 and not after:
                raise Killed
            result = real(*arguments)
            if left[0] == -1:
                raise Killed
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(FolderStore, name, dying(getattr(FolderStore, name)))
        yield


def apply_as_planned(world: World):
    """Apply, and hold what ran against the plan."""
    plan, outcome = world.apply()
    for step in plan.specs[0].steps:
        if step.step in outcome.ran:
            assert step.action in ("RUN", "DEPENDS"), (step, outcome)
        elif step.action == "RUN":
            # Nobody knows beforehand that a step with other inputs will yield the very bytes that were lost.
            healed = step.reason_code == "artifact_missing" and is_whole(world, step)
            assert healed or outcome.error is not None, (step, outcome)
        elif step.action == "REUSE":
            # A flipped bit is found by the step that reads it, which says so.
            assert outcome.error is not None or is_whole(world, step), step
    return outcome


def is_whole(world: World, step) -> bool:
    """Whether everything that a reused step yielded is there."""
    names = PREDICT_STEPS if step.step in PREDICT_STEPS else (step.step,)
    record = next((found for name in names if (found := world.registry.record(name, step.key))), None)
    if record is None:
        # What was released is never asked again; its weights are what counts, not a loss curve or a table of verdicts.
        released = world.registry.version("bot", world.spec["version"])
        return step.step in ("train", "gate") and world.registry.exists(released.content.adapter)
    return all(world.registry.exists(artifact) for artifact in record.outputs.values())


def damage(world: World, what: str, number: int) -> tuple[Path, bytes] | None:
    """Lose a blob of the store, or flip one of its bits; return what restores it."""
    blobs = sorted(path for path in (world.root / "registry/store/blobs").rglob("*") if path.is_file())
    if what not in ("lose", "flip") or not blobs:
        return None
    blob = blobs[number % len(blobs)]
    whole = blob.read_bytes()
    blob.unlink()
    if what == "flip" and whole:
        blob.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    return blob, whole


def restore(blob: Path, whole: bytes) -> None:
    blob.unlink(missing_ok=True)
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(whole)


def suffer(world: World, what: str, number: int) -> None:
    """Apply while something goes wrong, and mend it as a person would."""
    lost = damage(world, what, number)
    if what.startswith("kill"):
        with killed_at(number, after=what == "kill after"), suppress(Killed):
            apply_as_planned(world)
    else:
        outcome = apply_as_planned(world)
        # What is not there the plan can see: it runs again, or is told as lost where it was released.
        assert what != "lose" or outcome.error is None, outcome.error
    if lost is not None:
        restore(*lost)
    # The next command is another process, which would find that the one before is dead.
    shutil.rmtree(world.root / "registry/store/leases", ignore_errors=True)
    world.registry = open_registry("registry/store", world.root, world.root / "cache")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(edits, mishaps), min_size=1, max_size=4))
# Answers of the champion that are lost were written when it was asked as a candidate.
@example([([("base", 2)], ("none", 0)), ([("base", 0)], ("lose", 22))])
def test_what_is_live_depends_on_the_last_commit_alone(commits):
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        past = [snapshot(world)]
        for number, (changes, (what, which)) in enumerate(commits, start=1):
            edit(world, changes, past, number)
            suffer(world, what, which)
        outcome = apply_as_planned(world)
        assert outcome.error is None, outcome.error
        assert world.plan().idle
        assert live(world) == (live_alone(world) or live(world))


def test_no_lost_artifact_is_reused():
    """Each blob in turn, under a version that is not released: it runs again, and all is as it was."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.branch = "topic"
        apply_as_planned(world)
        blobs = sorted(path for path in (world.root / "registry/store/blobs").rglob("*") if path.is_file())
        for number, blob in enumerate(blobs):
            damage(world, "lose", number)
            world.registry = open_registry("registry/store", world.root, world.root / "cache")
            outcome = apply_as_planned(world)
            assert outcome.error is None
            assert outcome.ran
            assert blob.exists()
            assert world.plan().idle


def test_bytes_that_two_steps_lost_are_brought_back_once():
    """An untrained model answers like its base: both predictions have the same answers, in one blob."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.branch = "topic"
        world.spec["training"]["learning_rate"] = 0.5
        world.apply()
        base, tuned = (next(world.registry.records(step)) for step in ("predict_base", "predict_tuned"))
        answers = base.outputs["answers"]
        assert answers == tuned.outputs["answers"]
        (world.root / "registry/store" / blob_key(answers.digest)).unlink()
        plan, outcome = world.apply()
        step = plan.specs[0].step("predict_tuned")
        assert (step.action, step.key) == ("DEPENDS", None)
        assert step.reason == "on predict_base, which lost the same bytes"
        assert [(cause.step, cause.action) for cause in step.cause] == [
            ("predict_tuned", "DEPENDS"),
            ("predict_base", "RUN"),
        ]
        assert plan.specs[0].step("score").cause[-1].step == "predict_base"
        assert outcome.ran == ["predict_base"]
        assert plan.estimate.unknown == []


def live(world: World):
    """What is live: version, and all that decides how it answers."""
    alias = world.spec.get("deployment", {}).get("alias", "production")
    entry = world.registry.live("bot", alias)
    return entry and (entry.version, world.registry.version("bot", entry.version).content)


def live_alone(world: World):
    """What would be live had there never been another commit; None where its gates keep it out."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = World(Path(folder))
        fresh.spec, fresh.files, fresh.base, fresh.branch = world.spec, world.files, world.base, world.branch
        fresh.config, fresh.scripts = world.config, world.scripts
        fresh.apply()
        return live(fresh)
