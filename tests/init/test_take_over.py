"""Settings of other tools: what is carried, what is not and why, and that nothing is dropped silently."""

from __future__ import annotations

import json

import pytest
from newcomer import BASE, base_in, gitune, labelled, run, write_rows

from runner.errors import SpecError, UsageError
from runner.init.take_over import take_over
from runner.spec.load import load_spec

COMMIT = "12fd25f77366fa6b3b4b768ec3050bf629380bac"

JOB = {
    "object": "fine_tuning.job",
    "id": "ftjob-abc123",
    "model": "gpt-4o-mini-2024-07-18",
    "created_at": 1721764800,
    "finished_at": None,
    "fine_tuned_model": None,
    "organization_id": "org-123",
    "result_files": [],
    "status": "succeeded",
    "validation_file": "file-9",
    "training_file": "file-8",
    "trained_tokens": 577,
    "error": {},
    "seed": 7,
    "user_provided_suffix": "Intent_bot",
    "integrations": [],
    "hyperparameters": {"n_epochs": 4, "batch_size": 2, "learning_rate_multiplier": 1.8},
    "metadata": {"team": "x"},
}


def chat(count: int = 60) -> list[dict]:
    pairs = ((row["input"], row["output"]) for row in labelled(count))
    return [{"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]} for a, b in pairs]


def job(tmp_path, **changes):
    path = tmp_path / "job.json"
    path.write_text(json.dumps(JOB | changes))
    return take_over(tmp_path / "train.jsonl", path, None)


def values(carried) -> dict:
    return {path: setting.value for path, setting in carried.settings.items()}


def test_openai_from_its_file_to_a_spec_that_is_valid(tmp_path, capsys):
    data = write_rows(tmp_path / "train.jsonl", chat())
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    folder = base_in(tmp_path / "bots")
    given = ["--from-openai", data, "--settings", tmp_path / "job.json", "--base-model", BASE, "--yes"]
    assert run("init", folder, *given) == 0
    spec = load_spec(folder / "specs/intent-bot/spec.yaml", folder).spec
    assert spec.dataset.format == "messages"
    assert (spec.training.num_epochs, spec.training.batch_size, spec.training.seed) == (4, 2, 7)
    told = capsys.readouterr().out
    assert "not carried: learning_rate_multiplier: 1.8: a multiple of a rate that only OpenAI knows" in told
    assert "not carried: model gpt-4o-mini-2024-07-18" in told
    assert "not carried: validation_file file-9" in told
    assert gitune(folder, "validate").returncode == 0


def test_openai_auto_is_proposed_from_the_data(tmp_path):
    carried = job(tmp_path, method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto"}}})
    assert values(carried) == {"training.seed": 7}


def test_openai_dpo(tmp_path):
    carried = job(tmp_path, method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 2}}})
    assert values(carried) == {"training.dpo.beta": 0.2, "training.num_epochs": 2, "training.seed": 7}


def test_openai_reinforcement_has_no_counterpart(tmp_path):
    with pytest.raises(UsageError, match=r"job\.json:1:\d+: a job of method 'reinforcement'"):
        job(tmp_path, method={"type": "reinforcement"})


AXOLOTL = f"""
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
revision_of_model: {COMMIT}
datasets:
  - path: data/train.jsonl
    type: chat_template
val_set_size: 0.05
adapter: qlora
load_in_4bit: true
lora_r: 32
lora_alpha: 64
lora_target_linear: true
micro_batch_size: 2
gradient_accumulation_steps: 4
num_epochs: 3
learning_rate: 2e-4
lr_scheduler: cosine
sequence_len: 4096
sample_packing: true
optimizer: adamw_bnb_8bit
output_dir: ./out
wandb_project:
"""


def axolotl(tmp_path, text=AXOLOTL):
    write_rows(tmp_path / "data/train.jsonl", chat())
    (tmp_path / "axolotl.yml").write_text(text)
    return take_over(None, None, tmp_path / "axolotl.yml")


