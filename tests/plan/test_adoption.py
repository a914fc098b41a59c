"""A merge is free: main adopts what the pull request trained and answered, verified, and judges it itself."""

from __future__ import annotations

import pytest
from world import Silent, World, fake_weights

from runner.errors import RegistryError
from runner.executors.local import LocalExecutor
from runner.plan.build import build_plan, look
from runner.plan.walk import Walk
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan
from runner.registry.namespaces import ADOPTABLE
from runner.registry.registry import open_namespace
from runner.steps.adopt import adopt


class PullRequest(World):
    """A world whose pull requests work in namespaces."""

    def namespace(self, shown=None):
        return open_namespace("registry/store", self.root, self.root / "cache", "pr/12", shown)

    def evaluate_in_namespace(self):
        main, self.registry, self.branch = self.registry, self.namespace(), "topic"
        try:
            return self.apply(through="gate")[1]
        finally:
            self.registry, self.branch = main, "main"

    def adopt(self):
        """Plan as main will see it, adopt, apply; return what was adopted, the plan and the outcome."""
        self.write()
        subjects = self.subjects()
        plan = build_plan(subjects, self.namespace(ADOPTABLE), self.delivery())
        source = self.namespace()
        adopted = list(adopt(look(Walk(subjects[0], source, self.delivery())), "pr/12", source, self.registry))
        executor = LocalExecutor(self.registry, self.root / "cache", silent)
        loop = Reconciler(self.registry, executor, self.delivery(), Silent())
        (outcome,) = apply_plan(plan, subjects, loop)
        return adopted, plan, outcome


@pytest.fixture
def world(tmp_path, monkeypatch) -> PullRequest:
    fake_weights(monkeypatch)
    return PullRequest(tmp_path)


def actions(plan):
    return {step.step: step.action for step in plan.specs[0].steps}


def test_a_merge_trains_and_answers_nothing(world):
    world.apply()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    outcome = world.evaluate_in_namespace()
    assert outcome.ran == ["train", "predict_tuned", *outcome.ran[2:]]
    adopted, plan, outcome = world.adopt()
    assert [record.step for record in adopted] == ["train", "predict_tuned"]
    assert (actions(plan)["train"], actions(plan)["predict_tuned"]) == ("REUSE", "REUSE")
    assert "train" not in outcome.ran
    assert "gate" in outcome.ran or actions(plan)["gate"] == "REUSE"
    assert outcome.deployment.version == "1.1.0"
    record = world.registry.record("train", world.registry.version("bot", "1.1.0").content.train_key)
    assert record.environment["adopted_from"] == "pr/12"
    assert world.plan().idle


def test_data_scores_and_verdicts_are_made_by_main(world):
    outcome = world.evaluate_in_namespace()
    assert outcome.gate.metrics["outcome"] == "PASS"
    assert list(world.registry.records("prepare")) == []
    adopted, plan, outcome = world.adopt()
    assert {record.step for record in adopted} == {"train", "predict_base", "predict_tuned"}
    assert actions(plan)["prepare"] == "RUN"
    assert outcome.ran == ["prepare", "score", "gate", "deploy"]


def test_a_forged_verdict_is_worth_nothing(world):
    world.spec["training"]["learning_rate"] = 0.5
    assert world.evaluate_in_namespace().gate.metrics["outcome"] == "FAIL"
    source = world.namespace()
    (gate,) = source.records("gate")
    forged = {**gate.metrics, "outcome": "PASS", "release": True}
    source.add_record(gate.model_copy(update={"metrics": forged}))
    _, _, outcome = world.adopt()
    assert outcome.exit_code == 3
    assert world.registry.live("bot", "production") is None


def blob(world, artifact):
    return world.root / "registry/store/pr/12/blobs/sha256" / artifact.digest[:2] / artifact.digest[2:]


def damage(world):
    (record,) = world.namespace().records("predict_tuned")
    path = blob(world, record.outputs["answers"])
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)


def forge_inputs(world):
    (record,) = world.namespace().records("train")
    world.namespace().add_record(record.model_copy(update={"inputs": {**record.inputs, "backend": "other"}}))


@pytest.mark.parametrize(("act", "why"), [(damage, "is damaged"), (forge_inputs, "not the digest of its inputs")])
def test_what_does_not_verify_is_not_adopted(world, act, why):
    world.evaluate_in_namespace()
    act(world)
    with pytest.raises(RegistryError, match=why) as caught:
        world.adopt()
    assert caught.value.hint == "apply without --adopt to run it here"
    assert world.apply()[1].deployment.version == "1.0.0"


def test_a_poisoned_dataset_finds_nothing(world):
    world.evaluate_in_namespace()
    source = world.namespace()
    (prepared,) = source.records("prepare")
    outputs = {**prepared.outputs, "train": source.put_bytes(b'{"id": "evil"}\n')}
    source.add_record(prepared.model_copy(update={"outputs": outputs}))
    adopted, _, outcome = world.adopt()
    assert "train" not in [record.step for record in adopted]
    assert "train" in outcome.ran


def test_adopting_twice_changes_nothing(world):
    world.evaluate_in_namespace()
    world.adopt()
    assert world.adopt()[0] == []
