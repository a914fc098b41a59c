"""What metrics need beyond the answers: checked by the plan, part of the score key, and of no other."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from world import World

from runner.errors import SpecError
from runner.plan import keys
from runner.plan.changes import explain_miss
from runner.plan.symbols import step_inputs
from runner.registry.facts import Record

JUDGE = {"name": "polite", "judge": "big", "rubric": "rubric.md", "calibration": "cal.jsonl"}
COMMAND = {"name": "close", "command": "scorer"}
CONFIG = {
    "metrics": [{"name": "scorer", "command": [sys.executable, "scripts/score.py"], "files": ["scripts/words.txt"]}],
    "endpoints": [{"name": "big", "url": "http://127.0.0.1:9/v1", "model": "big-1"}],
    "embeddings": [{"name": "mini", "model": "file://mini"}],
    "prices": {"tokens": {"input_per_million": 1, "output_per_million": 2}},
}


def labels(count=60):
    rows = [{"input": f"q{n}", "reference": "r", "answer": f"a{n}", "label": n % 2} for n in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    files = {
        "registry/config.yaml": yaml.safe_dump(CONFIG),
        "scripts/score.py": "print()",
        "scripts/words.txt": "words",
        "specs/bot/rubric.md": "Is it polite?",
        "specs/bot/cal.jsonl": labels(),
        "mini/config.json": "{}",
        "mini/model.safetensors": "weights",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return world


def use(world, *custom, gates=()):
    evaluation = world.spec["evaluation"]
    evaluation["custom_metrics"] = list(custom)
    evaluation["metrics"] = ["exact_match", *(one["name"] for one in custom)]
    evaluation["gates"] = [{"metric": "exact_match", "beats": "base"}, *gates]


def subject(world):
    world.write()
    return world.subjects()[0]


def problems(world):
    with pytest.raises(SpecError) as caught:
        subject(world)
    return [str(problem) for problem in caught.value.problems]


def line_of(world, text):
    lines = (world.root / "specs/bot/spec.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def step_keys(world):
    return {step: keys.step_key(inputs) for step, inputs in step_inputs(subject(world)).items()}


def write(name, text):
    return lambda world: (world.root / name).write_text(text)


def configured(section, **changes):
    def edit(world):
        config = yaml.safe_load((world.root / "registry/config.yaml").read_text())
        config[section] = [{**config[section][0], **changes}]
        (world.root / "registry/config.yaml").write_text(yaml.safe_dump(config))

    return edit


SEMANTIC = {"name": "meaning", "semantic": "mini"}
GATE = {"metric": "polite", "at_least": 0.8}


@pytest.mark.parametrize(
    ("edit", "decides"),
    [
        (write("specs/bot/rubric.md", "Is it kind?"), True),
        (write("specs/bot/rubric.md", "Is it polite?\n"), False),
        (write("specs/bot/cal.jsonl", labels(70)), True),
        (write("scripts/score.py", "print(1)"), True),
        (write("scripts/words.txt", "other"), True),
        (write("scripts/unused.txt", "other"), False),
        (write("mini/model.safetensors", "others"), True),
        (configured("metrics", command=[sys.executable, "-u", "scripts/score.py"]), True),
        (configured("metrics", env=["MODE"]), True),
        (configured("metrics", timeout=5), False),
        (configured("endpoints", model="big-2"), True),
        (configured("endpoints", url="http://127.0.0.1:10/v1", timeout=5, max_parallel=1), False),
    ],
)
def test_what_they_are_made_of_decides_scores_and_nothing_before(edit, decides, world):
    use(world, JUDGE, COMMAND, SEMANTIC)
    before = step_keys(world)
    edit(world)
    after = step_keys(world)
    assert {step for step in before if before[step] != after[step]} == ({"score", "gate"} if decides else set())


def test_the_agreement_that_is_asked_for_decides_where_a_gate_goes_by_a_judge(world):
    def demanded(gates):
        use(world, JUDGE, gates=gates)
        return subject(world).measures["polite"]["agreement"]

    assert demanded([]) is None
    assert demanded([GATE]) == 0.85
    config = {**CONFIG, "policy": {"judge_agreement": 0.7}}
    (world.root / "registry/config.yaml").write_text(yaml.safe_dump(config))
    assert demanded([GATE]) == 0.7


def test_what_is_not_measured_is_not_looked_at(world):
    use(world)
    world.spec["evaluation"]["custom_metrics"] = [{**JUDGE, "judge": "nobody"}, {**COMMAND, "command": "none"}]
    assert subject(world).measures is None
    assert "measures" not in step_inputs(subject(world))["score"]


@pytest.mark.parametrize(
    ("custom", "key", "message"),
    [
        ({**COMMAND, "command": "scorr"}, "command: scorr", "names no `scorr` under `metrics`"),
        ({**JUDGE, "judge": "bigg"}, "judge: bigg", "names no `bigg` under `endpoints`"),
        ({**SEMANTIC, "semantic": "mni"}, "semantic: mni", "names no `mni` under `embeddings`"),
    ],
)
def test_an_unknown_name_is_told_at_its_line_with_the_nearest(custom, key, message, world):
    use(world, custom)
    (told,) = problems(world)
    assert told.startswith(f"specs/bot/spec.yaml:{line_of(world, key)}:")
    assert message in told
    assert "did you mean `" in told


def test_a_gate_on_a_judge_without_calibration_is_told_at_its_line(world):
    untested = {name: value for name, value in JUDGE.items() if name != "calibration"}
    use(world, untested)
    assert subject(world).measures["polite"]["calibration"] is None
    use(world, untested, gates=[GATE])
    (told,) = problems(world)
    assert told.startswith(f"specs/bot/spec.yaml:{line_of(world, 'metric: polite')}:")
    assert "nothing shows that it judges as people do" in told


@pytest.mark.parametrize(
    ("edit", "where", "message"),
    [
        (write("specs/bot/rubric.md", " \n"), "specs/bot/spec.yaml:", "rubric.md is empty"),
        (write("specs/bot/rubric.md", "x" * 70000), "specs/bot/spec.yaml:", "more than 64 KiB"),
        (write("specs/bot/cal.jsonl", labels(20)), "specs/bot/cal.jsonl:", "20 different labelled answers"),
        (write("specs/bot/cal.jsonl", labels() + "{"), "specs/bot/cal.jsonl:61:", "the JSON ends"),
        (lambda world: (world.root / "specs/bot/rubric.md").unlink(), "specs/bot/spec.yaml:", "no file `rubric.md`"),
        (
            lambda world: (world.root / "scripts/words.txt").unlink(),
            "specs/bot/spec.yaml:",
            "no file scripts/words.txt",
        ),
        (
            configured("embeddings", model="pkg://some_package/model"),
            "specs/bot/spec.yaml:",
            "embedding model pkg://some_package/model is not pinned",
        ),
        (configured("embeddings", model="file://nowhere"), "specs/bot/spec.yaml:", "file://nowhere does not exist"),
    ],
)
def test_what_is_missing_or_shows_nothing_is_told(edit, where, message, world):
    use(world, JUDGE, COMMAND, SEMANTIC)
    edit(world)
    (told,) = problems(world)
    assert told.startswith(where)
    assert message in told


def test_a_rubric_lies_beside_the_spec(world):
    use(world, {**JUDGE, "rubric": "../../registry/config.yaml"})
    assert any("leads out of the spec's folder" in told for told in problems(world))


def test_a_price_is_needed_where_costs_are_measured(world):
    use(world)
    world.spec["evaluation"]["metrics"].append("cost_per_1000")
    priced = subject(world).measures
    assert priced == {"cost_per_1000": {"input_per_million": 1, "output_per_million": 2}}
    (world.root / "registry/config.yaml").write_text("prices: {default: {usd_per_hour: 3}}\n")
    assert subject(world).measures == {"cost_per_1000": {"usd_per_hour": 3}}
    (world.root / "registry/config.yaml").unlink()
    assert "cost_per_1000 needs a price" in problems(world)[0]


def test_a_metric_that_is_new_is_told_by_its_name_alone(world):
    def told(before, after):
        old, new = before["score"], after["score"]
        record = Record.model_construct(inputs=old, metrics={})
        return [change.path for change in explain_miss(new, record, subject(world), None)]

    use(world)
    without = step_inputs(subject(world))
    use(world, JUDGE)
    first = step_inputs(subject(world))
    assert not [path for path in told(without, first) if "rubric" in path or "model" in path]
    write("specs/bot/rubric.md", "Is it kind?")(world)
    assert told(first, step_inputs(subject(world))) == ["evaluation.custom_metrics.polite.rubric"]


def test_wrong_gates_are_all_told_each_at_its_line(tmp_path):
    world = World(tmp_path)
    world.spec["evaluation"]["metrics"] = ["exact_match", "latency_p50", "overfit_gap"]
    world.spec["evaluation"]["gates"] = [
        {"metric": "exact_match", "beats": "base"},
        {"metric": "latency_p50", "at_most": 1, "proof": "strict"},
        {"metric": "overfit_gap", "beats": "base"},
    ]
    with pytest.raises(SpecError) as refused:
        world.plan()
    lines = [problem.where.line for problem in refused.value.problems]
    assert len(lines) == 2
    assert lines[0] < lines[1]
    assert [problem.message for problem in refused.value.problems] == [
        "latency_p50 at most 1.00 s, proven: latency_p50 is measured once and has no interval, so nothing can be proven",
        "overfit_gap beats base: overfit_gap is of the tuned model's training, and no other model is measured by it",
    ]


def test_losses_of_a_validation_split_without_rows_are_refused(tmp_path):
    world = World(tmp_path)
    world.spec["evaluation"]["metrics"] = ["exact_match", "validation_loss"]
    world.spec["dataset"]["split"]["validation"] = 0
    with pytest.raises(SpecError, match="validation_loss: there are no validation rows"):
        world.plan()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"name": "b", "regex": "(a"}, "is no regular expression"),
        ({"name": "a", "contains": "x"}, "'a' has the name of another metric"),
        ({"name": "bleu", "contains": "x"}, "'bleu' has the name of another metric"),
    ],
)
def test_a_wrong_metric_of_ones_own_is_told_at_its_line(tmp_path, own, message):
    world = World(tmp_path)
    world.spec["evaluation"]["custom_metrics"] = [{"name": "a", "contains": "x"}, own]
    with pytest.raises(SpecError, match=message) as refused:
        world.plan()
    (problem,) = refused.value.problems
    line = (world.root / "specs/bot/spec.yaml").read_text().splitlines()[problem.where.line - 1]
    assert (own.get("regex") or own["name"]) in line
