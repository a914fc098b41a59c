"""Sharing prefixes changes no loss and no gradient, whatever the architecture; what cannot share is padded."""

import pytest
import torch
import transformers
from architectures import PADDED, SHARING, SIZES, VOCABULARY, config_of, model_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from runner.models.chat import MASKED, EncodedRow
from runner.training.local.batches import PassLimit, count_labels
from runner.training.local.forward import Padded, open_forward
from runner.training.local.lora_linear import fuse_lora
from runner.training.local.loss import loss_sum


@st.composite
def batches(draw):
    stems = draw(st.lists(st.lists(st.integers(1, VOCABULARY - 1), min_size=4, max_size=30), min_size=1, max_size=2))
    rows = []
    for number in range(draw(st.integers(1, 6))):
        stem = draw(st.sampled_from(stems + [row.input_ids for row in rows]))
        ids = stem[: draw(st.integers(1, len(stem)))] + draw(
            st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=20)
        )
        first = draw(st.integers(1, len(ids) - 1))
        learned = len(ids) - first
        weights = draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=learned, max_size=learned))
        weights = weights and [0.0] * first + weights
        rows.append(EncodedRow(str(number), ids, [MASKED] * first + ids[first:], weights))
    return rows


def loss_and_gradients(model, forward, rows, tokens=10**6):
    model.zero_grad()
    total = 0.0
    for some in forward.passes(rows, PassLimit(tokens)):
        loss = loss_sum(model.get_base_model(), forward(some), plain_head=forward.plain_head)
        loss.backward()
        total += float(loss.detach())
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_equal(found, expected):
    torch.testing.assert_close(torch.tensor(found[0]), torch.tensor(expected[0]), rtol=1e-4, atol=1e-4)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=2e-3, atol=2e-4, msg=name)


@pytest.mark.parametrize("family", SHARING)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=batches(), seed=st.integers(0, 3))
def test_loss_and_every_gradient_are_those_of_the_padded_batch(family, rows, seed):
    model = model_of(family, SHARING[family], seed)
    expected = loss_and_gradients(model, Padded(model.get_base_model()), rows)
    with open_forward(model.get_base_model()) as forward:
        assert forward.shares_prefixes
        assert_equal(loss_and_gradients(model, forward, rows), expected)
        assert_equal(loss_and_gradients(model, forward, rows, 40), expected)


@pytest.mark.parametrize("family", PADDED)
def test_what_cannot_share_is_padded(family):
    model = model_of(family, PADDED[family])
    rows = [EncodedRow(str(n), list(range(1, 20 + n)), [MASKED] * 5 + list(range(6, 20 + n))) for n in range(3)]
    expected = loss_and_gradients(model, Padded(model.get_base_model()), rows)
    with open_forward(model.get_base_model()) as forward:
        assert not forward.shares_prefixes
        assert_equal(loss_and_gradients(model, forward, rows), expected)


def test_the_attention_is_restored_and_training_mode_kept():
    network = model_of("Llama", SIZES).get_base_model()
    network.train()
    with open_forward(network):
        assert network.config._attn_implementation == "gitune_prefix_tree"
        assert network.training
    assert network.config._attn_implementation == "sdpa"


def test_padded_losses_are_those_of_transformers():
    model = model_of("Llama", SIZES)
    rows = [EncodedRow(str(n), list(range(1, 20 + n)), [MASKED] * 5 + list(range(6, 20 + n))) for n in range(3)]
    loss, _ = loss_and_gradients(model, Padded(model.get_base_model()), rows)
    expected = 0.0
    for row in rows:
        ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
        expected += float(model(input_ids=ids, labels=labels).loss) * sum(label != MASKED for label in row.labels)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_token_counts_by_its_weight():
    padded = Padded(model_of("Llama", SIZES).get_base_model())
    ids = list(range(1, 12))
    plain = EncodedRow("a", ids, [MASKED] * 10 + ids[10:])
    half = EncodedRow("b", ids, plain.labels, [0.0] * 10 + [0.5])
    losses = [float(loss_sum(padded.network, padded([row]), plain_head=True).detach()) for row in (plain, half)]
    assert losses[1] == pytest.approx(losses[0] / 2)
    assert count_labels([plain, half]) == 1.5


def test_a_scaled_output_layer_is_respected():
    """Gemma 2 caps its logits, Granite and Cohere scale them: the short way to the loss is not theirs."""
    network = model_of("Llama", SIZES).get_base_model()
    assert Padded(network).plain_head
    forward = type(network).forward

    def scaled(*arguments, **inputs):
        output = forward(network, *arguments, **inputs)
        output.logits = output.logits / 8
        return output

    network.forward = scaled
    assert not Padded(network).plain_head


@settings(max_examples=8)
@given(rows=batches(), bias=st.booleans())
def test_a_fused_adapter_gives_the_same_gradients(rows, bias):
    model = model_of("Llama", SIZES | {"attention_bias": bias})
    padded = Padded(model.get_base_model())
    expected = loss_and_gradients(model, padded, rows)
    assert fuse_lora(model) == 14
    assert_equal(loss_and_gradients(model, padded, rows), expected)


@pytest.mark.parametrize("settings", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}])
def test_other_adapters_are_left_to_peft(settings):
    network = transformers.LlamaForCausalLM(config_of("Llama", SIZES | {"attention_bias": True, "mlp_bias": True}))
    assert fuse_lora(get_peft_model(network, LoraConfig(r=4, target_modules="all-linear", **settings))) == 0


def test_many_targets_are_predicted_piece_by_piece(monkeypatch):
    model = model_of("Llama", SIZES)
    rows = [EncodedRow(str(n), list(range(1, 40 + n)), [MASKED, *range(2, 40 + n)]) for n in range(3)]
    padded = Padded(model.get_base_model())
    expected = loss_and_gradients(model, padded, rows)
    monkeypatch.setattr("runner.training.local.loss.TARGETS_AT_ONCE", 7)
    assert_equal(loss_and_gradients(model, padded, rows), expected)
