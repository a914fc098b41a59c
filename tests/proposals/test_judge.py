"""A proposed tree is planned and judged anew: every end that a spec can come to, and what forgers try."""

from __future__ import annotations

import copy
import json
import resource
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gitworld import GitWorld
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from world import fake_weights

from runner.cli.configuration import config_at
from runner.digest import digest_file, digest_json
from runner.evaluation.gates import Verdict
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.proposals.ground import Ground, Running
from runner.proposals.judge import judge
from runner.registry.artifacts import blob_key
from runner.registry.facts import Artifact, Failure
from runner.registry.registry import open_namespace, open_registry
from runner.spec.config import load_config
from runner.steps.adopt import adopt


class Proposed(GitWorld):
    """A repository whose main has released 1.0.0, and a branch that proposes something else."""

    def __init__(self, root, *, release=True):
        super().__init__(root)
        self.commit()
        if release:
            _, outcome = self.apply()
            assert outcome.deployment is not None
        self.git("switch", "--quiet", "--create", "change")
        self.tries = 0

    def propose(self, **training):
        """Commit 1.1.0 with another training."""
        self.spec["version"] = "1.1.0"
        self.spec["training"] |= training or {"learning_rate": 0.002}
        return self.commit()

    def train(self, number=1):
        """What the runs of the pull request do."""
        main, self.registry = (
            self.registry,
            open_namespace("registry/store", self.root, self.root / "cache", f"pr/{number}"),
        )
        _, outcome = self.apply(through="gate")
        self.registry = main
        return outcome

    def merge_with(self, namespace):
        """What `apply --adopt` does after the merge."""
        source = open_namespace("registry/store", self.root, self.root / "cache", namespace)
        list(adopt(look(Walk(self.subjects()[0], source, self.delivery())), namespace, source, self.registry))
        return self.apply()[1]

    def judge(self, **more):
        self.tries += 1
        scratch = self.root.parent / f"scratch{self.tries}"
        scratch.mkdir()
        options = {"namespaces": ["pr/1"], **more}
        return judge(Ground(self.root, "main", load_config(self.root), self.root / "cache", scratch, **options))

    def only(self, **more):
        (found,) = self.judge(**more).specs
        return found

    def stored(self, pattern):
        return sorted((self.root / "registry/store/pr/1").glob(pattern))


@pytest.fixture
def world(tmp_path, monkeypatch) -> Proposed:
    fake_weights(monkeypatch)
    return Proposed(tmp_path / "repository")


@pytest.fixture(autouse=True)
def _folder(tmp_path):
    (tmp_path / "repository").mkdir()


def files_of(world):
    store = world.root / "registry/store"
    return {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}


def test_nothing_trained_yet_waits(world):
    world.propose()
    found = world.judge()
    (spec,) = found.specs
    assert (spec.state, found.conclusion) == ("waiting", "pending")
    assert spec.reason.startswith("train has to run: training.learning_rate 0.001 → 0.002")
    assert spec.plan.change_class == "retrain"


def test_a_run_that_is_at_it_is_told(world):
    world.propose()
    spec = world.only(running={"*": Running(None, "https://ci/1")})
    assert (spec.state, spec.run_url) == ("running", "https://ci/1")


def test_what_a_run_that_ended_left_out_is_missing(world):
    world.propose()
    found = world.judge(ended=True)
    assert (found.specs[0].state, found.conclusion) == ("missing", "failure")


def test_what_passes_is_judged_and_nothing_is_kept(world):
    world.propose()
    world.train()
    before = files_of(world)
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("judged", "success")
    assert found.specs[0].report.outcome == "PASS"
    assert files_of(world) == before


def test_what_fails_its_gates_is_a_failure(world):
    world.propose(learning_rate=0.5)
    assert world.train().exit_code == 3
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("judged", "failure")
    assert found.specs[0].report.outcome == "FAIL"


