"""Trackers get the run's curves under the names of transformers' Trainer, and can never end it."""

import struct

import pytest
import torch
from transformers.integrations.integration_utils import TensorBoardCallback

from runner.errors import GituneError
from runner.spec.models import Training
from runner.training.backend import Tracking
from runner.training.local.tracking import tracked

LINES = [
    {"step": 0, "epoch": 0, "train_loss": None, "validation_loss": 3.0, "seconds": 0.1},
    {
        "step": 1,
        "epoch": 0.5,
        "loss": 2.5,
        "learning_rate": 1e-4,
        "grad_norm": 0.5,
        "labels": 9,
        "tokens": 20,
        "seconds": 1,
    },
    {
        "step": 2,
        "epoch": 1,
        "loss": 2.0,
        "learning_rate": 5e-5,
        "grad_norm": 0.4,
        "labels": 9,
        "tokens": 20,
        "seconds": 1,
    },
    {"step": 2, "epoch": 1, "train_loss": 2.25, "validation_loss": 1.5, "seconds": 2.0},
]


class Model(torch.nn.Module):
    config = None
    device = torch.device("cpu")


def follow(tracking, report=lambda _: None):
    with tracked(tracking, Training(), Model(), report) as told:
        for line in LINES:
            told(line)


def events(folder):
    """Read TensorBoard's event files: records of a length, its checksum, the message, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for file in folder.rglob("events.*"):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            yield from ((value.tag, event.step, round(value.simple_value, 6)) for value in event.summary.value)
            data = data[16 + length :]


def test_tensorboard_gets_every_line(tmp_path):
    follow(Tracking(("tensorboard",), "bot-1.0.0", tmp_path))
    found = set(events(tmp_path))
    assert {("eval/loss", 0, 3.0), ("train/loss", 1, 2.5), ("train/loss", 2, 2.0), ("eval/loss", 2, 1.5)} <= found
    assert ("train/grad_norm", 1, 0.5) in found


def test_without_trackers_nothing_is_written(tmp_path):
    follow(Tracking(folder=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_tracker_that_is_not_installed_is_said_before_training(tmp_path):
    with pytest.raises(GituneError, match="tracker dvclive cannot be used") as caught:
        follow(Tracking(("dvclive",), "bot-1.0.0", tmp_path))
    assert "trackers" in caught.value.hint


def test_a_tracker_that_fails_later_is_left_behind(tmp_path, monkeypatch):
    seen = []

    def gone(*_, **__):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(TensorBoardCallback, "on_log", gone)
    follow(Tracking(("tensorboard",), "bot-1.0.0", tmp_path), seen.append)
    assert ["no route to host" in progress.what for progress in seen] == [True]
