"""A key that the format does not know -> what the writer meant.

People arrive with the key names of other tools; those are answered exactly, not guessed. Then come keys that stand at
another level, then typing errors. Loaded only when there is an unknown key to explain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.spec.excerpt import excerpt
from runner.spec.shape import Shape, joined

# Below this similarity (0 to 100) a suggestion confuses more than it helps.
SIMILAR = 72


@dataclass(frozen=True, slots=True)
class ForeignName:
    """A key of another tool and what it is here."""

    tools: tuple[str, ...]
    """Whose name it is."""
    here: str = ""
    """Our key path; empty when there is no such key."""
    note: str = ""
    """What is different about ours, or why there is none."""


HF, OUMI, AXOLOTL, LLAMA_FACTORY = "Hugging Face", "Oumi", "Axolotl", "LLaMA-Factory"
LITGPT, LUDWIG, AUTOTRAIN, TORCHTUNE = "LitGPT", "Ludwig", "AutoTrain", "torchtune"
OPENAI, TOGETHER, MLX = "OpenAI", "Together", "MLX"

_REVISION = "the commit is part of it: hf://ORG/NAME@COMMIT"
_EFFECTIVE = "it counts the examples per optimizer step; accumulation follows from `training.micro_batch_size`"
_TARGETS = "`all-linear`, or the names of the layers"
_SHARE = "as a share of all steps"
_PROMPT = "false, the default, learns the assistant's answers only"
_TURNS = "`all_turns` or `last_turn`"
_VALIDATION = "a share of the rows; or list files under `dataset.validation`"
_STORE = "results go to the store of registry/config.yaml"
_OWN = "Gitune chooses it itself, and it never changes the result's key"
_TEMPLATE = "a Jinja file beside the spec; without it the base model's own template is used"

FOREIGN_NAMES: dict[str, ForeignName] = {
    "model_name_or_path": ForeignName((HF, LLAMA_FACTORY), "base_model"),
    "model_name": ForeignName((OUMI,), "base_model"),
    "checkpoint_dir": ForeignName((LITGPT,), "base_model"),
    "model": ForeignName((OPENAI, TOGETHER), "base_model"),
    "from_hf_model": ForeignName((TOGETHER,), "base_model"),
    "from_checkpoint": ForeignName((TOGETHER,), "base_model"),
    "revision": ForeignName((HF,), "base_model", _REVISION),
    "revision_of_model": ForeignName((AXOLOTL,), "base_model", _REVISION),
    "model_revision": ForeignName((LLAMA_FACTORY,), "base_model", _REVISION),
    "hf_model_revision": ForeignName((TOGETHER,), "base_model", _REVISION),
    "lr": ForeignName((LITGPT, AUTOTRAIN, TORCHTUNE), "training.learning_rate"),
    "learning_rate_multiplier": ForeignName((OPENAI,), "training.learning_rate", "an absolute rate, not a multiple"),
    "num_train_epochs": ForeignName((HF, LLAMA_FACTORY), "training.num_epochs"),
    "epochs": ForeignName((LITGPT, LUDWIG, AUTOTRAIN, TORCHTUNE), "training.num_epochs"),
    "n_epochs": ForeignName((OPENAI, TOGETHER), "training.num_epochs"),
    "per_device_train_batch_size": ForeignName((HF, LLAMA_FACTORY), "training.micro_batch_size"),
    "gradient_accumulation_steps": ForeignName((HF, AXOLOTL, LLAMA_FACTORY), "training.batch_size", _EFFECTIVE),
    "gradient_accumulation": ForeignName((AUTOTRAIN,), "training.batch_size", _EFFECTIVE),
    "global_batch_size": ForeignName((LITGPT,), "training.batch_size"),
    "cutoff_len": ForeignName((LLAMA_FACTORY,), "training.max_length"),
    "sequence_len": ForeignName((AXOLOTL,), "training.max_length"),
    "max_seq_length": ForeignName((LITGPT, TOGETHER), "training.max_length"),
    "max_seq_len": ForeignName((TORCHTUNE,), "training.max_length"),
    "model_max_length": ForeignName((OUMI,), "training.max_length"),
    "block_size": ForeignName((AUTOTRAIN,), "training.max_length"),
    "lora_rank": ForeignName((LLAMA_FACTORY, TORCHTUNE), "training.lora.r"),
    "lora_r": ForeignName((AXOLOTL, TOGETHER, OUMI, LITGPT, AUTOTRAIN), "training.lora.r"),
    "rank": ForeignName((MLX,), "training.lora.r"),
    "lora_alpha": ForeignName((HF, AXOLOTL, LLAMA_FACTORY, TOGETHER), "training.lora.alpha"),
    "lora_dropout": ForeignName((HF, AXOLOTL, LLAMA_FACTORY, TOGETHER), "training.lora.dropout"),
    "lora_target": ForeignName((LLAMA_FACTORY,), "training.lora.target_modules", _TARGETS),
    "use_rslora": ForeignName((HF, LLAMA_FACTORY), "training.lora.rslora"),
    "peft_use_rslora": ForeignName((AXOLOTL,), "training.lora.rslora"),
    "lora_target_modules": ForeignName((OUMI, AXOLOTL), "training.lora.target_modules", _TARGETS),
    "lora_target_linear": ForeignName((AXOLOTL,), "training.lora.target_modules", _TARGETS),
    "lora_trainable_modules": ForeignName((TOGETHER,), "training.lora.target_modules", _TARGETS),
    "lora_attn_modules": ForeignName((TORCHTUNE,), "training.lora.target_modules", _TARGETS),
    "apply_lora_to_mlp": ForeignName((TORCHTUNE,), "training.lora.target_modules", _TARGETS),
    "warmup_steps": ForeignName((HF, AXOLOTL), "training.warmup_ratio", _SHARE),
    "lr_warmup_steps": ForeignName((LITGPT,), "training.warmup_ratio", _SHARE),
    "num_warmup_steps": ForeignName((TORCHTUNE,), "training.warmup_ratio", _SHARE),
    "warmup_fraction": ForeignName((LUDWIG,), "training.warmup_ratio"),
    "lr_scheduler_type": ForeignName((HF, LLAMA_FACTORY), "training.lr_scheduler"),
    "finetuning_type": ForeignName((LLAMA_FACTORY,), "training.method"),
    "adapter": ForeignName((AXOLOTL,), "training.method", "its settings are under `training.lora`"),
    "load_in_4bit": ForeignName((HF, AXOLOTL), "training.method", "`qlora`"),
    "q_lora": ForeignName((OUMI,), "training.method", "`qlora`"),
    "quantization_bit": ForeignName((LLAMA_FACTORY,), "training.method", "`qlora`"),
    "quantization": ForeignName((LUDWIG, AUTOTRAIN), "training.method", "`qlora`"),
    "quantize": ForeignName((LITGPT,), "training.method", "`qlora`"),
    "quantize_base": ForeignName((TORCHTUNE,), "training.method", "`qlora`"),
    "use_dora": ForeignName((HF, LLAMA_FACTORY), "training.method", "`dora`"),
    "peft_use_dora": ForeignName((AXOLOTL,), "training.method", "`dora`"),
    "stage": ForeignName((LLAMA_FACTORY,), "training.objective"),
    "rl": ForeignName((AXOLOTL,), "training.objective"),
    "dpo_beta": ForeignName((TOGETHER, AXOLOTL), "training.dpo.beta"),
    "rl_beta": ForeignName((AXOLOTL,), "training.dpo.beta"),
    "pref_beta": ForeignName((LLAMA_FACTORY,), "training.dpo.beta"),
    "early_stopping_patience": ForeignName((AXOLOTL, TOGETHER), "training.early_stopping.patience"),
    "early_stopping_steps": ForeignName((LLAMA_FACTORY,), "training.early_stopping.patience", "counted in epochs"),
    "data_seed": ForeignName((HF, OUMI), "training.seed"),
    "random_seed": ForeignName((LUDWIG, TOGETHER), "training.seed"),
    "trainer": ForeignName((LUDWIG,), "training"),
    "datasets": ForeignName((AXOLOTL,), "dataset"),
    "dataset_name": ForeignName((HF,), "dataset.train"),
    "training_file": ForeignName((OPENAI, TOGETHER), "dataset.train"),
    "validation_file": ForeignName((OPENAI, TOGETHER), "dataset.validation"),
    "test_datasets": ForeignName((AXOLOTL,), "dataset.test"),
    "val_set_size": ForeignName((AXOLOTL,), "dataset.split.validation", _VALIDATION),
    "val_size": ForeignName((LLAMA_FACTORY,), "dataset.split.validation", _VALIDATION),
    "valid_split": ForeignName((AUTOTRAIN,), "dataset.split.validation", _VALIDATION),
    "max_tokens": ForeignName((OPENAI, TOGETHER), "evaluation.generation.max_new_tokens"),
    "max_completion_tokens": ForeignName((OPENAI,), "evaluation.generation.max_new_tokens"),
    "train_on_inputs": ForeignName((AXOLOTL, TOGETHER), "training.train_on_prompt", _PROMPT),
    "train_on_input": ForeignName((TORCHTUNE,), "training.train_on_prompt", _PROMPT),
    "mask_history": ForeignName((LLAMA_FACTORY,), "training.train_on", _TURNS),
    "mask_prompt": ForeignName((LITGPT,), "training.train_on_prompt", _PROMPT),
    "train_target": ForeignName((OUMI,), "training.train_on", _TURNS),
    "roles_to_train": ForeignName((AXOLOTL,), "training.train_on", _TURNS),
    "completion_only_loss": ForeignName((HF,), "training.train_on_prompt", _PROMPT),
    "assistant_only_loss": ForeignName((HF,), "training.train_on_prompt", _PROMPT),
    "chat_template_jinja": ForeignName((AXOLOTL,), "chat_template", _TEMPLATE),
    "template": ForeignName((LLAMA_FACTORY,), "chat_template", _TEMPLATE),
    "output_dir": ForeignName((HF, AXOLOTL, LLAMA_FACTORY), note=_STORE),
    "gradient_checkpointing": ForeignName((HF, AXOLOTL), note=_OWN),
    "packing": ForeignName((HF, LLAMA_FACTORY, TOGETHER), note=_OWN),
    "sample_packing": ForeignName((AXOLOTL,), note=_OWN),
    "bf16": ForeignName((HF, AXOLOTL, LLAMA_FACTORY), note=_OWN),
    "fp16": ForeignName((HF, AXOLOTL, LLAMA_FACTORY), note=_OWN),
}


def foreign(key: str) -> ForeignName | None:
    """Return what another tool's key is here; hyphens and capitals do not matter."""
    return FOREIGN_NAMES.get(_plain(key))


