"""The real model, tuned on part of the example's data: with the same weights, llama.cpp answers as transformers does.

That the 4-bit file which is served agrees too is tested on the model of the demo (tests/e2e/test_demo.py).
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner.data.prompts import prompts_of
from runner.data.rows import Example, number_rows, rows_to_jsonl
from runner.errors import Location
from runner.inference.engine import ModelFiles, open_engine
from runner.spec.evaluation import Generation
from runner.spec.models import Training
from runner.training.backend import TrainJob, open_backend

DATA = Path(__file__).parents[2] / "specs" / "support-triage" / "data"
SYSTEM = "Route the customer message. Answer with JSON: queue, priority, needs_human."

pytestmark = pytest.mark.slow


def example_rows():
    examples = []
    for line in (line for path in sorted(DATA.glob("*.jsonl")) for line in path.read_text().splitlines()):
        row = json.loads(line)
        turns = (("system", SYSTEM), ("user", row["input"]), ("assistant", json.dumps(row["output"])))
        messages = [{"role": role, "content": content} for role, content in turns]
        examples.append(Example(messages, None, Location("data")))
    return [row for row, _ in number_rows(examples)]


@pytest.fixture(scope="module")
def rows():
    return example_rows()


@pytest.fixture(scope="module")
def tuned(smollm2, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "adapter").mkdir()
    (folder / "train.jsonl").write_bytes(rows_to_jsonl(rows[:64]))
    # None: the last epoch is kept, which has made up its mind. Answers that waver show rounding and nothing else.
    (folder / "validation.jsonl").write_bytes(b"")
    job = TrainJob(
        base=smollm2,
        train=folder / "train.jsonl",
        validation=folder / "validation.jsonl",
        training=Training(learning_rate=1e-3, num_epochs=6, batch_size=8),
        export_gguf=True,
        out=folder / "adapter",
    )
    result = open_backend("local").train(job, lambda _: None)
    assert result.metrics["train_loss"] < 0.1
    return ModelFiles(smollm2, result.adapter)


def answers(engine_name, model, prompts):
    settings = Generation(max_new_tokens=48)
    with open_engine(engine_name, model) as engine:
        return {a.prompt_id: a.text for a in engine.answer(prompts, settings, lambda _: None)}


@pytest.fixture(scope="module")
def prompts(rows):
    return prompts_of(rows[-60:])


@pytest.fixture(scope="module")
def reference(tuned, prompts):
    return answers("transformers", tuned, prompts)


def share_equal(found, reference):
    return sum(found[key] == text for key, text in reference.items()) / len(reference)


def test_with_the_same_weights_both_engines_give_the_same_greedy_answers(tuned, prompts, reference):
    """Template, tokens, adapter export and arithmetic: the checkpoint that transformers loads, exported as GGUF."""
    unquantized = replace(tuned, base=replace(tuned.base, gguf=None))
    assert len(prompts) >= 40
    assert share_equal(answers("llama_cpp", unquantized, prompts), reference) >= 0.95