def test_verdicts_and_scores_of_the_namespace_are_never_read(world):
    """The bad model's run claims that it passed, in every record that it may write."""
    world.propose(learning_rate=0.5)
    world.train()
    for file in world.stored("records/gate/*/*.json"):
        record = json.loads(file.read_text())
        record["metrics"] |= {"outcome": "PASS", "release": True}
        for verdict in record["metrics"]["verdicts"]:
            verdict["outcome"] = "PASS"
        file.write_text(json.dumps(record))
    for file in world.stored("records/score/*/*.json"):
        record = json.loads(file.read_text())
        record["metrics"]["tuned"] = dict.fromkeys(record["metrics"]["tuned"], 1.0)
        file.write_text(json.dumps(record))
    assert world.judge().conclusion == "failure"


def rewrite(world, pattern, **changed):
    (file,) = world.stored(pattern)
    record = json.loads(file.read_text()) | changed
    file.write_text(json.dumps(record))


def test_a_record_whose_key_is_not_its_inputs_fails(world):
    world.propose()
    world.train()
    (file,) = world.stored("records/predict_tuned/*/*.json")
    inputs = json.loads(file.read_text())["inputs"] | {"adapter": digest_json("another")}
    rewrite(world, "records/predict_tuned/*/*.json", inputs=inputs)
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("failed", "failure")
    assert "does not verify" in found.specs[0].reason


def test_swapped_bytes_fail(world):
    world.propose()
    world.train()
    (file,) = world.stored("records/train/*/*.json")
    adapter = Artifact.model_validate(json.loads(file.read_text())["outputs"]["adapter"])
    seen = open_namespace("registry/store", world.root, world.root / "cache", "pr/1").fetch(adapter)
    blob = world.root / "registry/store/pr/1" / blob_key(digest_file(seen / "adapter_model.safetensors"))
    blob.write_bytes(b"x" * blob.stat().st_size)
    # The machine that judges has never seen the true bytes.
    ground = Ground(
        world.root,
        "main",
        load_config(world.root),
        world.root.parent / "cache2",
        world.root.parent / "other",
        namespaces=["pr/1"],
    )
    (spec,) = judge(ground).specs
    assert spec.state == "failed"
    assert "does not verify" in spec.reason


def test_another_namespace_is_not_looked_into(world):
    world.propose()
    world.train(number=2)
    assert world.judge().conclusion == "pending"
    assert world.judge(namespaces=["pr/1", "pr/2"]).conclusion == "success"


def forge_answers(world, change):
    """Rewrite what the tuned model answered, with a record that fits the new bytes."""
    (file,) = world.stored("records/predict_tuned/*/*.json")
    view = open_namespace("registry/store", world.root, world.root / "cache", "pr/1")
    outputs = json.loads(file.read_text())["outputs"]
    lines = view.read(Artifact.model_validate(outputs["answers"])).splitlines(keepends=True)
    for name, told in change(lines).items():
        outputs[name] = view.put_bytes(told).model_dump(mode="json")
    rewrite(world, "records/predict_tuned/*/*.json", outputs=outputs)


def refused(lines):
    names = [json.loads(line)["prompt_id"] for line in lines]
    return b"".join(json.dumps({"prompt_id": name, "error": "too hard"}).encode() + b"\n" for name in names)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(lambda ls: {"answers": b"".join(ls[:5])}, "not those to the prompts", id="left out"),
        pytest.param(
            lambda ls: {"answers": b"".join(ls) + json.dumps(json.loads(ls[0]) | {"prompt_id": "f"}).encode()},
            "not those to the prompts",
            id="added",
        ),
        pytest.param(lambda ls: {"answers": b"".join([*ls, ls[0]])}, "more often than others", id="counted twice"),
        pytest.param(
            lambda ls: {"answers": b"".join(ls), "errors": refused(ls[:1])}, "not those to the prompts", id="both"
        ),
        pytest.param(
            lambda ls: {"answers": b"".join(ls[10:]), "errors": refused(ls[:10])}, "were not answered", id="refused"
        ),
        pytest.param(lambda ls: {"answers": b"no JSON\n"}, "cannot be read", id="no JSON"),
        pytest.param(lambda ls: {"answers": b"[1]\n"}, "cannot be read", id="no object"),
    ],
)
def test_answers_that_are_not_to_these_prompts_fail(world, change, why):
    world.propose()
    world.train()
    forge_answers(world, change)
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("failed", "failure")
    assert why in found.specs[0].reason


