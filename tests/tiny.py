"""A random two-layer Llama with its own tokenizer: a whole base model in a megabyte, for tests that train and answer.

    spec: base_model: file://tiny        test: make_tiny_llama(root / "tiny")

Training and answering take seconds on both engines. What it says is noise until it is trained, and then what it was
trained on, if that is short and always the same.
"""

from __future__ import annotations

import json
from pathlib import Path

from runner.data.rows import Example, Row, number_rows
from runner.errors import Location
from runner.file_index import FileIndex
from runner.models.base import BaseFiles, materialize, resolve_base
from runner.models.bpe import PRE_TOKENIZERS
from runner.models.cores import wait_politely

# Before anything imports torch.
wait_politely()

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT = [
    "system user assistant",
    'Answer with JSON: {"queue": "billing", "priority": "low", "needs_human": true}',
    'Route the customer message. {"queue": "shipping", "priority": "normal", "needs_human": false}',
    "Where is my parcel? I was charged twice, please refund order 4711. The app does not open.",
    '{"queue": "returns", "priority": "high"} {"queue": "technical"} {"queue": "account"} {"label": "positive"}',
]


def make_tiny_llama(folder: Path, layers: int = 2, pre_tokenizer: str = "smollm") -> Path:
    """Write a checkpoint (safetensors, tokenizer, ChatML template) into `folder` and return it; same arguments, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder, pre_tokenizer)
    _write_model(folder, layers, vocabulary)
    return folder


def _write_tokenizer(folder: Path, pre_tokenizer: str) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    content = json.loads(tokenizer.to_str())
    content["pre_tokenizer"] = PRE_TOKENIZERS[pre_tokenizer]
    (folder / "tokenizer.json").write_text(json.dumps(content, indent=1, sort_keys=True))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    (folder / "chat_template.jinja").write_text(CHATML)
    return tokenizer.get_vocab_size()


def _write_model(folder: Path, layers: int, vocabulary: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        # Ten times the usual spread: answers of the untrained model differ clearly from prompt to prompt.
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)


def tiny_base(root: Path) -> BaseFiles:
    """Make the model in `root/base` and return its files; what is derived from it goes to `root/cache`."""
    make_tiny_llama(root / "base")
    ref = resolve_base("file://base", {}, root, [], FileIndex(root / "cache"), Location("spec.yaml"))
    return materialize(ref, root, root / "cache")


QUEUES = ["billing", "shipping", "returns", "technical"]


def routing_rows(count: int) -> list[Row]:
    """Return rows that the tiny model learns in a second: the first word of a question decides the answer."""
    examples = []
    for number in range(count):
        queue = QUEUES[number % len(QUEUES)]
        answer = {"role": "assistant", "content": json.dumps({"queue": queue})}
        examples.append(
            Example([{"role": "user", "content": f"{queue} question {number}"}, answer], None, Location("x"))
        )
    return [row for row, _ in number_rows(examples)]
