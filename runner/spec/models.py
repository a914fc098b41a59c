"""What one spec file may say: `specs/<name>/spec.yaml` as frozen objects, one field for each key.

The string under a field is its documentation: editors show it through `schemas/spec.schema.json`, people read it in
`docs/spec.md`. Objects here know nothing of files or lines; `runner.spec.load` does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[str, Field(pattern=NAME)]
SemVer = Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]

MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)?$")]


class Section(BaseModel):
    """A mapping of the spec: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
    validation: list[str] = []
    """Files of the validation split; empty: taken from `train` by `split`."""
    test: list[str] = []
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


Length = Annotated[int, Field(ge=1)]


class JsonSchemaFormat(Section):
    """The whole answer is JSON that satisfies a schema."""

    json_schema: str
    """JSON Schema file beside the spec."""
    extract: Literal[True] | None = None
    """Take the JSON out of a code fence or out of prose around it first; by default the whole answer must be JSON."""
    max_length: Length | None = None
    """Longest answer, in characters."""


class LabelsFormat(Section):
    """The whole answer is one of a few labels."""

    labels: Annotated[list[str], Field(min_length=2)]
    """The labels, exactly as they must be answered."""
    max_length: Length | None = None
    """Longest answer, in characters."""


class RegexFormat(Section):
    """The whole answer matches a regular expression."""

    regex: str
    """Python regular expression, matched against the whole answer."""
    max_length: Length | None = None
    """Longest answer, in characters."""


OutputFormat = JsonSchemaFormat | LabelsFormat | RegexFormat


class Generation(Section):
    """How answers are written, in evaluation and in serving alike."""

    max_new_tokens: Annotated[int, Field(ge=1, le=8192)] = 256
    """Longest answer in tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 is greedy decoding: the same question gets the same answer."""
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    """Answers per question."""


class Margin(Section):
    """A difference in exactly one of three units."""

    points: Annotated[float, Field(ge=0, le=100)] | None = None
    """Percentage points: 62 % to 72 % is 10 points."""
    relative: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?\s*%$")
    """Share of the other model's value: 60 % to 66 % is 10% relative."""
    error_reduction: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?\s*%$")
    """Share of the other model's errors that is gone: 60 % to 72 % is a 30% error reduction."""

    @model_validator(mode="after")
    def _one_unit(self) -> Margin:
        if sum(unit is not None for unit in (self.points, self.relative, self.error_reduction)) != 1:
            raise ValueError("give exactly one of points, relative, error_reduction")
        return self


Rival = Annotated[
    str,
    Field(pattern=r"^(base|champion|version:\d+\.\d+\.\d+|spec:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$"),
]


class Gate(Section):
    """One condition that a new version must meet: exactly one of `beats`, `not_worse_than`, `at_least`, `at_most`."""

    metric: MetricName
    """Metric that is compared, such as `exact_match`, `exact_match.queue` or `format_compliance`."""
    beats: Rival | None = None
    """Model that must be beaten: `base`, `champion`, `version:1.2.0`, or what another spec has live, `spec:NAME`."""
    by: Margin | None = None
    """How much better, with `beats`; 0 points when absent."""
    not_worse_than: Rival | None = None
    """Model that must not be undercut by more than `margin`."""
    margin: Margin | None = None
    """Tolerated loss, with `not_worse_than`, in points or relative to the other model's value; 0 when absent."""
    at_least: float | None = None
    """Smallest value that passes."""
    at_most: float | None = None
    """Largest value that passes."""
    proof: Literal["strict"] | None = None
    """`strict`: the bound, and not the measured value, must meet the condition, so that a PASS proves it."""
    slice: str | None = None
    """One of `evaluation.slices`: the condition must hold in each of its values that has enough rows."""
    min_rows: Annotated[int, Field(ge=2)] | None = None
    """Rows that a value of `slice` needs to be judged; 20 when absent."""

    @model_validator(mode="after")
    def _one_condition(self) -> Gate:
        conditions = [c for c in ("beats", "not_worse_than", "at_least", "at_most") if getattr(self, c) is not None]
        if len(conditions) != 1:
            raise ValueError("give exactly one of beats, not_worse_than, at_least, at_most")
        if self.by is not None and self.beats is None:
            raise ValueError("`by` goes with `beats`")
        if self.margin is not None and self.not_worse_than is None:
            raise ValueError("`margin` goes with `not_worse_than`")
        if self.margin is not None and self.margin.error_reduction is not None:
            raise ValueError("`margin` is given in points, or relative")
        if self.min_rows is not None and self.slice is None:
            raise ValueError("`min_rows` goes with `slice`")
        return self

    @property
    def rival(self) -> str | None:
        """The model this gate compares with, if any."""
        return self.beats or self.not_worse_than


