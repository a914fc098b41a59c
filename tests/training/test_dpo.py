"""DPO through TRL: it learns what is preferred, on the tokens that are served, and a kill changes nothing."""

import json
import math
import sys
from importlib.util import find_spec

import pytest
import torch
from tiny import QUEUES, tiny_base

from runner.data.prompts import prompt_of
from runner.data.rows import Example, number_rows, rows_to_jsonl
from runner.errors import Location, TerminalError
from runner.executors.crash import explain_crash
from runner.models.chat import encode, render
from runner.models.checkpoint import load_causal_lm, load_tokenizer
from runner.spec.models import Training
from runner.training.backend import TrainJob
from runner.training.local.backend import LocalBackend
from runner.training.local.pairs import encode_pairs
from runner.training.local.seals import newest_sealed

SETTINGS = {
    "objective": "dpo",
    "learning_rate": 5e-3,
    "batch_size": 8,
    "num_epochs": 2,
    "max_length": 128,
    "lora": {"r": 4, "alpha": 8},
}
needs_trl = pytest.mark.skipif(find_spec("trl") is None, reason="objective: dpo needs gitune[dpo]")


class Killed(BaseException):
    """What no code of ours catches."""


def pairs(count):
    """Return rows in which the first word of a question decides which queue is the better answer."""
    examples = []
    for number in range(count):
        good, bad = QUEUES[number % 4], QUEUES[(number + 1 + number // 4 % 3) % 4]
        answers = [{"role": "assistant", "content": json.dumps({"queue": queue})} for queue in (good, bad)]
        ask = {"role": "user", "content": f"{good} question {number}"}
        examples.append(Example([ask, answers[0]], None, Location("x"), None, answers[1]))
    return [row for row, _ in number_rows(examples)]


ROWS = pairs(28)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def train(base, tmp_path_factory):
    def call(report=lambda _: None, state=None, validation=8, **settings):
        folder = tmp_path_factory.mktemp("run")
        (folder / "out").mkdir()
        cut = len(ROWS) - validation
        (folder / "train.jsonl").write_bytes(rows_to_jsonl(ROWS[:19]))
        (folder / "validation.jsonl").write_bytes(rows_to_jsonl(ROWS[cut:]))
        training = Training.model_validate(SETTINGS | settings)
        files = folder / "train.jsonl", folder / "validation.jsonl"
        job = TrainJob(base, *files, training, export_gguf=False, out=folder / "out", state=state)
        return LocalBackend(checkpoint_seconds=0).train(job, report)

    return call


@pytest.fixture(scope="module")
def trained(train):
    return train()


def told(result):
    """Return what a run says of itself, without its times."""
    lines = [{name: value for name, value in line.items() if name != "seconds"} for line in result.lines]
    return lines, (result.adapter / "adapter_model.safetensors").read_bytes()


def margins(model, base):
    """Return log p(chosen) - log p(rejected) of the held-out rows, computed from scratch."""
    tokenizer = load_tokenizer(base.checkpoint)
    found = []
    for row in ROWS[20:]:
        prompt = encode(tokenizer, render(tokenizer, prompt_of(row).messages))
        likely = []
        for answer in (row.messages[-1], row.rejected):
            ids = encode(tokenizer, answer["content"] + "<|im_end|>")
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
            likely.append(float(logits.log_softmax(-1)[range(len(ids)), ids].sum()))
        found.append(likely[0] - likely[1])
    return found


@needs_trl
def test_held_out_margins_rise_and_the_loss_is_that_of_the_paper(trained, base):
    from peft import PeftModel

    model = load_causal_lm(base.checkpoint, torch.float32).eval()
    before = margins(model, base)
    after = margins(PeftModel.from_pretrained(model, trained.adapter).eval(), base)
    rewards = [0.1 * (tuned - untuned) for untuned, tuned in zip(before, after, strict=True)]
    assert sum(rewards) / len(rewards) > 0.1
    assert trained.metrics["rewards/margins"] == pytest.approx(sum(rewards) / len(rewards), abs=0.02)
    loss = sum(math.log1p(math.exp(-reward)) for reward in rewards) / len(rewards)
    assert trained.metrics["validation_loss"] == pytest.approx(loss, abs=0.01)
    assert trained.metrics["base_validation_loss"] == pytest.approx(math.log(2))


@needs_trl
def test_the_curve_has_every_step_and_epoch(trained):
    steps = [line for line in trained.lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert [line["labels"] for line in steps] == [8, 8, 3] * 2
    assert [line["learning_rate"] for line in steps] == pytest.approx([5e-3, 5e-3, 4e-3, 3e-3, 2e-3, 1e-3])
    ends = [line for line in trained.lines if "validation_loss" in line]
    assert [(line["step"], line["epoch"]) for line in ends] == [(0, 0), (3, 1), (6, 2)]
    mean = sum(line["loss"] * line["labels"] for line in steps[:3]) / 19
    assert ends[1]["train_loss"] == pytest.approx(mean)
    assert ends[2]["validation_loss"] < ends[1]["validation_loss"] < ends[0]["validation_loss"]


@needs_trl
def test_the_same_job_gives_the_same_bytes_and_another_beta_others(train, trained):
    assert told(train()) == told(trained)
    assert told(train(dpo={"beta": 0.5}, num_epochs=1))[1] != told(trained)[1]


@needs_trl
def test_the_micro_batch_changes_no_result(train, trained):
    """Passes of 2 pairs: 4 of them are a step, the last step of an epoch is a whole pass and a half."""
    lines = train(micro_batch_size=3).lines
    for line, whole in zip(lines, trained.lines, strict=True):
        for name in {"loss", "validation_loss", "rewards/margins", "grad_norm"} & line.keys():
            assert line[name] == pytest.approx(whole[name], rel=1e-3, abs=1e-3), (name, line)


@needs_trl
def test_a_run_that_dies_ends_the_same(train, tmp_path):
    settings = {"lora": {"r": 4, "alpha": 8, "dropout": 0.2}, "micro_batch_size": 4}

    def kill_at(step):
        def kill(progress):
            if progress.done == step and "tokens/s" in progress.note:
                raise Killed

        return kill

    for step in (2, 5):  # in the middle of both epochs
        with pytest.raises(Killed):
            train(kill_at(step), tmp_path, **settings)
    seen = []
    result = train(seen.append, tmp_path, **settings)
    assert told(result) == told(train(**settings))
    assert result.metrics["resumed_from_step"] == 4
    assert any("going on after step 4 of 6" in progress.what for progress in seen)


@needs_trl
def test_a_finished_run_is_not_trained_again_and_a_damaged_checkpoint_not_taken(train, trained, tmp_path):
    train(state=tmp_path)
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    again = train(state=tmp_path)
    assert again.metrics["resumed_from_step"] == 6
    assert told(again) == told(trained)
    optimizer = checkpoint / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-1])
    assert newest_sealed(tmp_path) is None


@needs_trl
def test_a_checkpoint_that_cannot_be_written_does_not_end_training(train, trained, tmp_path):
    for step in range(1, 7):
        (tmp_path / f"checkpoint-{step}").write_text("in the way")
    seen = []
    assert told(train(seen.append, tmp_path)) == told(trained)
    assert any("no checkpoint could be written" in progress.what for progress in seen)


@needs_trl
def test_early_stopping_and_the_best_epoch(train):
    result = train(num_epochs=8, learning_rate=0.5, lr_scheduler="constant", early_stopping={"patience": 1})
    ends = [line["validation_loss"] for line in result.lines if line.get("validation_loss") and line["step"]]
    assert len(ends) < 8
    assert ends[-1] >= min(ends) == result.metrics["validation_loss"]


@needs_trl
def test_dora_without_validation_rows_keeps_the_last_epoch(train):
    result = train(validation=0, method="dora")
    assert result.lines[-2]["loss"] < result.lines[1]["loss"]
    assert result.metrics["best_epoch"] == 2
    assert [line["epoch"] for line in result.lines if "validation_loss" in line] == [0, 1, 2]


@needs_trl
def test_a_loss_that_is_no_number_names_the_rows(train, monkeypatch):
    import runner.training.local.backend as local

    original = local.load_causal_lm

    def broken(checkpoint, dtype):
        model = original(checkpoint, dtype)
        model.model.norm.weight.data[0] = math.nan
        return model

    monkeypatch.setattr(local, "load_causal_lm", broken)
    with pytest.raises(TerminalError, match=f"step 0: the loss is nan for rows .*{ROWS[20].id}"):
        train()


@needs_trl
def test_an_adapter_on_the_output_layer_is_refused(train):
    with pytest.raises(TerminalError, match="cannot train the output layer lm_head"):
        train(lora={"r": 4, "target_modules": ["q_proj", "lm_head"]})


def test_what_is_compared_is_what_serving_reads_and_writes(base):
    tokenizer = load_tokenizer(base.checkpoint)
    training = Training.model_validate(SETTINGS)
    for row, pair in zip(ROWS, encode_pairs(tokenizer, ROWS, training), strict=True):
        columns = pair.columns()
        assert columns["prompt_ids"] == encode(tokenizer, render(tokenizer, prompt_of(row).messages))
        assert tokenizer.decode(columns["chosen_ids"]) == row.messages[-1]["content"] + "<|im_end|>"
        assert tokenizer.decode(columns["rejected_ids"]) == row.rejected["content"] + "<|im_end|>"


def test_a_rejected_answer_that_is_too_long_names_its_row(base):
    (row,) = pairs(1)
    row.rejected["content"] *= 40
    with pytest.raises(TerminalError, match=rf"{row.id}\) is longer than training.max_length 128"):
        encode_pairs(load_tokenizer(base.checkpoint), [row], Training.model_validate(SETTINGS))


def test_without_trl_the_error_says_what_to_install(train, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "trl", None)
    for name in ("dpo", "preference_trainer"):
        monkeypatch.delitem(sys.modules, f"runner.training.local.{name}", raising=False)
    with pytest.raises(ModuleNotFoundError) as caught:
        train()
    error = explain_crash("train", caught.value, tmp_path)
    assert (error.message, error.hint) == ("train needs trl, which is not installed", "pip install 'gitune[dpo]'")