@pytest.mark.parametrize("step", ["train", "predict_tuned"])
def test_a_record_without_what_its_step_yields_is_no_success(world, step):
    world.propose()
    world.train()
    rewrite(world, f"records/{step}/*/*.json", outputs={})
    found = world.judge()
    assert found.conclusion != "success"
    assert [spec.state for spec in found.specs] != ["judged"]


@pytest.mark.parametrize("home", ["predict_base", "predict_champion"])
def test_a_newer_record_of_what_main_has_does_not_count(tmp_path, monkeypatch, home):
    """The proposal's run claims that the base model answers nothing right, to be better than it."""
    fake_weights(monkeypatch)
    world = Proposed(tmp_path / "repository", release=False)
    world.spec["training"]["learning_rate"] = 0.5  # as bad as the base
    world.git("switch", "--quiet", "main")
    world.commit()
    world.apply()
    world.git("switch", "--quiet", "change")
    world.propose(learning_rate=0.6)
    world.train()
    base = next(world.registry.records("predict_base"))
    view = open_namespace("registry/store", world.root, world.root / "cache", "pr/1")
    lines = [json.loads(line) for line in world.registry.read(base.outputs["answers"]).splitlines()]
    worse = b"".join(json.dumps({**line, "text": "FORGED"}).encode() + b"\n" for line in lines)
    view.add_record(
        base.model_copy(update={"step": home, "outputs": {**base.outputs, "answers": view.put_bytes(worse)}})
    )
    assert "FORGED" not in world.only().report.model_dump_json()


def test_what_its_own_run_failed_by_is_told(world):
    world.propose()
    key = world.only().plan.step("train").key
    view = open_registry("registry/store/pr/1", world.root, world.root / "cache")
    view.add_failure(
        Failure(
            step="train", key=key, message="diverged at step 7", hint="lower the learning rate", at=datetime.now(UTC)
        )
    )
    spec = world.only()
    assert (spec.state, spec.conclusion) == ("failed", "failure")
    assert spec.reason == "train failed: diverged at step 7 (lower the learning rate)"


def test_answers_that_are_gone_do_not_hold_a_revert_back(world):
    """A pointer moves to what its gates let through once; nothing needs to answer again."""
    world.git("switch", "--quiet", "main")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    world.commit()
    world.apply()
    for record in (world.root / "registry/store/records/predict_base").glob("*/*.json"):
        record.unlink()
    world.git("switch", "--quiet", "--create", "back")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.0", 0.001
    world.commit()
    assert (world.only(namespaces=[]).state, world.judge(ended=True).conclusion) == ("released", "success")


def test_a_comment_alone_is_idle(world):
    world.respell = lambda text: f"# more words\n{text}"
    world.commit()
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("idle", "success")


def test_nothing_at_all_is_a_success(world):
    found = world.judge()
    assert (found.specs, found.conclusion, found.unchanged) == ([], "success", 1)


def test_a_revert_moves_a_pointer_and_needs_no_answers(world):
    world.propose()
    world.git("switch", "--quiet", "main")
    world.git("merge", "--quiet", "change")
    _, outcome = world.apply()
    assert outcome.deployment.version == "1.1.0"
    world.git("switch", "--quiet", "--create", "back")
    world.git("revert", "--no-edit", "HEAD")
    world.spec["version"] = "1.0.0"
    world.spec["training"]["learning_rate"] = 0.001
    found = world.judge(namespaces=[])
    assert (found.specs[0].state, found.conclusion) == ("released", "success")
    assert found.plan.summary["train"] == 0


