"""Direct preference optimisation: a base model, tokenized pairs -> the adapter of the best evaluation.

TRL trains; the reference model is the base with the adapter off.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils import deterministic

from runner.errors import GituneError, TerminalError
from runner.progress import Report
from runner.spec.models import Training
from runner.training.local.batches import PassLimit
from runner.training.local.memory import out_of_memory
from runner.training.local.preference_trainer import Pairs, Place, PreferenceTrainer
from runner.training.local.sft import Fit

__all__ = ["Pairs", "Place", "fit_preferences"]


def fit_preferences(
    model: Any, tokenizer: Any, pairs: Pairs, training: Training, limit: PassLimit, place: Place, report: Report
) -> tuple[Any, Fit]:
    """Train an adapter for `model`, from the last checkpoint if there is one.

    Returns:
        The model with its adapter, and what training found.

    Raises:
        TerminalError: when the loss or gradient is not a number.
        GituneError: when memory runs out.
    """
    _refuse_head(model, training)
    with tempfile.TemporaryDirectory() as nowhere, warnings.catch_warnings(), _unfilled_memory():
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        trainer = PreferenceTrainer(model, tokenizer, pairs, training, limit, place, Path(nowhere), report)
        checkpoint = trainer.resume()
        resumed_from = trainer.done
        try:
            if not trainer.finished():
                trainer.begin()
                trainer.train(resume_from_checkpoint=checkpoint)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise GituneError(
                f"out of memory with {trainer.args.per_device_train_batch_size} pairs in a pass",
                hint="set training.micro_batch_size to half of that, or shorten the rows; an apply goes on from here",
            ) from error
    return trainer.model, Fit(trainer.best, trainer.stream, shares_prefixes=False, resumed_from=resumed_from)


@contextmanager
def _unfilled_memory() -> Iterator[None]:
    """Leave new memory as it is: deterministic torch fills it, and TRL takes buffers as wide as the vocabulary."""
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def _refuse_head(model: Any, training: Training) -> None:
    """TRL multiplies by the output layer's own weights, so an adapter there would learn nothing."""
    names = training.lora.target_modules
    head = next((name for name, part in model.named_modules() if part is model.get_output_embeddings()), "")
    if names != "all-linear" and head.rpartition(".")[2] in ([names] if isinstance(names, str) else names):
        raise TerminalError(
            f"objective: dpo cannot train the output layer {head}", hint="take it out of training.lora.target_modules"
        )
