"""A damaged or lost artifact of an unreleased step is made again, of a released version it is LOST; plans stay right."""

import pytest
import world

from runner.digest import digest_file
from runner.registry.artifacts import blob_key


@pytest.fixture
def repository(tmp_path, monkeypatch):
    world.fake_weights(monkeypatch)
    made = world.World(tmp_path)
    made.branch = "topic"  # nothing is released from there
    return made


def damage(repository, artifact, *, lose=False):
    path = repository.root / "registry" / "store" / blob_key(artifact.digest)
    data = path.read_bytes()
    path.unlink()
    if not lose:
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def actions(plan):
    return {step.step: step.action for step in plan.specs[0].steps}


@pytest.mark.parametrize("name", ["train", "prompts", "test"])
def test_a_flipped_bit_is_healed_by_the_apply_after(repository, name):
    repository.apply()
    repository.spec["training"]["learning_rate"] = 0.002  # what is left of prepare is read again
    repository.spec["evaluation"]["generation"] = {"max_new_tokens": 32}
    plan = repository.plan()
    damage(repository, repository.registry.record("prepare", plan.specs[0].step("prepare").key).outputs[name])

    # Sizes are right, so the plan knows nothing of it; the apply does what was planned, or says what to do.
    assert actions(repository.plan())["prepare"] == "REUSE"
    plan, outcome = repository.apply()
    assert "prepare" not in outcome.ran
    assert "is damaged" in outcome.error.message
    assert "apply again" in outcome.error.hint

    # From then on the plan is right.
    plan = repository.plan()
    assert actions(plan)["prepare"] == "RUN"
    plan, outcome = repository.apply()
    assert outcome.error is None
    assert outcome.gate.metrics["outcome"] == "PASS"
    assert "prepare" in outcome.ran
    assert set(actions(repository.plan()).values()) <= {"REUSE", "NONE"}


def test_a_plan_over_damaged_data_of_another_run_is_still_a_plan(repository):
    """Rows are counted out of courtesy."""
    repository.apply()
    plan = repository.plan()
    damage(repository, repository.registry.record("prepare", plan.specs[0].step("prepare").key).outputs["train"])
    repository.files["data/a.jsonl"].append(500)
    assert actions(repository.plan())["prepare"] == "RUN"
    _, outcome = repository.apply()
    assert outcome.error is None


@pytest.mark.parametrize("lose", [False, True])
def test_an_adapter_of_a_released_version_is_lost_and_never_trained_again(repository, lose):
    repository.branch = "main"
    _, outcome = repository.apply()
    first = outcome.deployment
    adapter = repository.registry.version("bot", first.version).content.adapter
    (file,) = repository.registry.fetch(adapter).iterdir()
    repository.spec |= {"version": "1.1.0", "training": {"num_epochs": 3, "learning_rate": 0.001}}
    assert repository.apply()[1].deployment.version == "1.1.0"

    path = repository.root / "registry" / "store" / blob_key(digest_file(file))
    data = path.read_bytes()
    path.unlink()
    if not lose:
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    world_again = world.World(repository.root)
    world_again.spec = repository.spec | {"version": "1.0.0", "training": {"num_epochs": 2, "learning_rate": 0.001}}
    plan, outcome = world_again.apply()
    assert outcome.ran == []
    assert outcome.exit_code == 1
    plan = world_again.plan()
    (blocked,) = [step for step in plan.specs[0].steps if step.fault]
    assert "its artifacts are lost" in blocked.reason
    assert world_again.registry.live("bot", "production").version == "1.1.0"
