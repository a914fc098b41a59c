"""Training and serving must read the same tokens: Hugging Face's rendering against llama.cpp's, id by id."""

import json
import urllib.request

import pytest
import xllamacpp

from runner.models.base import base_gguf
from runner.models.chat import encode, render
from runner.models.checkpoint import load_tokenizer

CONVERSATIONS = [
    [("user", "Hi, could you send me the invoice for order 88213 again?")],
    [("system", "Route the customer message."), ("user", "ORDER 10588 WAS LATE!!!  \n\n  why??")],
    [("user", "née Müller, 12.50 €, 日本語, Здравствуйте 😀👩‍👩‍👧 it's I'LL")],
    [("user", "one"), ("assistant", '{"queue": "sales"}'), ("user", "\ttwo\n")],
    [("user", " leading and trailing "), ("assistant", "a\n\nb"), ("user", "3 < 4 && 1e-5 {{ x }} {% y %}")],
]


@pytest.fixture(scope="module", params=["smollm", "gpt-2", "llama-bpe"])
def pair(request, tmp_path_factory):
    """A tiny model with each known tokenizer, as checkpoint and as exported GGUF."""
    from tiny import make_tiny_llama

    from runner.errors import Location
    from runner.file_index import FileIndex
    from runner.models.base import materialize, resolve_base

    root = tmp_path_factory.mktemp(request.param)
    make_tiny_llama(root / "base", pre_tokenizer=request.param)
    ref = resolve_base("file://base", {}, root, [], FileIndex(root), Location("spec.yaml"))
    base = materialize(ref, root, root / "cache")
    return load_tokenizer(base.checkpoint), base_gguf(base)


def llama_cpp_ids(gguf, conversations):
    """Render and tokenize as llama.cpp's own chat endpoint does."""
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx, params.warmup, params.verbosity = 512, False, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)

    def post(path, body):
        request = urllib.request.Request(server.listening_address + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    prompts = [post("/apply-template", {"messages": messages})["prompt"] for messages in conversations]
    return [post("/tokenize", {"content": p, "add_special": True, "parse_special": True})["tokens"] for p in prompts]


def check_agreement(tokenizer, gguf):
    conversations = [[{"role": role, "content": text} for role, text in turns] for turns in CONVERSATIONS]
    expected = [encode(tokenizer, render(tokenizer, messages)) for messages in conversations]
    assert llama_cpp_ids(gguf, conversations) == expected


def test_the_tiny_model_reads_the_same_tokens_in_both_engines(pair):
    check_agreement(*pair)


@pytest.mark.slow
def test_the_real_model_reads_the_same_tokens_in_both_engines(smollm2):
    check_agreement(load_tokenizer(smollm2.checkpoint), smollm2.gguf)
