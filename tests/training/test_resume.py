"""A training that is killed goes on from its last checkpoint and ends as if nothing had happened, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from tiny import routing_rows, tiny_base

from runner.data.rows import rows_to_jsonl
from runner.spec.models import Training
from runner.training.backend import TrainJob
from runner.training.local.backend import LocalBackend
from runner.training.local.checkpoints import Checkpoints, State, held

SETTINGS = {
    "learning_rate": 1e-2,
    "batch_size": 8,
    "num_epochs": 4,
    "eval_steps": 2,
    "lora": {"r": 4, "alpha": 8, "dropout": 0.2},
}


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("root"))


def job_in(folder, base, state, **settings):
    out = folder / "adapter"
    out.mkdir(parents=True)
    data = routing_rows(30)
    (folder / "train.jsonl").write_bytes(rows_to_jsonl(data[:24]))
    (folder / "validation.jsonl").write_bytes(rows_to_jsonl(data[24:]))
    training = Training.model_validate(SETTINGS | settings)
    files = (folder / "train.jsonl", folder / "validation.jsonl")
    return TrainJob(base, *files, training, export_gguf=False, out=out, state=state)


def train(job, report=lambda _: None):
    return LocalBackend(checkpoint_seconds=0).train(job, report)


def told(result):
    """Return what a run says of itself, without its times."""
    lines = [{name: value for name, value in line.items() if name != "seconds"} for line in result.lines]
    return lines, (result.adapter / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return told(train(job_in(folder, base, None)))


def kill_at(step):
    def kill(progress):
        if progress.done == step and "tokens/s" in progress.note:
            raise Killed

    return kill


@pytest.mark.parametrize("at", [1, 4, 5, 11])
def test_a_run_that_dies_at_any_step_ends_the_same(base, undisturbed, tmp_path, at):
    state = tmp_path / "state"
    with pytest.raises(Killed):
        train(job_in(tmp_path / "first", base, state), kill_at(at))
    seen = []
    result = train(job_in(tmp_path / "second", base, state), seen.append)
    assert told(result) == undisturbed
    clock = [line["seconds"] for line in result.lines if "validation_loss" in line]
    assert clock == sorted(clock)
    if at > 1:
        assert result.metrics["resumed_from_step"] == at - 1
        assert any(f"going on after step {at - 1} of 12" in progress.what for progress in seen)


SCRIPT = """
import sys
sys.path[:0] = {path!r}
import test_resume
from pathlib import Path
from tiny import tiny_base
folder, state = Path(sys.argv[1]), Path(sys.argv[2])
base = tiny_base(folder / "base")
test_resume.train(test_resume.job_in(folder / "job", base, state), lambda p: print(p.done, p.note, flush=True))
"""


def test_sigkill_at_a_step_ends_the_same(base, undisturbed, tmp_path):
    state = tmp_path / "state"
    script = textwrap.dedent(SCRIPT).format(path=[str(Path(__file__).parent), str(Path(__file__).parents[1])])
    command = [sys.executable, "-c", script, tmp_path / "first", state]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    for line in process.stdout:
        if line.startswith("7 ") and "tokens/s" in line:
            os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    result = train(job_in(tmp_path / "second", base, state))
    assert result.metrics["resumed_from_step"] >= 6
    assert told(result) == undisturbed


def test_a_finished_run_is_not_trained_again(base, undisturbed, tmp_path):
    state = tmp_path / "state"
    train(job_in(tmp_path / "first", base, state))
    result = train(job_in(tmp_path / "second", base, state))
    assert result.metrics["resumed_from_step"] == 12
    assert told(result) == undisturbed


@pytest.mark.parametrize("harm", ["torn", "missing", "stream"])
def test_a_checkpoint_that_is_not_whole_is_not_taken(base, undisturbed, tmp_path, harm):
    state = tmp_path / "state"
    train(job_in(tmp_path / "first", base, state))
    (checkpoint,) = state.glob("step-*")
    match harm:
        case "torn":
            file = checkpoint / "optimizer.safetensors"
            file.write_bytes(file.read_bytes()[:-1] + b"\0")
        case "missing":
            (checkpoint / "best.safetensors").unlink()
        case "stream":
            (state / "metrics.jsonl").write_text('{"step": 3, "lo')
    # Killed again on its new way, it goes on from there and not from what was no good.
    with pytest.raises(Killed):
        train(job_in(tmp_path / "second", base, state), kill_at(7))
    result = train(job_in(tmp_path / "third", base, state))
    assert result.metrics["resumed_from_step"] == 6
    assert told(result) == undisturbed


def test_the_stream_can_be_followed_and_is_what_comes_back(base, tmp_path):
    state = tmp_path / "state"
    result = train(job_in(tmp_path / "job", base, state))
    assert [json.loads(line) for line in (state / "metrics.jsonl").read_text().splitlines()] == result.lines


def test_one_checkpoint_is_kept_and_no_rubbish(tmp_path):
    checkpoints = Checkpoints(tmp_path, 0)
    (tmp_path / "step-00000001.tmp").mkdir()
    for step in (2, 3):
        assert checkpoints.save(State(step, {"weights": {"w": torch.ones(2) * step}})) is None
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
    state = checkpoints.load()
    assert state.step == 3
    assert torch.equal(state.parts["weights"]["w"], torch.tensor([3.0, 3.0]))


FULL_DISK = """
import resource, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
import test_resume
from architectures import SIZES, model_of
from runner.models.chat import EncodedRow
from runner.spec.models import Training
from runner.training.local.batches import PassLimit
from runner.training.local.checkpoints import Checkpoints
from runner.training.local.sft import Data, fit

folder, told = Path(sys.argv[1]), []
rows = [EncodedRow(str(n), [n + 1, n + 2, n + 3], [n + 1, n + 2, n + 3]) for n in range(40)]

def fill(progress):
    told.append(progress.what)
    if progress.done == 3:  # nothing larger than this can be written from here on, not even the lines
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

training = Training(num_epochs=2, batch_size=4)
result = fit(model_of("Llama", SIZES), Data(rows, []), training, PassLimit(99), Checkpoints(folder, 0), fill)
assert len(result.stream.steps) == 20
assert any("no checkpoint could be written" in what for what in told), told
assert Checkpoints(folder).load().step in (2, 3)
"""


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(tmp_path):
    script = FULL_DISK.format(path=[str(Path(__file__).parent), str(Path(__file__).parents[1])])
    command = [sys.executable, "-c", script, tmp_path]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_processes_never_share_checkpoints(base, undisturbed, tmp_path):
    state, seen = tmp_path / "state", []
    with held(state) as free:
        assert free
        result = train(job_in(tmp_path / "job", base, state), seen.append)
    assert told(result) == undisturbed
    assert any("another process trains the same" in progress.what for progress in seen)
    assert not list(state.glob("step-*"))
