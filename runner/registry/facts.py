"""What the registry knows, as immutable JSON facts.

Everything here is append-only: a record, a version or a deployment entry is created once and never changes.
Layout (see docs/architecture.md): `blobs/`, `records/`, `failures/`, `leases/`, `versions/`, `deployments/`,
`decisions/`. Leases are the exception: of a running step's signs of life only the last is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Step = Literal["prepare", "train", "predict_base", "predict_tuned", "predict_champion", "score", "gate", "deploy"]

STEPS: tuple[Step, ...] = (
    "prepare",
    "train",
    "predict_base",
    "predict_tuned",
    "predict_champion",
    "score",
    "gate",
    "deploy",
)


class Fact(BaseModel):
    """Base of what is written to the store; unknown keys of a newer release are kept out of our way."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Artifact(Fact):
    """Content-addressed bytes (`blob`), or a folder of them (`tree`, whose digest is that of its manifest)."""

    digest: str
    """sha256 of the bytes, or of the manifest."""
    size: int
    """Bytes; for a tree the sum over its files."""
    kind: Literal["blob", "tree"] = "blob"
    """Whether it fetches to a file or to a folder."""


class Record(Fact):
    """Says that a step is done. Writing it is the commit point of the step."""

    step: Step
    """Which step."""
    key: str
    """sha256 of `inputs`: all that decides the outputs."""
    inputs: dict[str, Any]
    """The effective configuration and content digests the key was computed from."""
    outputs: dict[str, Artifact] = {}
    """Artifacts by name."""
    metrics: dict[str, Any] = {}
    """Small results: counts, losses, scores, verdicts."""
    spec: str
    """Name of the spec that ran it first."""
    version: str
    """Version written in that spec."""
    commit: str | None = None
    """Git commit it was run at."""
    started: datetime
    """Start, UTC."""
    finished: datetime
    """End, UTC."""
    environment: dict[str, str] = {}
    """Python, platform, tool and library versions."""
    predicted_seconds: float | None = None
    """What its plan expected it to take."""

    @property
    def seconds(self) -> float:
        """What it took."""
        return (self.finished - self.started).total_seconds()


class Summary(NamedTuple):
    """What tells one record of a step from another, where there are too many to read."""

    key: str
    """Step key."""
    spec: str
    """Name of the spec that ran it first."""
    finished: float
    """End, in seconds since the epoch."""
    outputs: dict[str, str]
    """Digest of each artifact by name."""
    inputs: Mapping[str, str] = {}
    """Digests of what scores were made of: the `test` rows and the `tuned` model's answers; of other steps nothing."""


class Failure(Fact):
    """A terminal failure of a step: the same inputs are not tried again without --retry."""

    step: Step
    """Which step."""
    key: str
    """Its key."""
    message: str
    """What the person was told."""
    hint: str = ""
    """What to do about it."""
    at: datetime
    """When, UTC."""


class Lease(Fact):
    """A numbered sign of life of whoever is at a step. The highest number tells who that is, and whether it is over."""

    step: str
    """Which step. All predictions share one log of leases per key, as they share answers."""
    key: str
    """Its key."""
    number: int
    """Position, from 1. Creating the next one is compare-and-swap."""
    owner: str
    """Random name of one apply."""
    host: str
    """Name of its machine, for people."""
    pid: int
    """Its process there, for people."""
    run_url: str | None = None
    """Page of its CI run, where there is one."""
    spec: str
    """Name of the spec that it runs the step for."""
    started: datetime
    """When it was claimed, by its own clock, which nobody compares with another."""
    released: bool = False
    """Whether it has ended."""

    @property
    def holder(self) -> str:
        """Say who holds it."""
        said = f"pid {self.pid} on {self.host}" + (f", {self.run_url}" if self.run_url else "")
        return "".join(char if char.isprintable() else "?" for char in said)


class Content(Fact):
    """What a version is: everything that decides how it answers."""

    base_model: str
    """URI of the base model."""
    base_digest: str
    """Digest of the base model's bytes."""
    chat_template: str | None = None
    """Text of the chat template that takes the place of the base model's own."""
    train_key: str
    """Key of the training that made its weights."""
    adapter: Artifact
    """Tree with what training yielded, as safetensors and, where llama.cpp can serve it, as GGUF: an adapter, or with
    `method: full` a whole checkpoint."""
    engine: str
    """What writes answers."""
    generation: dict[str, Any]
    """Generation settings."""
    system_prompt: str | None = None
    """Opens conversations that bring no system message."""


class Ruling(Fact):
    """What a person decided about the releases of a spec."""

    number: int
    """Position among the decisions about the name, from 1."""
    name: str
    """Name of the spec."""
    kind: Literal["approve", "hold", "lift"]
    """Release in spite of thin evidence, deploy nothing, or end that hold."""
    version: str | None = None
    """Version it is about; None is a hold on whatever is new, or the end of one."""
    scores: str | None = None
    """Digest of the scores that an approval is bound to."""
    who: str
    """Who decided."""
    reason: str
    """Why, in their words."""
    at: datetime
    """When, UTC."""

    def is_same(self, other: Ruling) -> bool:
        """Whether it is the same decision, though another registry may count it under another number."""
        return self.model_copy(update={"number": other.number}) == other


class Version(Fact):
    """`name@1.2.0`, released once its gates had passed."""

    name: str
    """Name of the spec."""
    version: str
    """Semantic version."""
    content: Content
    """What it is."""
    keys: dict[Step, str | None]
    """Keys of the steps that led here: the proof, by reference."""
    champion: str | None
    """Version that its gates compared with, if any."""
    rivals: dict[str, str] = {}
    """What `spec:other` stood for when its gates compared with it, such as `other@1.2.0`."""
    verdict: str
    """PASS, or INCONCLUSIVE let through by `on_inconclusive: warn` or an approval."""
    approval: Ruling | None = None
    """The approval that let an INCONCLUSIVE through."""
    records: dict[Step, str] | None = None
    """What stands for each of those records in its proof (`chain.record_digest`); None: released by an older gitune."""
    commit: str
    """Git commit of the spec."""
    released: datetime
    """When, UTC."""


class Proof(Fact):
    """How a log entry vouches for the one before it and for what it deployed; `chain` makes and checks it."""

    previous: str | None
    """sha256 of the file of the entry before; None for the first."""
    version: str | None
    """sha256 of the version's file; None when the entry deploys none."""
    seal: str
    """sha256 of the entry's canonical JSON without this field."""


class Deployment(Fact):
    """One entry of the log of `name/alias`; the last one says what is live, if anything is."""

    number: int
    """Position in the log, from 1."""
    name: str
    """Name of the spec."""
    alias: str
    """Pointer, such as `production`."""
    version: str | None
    """What went live; null where what was live was undeployed."""
    previous: str | None
    """What was live before; null when nothing was."""
    commit: str
    """Git commit that asked for it."""
    target: str
    """Kind of deployment."""
    deployed: datetime
    """When, UTC."""
    proof: Proof | None = None
    """Its link of the hash chain, added as it is written; None: written by an older gitune."""
