"""Several processes learn what one would: same losses, same weights; when one of them dies, all end and it is told."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import dying
import pytest
import torch
from safetensors.torch import load_file
from several import ROWS, WAYS, every_way, learned
from tiny import routing_rows, tiny_base

from runner.data.rows import rows_to_jsonl
from runner.errors import TransientError
from runner.models.memory import Memory
from runner.models.shape import ModelShape
from runner.spec.models import Training
from runner.training.backend import TrainJob
from runner.training.local.backend import LocalBackend
from runner.training.local.parallel import Group
from runner.training.local.ranks import Layout, in_ranks
from runner.training.sizing import Rows, estimate_run

TWO = Layout("cpu", 2, sharded=False)


def silent(progress):
    pass


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return in_ranks(partial(every_way, tmp_path_factory.mktemp("state")), TWO, silent)


@pytest.mark.parametrize(("method", "sharded"), WAYS)
def test_two_processes_learn_what_one_does_also_after_a_kill(several, method, sharded):
    expected_lines, expected, _ = learned(method)
    lines, weights, resumed_from = several[WAYS.index((method, sharded))]
    assert resumed_from == 3
    assert len(expected_lines) == 6 + 3  # steps and evaluations
    assert [len(line) for line in lines] == [len(line) for line in expected_lines]
    for line, alone in zip(lines, expected_lines, strict=True):
        assert line == pytest.approx(alone, rel=1e-5)
    assert weights.keys() == expected.keys()
    for name, weight in expected.items():
        assert abs(weights[name] - weight).max() < 1e-5


def test_shares_are_all_rows_once_and_even():
    groups = [Group(torch.device("cpu"), rank, 3) for rank in range(3)]
    shares = [group.share(ROWS) for group in groups]
    assert sorted(row.id for share in shares for row in share) == sorted(row.id for row in ROWS)
    tokens = [sum(len(row.input_ids) for row in share) for share in shares]
    assert max(tokens) - min(tokens) <= 2 * max(len(row.input_ids) for row in ROWS)
    assert [len(group.share(ROWS[:1])) for group in groups] == [0, 1, 0]


@pytest.mark.slow
def test_the_backend_trains_split_weights_and_writes_them_whole(tmp_path):
    base = tiny_base(tmp_path / "root")
    results = [
        LocalBackend(processes=processes).train(job_of(base, tmp_path / str(processes)), silent)
        for processes in (None, 2)
    ]
    alone, several = (load_file(result.adapter / "model.safetensors") for result in results)
    assert results[1].metrics["devices"] == 2
    assert results[1].metrics["parallelism"] == "fsdp"
    assert results[1].metrics["validation_loss"] == pytest.approx(results[0].metrics["validation_loss"], rel=1e-4)
    for name, weight in alone.items():
        torch.testing.assert_close(several[name], weight, rtol=1e-3, atol=1e-4)


def job_of(base, folder):
    rows = routing_rows(12)
    (folder / "out").mkdir(parents=True)
    (folder / "train.jsonl").write_bytes(rows_to_jsonl(rows[:8]))
    (folder / "validation.jsonl").write_bytes(rows_to_jsonl(rows[8:]))
    training = Training(method="full", parallelism="fsdp", num_epochs=1, batch_size=4, learning_rate=1e-3)
    files = (folder / "train.jsonl", folder / "validation.jsonl")
    return TrainJob(base, *files, training, export_gguf=False, out=folder / "out")


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (dying.second_is_killed, TransientError, "process 2 of 2 was killed by SIGKILL"),
        (dying.second_raises, RuntimeError, r"ValueError: what nobody foresaw \(process 2 of 2\)"),
    ],
)
def test_one_that_fails_ends_all_and_is_told(work, error, message):
    started = time.monotonic()
    with pytest.raises(error, match=message):
        in_ranks(work, TWO, silent)
    assert time.monotonic() - started < 60


SCRIPT = """
import sys
sys.path[:0] = {path!r}
import dying
from runner.training.local.ranks import Layout, in_ranks
in_ranks(dying.both_wait, Layout("cpu", 2, sharded=False), lambda p: print(p.what, flush=True))
"""


@pytest.mark.slow
def test_all_end_with_the_one_that_watches():
    tests = Path(__file__).parents[1]
    script = SCRIPT.format(path=[str(tests), str(tests.parent)])
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = divmod(int(parent.stdout.readline()), 2**24)
    assert all(alive(pid) for pid in pids)
    parent.kill()
    parent.communicate()
    patience = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < patience:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_split_weights_need_less_memory_of_each_device(method):
    llama, training, rows = (
        ModelShape(6_738_415_616, 32000, 4096, 32, 4096, 4096, 11008),
        Training(method=method),
        Rows(512),
    )
    needs = [
        estimate_run(llama, training, "bf16", rows, Memory("cuda", 10**12, devices)).total for devices in (1, 2, 8)
    ]
    # full: fp32 weights with their bf16 copies, gradients and two moments; lora: frozen bf16 weights.
    weights = 2 * llama.parameters * (9 if method == "full" else 1)
    assert 0.4 * weights < needs[0] - needs[1] < 0.5 * weights
    assert needs[2] < needs[1]
