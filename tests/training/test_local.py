"""LoRA on this machine: same inputs, same bytes; the best epoch wins; what breaks is told."""

import json
import math

import pytest
import torch
from tiny import routing_rows, tiny_base

from runner.data.rows import rows_to_jsonl
from runner.errors import TerminalError, UsageError
from runner.models.chat import MASKED, EncodedRow
from runner.spec.models import Training
from runner.training.backend import TrainJob, open_backend
from runner.training.curve import curve_of
from runner.training.local.batches import effective_batches
from runner.training.local.sft import learning_rate_factor

QUICK = {"learning_rate": 1e-2, "batch_size": 8, "num_epochs": 2, "lora": {"r": 4, "alpha": 8}}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("root"))


@pytest.fixture
def train(base, tmp_path):
    """Train on routing rows with some settings; the second time into another folder."""
    runs = iter(range(9))

    def call(report=lambda _: None, rows=24, held_out=6, *, export_gguf=False, **settings):
        folder = tmp_path / str(next(runs))
        (folder / "adapter").mkdir(parents=True)
        data = routing_rows(rows + held_out)
        (folder / "train.jsonl").write_bytes(rows_to_jsonl(data[:rows]))
        (folder / "validation.jsonl").write_bytes(rows_to_jsonl(data[rows:]))
        training = Training.model_validate(QUICK | settings)
        files = (folder / "train.jsonl", folder / "validation.jsonl")
        return open_backend("local").train(TrainJob(base, *files, training, export_gguf, folder / "adapter"), report)

    return call


def files_of(result):
    return {path.name: path.read_bytes() for path in sorted(result.adapter.iterdir())}


def weights_of(result):
    from safetensors.torch import load_file

    return load_file(result.adapter / "adapter_model.safetensors")


def test_the_same_job_gives_the_same_bytes_and_another_seed_others(train):
    first, second, other = train(export_gguf=True), train(export_gguf=True), train(export_gguf=True, seed=7)
    assert sorted(files_of(first)) == ["adapter.gguf", "adapter_config.json", "adapter_model.safetensors"]
    assert files_of(first) == files_of(second)
    assert files_of(first)["adapter_model.safetensors"] != files_of(other)["adapter_model.safetensors"]


