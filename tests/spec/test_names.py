from __future__ import annotations

import pytest

from runner.spec.config import Config
from runner.spec.models import Spec
from runner.spec.names import FOREIGN_NAMES, nearest, unknown_key
from runner.spec.shape import Shape

WHOLE = Shape.of(Spec)
OWN = {f"{path}.{key}" if path else key for path, key, _ in WHOLE.walk()}


@pytest.mark.parametrize(("name", "known"), FOREIGN_NAMES.items())
def test_a_foreign_name_leads_to_a_key_that_exists(name, known):
    assert known.here in OWN if known.here else known.note
    assert known.tools
    assert name not in {path.rpartition(".")[2] for path in OWN}


@pytest.mark.parametrize(
    ("key", "here"),
    [
        ("lora_rank", "training.lora.r"),
        ("lora_r", "training.lora.r"),
        ("lr", "training.learning_rate"),
        ("num_train_epochs", "training.num_epochs"),
        ("n_epochs", "training.num_epochs"),
        ("epochs", "training.num_epochs"),
        ("cutoff_len", "training.max_length"),
        ("sequence_len", "training.max_length"),
        ("max_seq_length", "training.max_length"),
        ("per_device_train_batch_size", "training.micro_batch_size"),
        ("gradient_accumulation_steps", "training.batch_size"),
        ("val_set_size", "dataset.split.validation"),
        ("val_size", "dataset.split.validation"),
        ("model_name_or_path", "base_model"),
        ("Lora-Rank", "training.lora.r"),
    ],
)
def test_other_tools_names_are_answered_exactly(key, here):
    unknown = unknown_key("training", key, WHOLE.at("training"), WHOLE)
    assert unknown.message.endswith(f"name; here `{here}`")


def test_the_config_has_no_training_and_so_no_foreign_names():
    assert unknown_key("", "lr", Shape.of(Config), Shape.of(Config)).message == "unknown key `lr`"


@pytest.mark.parametrize(("word", "choice"), [("stor", "store"), ("polices", "policy"), ("", None), ("zzzz", None)])
def test_nearest(word, choice):
    assert nearest(word, ["store", "policy"]) == choice
