"""Memory estimates against what torch and peft really hold, and the refusal when it cannot fit."""

from __future__ import annotations

import contextlib

import pytest

from runner.errors import GituneError
from runner.models.memory import Memory
from runner.models.shape import ModelShape
from runner.spec.models import Lora, Training
from runner.training.sizing import (
    GB,
    SIZING,
    Rows,
    estimate_memory,
    estimate_run,
    require_fits,
    tokens_per_pass,
)

SMALL = ModelShape(0, 512, 96, 3, 96, 48, 256)
LLAMA_7B = ModelShape(6_738_415_616, 32000, 4096, 32, 4096, 4096, 11008)
LLAMA_13B = ModelShape(13_015_864_320, 32000, 5120, 40, 5120, 5120, 13824)


def learner(method: str, dtype: str = "float32"):
    """Return a Llama of SMALL's dimensions, as our backend would train it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=SMALL.hidden,
        intermediate_size=SMALL.inner,
        num_hidden_layers=SMALL.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=SMALL.vocabulary,
    )
    model = LlamaForCausalLM(config).to(getattr(torch, dtype))
    if method == "full":
        return model, model
    lora = LoraConfig(r=8, target_modules="all-linear", use_dora=method == "dora", task_type="CAUSAL_LM")
    tuned = get_peft_model(model, lora)
    return tuned, tuned.get_base_model()


def kept_bytes(model, network, tokens: int, *, autocast: bool) -> int:
    """Run the blocks forward and return what autograd keeps that is made for each token (no weights, no copies of them)."""
    import torch

    kept = {}

    def keep(tensor):
        size = tensor.untyped_storage().nbytes()
        if tokens in tensor.shape or (tensor.dim() > 1 and tensor.shape[0] * tensor.shape[1] == tokens):
            kept[tensor.untyped_storage().data_ptr()] = (size, tensor)
        return tensor

    context = torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext()
    ids = torch.arange(tokens).reshape(1, tokens) % SMALL.vocabulary
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), context:
        network.model(input_ids=ids, use_cache=False).last_hidden_state.sum()
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize(
    ("method", "precision"),
    [("lora", "fp32"), ("lora", "autocast"), ("lora", "bf16"), ("full", "fp32"), ("dora", "fp32")],
)
def test_activations_are_what_autograd_keeps(method, precision):
    tokens = 700
    model, network = learner(method, "bfloat16" if precision == "bf16" else "float32")
    training = Training(method=method, lora=Lora(r=8))
    estimate = estimate_memory(SMALL, training, precision, tokens, learned=0).activations
    assert estimate == pytest.approx(kept_bytes(model, network, tokens, autocast=precision == "autocast"), rel=0.1)


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_adapter_and_its_optimizer_are_counted_exactly(method):
    model, _ = learner(method)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    estimate = estimate_memory(SMALL, Training(method=method, lora=Lora(r=8)), "fp32", 0, 0)
    assert (estimate.gradients, estimate.optimizer, estimate.adapter) == (4 * trained, 8 * trained, 8 * trained)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
@pytest.mark.parametrize(("shape", "size"), [(LLAMA_7B, 7), (LLAMA_13B, 14)])
def test_agrees_with_the_rule_of_thumb(method, shape, size):
    low, high = SIZING[method][size]
    total = estimate_memory(shape, Training(method=method), "bf16", 256, 0.5).total
    # `full` counts the bf16 copies too, which the table does not.
    assert 0.85 * low * GB <= total <= 1.05 * high * GB


def test_fewer_layers_named_need_less():
    def gradients(modules):
        return estimate_memory(LLAMA_7B, Training(lora=Lora(target_modules=modules)), "bf16", 0, 0).gradients

    assert gradients(["q_proj"]) < gradients(["q_proj", "v_proj"]) < gradients("all-linear")


def test_auto_takes_what_is_fast_and_less_where_memory_is_short():
    training, rows = Training(), Rows(200)
    ample, short, none = (Memory("cuda", size * GB) for size in (80, 24, 14))
    assert tokens_per_pass(ample, LLAMA_7B, training, "bf16", rows) > tokens_per_pass(
        short, LLAMA_7B, training, "bf16", rows
    )
    chosen = estimate_run(LLAMA_7B, training, "bf16", rows, short)
    assert 20 * GB < chosen.total <= short.bytes
    assert tokens_per_pass(none, LLAMA_7B, training, "bf16", rows) == 200
    assert tokens_per_pass(Memory("cpu", 64 * GB), None, training, "fp32", Rows(3000)) == 3000


def refusal(training: Training, precision: str, memory: Memory, rows: Rows = Rows(512)) -> GituneError:  # noqa: B008
    with pytest.raises(GituneError) as caught:
        require_fits(LLAMA_7B, training, precision, rows, memory)
    return caught.value


def test_refusal_says_what_it_needs_what_there_is_and_what_would_fit():
    error = refusal(Training(micro_batch_size=16), "bf16", Memory("cuda", 24 * GB))
    assert "weights 13.5" in error.message
    assert "the GPU has 24.0 GB" in error.message
    assert "training.micro_batch_size: auto" in error.hint
    assert "training.method: qlora" in error.hint


@pytest.mark.parametrize(
    ("training", "precision", "memory", "said", "unsaid"),
    [
        (Training(method="full"), "bf16", Memory("cuda", 40 * GB), "training.method: lora", "qlora"),
        (Training(), "bf16", Memory("cuda", 12 * GB), "training.method: qlora", "micro_batch_size"),
        (Training(), "fp32", Memory("cpu", 16 * GB), "a smaller base_model", "qlora"),
        (Training(method="full"), "fp32", Memory("cpu", 64 * GB), "training.method: lora", "qlora"),
    ],
)
def test_remedies_are_only_those_that_fit(training, precision, memory, said, unsaid):
    hint = refusal(training, precision, memory).hint
    assert said in hint
    assert unsaid not in hint


def test_long_rows_are_named_when_they_are_the_cause():
    assert "shorter rows" in refusal(Training(method="qlora"), "bf16", Memory("cuda", 16 * GB), Rows(8192)).hint


def test_what_fits_is_let_through_and_freed_memory_is_given_back_only_where_it_is_short():
    ample = require_fits(LLAMA_7B, Training(), "fp32", Rows(512), Memory("cpu", 256 * GB))
    assert ample.fragmentation > 0
    short = require_fits(LLAMA_7B, Training(), "fp32", Rows(512), Memory("cpu", ample.total - GB))
    assert short.fragmentation == 0
    assert require_fits(None, Training(), "fp32", Rows(512), Memory("cpu", 1)) is None


def test_the_backend_refuses_before_it_loads_the_model(tmp_path, monkeypatch):
    from tiny import routing_rows, tiny_base

    import runner.training.local.backend as local
    from runner.data.rows import rows_to_jsonl
    from runner.progress import silent
    from runner.training.backend import TrainJob

    (tmp_path / "train.jsonl").write_bytes(rows_to_jsonl(routing_rows(8)))
    (tmp_path / "validation.jsonl").write_bytes(b"")
    job = TrainJob(
        base=tiny_base(tmp_path),
        train=tmp_path / "train.jsonl",
        validation=tmp_path / "validation.jsonl",
        training=Training(),
        export_gguf=False,
        out=tmp_path,
    )
    monkeypatch.setattr(local, "memory_of", lambda _: Memory("cpu", GB // 10))
    monkeypatch.setattr(local, "load_causal_lm", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(GituneError, match=r"training needs about 0\.5 GB .* this machine has 0\.1 GB") as caught:
        local.LocalBackend().train(job, silent)
    assert "more memory" in caught.value.hint
