"""PEFT adapter -> LoRA GGUF: names, layouts, and what cannot be written."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tiny import make_tiny_llama

from runner.errors import GituneError
from runner.models.llama_names import LAYER_MODULES, TOP_MODULES, to_gguf_module, to_gguf_rows, to_hf_module, to_hf_rows
from runner.models.lora_gguf import write_lora_gguf

RANK = 4


@pytest.fixture
def adapter(tmp_path):
    """A checkpoint and an adapter on its query and down projections."""
    checkpoint = make_tiny_llama(tmp_path / "base")
    folder = tmp_path / "adapter"
    folder.mkdir()
    random = np.random.default_rng(0)
    shapes = {"self_attn.q_proj": (64, 64), "self_attn.k_proj": (64, 32), "mlp.down_proj": (128, 64)}
    weights = {}
    for module, (wide, out) in shapes.items():
        name = f"base_model.model.model.layers.1.{module}"
        weights[f"{name}.lora_A.weight"] = random.normal(size=(RANK, wide)).astype(np.float32)
        weights[f"{name}.lora_B.weight"] = random.normal(size=(out, RANK)).astype(np.float32)
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": 12.0}))
    return checkpoint, folder


def test_tensors_carry_llama_cpp_names_and_layouts(adapter, tmp_path):
    import gguf

    checkpoint, folder = adapter
    write_lora_gguf(folder, checkpoint, tmp_path / "adapter.gguf")
    reader = gguf.GGUFReader(tmp_path / "adapter.gguf")
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.type"] == "adapter"
    assert fields["adapter.type"] == "lora"
    assert fields["general.architecture"] == "llama"
    assert fields["adapter.lora.alpha"] == 12.0
    written = {tensor.name: tensor.data for tensor in reader.tensors}
    given = load_file(folder / "adapter_model.safetensors")
    prefix = "base_model.model.model.layers.1."
    assert sorted(written) == sorted(
        f"blk.1.{name}.weight.lora_{side}" for name in ("attn_q", "attn_k", "ffn_down") for side in "ab"
    )
    assert np.array_equal(written["blk.1.ffn_down.weight.lora_b"], given[prefix + "mlp.down_proj.lora_B.weight"])
    assert np.array_equal(written["blk.1.attn_q.weight.lora_a"], given[prefix + "self_attn.q_proj.lora_A.weight"])
    for name, module, heads in (("attn_q", "q_proj", 4), ("attn_k", "k_proj", 2)):
        rows = given[f"{prefix}self_attn.{module}.lora_B.weight"]
        stored = written[f"blk.1.{name}.weight.lora_b"]
        assert not np.array_equal(stored, rows)
        assert np.array_equal(to_hf_rows(stored, heads), rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_adapters_without_a_gguf_form_are_refused(adapter, tmp_path, change, message):
    checkpoint, folder = adapter
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(GituneError, match=message) as caught:
        write_lora_gguf(folder, checkpoint, tmp_path / "adapter.gguf")
    assert "transformers" in caught.value.hint


def test_rank_stabilised_lora_keeps_its_scale(adapter, tmp_path):
    """llama.cpp multiplies by alpha / r, rsLoRA by alpha / √r: 12 / √4 is 24 / 4."""
    import gguf

    checkpoint, folder = adapter
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "use_rslora": True}))
    write_lora_gguf(folder, checkpoint, tmp_path / "adapter.gguf")
    fields = gguf.GGUFReader(tmp_path / "adapter.gguf").fields
    assert fields["adapter.lora.alpha"].contents() == 24.0


def test_other_families_have_no_gguf_form(adapter, tmp_path):
    checkpoint, folder = adapter
    (checkpoint / "config.json").write_text(json.dumps({"model_type": "gemma3"}))
    with pytest.raises(GituneError, match="gemma3"):
        write_lora_gguf(folder, checkpoint, tmp_path / "adapter.gguf")


@given(heads=st.integers(1, 6), half=st.integers(1, 5), width=st.integers(1, 4))
def test_the_two_layouts_are_inverse(heads, half, width):
    rows = np.arange(heads * half * 2 * width).reshape(heads * half * 2, width)
    assert np.array_equal(to_hf_rows(to_gguf_rows(rows, heads), heads), rows)


@pytest.mark.parametrize("module", [*(f"model.layers.17.{name}" for name in LAYER_MODULES), *TOP_MODULES])
def test_names_go_there_and_back(module):
    assert to_hf_module(to_gguf_module(module)) == module


def test_unknown_names_have_no_translation():
    assert to_gguf_module("model.layers.0.self_attn.rotary_emb.inv_freq") is None
    assert to_hf_module("blk.0.attn_q_norm") is None