@dataclass(frozen=True, slots=True)
class Unknown:
    """What to tell about an unknown key."""

    message: str
    hint: str
    meant: str = ""
    """Path of the key that was probably meant."""


def unknown_key(path: str, key: str, here: Shape, whole: Shape) -> Unknown:
    """Explain a key that the mapping at `path` does not know.

    Args:
        path: Dotted path of the mapping; empty for the top level.
        key: The key as it was written.
        here: What the mapping may hold.
        whole: The shape of the whole document, for keys that belong elsewhere.
    """
    shown = excerpt(key)
    elsewhere = _levels_of(whole, key)
    if not elsewhere and "training" in whole.fields() and (name := foreign(key)):
        return _answer(shown, name)
    message = f"unknown key `{shown}`" + (f" in `{path}`" if path else "")
    if elsewhere:
        return Unknown(message, f"`{shown}` belongs {joined(elsewhere)}")
    if guess := nearest(key, here.fields()):
        return Unknown(message, f"did you mean `{guess}`?", _join(path, guess))
    paths = {inner: _join(mapping, inner) for mapping, inner, _ in whole.walk()}
    if guess := nearest(key, paths):
        return Unknown(message, f"did you mean `{paths[guess]}`?", paths[guess])
    return Unknown(message, f"known here: {', '.join(here.fields())}")


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` is probably a misspelling of, if there is one."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(word[:200], list(choices), scorer=fuzz.ratio, processor=_plain, score_cutoff=SIMILAR)
    return found[0] if found else None


def _answer(key: str, name: ForeignName) -> Unknown:
    """Return what to tell about another tool's key; its first owner is enough."""
    whose = f"`{key}` is {name.tools[0]}'s name"
    told = f"{whose}; here `{name.here}`" if name.here else f"{whose}; there is no such key here"
    return Unknown(told, name.note, name.here)


def _join(path: str, key: str) -> str:
    """Return the path of a key in the mapping at `path`."""
    return f"{path}.{key}" if path else key


def _levels_of(whole: Shape, key: str) -> list[str]:
    """Return where a key of exactly this name is known, as `under …`."""
    paths = dict.fromkeys(path for path, inner, _ in whole.walk() if inner == key)
    return [f"under `{path}`" if path else "at the top level" for path in paths]


def _plain(key: str) -> str:
    """Return a key in lower case with underscores: `Learning-Rate` and `learning_rate` are one name."""
    return key.lower().replace("-", "_")
