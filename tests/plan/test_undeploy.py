"""UNDEPLOY: what is live and not asked for any more is taken away, and only when git proves that it was asked for here."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import FakeEngine, World, fake_weights

from runner.errors import RegistryError
from runner.git import Checkout
from runner.plan.build import build_plan
from runner.plan.delivery import Delivery
from runner.plan.removal import Stray, decide, find_strays, plan_removals
from runner.reconcile import apply_plan
from runner.steps import deploy

HEAD, OLD = "c" * 40, "0" * 40


class Past:
    """History in which files were at some commits."""

    def __init__(self, *files, shallow=False):
        self.files, self.shallow = set(files), shallow

    def holds(self, files):
        return [file in self.files for file in files]

    def changed_by(self, path):
        return "deadbeef" + "0" * 32

    def is_shallow(self):
        return self.shallow


class TwoSpecs(World):
    """`bot`, and `other` beside it while `names` says so; both live, from the commit HEAD."""

    names = ("bot", "other")
    past = Past((HEAD, "specs/other/spec.yaml"), (HEAD, "specs/bot/spec.yaml"))
    commit = HEAD

    def write(self):
        super().write()
        folder = self.root / "specs/other"
        shutil.rmtree(folder, ignore_errors=True)
        if "other" in self.names:
            shutil.copytree(self.root / "specs/bot", folder)
            text = yaml.safe_dump(copy.deepcopy(self.spec) | {"name": "other", "deployment": {}}, sort_keys=False)
            (folder / "spec.yaml").write_text(text)

    def delivery(self):
        checkout = Checkout(root=self.root, commit=self.commit, branch=self.branch)
        return Delivery(checkout, "main", self.dirty, lambda _: self.descends, past=self.past)

    def remove_other(self):
        """Remove the spec in a commit after the one that deployed it."""
        self.names, self.commit = ("bot",), "d" * 40

    def move(self, alias):
        self.spec["deployment"] = {"alias": alias}
        self.commit = "d" * 40

    def live(self, name, alias="production"):
        entry = self.registry.live(name, alias)
        return entry and entry.version


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = TwoSpecs(tmp_path)
    world.apply_all(complete=True)
    assert (world.live("bot"), world.live("other")) == ("1.0.0", "1.0.0")
    return world


def removal(plan, name="other"):
    return next((spec for spec in plan.specs if spec.name == name and spec.removed), None)


def test_a_removed_spec_is_undeployed_and_comes_back_for_free(world):
    world.remove_other()
    plan, outcomes = world.apply_all(complete=True)
    spec = removal(plan)
    assert (spec.removed, spec.version, spec.file) == ("production", "1.0.0", "specs/other/spec.yaml")
    assert [step.action for step in spec.steps] == ["NONE"] * 7 + ["UNDEPLOY"]
    assert spec.step("deploy").reason == "specs/other/spec.yaml is gone since deadbeef"
    assert plan.summary["undeploy"] == 1
    assert not plan.idle
    assert (outcomes[-1].ran, outcomes[-1].exit_code) == (["deploy"], 0)
    entry = world.registry.live("other", "production")
    assert (entry.number, entry.version, entry.previous, entry.commit) == (2, None, "1.0.0", "d" * 40)
    assert world.registry.version("other", "1.0.0") is not None
    again = world.plan(complete=True)
    assert again.idle
    assert removal(again) is None

    world.names = ("bot", "other")
    plan, outcomes = world.apply_all(complete=True)
    assert plan.summary["train"] == 0
    assert plan.specs[1].step("deploy").reason.startswith("1.0.0 (already released, only the pointer moves; verified ")
    assert outcomes[1].ran == ["deploy"]
    assert world.registry.live("other", "production").previous is None
    assert world.live("other") == "1.0.0"


NOT_TAKEN_AWAY = [
    # what differs, what the plan says (None: not even mentioned), words
    ({"complete": False}, None, ""),
    ({"past": None}, None, ""),
    ({"past": Past((OLD, "specs/other/spec.yaml"))}, None, ""),
    ({"past": Past(shallow=True)}, "NONE", "too shallow to tell"),
    ({"descends": False}, "NONE", "not in this history"),
    ({"descends": None}, "NONE", "not in this history"),
    ({"branch": "topic"}, "NONE", "undeployed from main once merged; this is topic"),
    ({"branch": None}, "NONE", "this is a detached HEAD"),
    ({"dirty": ["specs/other/spec.yaml"]}, "BLOCKED", "uncommitted: specs/other/spec.yaml"),
    (
        {"past": Past((HEAD, "specs/other/spec.yaml"), ("d" * 40, "specs/other/spec.yaml"))},
        "BLOCKED",
        "sparse checkout",
    ),
    ({"through": "gate"}, None, ""),
]


@pytest.mark.parametrize(("change", "action", "words"), NOT_TAKEN_AWAY)
def test_nothing_is_taken_away_without_proof(world, change, action, words):
    world.remove_other()
    options = {"complete": True}
    for name, value in change.items():
        if hasattr(world, name):
            setattr(world, name, value)
        else:
            options[name] = value
    plan, outcomes = world.apply_all(**options)
    spec = removal(plan)
    assert (spec and spec.step("deploy").action) == action
    if spec is not None:
        assert words in spec.step("deploy").reason
        assert outcomes[-1].exit_code == (1 if action == "BLOCKED" else 0)
    assert plan.summary["undeploy"] == 0
    assert world.live("other") == "1.0.0"


@given(logs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), unique=True))
def test_an_empty_set_undeploys_nothing_whatever_is_live(logs):
    class Full:
        def logs(self):
            return logs

        def live(self, name, alias):
            raise AssertionError("nobody needs to know")

    assert find_strays([], Full()) == []
    checkout = Checkout(root=None, commit=HEAD, branch="main")
    delivery = Delivery(checkout, "main", [], lambda _: True, past=Past())
    assert build_plan([], Full(), delivery, complete=True).idle


def test_another_alias_is_deployed_before_the_old_one_is_taken_away(world):
    world.move("canary")
    plan, outcomes = world.apply_all(complete=True)
    spec = removal(plan, "bot")
    assert [plan.name for plan in plan.specs] == ["bot", "other", "bot"]
    assert spec.step("deploy").action == "UNDEPLOY"
    assert spec.step("deploy").reason == "specs/bot/spec.yaml asks for canary"
    assert [outcome.ran for outcome in outcomes] == [["deploy"], [], ["deploy"]]
    assert (world.live("bot"), world.live("bot", "canary")) == (None, "1.0.0")
    assert world.plan(complete=True).idle

    world.past = Past(("d" * 40, "specs/bot/spec.yaml"))
    world.move("production")
    assert world.apply_all(complete=True)[1][0].ran == ["deploy"]
    assert (world.live("bot"), world.live("bot", "canary")) == ("1.0.0", None)


def test_the_old_alias_stays_when_its_heir_fails_its_gates(world):
    world.move("canary")
    world.names = ("bot",)
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.5
    plan, outcomes = world.apply_all(complete=True)
    assert removal(plan, "bot").step("deploy").action == "DEPENDS"
    assert removal(plan, "bot").step("deploy").reason == "undeployed once 1.1.0 is live as canary"
    assert [outcome.exit_code for outcome in outcomes] == [3, 1, 0]
    assert outcomes[1].blocked == "undeploy: stays until 1.1.0 is live as canary"
    assert (world.live("bot"), world.live("other")) == ("1.0.0", None)
    after = world.plan(complete=True)
    assert removal(after, "bot").step("deploy").action == "BLOCKED"


def test_the_old_alias_goes_once_its_heir_has_passed_its_gates(world):
    world.move("canary")
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    plan, outcomes = world.apply_all(complete=True)
    assert removal(plan, "bot").step("deploy").action == "DEPENDS"
    assert [outcome.error for outcome in outcomes] == [None, None, None]
    assert (world.live("bot"), world.live("bot", "canary")) == (None, "1.1.0")
    assert world.plan(complete=True).idle


def test_the_old_alias_stays_when_its_heir_does_not_load(world, monkeypatch):
    class Broken(FakeEngine):
        def __init__(self, *_, **__):
            raise RegistryError("does not load")

    monkeypatch.setattr("runner.inference.engine.open_engine", Broken)
    world.move("canary")
    plan, outcomes = world.apply_all(complete=True)
    assert removal(plan, "bot").step("deploy").action == "UNDEPLOY"
    assert "does not load" in str(outcomes[0].error)
    assert "stays until" in outcomes[-1].blocked
    assert world.live("bot") == "1.0.0"


def test_what_went_live_since_the_plan_is_not_taken_away(world):
    world.remove_other()
    plan = world.plan(complete=True)
    live = world.registry.live("other", "production")
    world.registry.append_deployment(live.model_copy(update={"number": 2, "version": "1.1.0", "previous": "1.0.0"}))
    outcomes = apply_plan(plan, world.subjects(), world.reconciler())
    assert "the plan said to undeploy 1.0.0, but now 1.1.0 is production" in str(outcomes[-1].error)
    assert world.live("other") == "1.1.0"


def test_of_two_applies_one_takes_away_and_both_succeed(world, monkeypatch):
    world.remove_other()
    plan = world.plan(complete=True)
    real = deploy.take_away

    def overtaken(registry, live, commit, now):
        monkeypatch.setattr("runner.reconcile.take_away", real)
        real(registry, live, commit, now)
        return real(registry, live, commit, now)

    monkeypatch.setattr("runner.reconcile.take_away", overtaken)
    outcome = apply_plan(plan, world.subjects(), world.reconciler())[-1]
    assert (outcome.exit_code, outcome.idle) == (0, "production was undeployed already")
    assert len(world.registry.deployments("other", "production")) == 2


def test_an_apply_undeploys_nothing_that_the_plan_did_not_list(world):
    world.remove_other()
    world.branch = "topic"
    plan = world.plan(complete=True)
    world.branch = "main"
    outcome = apply_plan(plan, world.subjects(), world.reconciler())[-1]
    assert "the plan said NONE for deploy, but now it would" in str(outcome.error)
    assert world.live("other") == "1.0.0"


def test_an_older_commit_does_not_bring_back_what_was_undeployed(world):
    world.remove_other()
    world.apply_all(complete=True)
    world.names, world.commit, world.descends = ("bot", "other"), HEAD, False
    decided = world.plan(complete=True).specs[1].step("deploy")
    assert decided.action == "BLOCKED"
    assert decided.reason.startswith("it was undeployed from dddddddd, which is not in this history")


def test_after_an_undeployment_there_is_no_champion(world):
    world.spec["evaluation"]["gates"].append(
        {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 10}}
    )
    world.remove_other()
    world.apply_all(complete=True)
    world.names = ("bot", "other")
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    plan, outcomes = world.apply_all(complete=True)
    assert [spec.champion for spec in plan.specs] == ["1.0.0", None]
    assert plan.specs[1].step("predict_champion").action in ("NONE", "DEPENDS")
    assert world.registry.version("other", "1.1.0").champion is None
    assert outcomes[1].exit_code == 0


def test_names_of_others_cost_one_look_into_git(world):
    asked = []

    class Counting(Past):
        def holds(self, files):
            asked.append(len(files))
            return super().holds(files)

    live = world.registry.live("other", "production")
    strays = [Stray(live.model_copy(update={"name": f"n{n}"}), None) for n in range(50)]
    world.past = Counting()
    assert plan_removals(strays, [], world.registry, world.delivery()) == []
    assert asked == [50]
    assert decide(strays[0], world.registry, world.delivery()).action == "NONE"


class Committed(TwoSpecs):
    """Every apply is of a commit of its own, after all others, and git remembers what each held."""

    number = 0

    def commit_all(self):
        self.number += 1
        self.commit = f"{self.number:040x}"
        mine = {(self.commit, f"specs/{name}/spec.yaml") for name in self.names}
        self.past = Past(*(self.past.files | mine))


CHANGES = ["remove", "add", "canary", "production", "topic", "main", "hot", "cold"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(CHANGES), max_size=6))
def test_what_is_live_is_what_is_asked_for(monkeypatch, changes):
    fake_weights(monkeypatch)
    with tempfile.TemporaryDirectory() as folder:
        world = Committed(Path(folder))
        world.past = Past()
        for number, change in enumerate(["main", *changes, "main", "cold"], start=1):
            match change:
                case "remove" | "add":
                    world.names = ("bot",) if change == "remove" else ("bot", "other")
                case "canary" | "production":
                    world.spec["deployment"] = {"alias": change}
                case "topic" | "main":
                    world.branch = change
                case "hot" | "cold":  # a model that fails its gates, and one that passes them
                    world.spec["version"] = f"1.{number}.0"
                    world.spec["training"]["learning_rate"] = {"hot": 0.5, "cold": 0.001}[change]
            world.commit_all()
            plan, outcomes = world.apply_all(complete=True)
            for spec, outcome in zip(plan.specs, outcomes, strict=True):
                decided = spec.step("deploy").action
                assert outcome.error is None
                assert decided != "UNDEPLOY" or outcome.deployment.version is None
                assert decided in ("UNDEPLOY", "RUN", "DEPENDS") or outcome.deployment is None
        # Whatever happened before: with a good model on the deploy branch, what is asked for is live and nothing else.
        asked = {("bot", world.spec.get("deployment", {}).get("alias", "production")), ("other", "production")}
        live = {(entry.name, entry.alias) for entry in world.registry.deployed() if entry.version}
        assert live == {(name, alias) for name, alias in asked if name in world.names}
        assert world.plan(complete=True).idle
