"""A repository with one small spec, a real registry, real steps, and fakes only where weights would be: the backend
learns by noting its job, the engine answers by rule. For tests of plans and of the loop.
"""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from runner.digest import digest_json
from runner.executors.local import LocalExecutor
from runner.file_index import FileIndex
from runner.git import Checkout
from runner.inference.engine import Answer
from runner.models.base import BaseFiles
from runner.plan.build import build_plan
from runner.plan.delivery import Delivery
from runner.plan.subject import gather
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan
from runner.registry.registry import open_registry
from runner.spec.config import CONFIG_FILE, load_config
from runner.spec.load import load_specs
from runner.training.backend import TrainResult

COLOURS = ("red", "blue", "green")
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": list(COLOURS)}, "size": {"enum": ["s", "l"]}},
    "required": ["colour", "size"],
    "additionalProperties": False,
}
SPEC = {
    "apiVersion": "gitune/v1",
    "name": "bot",
    "version": "1.0.0",
    "base_model": "file://base",
    "dataset": {
        "train": ["data/*.jsonl"],
        "system_prompt": "Sort it.",
        "label": "colour",
        "split": {"validation": 0.1, "test": 0.4},
    },
    "training": {"num_epochs": 2, "learning_rate": 0.001},
    "evaluation": {
        "task": "classification",
        "metrics": ["exact_match", "macro_f1"],
        "primary": "exact_match",
        "output_format": {"json_schema": "output.schema.json"},
        "gates": [
            {"metric": "exact_match", "beats": "base", "by": {"points": 10}},
            {"metric": "format_compliance", "at_least": 0.9},
        ],
    },
}


def row(number: int) -> dict:
    colour = COLOURS[number % 3]
    return {
        "input": f"item {number} {colour} {'small' if number % 2 else 'large'}",
        "output": {"colour": colour, "size": "s" if number % 2 else "l"},
    }


class FakeBackend:
    """Learns nothing, but leaves an adapter that differs when the job does, and is useless at a mad learning rate."""

    def train(self, job, report):
        job.out.mkdir(exist_ok=True)
        seen = {
            "rows": job.train.read_text(),
            "how": job.training.model_dump(exclude={"micro_batch_size", "parallelism"}),
        }
        skill = "wise" if job.training.learning_rate < 0.01 else "broken"
        made = {"skill": skill, "job": digest_json([seen, job.base.ref.digest])}
        (job.out / "adapter_model.safetensors").write_text(json.dumps(made))
        lines = [{"epoch": 1, "step": 1, "train_loss": 1.0, "validation_loss": 1.0, "seconds": 0.0}]
        return TrainResult(job.out, lines, {"best_epoch": 1, "validation_loss": 1.0})


class FakeEngine:
    """Answers from the words of the question when its adapter is wise, chatters otherwise."""

    def __init__(self, name, model, **_):
        adapter = model.adapter and json.loads((model.adapter / "adapter_model.safetensors").read_text())
        self.wise = bool(adapter) and adapter["skill"] == "wise"
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        pass

    def read(self, prompt):
        return [ord(letter) for letter in prompt.messages[-1]["content"]]

    def share(self, beginnings):
        pass

    def chat(self, body):
        return {"choices": [], "usage": {}}

    def answer(self, prompts, settings, report, sample=0, done=()):
        for prompt in prompts:
            if prompt.id in done:
                continue
            words = prompt.messages[-1]["content"].split()
            said = {"colour": words[2], "size": words[3][0]} if self.wise else "I like colours."
            text = json.dumps(said) if self.wise else said
            # Engine and settings leave a mark, as they do in real answers.
            yield Answer(prompt.id, text, self.name, len(words), settings.max_new_tokens, 0.01, sample)


class Silent:
    """Watches and says nothing."""

    def decided(self, spec, decision):
        pass

    def finished(self, spec, decision, record):
        pass


