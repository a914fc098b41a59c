"""`explain` verifies a release offline: a commit, records, artifacts, verdicts, and the log; each break has its link."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime

import pytest
from world import World, fake_weights

from runner import git
from runner.plan.delivery import Delivery
from runner.registry.facts import Ruling
from runner.report.proof import prove


class Committed(World):
    """A world whose repository is one."""

    def commit(self):
        self.write()
        for command in (["init", "-q"], ["add", "specs"], ["commit", "-q", "-m", "a spec", "--allow-empty"]):
            who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
            subprocess.run(["git", "-C", self.root, *who, *command], check=True)

    def delivery(self) -> Delivery:
        checkout = git.read_checkout(self.root)
        return Delivery(checkout, checkout.branch, self.dirty, lambda _: self.descends)


@pytest.fixture
def world(tmp_path, monkeypatch) -> Committed:
    fake_weights(monkeypatch)
    world = Committed(tmp_path)
    world.commit()
    world.apply()
    return world


def links(world):
    version = world.registry.version("bot", "1.0.0")
    return {link.what: link for link in prove(version, "production", world.registry, world.root)}


def broken(world):
    return {what: link.broken for what, link in links(world).items() if link.broken}


def change(world, path, old, new):
    file = world.root / "registry/store" / path
    text = file.read_text()
    assert old in text
    file.unlink()
    file.write_text(text.replace(old, new))


def test_a_release_is_proven_from_its_commit_to_its_entry(world):
    assert broken(world) == {}
    found = links(world)
    assert "spec.yaml and 2 of 2 data files are as committed" in found["spec"].detail
    assert found["log"].detail == "production: 1 of 1 entries chained to the one before"


def test_a_commit_that_does_not_lead_here(world):
    version = world.registry.version("bot", "1.0.0")
    world.spec["training"]["seed"] = 7
    world.commit()
    commit = git.read_checkout(world.root).commit
    (first, *_) = prove(version.model_copy(update={"commit": commit}), "production", world.registry, world.root)
    assert first.broken == "specs/bot/spec.yaml of that commit does not lead here: its train.training is another"
    world.spec["training"].pop("seed")
    world.files["data/a.jsonl"].pop()
    world.commit()
    commit = git.read_checkout(world.root).commit
    (first, *_) = prove(version.model_copy(update={"commit": commit}), "production", world.registry, world.root)
    assert first.broken == "specs/bot/data/a.jsonl of that commit is not the file that was prepared"


def test_what_is_not_in_the_clone_is_said_to_be_unchecked(world):
    version = world.registry.version("bot", "1.0.0").model_copy(update={"commit": "f" * 40})
    (first, *_) = prove(version, "production", world.registry, world.root)
    assert (first.broken, first.detail.rpartition(": ")[2]) == (None, "not checked")


def test_a_version_that_was_edited_breaks_the_entry_that_deployed_it(world):
    change(world, "versions/bot/1.0.0.json", '"champion": null', '"champion": "0.9.0"')
    assert "is not the file that entry 1 deployed" in broken(world)["deployment"]


def test_verdicts_are_judged_again(world):
    (gate,) = world.registry.records("gate")
    digest = gate.outputs["verdicts"].digest
    verdicts = json.loads((world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).read_text())
    verdicts[0]["outcome"] = "FAIL"
    forged = gate.model_copy(update={"outputs": {"verdicts": world.registry.put_bytes(json.dumps(verdicts).encode())}})
    world.registry.add_record(forged)
    assert broken(world) == {}  # what it was released with is still there
    (world.root / f"registry/store/records/gate/{gate.key}/1.json").unlink()
    found = broken(world)
    assert found["gate"] == "it is not the record that was released"
    assert found["version"] == "its gates said FAIL"


@pytest.mark.parametrize("forget", ["approve", "decision", "scores"])
def test_an_approval_is_part_of_the_proof(world, forget):
    world.spec["training"]["learning_rate"] = 0.5
    world.spec["version"] = "1.1.0"
    world.spec["evaluation"]["gates"] = [{"metric": "exact_match", "not_worse_than": "base", "margin": {"points": 2}}]
    world.files = {"data/a.jsonl": list(range(8))}
    world.spec["dataset"]["checks"] = {"min_examples": 1}
    world.commit()
    assert world.apply()[1].exit_code == 4
    scores = world.registry.record("gate", next(iter(keys_of(world, "gate")))).inputs["scores"]
    ruling = Ruling(
        number=1, name="bot", kind="approve", version="1.1.0", scores=scores, who="Ada", reason="small", at=NOW
    )
    world.registry.add_ruling(ruling)
    assert world.apply()[1].exit_code == 0
    version = world.registry.version("bot", "1.1.0")
    proven = prove(version, "production", world.registry, world.root)
    assert [link.broken for link in proven if link.broken] == []
    assert any("INCONCLUSIVE, approved by Ada" in link.detail for link in proven)
    expected = {
        "approve": "its gates did not allow a release",
        "decision": "its approval is not among the decisions",
        "scores": "its approval is bound to other scores",
    }
    if forget == "approve":
        version = version.model_copy(update={"approval": None})
    if forget == "decision":
        (world.root / "registry/store/decisions/bot/00000001.json").unlink()
    if forget == "scores":
        version = version.model_copy(update={"approval": ruling.model_copy(update={"scores": "f" * 64})})
    found = {link.what: link.broken for link in prove(version, "production", world.registry, world.root)}
    assert found["version"] == expected[forget]


NOW = datetime(2026, 11, 22, tzinfo=UTC)


def keys_of(world, step):
    return [record.key for record in world.registry.records(step) if record.version == world.spec["version"]]


def test_a_revert_to_a_version_that_was_swapped_is_refused(world):
    first = {**world.spec, "training": dict(world.spec["training"])}
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    world.commit()
    assert world.apply()[1].deployment.number == 2
    change(world, "versions/bot/1.0.0.json", '"champion": null', '"champion": "0.9.0"')
    world.spec = first
    world.commit()
    _, outcome = world.apply()
    assert "bot 1.0.0 is not deployed: versions/bot/1.0.0.json is not the file that entry 1 deployed" in str(
        outcome.error
    )
    assert world.registry.live("bot", "production").version == "1.1.0"
