"""A key that another run holds: the plan says WAIT, and the apply waits, reuses, takes over, or is blocked with it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from world import Silent, World, fake_weights

from runner.cli.main import gitune
from runner.errors import ConflictError, GituneError, TerminalError
from runner.executors import flights
from runner.executors.local import LocalExecutor
from runner.plan.walk import Walk
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan
from runner.registry.facts import STEPS, Lease
from runner.report.text import render_plan


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    monkeypatch.setattr(flights, "POLLS", (0.02, 0.1))
    return World(tmp_path)


def hold(world, key, step="prepare", number=1, **fields):
    known = {"owner": "x", "host": "far", "pid": 3, "spec": "bot", "started": datetime.now(UTC)}
    lease = Lease(step=step, key=key, number=number, **(known | fields))
    assert world.registry.add_lease(lease)
    return lease


def key_of(world, step="prepare"):
    return world.plan().specs[0].step(step).key


def begin(world, plan):
    """Start an apply of a plan in a thread; returns the thread and its outcomes to come."""
    outcomes = []
    executor = LocalExecutor(world.registry, world.root / "cache", silent)
    loop = Reconciler(world.registry, executor, world.delivery(), Silent())
    subjects = world.subjects()
    thread = threading.Thread(target=lambda: outcomes.extend(apply_plan(plan, subjects, loop)))
    thread.start()
    return thread, outcomes


def test_a_plan_says_who_is_at_it(world):
    key = key_of(world)
    lease = hold(world, key, run_url="https://github.com/o/r/actions/runs/1")
    plan = world.plan()
    step = plan.specs[0].step("prepare")
    assert (step.action, step.key) == ("WAIT", key)
    assert "pid 3 on far, https://github.com/o/r/actions/runs/1" in step.reason
    assert f"`gitune registry unlock prepare/{key[:12]}`" in step.reason
    assert plan.summary["wait"] == 1
    assert not plan.idle
    assert "~ prepare" in render_plan(plan, color=False)
    assert plan.specs[0].step("train").action == "DEPENDS"
    world.registry.add_lease(lease.model_copy(update={"number": 2, "released": True}))
    assert world.plan().specs[0].step("prepare").action == "RUN"


def test_a_training_that_is_waited_for_may_still_run_here(world):
    """Its holder may be dead: only a plan that cannot train says `train steps: 0`."""
    world.apply()
    world.spec |= {"version": "1.1.0", "training": {"num_epochs": 3}}
    hold(world, key_of(world, "train"), "train")
    plan = world.plan()
    step = plan.specs[0].step("train")
    assert (step.action, step.reason_code) == ("WAIT", "leased")
    assert step.changes
    assert plan.summary["train"] == 1
    text = render_plan(plan, color=False)
    assert "WAIT      another run is at it, or was until it was killed (pid 3 on far)" in text
    assert "train steps: at most 1." in text


def test_what_another_run_released_meanwhile_is_no_missing_champion(world):
    """It found no release of its number, waited, and by then the other run had released that very number."""
    world.apply()
    world.spec |= {"version": "1.1.0", "training": {"num_epochs": 3}}
    world.spec["evaluation"]["gates"] = [
        {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 50}}
    ]
    world.write()
    (subject,) = world.subjects()
    walk = Walk(subject, world.registry, world.delivery())
    for step in ("prepare", "train"):
        walk.settle(walk.decide(step))
    assert walk.decisions["train"].action == "RUN"
    _, outcome = world.apply()
    assert outcome.deployment.version == "1.1.0"
    for step in STEPS[1:]:
        walk.settle(walk.decide(step))
    assert {decision.action for decision in walk.decisions.values()} == {"REUSE", "NONE"}
    assert walk.champion.version == "1.0.0"


def test_a_lease_of_what_is_done_changes_nothing(world):
    world.apply()
    for step in ("prepare", "train"):
        hold(world, key_of(world, step), step, number=9)
    assert world.plan().idle


def test_what_the_other_run_finished_is_reused(world):
    lease = hold(world, key_of(world))
    thread, outcomes = begin(world, world.plan())
    thread.join(0.3)
    assert thread.is_alive()
    elsewhere = World(world.root / "elsewhere")
    elsewhere.apply()
    for record in elsewhere.registry.records("prepare"):
        for artifact in record.outputs.values():
            world.registry.put_bytes(elsewhere.registry.read(artifact))
        world.registry.add_record(record)
    world.registry.add_lease(lease.model_copy(update={"number": 2, "released": True}))
    thread.join(20)
    assert "prepare" not in outcomes[0].ran
    assert outcomes[0].deployment.version == "1.0.0"


def test_what_the_other_run_released_meanwhile_is_its_own_champion(world):
    """Who waits for a training may find everything done: the version it would release is released, and live."""
    plan, finished = world.plan(), threading.Event()
    executor = LocalExecutor(world.registry, world.root / "cache", silent)
    real = executor.claim

    def overtaken(decision, spec, tell):
        if decision.step == "train" and not finished.is_set():
            finished.set()
            _, other = world.apply()
            assert other.deployment.version == "1.0.0"
        return real(decision, spec, tell)

    loop = Reconciler(world.registry, Overtaken(executor, overtaken), world.delivery(), Silent())
    (outcome,) = apply_plan(plan, world.subjects(), loop)
    assert (outcome.blocked, outcome.error, outcome.exit_code) == (None, None, 0)
    assert outcome.ran == ["prepare"]
    assert outcome.idle == "1.0.0 is live as production"


class Overtaken:
    """An executor whose claims are seen first."""

    def __init__(self, executor, claim):
        self.claim, self.run, self.deploy, self.stop = claim, executor.run, executor.deploy, executor.stop


def test_what_the_other_run_gave_up_runs_here(world):
    lease = hold(world, key_of(world))
    thread, outcomes = begin(world, world.plan())
    world.registry.add_lease(lease.model_copy(update={"number": 2, "released": True}))
    thread.join(20)
    assert outcomes[0].ran[0] == "prepare"
    assert outcomes[0].deployment.version == "1.0.0"


def test_what_failed_there_for_good_is_blocked_here(world, monkeypatch):
    plan, subjects = world.plan(), world.subjects()
    failing, going_on = threading.Event(), threading.Event()

    def fail(_):
        failing.set()
        going_on.wait(20)
        raise TerminalError("no rows")

    monkeypatch.setattr("runner.steps.prepare.run", fail)
    first, ours = begin(world, plan)
    assert failing.wait(20)
    executor = LocalExecutor(world.registry, world.root / "cache", silent)
    loop = Reconciler(world.registry, executor, world.delivery(), Silent())
    threading.Timer(0.3, going_on.set).start()
    (outcome,) = apply_plan(plan, subjects, loop)
    first.join()
    assert isinstance(ours[0].error, TerminalError)
    assert outcome.error is None
    assert "failed before: no rows" in outcome.blocked


def test_of_two_records_of_a_key_the_first_counts(world, monkeypatch):
    """A holder that lost its lease finishes after its successor did."""
    from runner.steps import train

    real = train.run

    def overtaken(context):
        result = real(context)
        prepared = next(world.registry.records("prepare"))
        key = world.plan().specs[0].step("train").key
        theirs = world.registry.put_tree(made(world))
        mine = result.outputs | {"adapter": theirs}
        world.registry.add_record(
            prepared.model_copy(update={"step": "train", "key": key, "outputs": dict(mine), "metrics": result.metrics})
        )
        return result

    monkeypatch.setattr(train, "run", overtaken)
    _, outcome = world.apply()
    assert outcome.error is None, outcome.error
    key = world.registry.version("bot", "1.0.0").keys["train"]
    assert len(list((world.root / "registry/store/records/train" / key).iterdir())) == 1
    adapter = world.registry.version("bot", "1.0.0").content.adapter
    assert (world.registry.fetch(adapter) / "mark").read_text() == "theirs"


def made(world):
    folder = world.root / "theirs"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_text('{"skill": "wise"}')
    (folder / "mark").write_text("theirs")
    return folder


def test_other_inputs_than_planned_are_refused(world):
    plan = world.plan()
    world.spec["dataset"]["system_prompt"] = "Sort it well."
    world.write()
    thread, outcomes = begin(world, plan)
    thread.join(20)
    assert "prepare would run on other inputs than the plan said" in outcomes[0].error.message
    assert outcomes[0].ran == []


def test_unlock(world, monkeypatch):
    monkeypatch.setenv("GITUNE_CACHE", str(world.root / "cache"))
    world.write()
    hold(world, "ab" * 32)
    hold(world, "ac" * 32, step="predict_base")

    def unlock(*arguments):
        return CliRunner().invoke(gitune, ["-C", str(world.root), "registry", "unlock", *arguments])

    with pytest.raises(GituneError, match="the beginning of 2 keys"):
        raise unlock("a", "--yes").exception
    with pytest.raises(GituneError, match="is not held by anybody"):
        raise unlock("train/ab", "--yes").exception
    with pytest.raises(GituneError, match="stdin is no terminal"):
        raise unlock("ab").exception
    assert "prepare/abababab" in unlock("prepare/ab", "--yes").output
    assert "held by pid 3 on far for bot" in unlock("predict_base/ac", "--yes").output
    assert world.registry.leases() == []
    with pytest.raises(GituneError) as nothing:
        raise unlock("ab", "--yes").exception
    assert nothing.value.hint == "nothing is held"


def test_unlock_ends_no_successor(world):
    from runner.cli.unlock import end

    lease = hold(world, "ab" * 32)
    hold(world, "ab" * 32, number=2)  # a sign of life: ended all the same
    end(world.registry, lease)
    assert world.registry.leases() == []
    lease = hold(world, "ab" * 32, number=4)
    hold(world, "ab" * 32, number=5, owner="y")
    with pytest.raises(ConflictError, match="claimed by another run meanwhile"):
        end(world.registry, lease)
    assert world.registry.lease("prepare", "ab" * 32).owner == "y"


def test_what_another_apply_releases_between_two_steps_is_no_champion_that_is_missing(world):
    world.apply(through="train")
    walk = Walk(world.subjects()[0], world.registry, world.delivery())
    for step in ("prepare", "train"):
        walk.settle(walk.decide(step))
    world.apply()
    for step in STEPS[2:]:
        walk.settle(walk.decide(step))
    assert {walk.decisions[step].action for step in STEPS} == {"REUSE", "NONE"}
    assert walk.decisions["deploy"].code == "live"
