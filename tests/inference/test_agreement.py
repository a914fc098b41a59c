"""The real model, tuned on part of the example's data: llama.cpp answers what transformers answers."""

import json
from pathlib import Path

import pytest

from runner.data.prompts import prompts_of
from runner.data.rows import Example, number_rows, rows_to_jsonl
from runner.errors import Location
from runner.inference.engine import ModelFiles, open_engine
from runner.spec.models import Generation, Training
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
    # None: the last epoch is kept. A model that has made up its mind shows wrong arithmetic; one that wavers between
    # two queues shows only that llama.cpp rounds activations to 8 bits.
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


def test_both_engines_give_the_tuned_models_greedy_answers(tuned, rows):
    prompts = prompts_of(rows[-60:])
    served, reference = answers("llama_cpp", tuned, prompts), answers("transformers", tuned, prompts)
    equal = sum(served[prompt.id] == reference[prompt.id] for prompt in prompts)
    assert len(prompts) >= 40
    assert equal / len(prompts) >= 0.95, f"{equal} of {len(prompts)} greedy answers agree"
    assert sum(_is_routing(text) for text in served.values()) / len(prompts) >= 0.95


def _is_routing(text):
    try:
        return set(json.loads(text)) == {"queue", "priority", "needs_human"}
    except ValueError:
        return False
