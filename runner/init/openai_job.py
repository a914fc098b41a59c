"""OpenAI's fine-tuning file and job -> what a spec takes over.

The job is what the API returns for `GET /v1/fine_tuning/jobs/{id}`, or what was posted to create it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.init.foreign import Carried, Ledger, read_settings
from runner.spec.document import Document

_JOB = {
    "batch_size": "training.batch_size",
    "n_epochs": "training.num_epochs",
}
_REPORTS = (
    *("object", "id", "created_at", "finished_at", "estimated_finish", "status", "error", "result_files"),
    *("trained_tokens", "organization_id", "fine_tuned_model", "training_file", "hyperparameters", "usage_metrics"),
    *("eval_id", "shared_with_openai", "user_provided_suffix", "suffix"),
)
"""What a job tells of itself; nothing of it is a setting that is not carried elsewhere."""
_REASONS = {
    "integrations": "trackers are set in registry/config.yaml (trackers)",
    "metadata": "commits and pull requests say what a version is for",
}


def take_over_openai(data: Path, job: Path | None) -> Carried:
    """Take over a fine-tuning file and its job.

    Raises:
        UsageError: when the job is one that nothing here can do.
    """
    if job is None:
        return Carried(data=(data,))
    document = read_settings(job)
    ledger = Ledger(document, "OpenAI")
    suffix = ledger.take("user_provided_suffix", "suffix")
    _carry_method(ledger, document)
    if (seed := ledger.take("seed")) is not None:
        ledger.set("training.seed", seed, "seed of OpenAI")
    if (model := ledger.take("model")) is not None:
        ledger.leave(f"model {model}", "its weights cannot be had; an open model takes its place (base_model)")
    if (validation := ledger.take("validation_file")) is not None:
        why = "download it into the spec's data/ and name it under dataset.validation; until then some rows are taken"
        ledger.leave(f"validation_file {validation}", why)
    ledger.take(*_REPORTS)
    ledger.leave_rest(_REASONS)
    name = suffix.lower().replace("_", "-") if isinstance(suffix, str) else ""
    return Carried((data,), name, "", ledger.settings, ledger.told)


def _carry_method(ledger: Ledger, document: Document) -> None:
    """Carry what stands under `method`, or as older jobs have it under `hyperparameters`."""
    method = ledger.take("method")
    kind = method.get("type") if isinstance(method, dict) else "supervised"
    if kind not in ("supervised", "dpo"):
        place = document.where("method")
        raise UsageError(f"{place}: a job of method {kind!r} has no counterpart", hint="supervised and dpo have one")
    inner: Any = method.get(kind) if isinstance(method, dict) else None
    settings: Any = inner.get("hyperparameters") if isinstance(inner, dict) else None
    found = settings or document.at("hyperparameters")
    for key, value in (found if isinstance(found, dict) else {}).items():
        if value in ("auto", None):
            ledger.leave(f"{key}: auto", "proposed from your data, as it was there")
        elif key == "learning_rate_multiplier":
            why = "a multiple of a rate that only OpenAI knows; set training.learning_rate, higher where it was above 1"
            ledger.leave(f"{key}: {value}", why)
        elif key == "beta":
            ledger.set("training.dpo.beta", value, "beta of OpenAI")
        elif key in _JOB:
            ledger.set(_JOB[key], value, f"{key} of OpenAI")
        else:
            ledger.leave(f"{key}: {value}", "nothing here does that")