def test_a_changed_spec_under_a_released_number_is_blocked(world):
    world.spec["training"]["learning_rate"] = 0.002
    world.commit()
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("blocked", "failure")
    assert "1.0.0" in found.specs[0].reason


def test_a_removed_spec_is_told(world):
    world.git("rm", "--quiet", "-r", "specs/bot")
    (world.root / "specs").mkdir(exist_ok=True)
    world.git("commit", "--quiet", "--message", "remove")
    found = world.judge()
    assert [spec.state for spec in found.specs] == ["removed"]


@pytest.mark.parametrize("text", ["version: [", "name: bot\nversion: 1.0\n", "a: &a [*a]\n", ""])
def test_a_spec_that_does_not_load_is_a_fault_with_its_place(world, text):
    (world.root / "specs/bot/spec.yaml").write_text(text)
    world.git("add", ".")
    world.git("commit", "--quiet", "--message", "break")
    found = world.judge()
    assert found.conclusion == "failure"
    assert all(fault.startswith("specs/bot/spec.yaml") for fault in found.faults)
    assert found.faults


def test_when_main_moved_the_gates_meet_the_new_champion_without_a_run(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = Proposed(tmp_path / "repository", release=False)
    world.spec["evaluation"]["gates"].append({"metric": "exact_match", "beats": "champion"})
    world.propose()
    assert world.train().error is None
    assert world.judge().conclusion == "success"  # nothing was live
    world.git("switch", "--quiet", "main")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.0", 0.003
    world.commit()
    world.apply()
    assert world.registry.live("bot", "production").version == "1.0.0"
    world.git("switch", "--quiet", "change")
    found = world.judge()
    assert (found.specs[0].state, found.conclusion) == ("judged", "failure")
    assert found.specs[0].report.champion == "1.0.0"


def test_a_new_champion_that_never_saw_these_rows_must_answer_them_first(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = Proposed(tmp_path / "repository", release=False)
    world.spec["evaluation"]["gates"].append({"metric": "exact_match", "beats": "champion"})
    world.propose()
    world.train()
    files = copy.deepcopy(world.files)
    world.git("switch", "--quiet", "main")
    world.spec["version"], world.files["data/b.jsonl"] = "1.0.0", list(range(80, 140))
    world.commit()
    assert world.apply()[1].deployment.version == "1.0.0"
    world.git("switch", "--quiet", "change")
    world.files = files
    spec = world.only()
    assert spec.state == "waiting"
    assert spec.reason.startswith("predict_champion has to run")
    assert world.only(ended=True).conclusion == "failure"


def test_lowered_gates_need_the_owner_of_the_base_branch(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = Proposed(tmp_path / "repository", release=False)
    world.git("switch", "--quiet", "main")
    (world.root / "CODEOWNERS").write_text("/specs/ @ada @org/team\n")
    world.commit()
    world.git("switch", "--quiet", "--create", "lower")
    (world.root / "CODEOWNERS").write_text("* @mallory\n")
    world.spec["evaluation"]["gates"] = [{"metric": "format_compliance", "at_least": 0.1}]
    world.commit()
    world.train()
    found = world.judge()
    assert [(change.what, change.owners) for change in found.bar] == [
        ("CODEOWNERS", []),
        ("gates of bot", ["@ada", "@org/team"]),
    ]
    assert found.conclusion == "pending"
    agreed = world.judge(agreed=lambda path, owners: "ada" if "@ada" in owners else None)
    assert agreed.conclusion == "success"


PROGRAM = """\
import json, sys
import beside
for line in sys.stdin:
    print(json.dumps({"row": json.loads(line)["row"], "score": 0.5}))
"""


@pytest.mark.parametrize("file", ["scripts/score.py", "scripts/beside.py", "scripts/json.py"])
def test_no_program_of_the_proposal_is_run(tmp_path, monkeypatch, file):
    """Where it is judged there are credentials; the base branch's program runs, and its owner is asked."""
    fake_weights(monkeypatch)
    world = Proposed(tmp_path / "repository", release=False)
    world.git("switch", "--quiet", "main")
    for name in ("scripts", "registry"):
        (world.root / name).mkdir(exist_ok=True)
    (world.root / "scripts/score.py").write_text(PROGRAM)
    (world.root / "scripts/beside.py").write_text("")
    entry = {"name": "scorer", "command": [sys.executable, "scripts/score.py"]}
    (world.root / "registry/config.yaml").write_text(json.dumps({"metrics": [entry]}))
    world.spec["evaluation"]["custom_metrics"] = [{"name": "braces", "command": "scorer"}]
    world.spec["evaluation"]["metrics"] = ["exact_match", "braces"]
    (world.root / "CODEOWNERS").write_text("/scripts/ @ada\n")
    world.commit()
    assert world.apply()[1].deployment is not None
    world.git("switch", "--quiet", "--create", "hostile")
    ran = tmp_path / "ran"
    world.propose()
    world.train()
    before = (world.root / file).read_text() if (world.root / file).exists() else ""
    (world.root / file).write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\n{before}")
    world.commit()
    scratch = tmp_path / "judging"
    scratch.mkdir()
    config = config_at(world.root, "main")
    found = judge(Ground(world.root, "main", config, world.root / "cache", scratch, namespaces=["pr/1"]))
    assert (found.specs[0].state, found.specs[0].reason) == ("judged", "")
    assert not ran.exists()
    assert [change.owners for change in found.bar] == ([["@ada"]] if file == "scripts/score.py" else [])


def owned(tmp_path, monkeypatch):
    """A released spec that ada owns."""
    fake_weights(monkeypatch)
    world = Proposed(tmp_path / "repository", release=False)
    world.git("switch", "--quiet", "main")
    (world.root / "CODEOWNERS").write_text("* @ada\n")
    world.commit()
    world.git("switch", "--quiet", "--create", "proposal")
    return world


def test_a_renamed_spec_leaves_no_bar_behind(tmp_path, monkeypatch):
    world = owned(tmp_path, monkeypatch)
    world.git("mv", "specs/bot", "specs/other")
    file = world.root / "specs/other/spec.yaml"
    file.write_text(file.read_text().replace("name: bot", "name: other").replace("0.9", "0.1"))
    world.git("commit", "--quiet", "--all", "--message", "another name")
    found = world.judge()
    assert [(spec.name, spec.state) for spec in found.specs] == [("bot", "removed"), ("other", "waiting")]
    (change,) = found.bar
    assert (change.what, change.path, change.settled) == (
        "removal of bot, with its gates and tests",
        "specs/bot/spec.yaml",
        False,
    )


def test_a_bar_that_nobody_can_compare_is_a_changed_one(tmp_path, monkeypatch):
    world = owned(tmp_path, monkeypatch)
    world.git("switch", "--quiet", "main")
    file = world.root / "specs/bot/spec.yaml"
    good = file.read_text()
    file.write_text(good.replace("epochs", "epocs"))
    world.git("commit", "--quiet", "--all", "--message", "broken on main")
    world.git("switch", "--quiet", "--create", "mended")
    file.write_text(good.replace("0.9", "0.1"))
    world.git("commit", "--quiet", "--all", "--message", "mended, and lowered")
    assert [(change.what, change.settled) for change in world.judge().bar] == [("all of bot", False)]


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt", "setup.py", "runner/x.py", ".github/x"])
def test_what_is_installed_beside_credentials_is_guarded(tmp_path, monkeypatch, file):
    world = owned(tmp_path, monkeypatch)
    (world.root / file).parent.mkdir(exist_ok=True)
    (world.root / file).write_text("")
    world.git("add", ".")
    world.git("commit", "--quiet", "--message", "install something")
    assert [change.path for change in world.judge().bar] == [file]


def test_git_attributes_may_change_the_bytes_of_every_spec(tmp_path, monkeypatch):
    """Git calls the files the same, and writes others."""
    world = owned(tmp_path, monkeypatch)
    world.apply()
    (world.root / ".gitattributes").write_text("*.jsonl text eol=crlf\n")
    world.git("add", ".")
    world.git("commit", "--quiet", "--message", "ends of lines")
    for path in world.git("ls-files", "specs/bot/data").split():
        (world.root / path).unlink()
        world.git("checkout", "--quiet", "--", path)
    assert [spec.name for spec in world.judge().specs] == ["bot"]


def test_a_link_to_what_never_ends_is_a_fault(tmp_path, monkeypatch):
    """One such proposal must not take down the job that judges all."""
    world = owned(tmp_path, monkeypatch)
    world.git("rm", "--quiet", "specs/bot/spec.yaml")
    (world.root / "specs/bot").mkdir(exist_ok=True)
    (world.root / "specs/bot/spec.yaml").symlink_to("/dev/full")
    (world.root / "README").write_text("outside of specs")
    world.git("add", ".")
    world.git("commit", "--quiet", "--message", "never ends")
    found = limited(world.judge)
    assert (found.conclusion, len(found.faults)) == ("failure", 1)


def limited(work):
    """Run something that must not take a GiB more than it has: `/dev/full` reads as zeros without an end."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), hard))
    try:
        return work()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


RATES = st.sampled_from([0.002, 0.003, 0.5])
GATES = st.lists(
    st.sampled_from(
        [
            {"metric": "exact_match", "beats": "base", "by": {"points": 10}},
            {"metric": "exact_match", "beats": "champion"},
            {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 5}},
            {"metric": "macro_f1", "at_least": 0.97},
            {"metric": "format_compliance", "at_least": 0.9},
        ]
    ),
    min_size=1,
    max_size=3,
    unique_by=str,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=RATES, gates=GATES, moved=st.booleans(), rows=st.sampled_from([120, 60]))
def test_what_a_judged_proposal_says_is_what_main_says_after_the_merge(monkeypatch, rate, gates, moved, rows):
    """Whatever is proposed, and wherever main moved meanwhile: adopted and applied, it comes to the same end."""
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patched:
        fake_weights(patched)
        (Path(folder) / "repository").mkdir()
        world = Proposed(Path(folder) / "repository")
        world.spec["evaluation"]["gates"] = gates
        world.files["data/b.jsonl"] = list(range(80, rows)) or [80]
        world.propose(learning_rate=rate)
        trained = world.train()
        spec, files = copy.deepcopy(world.spec), copy.deepcopy(world.files)
        if moved:
            # The same data under a number between the two: another champion on this test set.
            world.git("switch", "--quiet", "main")
            world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.1", 0.004
            world.commit()
            world.apply()
            world.git("switch", "--quiet", "change")
            world.spec, world.files = spec, files
        found = world.only()
        event(f"{'moved, ' if moved else ''}{found.state}, {found.conclusion}")
        world.git("switch", "--quiet", "main")
        world.git("merge", "--quiet", "-X", "theirs", "--no-edit", "change")
        world.write()
        outcome = world.merge_with("pr/1")
        assert (trained.error, found.state) == (None, "judged")
        assert {"train", "predict_base", "predict_tuned", "predict_champion"}.isdisjoint(outcome.ran)
        assert outcome.gate.metrics["outcome"] == found.report.outcome
        assert (outcome.deployment is not None) is (found.conclusion == "success")
        main = [
            Verdict.model_validate(one) for one in json.loads(world.registry.read(outcome.gate.outputs["verdicts"]))
        ]
        assert main == found.report.verdicts
