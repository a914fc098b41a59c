"""When memory runs out training goes on with smaller passes and the same effective batch, or says what does not fit."""

import pytest
import torch
from architectures import SIZES, model_of

from runner.errors import GituneError
from runner.models.chat import MASKED, EncodedRow
from runner.spec.models import Training
from runner.training.local.batches import PassLimit
from runner.training.local.checkpoints import Checkpoints
from runner.training.local.sft import Data, fit

# Nothing shared, so that eight of them do not fit into sixty tokens.
IDS = [list(range(n + 1, 20 + 2 * n)) for n in range(16)]
ROWS = [EncodedRow(str(n), ids, [MASKED] * 5 + ids[5:]) for n, ids in enumerate(IDS)]
TRAINING = Training(num_epochs=1, batch_size=8, learning_rate=1e-3)


def run(model, fits=1000, report=lambda _: None):
    """Train where passes of more than `fits` tokens run out of memory as a GPU does."""
    network = model.get_base_model()
    forward = network.base_model.forward

    def limited(*, input_ids, **inputs):
        if input_ids.numel() > fits and torch.is_grad_enabled() and not network.is_gradient_checkpointing:
            raise torch.OutOfMemoryError
        return forward(input_ids=input_ids, **inputs)

    network.base_model.forward = limited
    return fit(model, Data(ROWS, []), TRAINING, PassLimit(10**6), Checkpoints(None), report)


def test_the_same_is_learned_with_less_memory():
    seen = []
    whole, small = run(model_of("Llama", SIZES)), run(model_of("Llama", SIZES), 60, seen.append)
    assert any("out of memory with 8 rows in a pass; going on with 4" in progress.what for progress in seen)
    assert [line["labels"] for line in whole.stream.steps] == [line["labels"] for line in small.stream.steps]
    for name, weight in whole.weights.items():
        torch.testing.assert_close(small.weights[name], weight, rtol=1e-3, atol=1e-4)


def test_activations_are_recomputed_before_giving_up():
    seen = []
    whole, least = run(model_of("Llama", SIZES)), run(model_of("Llama", SIZES), 10, seen.append)
    assert any("recomputing activations" in progress.what for progress in seen)
    for name, weight in whole.weights.items():
        torch.testing.assert_close(least.weights[name], weight, rtol=1e-3, atol=1e-4)


def test_a_row_that_never_fits_is_named():
    model = model_of("Llama", SIZES)
    forward = model.get_base_model().base_model.forward

    def full(**inputs):
        if torch.is_grad_enabled():
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")
        return forward(**inputs)

    model.get_base_model().base_model.forward = full
    with pytest.raises(GituneError, match=r"out of memory with a single row of \d+ tokens \(\d+\)") as caught:
        fit(model, Data(ROWS, []), TRAINING, PassLimit(10**6), Checkpoints(None), lambda _: None)
    assert "qlora" in caught.value.hint


def test_other_errors_are_not_taken_for_it():
    model = model_of("Llama", SIZES)
    forward = model.get_base_model().base_model.forward

    def broken(**inputs):
        if torch.is_grad_enabled():
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return forward(**inputs)

    model.get_base_model().base_model.forward = broken
    with pytest.raises(RuntimeError, match="shapes"):
        fit(model, Data(ROWS, []), TRAINING, PassLimit(10**6), Checkpoints(None), lambda _: None)


def test_validation_that_does_not_fit_is_done_in_smaller_passes():
    model, seen = model_of("Llama", SIZES), []
    forward = model.get_base_model().base_model.forward

    def limited(*, input_ids, **inputs):
        if input_ids.numel() > 200:
            raise torch.OutOfMemoryError
        return forward(input_ids=input_ids, **inputs)

    model.get_base_model().base_model.forward = limited
    result = fit(model, Data(ROWS, ROWS), TRAINING, PassLimit(10**6), Checkpoints(None), seen.append)
    whole = fit(model_of("Llama", SIZES), Data(ROWS, ROWS), TRAINING, PassLimit(10**6), Checkpoints(None), seen.append)
    assert any("out of memory with 16 rows" in progress.what for progress in seen)
    first, expected = result.stream.evaluations[0], whole.stream.evaluations[0]
    assert first["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-4)


def test_memory_for_the_optimizer_is_explained(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.optim.AdamW, "step", full)
    with pytest.raises(GituneError, match="optimizer"):
        fit(model_of("Llama", SIZES), Data(ROWS, []), TRAINING, PassLimit(10**6), Checkpoints(None), lambda _: None)
