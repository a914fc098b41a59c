"""What one spec file may say: `specs/<name>/spec.yaml` as frozen objects, one field for each key.

The string under a field is its documentation: editors show it through `schemas/spec.schema.json`, people read it in
`docs/spec.md`. Objects here know nothing of files or lines; `runner.spec.load` does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from runner.spec.evaluation import Evaluation
from runner.spec.section import Fraction, Name, Section, SemVer


class Split(Section):
    """How rows are divided when validation and test files are not given.

    A row goes by the hash of its own input (or group), so adding rows never moves an old one.
    """

    validation: Fraction = 0.1
    """Share of rows whose loss chooses the best epoch."""
    test: Fraction = 0.2
    """Share of rows held out for the gates."""
    seed: int = 42
    """Salt of the hash: another seed is another division."""
    group_by: str | None = None
    """Row field (such as a customer id) whose rows stay together in one split."""

    @model_validator(mode="after")
    def _leaves_rows_to_train_on(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave no rows to train on")
        return self


Severity = Literal["error", "warn", "drop", "ignore"]


class Checks(Section):
    """What the data must satisfy before anything is trained on it."""

    pii: Literal["error", "warn", "ignore"] = "warn"
    """E-mail addresses, phone and payment card numbers in the rows."""
    duplicates: Severity = "drop"
    """Rows whose messages are the same."""
    min_examples: Annotated[int, Field(ge=1)] = 50
    """Fewest rows worth fine-tuning on; below about 50, prompting does better."""


RowFormat = Literal["auto", "messages", "instruction", "prompt_completion", "input_output", "sharegpt", "preference"]


class Dataset(Section):
    """Where the examples come from and how they are read, divided and checked."""

    train: Annotated[list[str], Field(min_length=1)]
    """Files or globs beside the spec. Split into train, validation and test unless those are given."""
    validation: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Files of the validation split; empty: taken from `train` by `split`."""
    test: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Files of the test split; empty: taken from `train` by `split`."""
    format: RowFormat = "auto"
    """Shape of a row. `auto` recognises it and says which it found."""
    system_prompt: str | None = None
    """Opens every conversation that has no system message of its own, in training, evaluation and serving."""
    label: str | None = None
    """JSON field of the answer that classification metrics read; none: the whole answer is the label."""
    split: Split = Split()
    """Division into train, validation and test."""
    checks: Checks = Checks()
    """Data checks and their severity."""


class Lora(Section):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685)."""

    r: Annotated[int, Field(ge=1, le=1024)] = 16
    """Rank of the update."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Scale: the update is multiplied by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the adapter's input."""
    target_modules: str | list[str] = "all-linear"
    """Layers that get an adapter: `all-linear` or names of linear layers."""
    rslora: bool = False
    """Rank-stabilised LoRA (arXiv:2312.03732): the update is multiplied by alpha / √r."""


class Dpo(Section):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290); the reference is the base model."""

    beta: Annotated[float, Field(gt=0)] = 0.1
    """How strongly the model is held to its reference; smaller lets it go further."""


class EarlyStopping(Section):
    """Stop when validation loss stops falling."""

    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without improvement before training stops."""


class Training(Section):
    """How the model learns. Names are those of the Hugging Face and Axolotl world."""

    objective: Literal["sft", "dpo"] = "sft"
    """Supervised fine-tuning on the answers (`sft`), or direct preference optimisation (`dpo`) on preference data."""
    method: Literal["lora", "qlora", "dora", "full"] = "lora"
    """Which weights change: an adapter's (`lora`; `dora`, for engine transformers; `qlora`, on a base in 4 bits where
    there is a CUDA GPU), or all of them (`full`)."""
    num_epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    """Passes over the training rows."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2.0e-4
    """Peak learning rate of AdamW."""
    lr_scheduler: Literal["linear", "cosine", "constant"] = "linear"
    """Course of the learning rate after warm-up."""
    warmup_ratio: Fraction = 0.03
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay of AdamW."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are clipped to this norm."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Effective batch: examples per optimizer step."""
    micro_batch_size: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Examples per forward pass; changes memory and speed, never the result's key."""
    parallelism: Literal["auto", "none", "ddp", "fsdp"] = "auto"
    """How several GPUs share the work: each holds the model (`ddp`), or a part of it (`fsdp`). `auto`: `ddp` where the
    model fits one of them, else `fsdp`. Changes memory and speed, never the result's key."""
    max_length: Annotated[int, Field(ge=8)] = 1024
    """Longest example in tokens; a longer one is an error, for its answer would be cut off."""
    train_on: Literal["all_turns", "last_turn"] = "all_turns"
    """Which of the assistant's turns are learned; a message's own `weight` of 0 takes its turn out as well. Preference
    data compares last turns."""
    train_on_prompt: bool = False
    """Learn every token, those of the prompt too."""
    lora: Lora = Lora()
    """Adapter settings; unused with method full."""
    dpo: Dpo = Dpo()
    """Settings of objective dpo; unused with sft."""
    eval_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps between validations; by default one at the end of each epoch."""
    early_stopping: EarlyStopping | None = None
    """Stop early; the best epoch by validation loss is kept in any case."""
    seed: int = 42
    """Seed of initialisation, order and dropout."""

    @model_validator(mode="after")
    def _one_answer_to_what_is_learned(self) -> Training:
        if self.train_on_prompt and self.train_on == "last_turn":
            raise ValueError("`train_on_prompt: true` learns every token and `train_on: last_turn` few; give one")
        if self.train_on_prompt and self.objective == "dpo":
            raise ValueError("`objective: dpo` compares answers, so `train_on_prompt: true` means nothing to it")
        return self

    @property
    def only_last_turn(self) -> bool:
        """Whether the last turn alone is learned."""
        return self.train_on == "last_turn" or self.objective == "dpo"


class Compute(Section):
    """Where steps run."""

    profile: str = "default"
    """A runner profile named in registry/config.yaml."""


class Deployment(Section):
    """Where a released version answers."""

    target: Literal["server"] = "server"
    """Kind of deployment."""
    alias: Name = "production"
    """Pointer that moves to the released version."""


class Spec(Section):
    """One fine-tuned model, as its owner wants it."""

    apiVersion: Literal["gitune/v1"]  # noqa: N815 - the Kubernetes spelling users know
    """Version of this format."""
    name: Name
    """Name of the model; also the folder's name under specs/."""
    version: SemVer
    """Semantic version of the released model; other content needs another number."""
    description: str = ""
    """What the model is for."""
    owner: str = ""
    """Who answers for it."""
    base_model: str
    """`pkg://PACKAGE/FILE.gguf`, `hf://ORG/NAME@COMMIT`, `file://DIR`, or a provider's model id."""
    chat_template: str | None = None
    """Jinja file beside the spec that takes the place of the model's chat template, or supplies one, in training,
    evaluation and serving alike."""
    backend: Literal["local", "openai", "together"] = "local"
    """Where training happens."""
    engine: Literal["llama_cpp", "transformers", "vllm"] = "llama_cpp"
    """What writes answers, in evaluation and in serving alike."""
    dataset: Dataset
    """The examples."""
    training: Training = Training()
    """How the model learns."""
    evaluation: Evaluation
    """What is measured and what decides."""
    compute: Compute = Compute()
    """Where steps run."""
    deployment: Deployment = Deployment()
    """Where a release goes."""
