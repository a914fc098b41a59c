"""Every method and architecture: what training has learned is what the files hold and what the engine answers."""

import json

import pytest
import torch
from families import FAMILIES, make_tiny_model
from tiny import routing_rows

import runner.training.local.backend as local
from runner.data.prompts import prompts_of, reference_of
from runner.data.rows import rows_to_jsonl
from runner.errors import GituneError, Location, TerminalError
from runner.file_index import FileIndex
from runner.inference.engine import ModelFiles, open_engine
from runner.models.base import materialize, resolve_base
from runner.models.chat import encode, render
from runner.models.checkpoint import load_tokenizer
from runner.spec.evaluation import Generation
from runner.spec.models import Training
from runner.training.backend import TrainJob, open_backend

QUICK = {"learning_rate": 1e-2, "num_epochs": 6, "batch_size": 8, "max_length": 128, "lora": {"r": 8, "alpha": 16}}
ROWS = routing_rows(32)


def base_of(root, family):
    make_tiny_model(root / "base", family)
    ref = resolve_base("file://base", {}, root, [], FileIndex(root / "cache"), Location("spec.yaml"))
    return materialize(ref, root, root / "cache")


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Return the base of a family, made once."""
    made = {}

    def base(family):
        if family not in made:
            made[family] = base_of(tmp_path_factory.mktemp(family), family)
        return made[family]

    return base


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Train and return (result, the very model that was trained)."""
    runs = iter(range(9))
    models = []

    def fit(model, *rest):
        models.append(model)
        return real(model, *rest)

    real = local.fit
    monkeypatch.setattr(local, "fit", fit)

    def call(base, *, export_gguf=False, report=lambda _: None, **settings):
        folder = tmp_path / f"run{next(runs)}"
        (folder / "out").mkdir(parents=True)
        (folder / "train.jsonl").write_bytes(rows_to_jsonl(ROWS))
        # Without validation the last epoch is kept: the weights that the model ends with.
        (folder / "none.jsonl").write_bytes(b"")
        training = Training.model_validate(QUICK | settings)
        job = TrainJob(base, folder / "train.jsonl", folder / "none.jsonl", training, export_gguf, folder / "out")
        return open_backend("local").train(job, report), models[-1]

    return call


def spoken(model, base, prompts, length=16):
    """Decode greedily with the trained model itself, one token after the other, without caches or padding."""
    tokenizer = load_tokenizer(base.checkpoint)
    model.eval()
    texts = {}
    for prompt in prompts:
        ids = encode(tokenizer, render(tokenizer, prompt.messages))
        new = []
        while len(new) < length:
            with torch.no_grad():
                token = int(model(input_ids=torch.tensor([ids + new])).logits[0, -1].argmax())
            if token in {tokenizer.eos_token_id, *tokenizer.all_special_ids}:
                break
            new.append(token)
        texts[prompt.id] = tokenizer.decode(new)
    return texts


def answered(engine, model, prompts, length=16):
    with open_engine(engine, model) as opened:
        answers = opened.answer(prompts, Generation(max_new_tokens=length), lambda _: None)
        return {answer.prompt_id: answer.text for answer in answers}


def untuned(base, prompts):
    return answered("transformers", ModelFiles(base, None), prompts)


def check_serves(engine, base, result, model):
    prompts = prompts_of(ROWS)[:8]
    expected = spoken(model, base, prompts)
    assert answered(engine, ModelFiles.tuned(base, result.adapter), prompts) == expected
    assert untuned(base, prompts) != expected
    return expected


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_answers_as_the_trained_model_does(train, bases, family):
    base = bases(family)
    result, model = train(base)
    losses = [line["loss"] for line in result.lines if "loss" in line]
    assert losses[-1] < losses[0] / 2
    check_serves("transformers", base, result, model)


@pytest.mark.parametrize("family", ["llama", "llama_untied"])
@pytest.mark.parametrize("settings", [{}, {"lora": {"r": 4, "alpha": 8, "rslora": True}}, {"method": "full"}])
def test_llama_cpp_answers_as_the_trained_model_does(train, bases, family, settings):
    base = bases(family)
    rate = 2e-3 if settings.get("method") == "full" else 1e-2
    result, model = train(base, export_gguf=True, learning_rate=rate, **settings)
    expected = check_serves("llama_cpp", base, result, model)
    assert set(expected.values()) <= {reference_of(row) for row in ROWS}


@pytest.mark.parametrize("family", ["llama", "phi", "gpt2"])
def test_dora_learns_lengths_too_and_is_served(train, bases, family):
    base = bases(family)
    result, model = train(base, method="dora")
    assert any("lora_magnitude_vector" in name for name in files_weights(result))
    check_serves("transformers", base, result, model)


def files_weights(result):
    from safetensors.torch import load_file

    return load_file(result.adapter / "adapter_model.safetensors")


def test_rank_stabilised_lora_has_a_larger_scale(train, bases):
    """alpha / √r and alpha / r give the same update when alpha is chosen so."""
    base = bases("llama")
    plain, stable = (
        train(base, lora={"r": 4, "alpha": alpha, "rslora": rslora})[0] for alpha, rslora in ((16, False), (8, True))
    )
    found, expected = files_weights(stable), files_weights(plain)
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    assert json.loads((stable.adapter / "adapter_config.json").read_text())["use_rslora"] is True