def test_axolotl(tmp_path):
    carried = axolotl(tmp_path)
    assert carried.data == (tmp_path / "data/train.jsonl",)
    assert carried.base_model == f"hf://HuggingFaceTB/SmolLM2-135M-Instruct@{COMMIT}"
    assert values(carried) == {
        "training.method": "qlora",
        "training.batch_size": 8,
        "dataset.split.validation": 0.05,
        "training.lora.target_modules": "all-linear",
        "training.num_epochs": 3,
        "training.learning_rate": 2e-4,
        "training.max_length": 4096,
        "training.lr_scheduler": "cosine",
        "training.lora.r": 32,
        "training.lora.alpha": 64,
    }
    left = [line for line in carried.told if line.startswith("not carried")]
    assert [line.split()[2] for line in left] == ["sample_packing", "optimizer", "output_dir"]
    assert "results go to the store" in left[2]


def test_axolotl_spec_is_valid(tmp_path):
    axolotl(tmp_path)
    folder = base_in(tmp_path / "bots")
    assert run("init", folder, "--from", tmp_path / "axolotl.yml", "--base-model", BASE, "--name", "bot", "--yes") == 0
    spec = load_spec(folder / "specs/bot/spec.yaml", folder).spec
    assert (spec.training.lora.r, spec.training.method, spec.dataset.split.validation) == (32, "qlora", 0.05)


def test_a_value_that_we_refuse_is_told_and_ours_is_proposed(tmp_path):
    text = AXOLOTL.replace("cosine", "rex").replace("num_epochs: 3", "num_epochs: 0.5")
    carried = axolotl(tmp_path, text)
    assert not {"training.lr_scheduler", "training.num_epochs"} & {*carried.settings}
    assert sum("is refused" in line for line in carried.told) == 2


def test_a_model_without_a_commit_is_not_guessed(tmp_path):
    carried = axolotl(tmp_path, AXOLOTL.replace(f"revision_of_model: {COMMIT}\n", ""))
    assert carried.base_model == ""
    assert any("--base-model hf://HuggingFaceTB/SmolLM2-135M-Instruct@COMMIT" in line for line in carried.told)


FACTORY = """
model_name_or_path: Qwen/Qwen2.5-0.5B-Instruct
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: q_proj,v_proj
dataset: tickets
template: qwen
cutoff_len: 2048
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
val_size: 0.1
"""


def factory(tmp_path, text=FACTORY):
    write_rows(tmp_path / "data/tickets.jsonl", chat())
    (tmp_path / "data/dataset_info.json").write_text(json.dumps({"tickets": {"file_name": "tickets.jsonl"}}))
    (tmp_path / "sft.yaml").write_text(text)
    return take_over(None, None, tmp_path / "sft.yaml")


def test_llama_factory(tmp_path):
    carried = factory(tmp_path)
    assert carried.data == (tmp_path / "data/tickets.jsonl",)
    assert values(carried) == {
        "training.objective": "sft",
        "training.method": "lora",
        "training.batch_size": 8,
        "training.lora.target_modules": ["q_proj", "v_proj"],
        "dataset.split.validation": 0.1,
        "training.num_epochs": 3,
        "training.learning_rate": 1e-4,
        "training.warmup_ratio": 0.1,
        "training.max_length": 2048,
        "training.lr_scheduler": "cosine",
        "training.lora.r": 8,
    }
    left = [line for line in carried.told if line.startswith("not carried")]
    assert [line.split()[2] for line in left] == ["base", "do_train", "template"]


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("a: 1\n", UsageError, "is no config of Axolotl or LLaMA-Factory"),
        ("", UsageError, "holds no settings"),
        ("datasets: [{path: org/hub-data}]\nbase_model: x\n", UsageError, "org/hub-data is no file on this machine"),
        ("datasets: []\nbase_model: x\n", UsageError, "names no data file"),
        ("stage: ppo\ndataset: tickets\n", UsageError, "stage 'ppo' has no counterpart"),
        ("stage: sft\ndataset: other\n", UsageError, "other is no dataset on this machine"),
        ("a: [1\n", SpecError, "sft.yaml:"),
    ],
)
def test_what_cannot_be_taken_over(tmp_path, text, error, told):
    with pytest.raises(error, match=told.replace(".", r"\.")):
        factory(tmp_path, text)