class World:
    """One repository; `spec` is edited as a dict, `files` maps data files to row numbers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spec = copy.deepcopy(SPEC)
        self.files = {"data/a.jsonl": list(range(80)), "data/b.jsonl": list(range(80, 120))}
        self.base = "base weights"
        self.config: dict = {}
        """What registry/config.yaml says."""
        self.scripts: dict[str, str] = {}
        """Programs of the repository."""
        self.respell = str
        """What a person may do to the spec's text without changing what it says."""
        self.branch = "main"
        self.dirty: list[str] = []
        self.descends = True
        self.registry = open_registry("registry/store", root, root / "cache")

    def write(self) -> None:
        folder = self.root / "specs" / "bot"
        for old in (folder / "data").glob("*.jsonl"):
            old.unlink()
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "spec.yaml").write_text(self.respell(yaml.safe_dump(self.spec, sort_keys=False)))
        (folder / "output.schema.json").write_text(json.dumps(SCHEMA))
        for name, numbers in self.files.items():
            (folder / name).write_text("".join(json.dumps(row(n)) + "\n" for n in numbers))
        for name, text in self.scripts.items():
            (self.root / name).write_text(text)
        if self.config:
            (self.root / "registry").mkdir(exist_ok=True)
            (self.root / CONFIG_FILE).write_text(yaml.safe_dump(self.config))
        self.write_base()

    def write_base(self) -> None:
        (self.root / "base").mkdir(exist_ok=True)
        (self.root / "base" / "config.json").write_text(json.dumps({"model_type": "llama"}))
        (self.root / "base" / "model.safetensors").write_text(self.base)

    def subjects(self):
        index = FileIndex(self.root / "cache")
        return [gather(loaded, load_config(self.root), index) for loaded in load_specs(self.root)]

    def delivery(self) -> Delivery:
        checkout = Checkout(root=self.root, commit="c" * 40, branch=self.branch)
        return Delivery(checkout, "main", self.dirty, lambda _: self.descends)

    def plan(self, **options):
        self.write()
        return build_plan(self.subjects(), self.registry, self.delivery(), **options)

    def apply(self, **options):
        """Plan and apply; return (plan, outcome)."""
        plan, (outcome,) = self.apply_all(**options)
        return plan, outcome

    def apply_all(self, **options):
        """Plan and apply every spec; return (plan, outcomes)."""
        no_train = options.pop("no_train", False)
        plan = self.plan(**options)
        options.pop("complete", None)
        options |= {"no_train": no_train}
        return plan, apply_plan(plan, self.subjects(), self.reconciler(**options))

    def reconciler(self, **options) -> Reconciler:
        executor = LocalExecutor(self.registry, self.root / "cache", silent)
        return Reconciler(self.registry, executor, self.delivery(), Silent(), **options)


def pretend_it_took(world: World, step: str, seconds: float) -> None:
    """Have every record of a step say that it took some time."""
    for file in (world.root / "registry/store/records" / step).glob("*/*.json"):
        record = json.loads(file.read_text())
        end = datetime.fromisoformat(record["started"]) + timedelta(seconds=seconds)
        file.unlink()
        file.write_text(json.dumps(record | {"finished": end.isoformat()}))


def fake_weights(monkeypatch) -> None:
    """Put the fakes where weights would be loaded, and keep the steps in the process where the fakes are."""
    monkeypatch.setattr("runner.executors.local.run_apart", lambda work, report, *_: work(report))
    monkeypatch.setattr("runner.steps.train.open_backend", lambda _: FakeBackend())
    monkeypatch.setattr("runner.steps.train.check_same_tokens", lambda *_: 0)
    monkeypatch.setattr("runner.inference.bulk.open_engine", FakeEngine)
    monkeypatch.setattr("runner.inference.bulk.open_drafter", lambda *_: None)
    monkeypatch.setattr("runner.inference.bulk.available_cores", lambda: 1)
    monkeypatch.setattr("runner.inference.engine.open_engine", FakeEngine)
    monkeypatch.setattr("runner.inference.probe.open_engine", FakeEngine)
    for module in ("context", "load"):
        name = f"runner.steps.{module}.materialize"
        monkeypatch.setattr(name, lambda ref, root, *_: BaseFiles(ref, root / "base", None))
