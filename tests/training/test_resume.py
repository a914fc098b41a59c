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


@pytest.mark.parametrize("at", [1, 4, 5, 11])
def test_a_run_that_dies_at_any_step_ends_the_same(base, undisturbed, tmp_path, at):
    def kill(progress):
        if progress.done == at and "tokens/s" in progress.note:
            raise Killed

    state = tmp_path / "state"
    with pytest.raises(Killed):
        train(job_in(tmp_path / "first", base, state), kill)
    seen = []
    result = train(job_in(tmp_path / "second", base, state), seen.append)
    assert told(result) == undisturbed
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
    result = train(job_in(tmp_path / "second", base, state))
    assert "resumed_from_step" not in result.metrics
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
import torch
from pathlib import Path
from runner.training.local.checkpoints import Checkpoints, State
checkpoints = Checkpoints(Path(sys.argv[1]), 0)
assert checkpoints.save(State(1, {"weights": {"w": torch.zeros(4)}})) is None
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
problem = checkpoints.save(State(2, {"weights": {"w": torch.zeros(4096)}}))
assert problem, "the write should have failed"
assert checkpoints.load().step == 1
"""


def test_a_full_disk_keeps_the_earlier_checkpoint(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, tmp_path]
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