@pytest.mark.parametrize("family", ["llama", "mistral", "phi", "mpt", "gpt2"])
def test_full_trains_every_weight_into_a_checkpoint_that_is_served(train, bases, family):
    base = bases(family)
    result, model = train(base, method="full", learning_rate=2e-3)
    assert result.metrics["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    names = {path.name for path in base.checkpoint.iterdir()}
    assert {path.name for path in result.adapter.iterdir()} == names
    assert (result.adapter / "config.json").read_bytes() == (base.checkpoint / "config.json").read_bytes()
    check_serves("transformers", base, result, model)


def test_full_is_the_same_bytes_again(train, bases):
    first, second = (train(bases("llama"), export_gguf=True, method="full", num_epochs=1)[0].adapter for _ in range(2))
    assert "model.gguf" in {path.name for path in first.iterdir()}
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_full_keeps_the_number_format_of_its_base(train, tmp_path):
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    folder = make_tiny_model(tmp_path / "base", "llama")
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    result, _ = train(base_of_folder(tmp_path), method="full", num_epochs=1)
    assert {weight.dtype for weight in load_file(result.adapter / "model.safetensors").values()} == {torch.bfloat16}


def base_of_folder(root):
    ref = resolve_base("file://base", {}, root, [], FileIndex(root / "cache"), Location("spec.yaml"))
    return materialize(ref, root, root / "cache")


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_qlora_without_a_gpu_is_lora_and_says_so(train, bases):
    seen = []
    lora, _ = train(bases("llama"), num_epochs=1)
    qlora, _ = train(bases("llama"), num_epochs=1, method="qlora", report=seen.append)
    assert any("no CUDA GPU here, so qlora trains as lora does" in progress.what for progress in seen)
    assert qlora.metrics["quantization"].startswith("none: trained as lora")
    weights = files_weights(qlora)
    assert all(torch.equal(weights[name], weight) for name, weight in files_weights(lora).items())


def test_dropout_changes_training_and_not_answering(train, bases):
    base = bases("llama")
    result, model = train(base, lora={"r": 8, "alpha": 16, "dropout": 0.3})
    plain, _ = train(base)
    assert not all(torch.equal(weight, files_weights(plain)[name]) for name, weight in files_weights(result).items())
    check_serves("transformers", base, result, model)


@pytest.mark.parametrize(
    ("family", "asked", "hint"),
    [
        ("llama", ["q_proj", "query"], "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj"),
        ("phi", "query", "q_proj, k_proj, v_proj, dense, fc1, fc2, lm_head"),
        ("gpt2", ["query"], "c_attn, c_proj, c_fc"),
        ("mpt", ["query", "Wqkv"], "Wqkv, out_proj, up_proj, down_proj"),
    ],
)
def test_a_wrong_layer_name_lists_the_models_own(train, bases, family, asked, hint):
    with pytest.raises(TerminalError, match="no linear layer named query\n") as caught:
        train(bases(family), lora={"target_modules": asked})
    assert caught.value.hint == f"training.lora.target_modules takes `all-linear`, or some of {hint}"


def test_one_layer_may_be_named_alone_or_with_its_block(train, bases):
    for asked in ("q_proj", ["self_attn.q_proj"]):
        result, _ = train(bases("llama"), num_epochs=1, lora={"r": 4, "target_modules": asked})
        assert {name.split(".")[-3] for name in files_weights(result)} == {"q_proj"}


@pytest.mark.parametrize("family", ["llama", "gpt2", "mpt"])
def test_max_length_beyond_the_models_own_is_refused(train, bases, family):
    with pytest.raises(TerminalError, match=r"max_length is 513, and file://base reads at most 512 tokens") as caught:
        train(bases(family), max_length=513)
    assert caught.value.hint.startswith("write max_length: 512")


@pytest.mark.parametrize("engine", ["llama_cpp", "transformers"])
def test_an_adapter_of_another_base_is_refused(train, bases, engine):
    result, _ = train(bases("llama"), export_gguf=True, num_epochs=1)
    with pytest.raises(GituneError, match=r"was trained on file://base \(sha256 \w+…\), not on") as caught:
        open_engine(engine, ModelFiles.tuned(bases("llama_untied"), result.adapter))
    assert "the base model that it was trained on" in caught.value.hint


def test_an_adapter_that_does_not_fit_is_one_clear_error(train, bases):
    """One of an older release, which does not name its base by digest."""
    result, _ = train(bases("llama"), num_epochs=1)
    config = result.adapter / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "revision": None}))
    with pytest.raises(GituneError, match="cannot be put on"):
        open_engine("transformers", ModelFiles.tuned(bases("gpt2"), result.adapter))


@pytest.mark.parametrize("keep", [0, 7, 3000, -100])
def test_a_cut_safetensors_file_is_one_clear_error(bases, tmp_path, train, keep):
    folder = make_tiny_model(tmp_path / "base", "llama")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(GituneError, match=r"cannot load the model of .*/base: ") as caught:
        train(base_of_folder(tmp_path))
    assert "download" in caught.value.hint


def test_a_missing_weight_is_never_made_up(tmp_path, train):
    from safetensors.torch import load_file, save_file

    folder = make_tiny_model(tmp_path / "base", "llama")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GituneError, match=r"1 weights are missing, such as model\.layers\.1\.mlp\.up_proj\.weight"):
        train(base_of_folder(tmp_path))


def test_a_snapshot_holds_what_training_changes_and_is_a_copy(bases):
    from runner.models.checkpoint import load_causal_lm
    from runner.training.local.adapter import add_adapter, snapshot

    model = load_causal_lm(bases("llama").checkpoint, torch.float32)
    before = snapshot(model)
    assert before.keys() == dict(model.named_parameters()).keys()
    with torch.no_grad():
        model.model.norm.weight.add_(1)
    assert not torch.equal(before["model.norm.weight"], model.model.norm.weight)
    adapted = snapshot(add_adapter(model, Training()))
    assert adapted
    assert all("lora_" in name for name in adapted)