class CustomMetric(Section):
    """A metric of the spec's own: exactly one of `contains`, `regex`, `numeric`, `semantic`, `judge`, `command`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """What `metrics` and gates call it."""
    contains: Annotated[str, Field(min_length=1)] | None = None
    """Text: 1 for an answer that contains it, else 0."""
    ignore_case: bool = False
    """Whether case does not matter, with `contains` and `regex`."""
    regex: Annotated[str, Field(min_length=1)] | None = None
    """Python regular expression: 1 for an answer in which it is found, else 0."""
    numeric: Literal["last", "whole"] | None = None
    """1 for an answer whose number is the reference's, else 0: the last number of each text, or the whole text."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Difference that is tolerated, with `numeric`."""
    relative: bool = False
    """Whether the tolerance is a share of the reference."""
    semantic: Name | None = None
    """Cosine similarity of answer and reference by an embedding model under `embeddings` of registry/config.yaml."""
    judge: Name | None = None
    """Opinion, between 0 and 1, of the language model at an endpoint under `endpoints` of registry/config.yaml."""
    rubric: str | None = None
    """Text file beside the spec that tells the judge what a good answer is."""
    calibration: str | None = None
    """JSONL file beside the spec with a person's labels of at least 50 answers; no gate uses a judge without."""
    command: Name | None = None
    """Scores by a program that registry/config.yaml names under `metrics`."""

    @model_validator(mode="after")
    def _one_way_to_measure(self) -> CustomMetric:
        ways = ("contains", "regex", "numeric", "semantic", "judge", "command")
        if sum(getattr(self, way) is not None for way in ways) != 1:
            raise ValueError(f"give exactly one of {', '.join(ways)}")
        if (self.rubric is None) != (self.judge is None):
            raise ValueError("`judge` and `rubric` go together")
        if self.calibration is not None and self.judge is None:
            raise ValueError("`calibration` goes with `judge`")
        return self

    @property
    def is_graded(self) -> bool:
        """Whether its rows may have values between 0 and 1."""
        return not (self.contains or self.regex or self.numeric)


class Evaluation(Section):
    """What is measured on the test split, and what decides a release."""

    task: Literal["classification", "extraction", "qa", "generation"]
    """Kind of task; chooses default metrics and how the report reads."""
    metrics: Annotated[list[MetricName], Field(min_length=1)]
    """Metrics to compute; `format_compliance` is always added when there is an output format."""
    primary: MetricName
    """The metric in the headline; one of `metrics`."""
    custom_metrics: list[CustomMetric] = []
    """Metrics of the spec's own; listed in `metrics` too, they are computed."""
    slices: list[str] = []
    """Fields (of the source row, or of a JSON answer) by whose values results are told apart, such as `language`."""
    output_format: OutputFormat | Literal["none"] = "none"
    """Format contract of training answers, test references and the model's outputs alike."""
    generation: Generation = Generation()
    """How answers are written."""
    gates: Annotated[list[Gate], Field(min_length=1)]
    """Conditions of a release; all must pass."""
    on_inconclusive: Literal["fail", "warn"] = "fail"
    """What happens when there is too little evidence to decide."""

    @model_validator(mode="after")
    def _primary_is_measured(self) -> Evaluation:
        if self.primary not in self.metrics:
            raise ValueError(f"primary metric {self.primary!r} is not in metrics")
        return self


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
