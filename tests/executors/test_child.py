"""Work in a child process: what comes back, what is told when it breaks down, and that nothing outlives its end."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jobs
import pytest
from jobs import Job

from runner.errors import DataError, GituneError, Location, TerminalError, TransientError
from runner.executors import child
from runner.executors.child import Children, run_apart
from runner.progress import Progress, silent


def run(tmp_path, do, *arguments, report=silent):
    return run_apart(Job(do, tmp_path / "crashes", arguments), report)


def test_result_and_progress_come_back_and_noise_does_not(tmp_path, capfd):
    told = []
    pid, path, _ = run(tmp_path, jobs.where_am_i, report=told.append)
    assert pid != os.getpid()
    assert path == sys.path
    assert told == [Progress("working", 1, 2, "rows", "so far"), Progress("working", 2, 2, "rows")]
    assert capfd.readouterr() == ("", "")


def test_a_folder_of_the_user_cannot_put_code_into_the_child(tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text("raise SystemExit('mine')")
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "__init__.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    run(tmp_path, jobs.where_am_i)


def test_our_errors_come_back_as_they_were(tmp_path):
    with pytest.raises(GituneError) as plain:
        run(tmp_path, jobs.fail, "plain")
    assert (plain.value.message, plain.value.hint, plain.value.where) == ("no", "do", Location("spec.yaml", 3, 5))
    with pytest.raises(TerminalError) as terminal:
        run(tmp_path, jobs.fail, "terminal")
    assert (terminal.value.message, terminal.value.hint) == ("never", "change it")
    with pytest.raises(DataError) as data:
        run(tmp_path, jobs.fail, "data")
    assert [problem.message for problem in data.value.problems] == ["bad row", "worse"]
    assert str(data.value) == "a.jsonl:7: bad row\n    mend it\nb.jsonl: worse"
    assert data.value.args == (str(data.value),)
    assert not (tmp_path / "crashes").exists()


def test_a_foreign_error_is_explained_with_the_traceback_of_the_child(tmp_path):
    with pytest.raises(GituneError, match="train broke down: ZeroDivisionError: by nothing"):
        run(tmp_path, jobs.fail, "foreign")
    (file,) = (tmp_path / "crashes").iterdir()
    assert "in fail\n" in file.read_text()


@pytest.mark.parametrize(
    ("do", "arguments", "message", "hint"),
    [
        (jobs.kill_yourself, (signal.SIGKILL,), "was killed by SIGKILL", "memory ran out"),
        (jobs.kill_yourself, (signal.SIGTERM,), "was killed by SIGTERM", "if nobody stopped it"),
        (jobs.crash, (), "was killed by SIGSEGV", "native library crashed"),
        (jobs.leave, (), "ended with exit code 3", "if nobody stopped it"),
    ],
)
def test_a_death_is_one_clear_error(tmp_path, do, arguments, message, hint):
    with pytest.raises(TransientError) as error:
        run(tmp_path, do, *arguments)
    assert error.value.message.startswith(f"train broke down: its process {message}")
    assert hint in error.value.hint
    assert "nothing was recorded" in error.value.hint
    if do is jobs.kill_yourself:
        assert error.value.message.endswith("\n    | seen on stderr")
    if do is jobs.crash:
        assert 'jobs.py", line' in error.value.message


def test_a_process_that_outlives_the_child_keeps_nobody_waiting(tmp_path):
    started = time.monotonic()
    with pytest.raises(TransientError) as error:
        run(tmp_path, jobs.leave_a_process_behind)
    os.kill(int(error.value.message.rsplit("|", 1)[1]), signal.SIGKILL)
    assert time.monotonic() - started < 30


def test_an_error_while_it_is_watched_ends_the_child_cleanly(tmp_path):
    lock = tmp_path / "lock"

    def interrupted(_):
        raise BrokenPipeError  # as from a closed terminal; not to be taken for the end of the child

    with pytest.raises(BrokenPipeError):
        run(tmp_path, jobs.hold, lock, report=interrupted)
    assert is_free(lock)
    assert lock.with_suffix(".cleaned").exists()


def test_a_child_that_does_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "GRACE", 0.2)

    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, jobs.hold_and_ignore_sigterm, tmp_path / "lock", report=interrupted)
    assert is_free(tmp_path / "lock")
    assert not (tmp_path / "lock.cleaned").exists()


@pytest.mark.parametrize("do", ["hold", "hold_without_the_kernels_help"])
def test_the_child_dies_with_its_parent(tmp_path, do):
    lock = tmp_path / "lock"
    with parent_of(do, lock) as parent:
        assert not is_free(lock)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while not is_free(lock):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not lock.with_suffix(".cleaned").exists()


def test_ctrl_c_in_the_terminal_is_the_parents_to_handle(tmp_path):
    lock = tmp_path / "lock"
    with parent_of("hold", lock) as parent:
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.wait(30) == 0
        assert parent.stdout.read() == "interrupted\n"
    assert is_free(lock)
    assert lock.with_suffix(".cleaned").exists()


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import jobs
from runner.executors.child import run_apart
try:
    run_apart(jobs.Job(jobs.{do}, Path(), ({lock!r},)), lambda progress: print(progress.what, flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""


def parent_of(do: str, lock: Path) -> subprocess.Popen:
    """Start a process, in a group of its own, whose child holds a lock by now."""
    tests = Path(__file__).parents[1]
    code = PARENT.format(tests=str(tests), do=do, lock=str(lock))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tests.parent, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout.readline() == "held\n"
    return process


def is_free(lock: Path) -> bool:
    """Whether nobody holds the lock; unlike a process id, a lock is gone at once even where nobody reaps."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_what_a_child_prints_is_kept_and_named_when_it_dies(tmp_path):
    log = tmp_path / "logs" / "a.log"
    run_apart(Job(jobs.where_am_i, tmp_path / "crashes"), silent, None, log)
    assert log.read_text() == "a library's noise\n"
    died = tmp_path / "logs" / "b.log"
    with pytest.raises(TransientError) as error:
        run_apart(Job(jobs.kill_yourself, tmp_path / "crashes", (signal.SIGKILL,)), silent, None, died)
    assert f"all of its output is in {died}" in error.value.hint
    assert "seen on stderr" in died.read_text()
    assert died.stat().st_mode & 0o077 == 0


def test_a_child_is_told_its_share_of_the_cores(tmp_path):
    assert run_apart(Job(jobs.cores, tmp_path), silent, Children(cores=1)) == 1


def test_another_thread_ends_the_children(tmp_path):
    lock, children = tmp_path / "lock", Children()
    threading.Timer(2, children.stop).start()
    with pytest.raises(TransientError, match="SIGTERM"):
        run_apart(Job(jobs.hold, tmp_path, (lock,)), silent, children)
    assert is_free(lock)
    assert lock.with_suffix(".cleaned").exists()
    with pytest.raises(TransientError):  # and who comes too late
        run_apart(Job(jobs.hold, tmp_path, (lock,)), silent, children)