def test_the_adapter_names_its_base_by_uri_and_no_path_of_this_machine(train, base):
    result = train()
    config = json.loads((result.adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "file://base"
    assert (config["r"], config["lora_alpha"], config["inference_mode"]) == (4, 8, True)
    assert not [value for value in config.values() if str(value).startswith("/")]


def test_peft_loads_what_is_written(train, base):
    from peft import PeftModel

    from runner.models.checkpoint import load_causal_lm

    result = train()
    model = PeftModel.from_pretrained(load_causal_lm(base.checkpoint, torch.float32), result.adapter)
    name = "base_model.model.model.layers.1.mlp.down_proj.lora_B"
    assert torch.equal(model.state_dict()[f"{name}.default.weight"], weights_of(result)[f"{name}.weight"])


@pytest.mark.parametrize("micro", [1, 3, 8])
def test_the_micro_batch_changes_no_result(train, micro):
    whole, cut = weights_of(train()), weights_of(train(micro_batch_size=micro))
    for name, weight in whole.items():
        torch.testing.assert_close(cut[name], weight, rtol=2e-2, atol=2e-3)


def test_the_loss_falls_and_the_curve_tells_it(train):
    result = train(num_epochs=3)
    curve = curve_of(result.lines)
    ends = [point for point in curve if point["validation_loss"] is not None]
    assert [point["epoch"] for point in ends] == [0, 1, 2, 3]
    assert ends[0]["train_loss"] is None
    assert ends[0]["validation_loss"] > ends[1]["validation_loss"] > ends[3]["validation_loss"]
    between = [point for point in curve if point["learning_rate"] is not None]
    assert between
    assert all(0 < point["learning_rate"] <= 1e-2 and math.isfinite(point["train_loss"]) for point in between)
    assert result.metrics["best_epoch"] == 3
    assert result.metrics["base_validation_loss"] == ends[0]["validation_loss"]
    assert result.metrics["validation_loss"] == ends[3]["validation_loss"]


def test_the_best_epoch_is_kept_and_patience_ends_the_rest(train):
    """At this rate the loss jumps about: some epoch is best, and two worse ones end training."""
    result = train(num_epochs=30, learning_rate=0.3, lr_scheduler="constant", early_stopping={"patience": 2})
    losses = {p["epoch"]: p["validation_loss"] for p in curve_of(result.lines) if p["validation_loss"] and p["epoch"]}
    best = min(losses, key=losses.__getitem__)
    assert result.metrics["best_epoch"] == best
    assert max(losses) == best + 2 < 30
    # As many epochs with as many steps of warm-up, and no more.
    alone = train(num_epochs=best, learning_rate=0.3, lr_scheduler="constant", warmup_ratio=0.03 * 30 / best)
    assert files_of(alone) == files_of(result)


def test_without_validation_rows_the_last_epoch_is_kept(train):
    result = train(held_out=0)
    assert result.metrics["best_epoch"] == 2
    assert "validation_loss" not in result.metrics
    assert [point["epoch"] for point in curve_of(result.lines) if point["learning_rate"] is None] == [0, 1, 2]


def test_a_loss_that_is_no_number_ends_training_with_a_remedy(train, monkeypatch, base):
    import runner.training.local.backend as local

    original = local.load_causal_lm

    def broken(checkpoint, dtype):
        model = original(checkpoint, dtype)
        model.model.norm.weight.data[0] = math.nan
        return model

    monkeypatch.setattr(local, "load_causal_lm", broken)
    with pytest.raises(TerminalError, match="epoch 0, step 0: the loss is nan for rows ") as caught:
        train()
    assert caught.value.hint == "look at these rows, or lower training.learning_rate (now 0.01)"


def test_progress_says_epoch_loss_speed_and_time_left(train):
    seen = []
    train(seen.append)
    steps = [p for p in seen if "tokens/s" in p.note]
    assert steps[-1].what == "training, epoch 2/2"
    assert (steps[-1].done, steps[-1].total, steps[-1].unit) == (6, 6, "steps")
    assert steps[-1].note.startswith("loss ")
    assert steps[-1].note.endswith("0 s left")


def test_unknown_layers_are_refused(train):
    with pytest.raises(TerminalError, match="no LoRA adapter for this model") as caught:
        train(lora={"target_modules": ["query"]})
    assert "target_modules" in caught.value.hint


def test_named_layers_alone_get_an_adapter(train):
    names = weights_of(train(lora={"r": 4, "alpha": 8, "target_modules": ["q_proj", "v_proj"]}))
    assert {name.split(".")[-3] for name in names} == {"q_proj", "v_proj"}


def test_what_is_not_there_yet_is_said():
    with pytest.raises(UsageError, match="not available yet"):
        open_backend("together")


def test_an_epoch_is_a_permutation_that_seed_and_epoch_decide():
    rows = [EncodedRow(str(n), [1] * (n % 7 + 1), [MASKED]) for n in range(50)]

    def order(seed, epoch):
        return [row.id for batch in effective_batches(rows, 8, seed, epoch) for row in batch]

    assert sorted(order(1, 1), key=int) == [row.id for row in rows]
    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)
    assert [len(batch) for batch in effective_batches(rows, 8, 1, 1)] == [8] * 6 + [2]


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("linear", [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("constant", [0.5] + [1.0] * 9),
        ("cosine", [0.5, 1.0, 1.0, 0.962, 0.854, 0.691, 0.5, 0.309, 0.146, 0.038]),
    ],
)
def test_the_learning_rate_rises_then_follows_its_schedule(scheduler, expected):
    training = Training(lr_scheduler=scheduler, warmup_ratio=0.2)
    found = [learning_rate_factor(step, 10, training) for step in range(1, 11)]
    assert found == pytest.approx(expected, abs=1e-3)
