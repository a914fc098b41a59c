"""The lines of a training run -> experiment trackers, through the callbacks that transformers' `report_to` uses.

TensorBoard, MLflow, Weights & Biases and others get the same curves as from transformers' own Trainer. Their keys and
addresses come from the environment, as each documents; which of them are used, registry/config.yaml decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runner.errors import GituneError
from runner.progress import Progress, Report
from runner.spec.models import Training
from runner.training.backend import Tracking
from runner.training.curve import Line

Follower = Callable[[Line], None]

# Our names of what is measured -> those of transformers' Trainer, under which trackers draw it.
_NAMES = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "epoch": "epoch",
    "validation_loss": "eval_loss",
}


@contextmanager
def tracked(tracking: Tracking, training: Training, model: Any, report: Report) -> Iterator[Follower]:
    """Yield what to tell every line of a run to; it does nothing when no tracker is asked for.

    Args:
        tracking: which trackers, and the name of the run.
        training: hyperparameters, which trackers keep beside the curves.
        model: the model in training; trackers note its configuration.
        report: told once when a tracker fails in the middle of a run: training goes on without it.

    Raises:
        GituneError: when a tracker is not installed or refuses to start.
    """
    if not tracking.names:
        yield lambda _: None
        return
    handler, arguments, state, control = _open(tracking, training, model)
    alive = True

    def follow(line: Line) -> None:
        nonlocal alive
        if not alive:
            return
        state.global_step, state.epoch = line["step"], float(line["epoch"])
        logs = {_NAMES[name]: value for name, value in line.items() if name in _NAMES and value is not None}
        try:
            handler.on_log(arguments, state, control, logs)
        # A tracker's server may be gone; whatever its client raises then, the training is worth more.
        except Exception as error:  # noqa: BLE001
            alive = False
            names = ", ".join(tracking.names)
            report(Progress(f"training: no more lines go to {names} ({type(error).__name__}: {error}); it goes on"))

    try:
        yield follow
    finally:
        handler.on_train_end(arguments, state, control)


def _open(tracking: Tracking, training: Training, model: Any) -> tuple[Any, Any, Any, Any]:
    from transformers import TrainerControl, TrainerState, TrainingArguments
    from transformers.integrations import get_reporting_integration_callbacks
    from transformers.trainer_callback import CallbackHandler

    arguments = TrainingArguments(
        output_dir=str(tracking.folder),
        run_name=tracking.run,
        report_to=list(tracking.names),
        learning_rate=training.learning_rate,
        num_train_epochs=training.num_epochs,
        per_device_train_batch_size=training.batch_size,
        weight_decay=training.weight_decay,
        seed=training.seed,
        use_cpu=model.device.type == "cpu",
    )
    state, control = TrainerState(), TrainerControl()
    try:
        callbacks = get_reporting_integration_callbacks(list(tracking.names))
        handler = CallbackHandler([callback() for callback in callbacks], model, None, None, None)
        handler.on_train_begin(arguments, state, control)
    # Each client has errors of its own: not installed, no key, no server.
    except Exception as error:
        raise GituneError(
            f"tracker {', '.join(tracking.names)} cannot be used: {error}",
            hint="install and configure it as its own documentation says, or take it out of `trackers` in "
            "registry/config.yaml",
        ) from error
    return handler, arguments, state, control
