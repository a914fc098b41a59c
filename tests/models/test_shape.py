"""The dimensions of a base model, from whatever lies here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import make_tiny_llama, tiny_base

from runner.errors import GituneError
from runner.models.base import BaseRef, base_gguf
from runner.models.gguf_header import read_header
from runner.models.shape import checkpoint_shape, find_shape, gguf_shape, usual_shape


def checkpoint(folder: Path, config: dict, size: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"\0" * size)
    return folder


def test_tiny_checkpoint_and_its_gguf_agree_with_the_model(tmp_path):
    from transformers import AutoModelForCausalLM

    base = tiny_base(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(base.checkpoint)
    shape, from_gguf = checkpoint_shape(base.checkpoint), gguf_shape(base_gguf(base))
    assert from_gguf.parameters == model.num_parameters()
    # The safetensors header is counted too.
    assert shape.parameters == pytest.approx(model.num_parameters(), rel=0.03)
    config = model.config
    assert (shape.hidden, shape.layers, shape.inner) == (
        config.hidden_size,
        config.num_hidden_layers,
        config.intermediate_size,
    )
    names = ("vocabulary", "hidden", "layers", "queries", "keys", "inner", "gated")
    assert [getattr(shape, name) for name in names] == [getattr(from_gguf, name) for name in names]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"model_type": "mpt", "d_model": 64, "n_heads": 4, "n_layers": 2, "expansion_ratio": 4, "vocab_size": 100},
            (64, 2, 64, 64, 256, False),
        ),
        (
            {"model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 3, "n_inner": None, "vocab_size": 9},
            (64, 3, 64, 64, 256, False),
        ),
        (
            {
                "model_type": "qwen3",
                "hidden_size": 64,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 32,
                "num_hidden_layers": 2,
                "intermediate_size": 96,
                "vocab_size": 9,
            },
            (64, 2, 128, 64, 96, True),
        ),
    ],
)
def test_names_of_other_families(tmp_path, config, expected):
    shape = checkpoint_shape(checkpoint(tmp_path, config))
    assert (shape.hidden, shape.layers, shape.queries, shape.keys, shape.inner, shape.gated) == expected


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hidden_size": "wide"}', '{"model_type": "llama"}'])
def test_a_configuration_that_tells_nothing(tmp_path, text):
    checkpoint(tmp_path, {})
    (tmp_path / "config.json").write_text(text)
    assert checkpoint_shape(tmp_path) is None


def test_bytes_of_the_weights_count_the_parameters(tmp_path):
    config = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 10}
    folder = checkpoint(tmp_path, {**config, "intermediate_size": 8, "torch_dtype": "bfloat16"}, size=5000)
    assert checkpoint_shape(folder).parameters == 2500


def test_hub_model_in_the_cache_and_before_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    commit = "a" * 40
    ref = BaseRef(f"hf://org/name@{commit}", "1" * 64, 13_476_000_000)
    unseen = find_shape(ref, tmp_path)
    # As Llama 2 7B: 4096 wide, 32 deep.
    assert unseen.parameters == 6_738_000_000
    assert unseen.layers == pytest.approx(32, abs=2)
    assert unseen.hidden == pytest.approx(4096, rel=0.05)
    make_tiny_llama(tmp_path / "hub" / "models--org--name" / "snapshots" / commit)
    assert find_shape(BaseRef(ref.uri, "2" * 64, 1), tmp_path).layers == 2


def test_usual_shape_grows_with_size():
    layers = [usual_shape(size * 10**9).layers for size in (1, 3, 7, 13, 70)]
    assert layers == sorted(set(layers))


def test_a_model_that_is_not_here_has_no_shape(tmp_path):
    assert find_shape(BaseRef("pkg://no_such_package/x.gguf", "1" * 64, 1), tmp_path) is None
    assert find_shape(BaseRef("gpt-4o-mini", "1" * 64, 1), tmp_path) is None


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 3], lambda b: b"GGML" + b[4:], lambda b: b"", lambda b: b[:20]]
)
def test_a_broken_gguf_is_one_clear_error(tmp_path, damage):
    good = base_gguf(tiny_base(tmp_path)).read_bytes()
    header = good[:4000]
    (tmp_path / "broken.gguf").write_bytes(damage(header))
    with pytest.raises(GituneError, match=r"broken\.gguf is not a readable GGUF file"):
        read_header(tmp_path / "broken.gguf")
