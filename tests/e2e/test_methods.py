"""The whole main job with real training and answering on tiny checkpoints: other families, DoRA, whole models.

One of them is among the fast tests; each of the others starts up to ten processes, most of which import torch. What they
put together is tested part by part in tests/training, tests/inference and tests/models.
"""

from __future__ import annotations

import json

import pytest
from families import make_tiny_model
from world import SPEC, World

from runner.data.prompts import prompts_from_jsonl
from runner.errors import SpecError
from runner.report.proof import prove
from runner.serving.engines import loader


class TinyWorld(World):
    """A World whose base is a random checkpoint. It learns little, so its gate asks for nothing; the loop is tested."""

    def __init__(self, root, family, engine, **training):
        super().__init__(root)
        self.family = family
        self.spec["engine"] = engine
        self.spec["training"] = {"num_epochs": 1, "learning_rate": 0.002, "max_length": 256, **training}
        self.spec["evaluation"] = {
            **SPEC["evaluation"],
            "generation": {"max_new_tokens": 6},
            "gates": [{"metric": "exact_match", "at_least": 0.0}],
        }

    def write_base(self):
        if not (self.root / "base").exists():
            make_tiny_model(self.root / "base", self.family)

    def serve(self, version):
        """Open a version as the server does, and give the answers that its release was judged by."""
        record = self.registry.record("predict_tuned", version.keys["predict_tuned"])
        judged = [json.loads(line) for line in self.registry.read(record.outputs["answers"]).splitlines()]
        return loader(self.registry, self.root, self.root / "cache")(version), judged

    def prompts(self, version):
        prepared = self.registry.record("prepare", version.keys["prepare"])
        return {p.id: p.messages for p in prompts_from_jsonl(self.registry.read(prepared.outputs["prompts"]))}


def check_deployed(world, number):
    """It is live, proven, and what is served is what was judged."""
    version = world.registry.version("bot", number)
    log = world.registry.deployments("bot", "production")
    assert log[-1].version == number
    assert [link.broken for link in prove(version, "production", world.registry, world.root) if link.broken] == []
    engine, judged = world.serve(version)
    prompts = world.prompts(version)
    with engine:
        for answer in judged[:3]:
            body = {"messages": prompts[answer["prompt_id"]], "temperature": 0, "max_tokens": 6}
            assert engine.chat(body)["choices"][0]["message"]["content"] == answer["text"]
    assert world.plan().idle


def release(world, number, **training):
    world.spec["version"] = number
    world.spec["training"] |= training
    _, outcome = world.apply()
    assert outcome.error is None, outcome.error
    return outcome


class PairsWorld(TinyWorld):
    """Every answer comes with a worse one."""

    def write(self):
        super().write()
        for file in (self.root / "specs" / "bot" / "data").glob("*.jsonl"):
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            pairs = [{"prompt": r["input"], "chosen": r["output"], "rejected": "I like colours."} for r in rows]
            file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))


def test_preference_data_is_deployed(tmp_path):
    pytest.importorskip("trl", reason="objective: dpo needs gitune[dpo]")
    world = PairsWorld(tmp_path, "llama", "llama_cpp", objective="dpo", batch_size=8)
    world.files = {"data/a.jsonl": list(range(60))}
    release(world, "1.0.0")
    check_deployed(world, "1.0.0")
    version = world.registry.version("bot", "1.0.0")
    metrics = world.registry.record("train", version.keys["train"]).metrics
    assert metrics["validation_loss"] < metrics["base_validation_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert metrics["rewards/margins"] > 0


def test_rows_and_objective_must_go_together(tmp_path):
    """The wrong ones cost no training; the error names the first by its place."""
    world = PairsWorld(tmp_path, "llama", "llama_cpp")
    _, outcome = world.apply()
    assert "rows, such as this one, cannot be learned by sft: there is a `rejected` answer" in outcome.error.message
    assert outcome.error.where.file.startswith("specs/bot/data/")
    assert outcome.error.hint.startswith("set training.objective: dpo, or ")
    plain = TinyWorld(tmp_path / "plain", "llama", "llama_cpp", objective="dpo")
    _, outcome = plain.apply()
    assert "cannot be learned by dpo: there is no `rejected` answer" in outcome.error.message
    assert outcome.ran == ["prepare"]


@pytest.mark.parametrize("family", ["mistral", "phi", "mpt"])
def test_other_families_are_refused_for_llama_cpp(tmp_path, family):
    world = TinyWorld(tmp_path, family, "llama_cpp")
    with pytest.raises(SpecError) as caught:
        world.plan()
    (problem,) = caught.value.problems
    assert f"llama.cpp cannot serve file://base: it is a {family} model" in problem.message
    assert problem.hint == "write `engine: transformers`"
    assert str(problem.where).startswith("specs/bot/spec.yaml:")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mistral", "phi", "mpt"])
def test_other_families_are_deployed_on_transformers(tmp_path, family):
    world = TinyWorld(tmp_path, family, "transformers")
    assert release(world, "1.0.0").deployment.version == "1.0.0"
    check_deployed(world, "1.0.0")


def test_dora_is_refused_for_llama_cpp(tmp_path):
    world = TinyWorld(tmp_path, "llama", "llama_cpp", method="dora")
    with pytest.raises(SpecError, match=r"llama\.cpp cannot serve DoRA"):
        world.plan()


@pytest.mark.slow
def test_dora_is_deployed_on_transformers(tmp_path):
    world = TinyWorld(tmp_path, "llama", "transformers", method="dora")
    release(world, "1.0.0")
    check_deployed(world, "1.0.0")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["llama_cpp", "transformers"])
def test_a_whole_model_is_deployed_replaced_and_brought_back(tmp_path, engine):
    world = TinyWorld(tmp_path, "llama", engine, method="full")
    release(world, "1.0.0")
    check_deployed(world, "1.0.0")
    assert "champion" not in world.registry.record("gate", world.registry.version("bot", "1.0.0").keys["gate"]).inputs
    assert release(world, "1.1.0", method="lora").deployment.previous == "1.0.0"
    check_deployed(world, "1.1.0")
    assert release(world, "1.0.0", method="full").ran == ["deploy"]
    check_deployed(world, "1.0.0")


@pytest.mark.slow
def test_adapter_settings_mean_nothing_to_a_whole_model(tmp_path):
    world = TinyWorld(tmp_path, "llama", "transformers", method="full")
    release(world, "1.0.0")
    world.spec["training"]["lora"] = {"r": 4}
    assert world.plan().idle


def test_a_base_without_a_known_tokenizer_costs_no_training(tmp_path):
    """The configuration alone looks fine to the plan; the first thing that training does is to look closer."""
    world = TinyWorld(tmp_path, "llama", "llama_cpp")
    world.write()
    file = tmp_path / "base" / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pre_tokenizer": {"type": "Whitespace"}}))
    _, outcome = world.apply()
    assert "its tokenizer is none that llama.cpp is known to share" in outcome.error.message
    assert outcome.error.hint == "use engine: transformers"
    assert outcome.ran == ["prepare"]
