"""How much memory there is: limits of containers, nested ones and of both cgroup versions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runner.models.memory import Memory, container_limit, main_memory, training_memory

HUGE = str(2**63 - 4096)


def groups(tmp_path, own: str, files: dict[str, str]):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "fs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return tmp_path / "fs", tmp_path / "own"


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "4096"}, 4096),
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {}, None),
        # The tightest of the groups around this process counts.
        ("0::/a/b\n", {"a/memory.max": "1000", "a/b/memory.max": "2000"}, 1000),
        ("0::/a/b\n", {"a/memory.max": "max", "a/b/memory.max": "2000"}, 2000),
        # Inside a container the path is the host's, and only the top is there.
        ("4:memory:/docker/abc\n0::/\n", {"memory/memory.limit_in_bytes": "5000"}, 5000),
        ("4:cpu,memory:/x\n", {"memory/x/memory.limit_in_bytes": HUGE}, None),
        ("1:cpu:/\n", {"memory/memory.limit_in_bytes": "5000"}, None),
    ],
)
def test_container_limit(tmp_path, own, files, limit):
    assert container_limit(*groups(tmp_path, own, files)) == limit


def test_without_cgroups(tmp_path):
    assert container_limit(tmp_path / "fs", tmp_path / "none") is None


def test_main_memory_is_at_most_what_is_installed():
    assert 0 < main_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_without_a_driver_training_has_main_memory(monkeypatch, tmp_path):
    monkeypatch.setattr("runner.models.memory.DRIVER", tmp_path / "none")
    assert training_memory() == Memory("cpu", main_memory())


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting")
def test_freed_memory_is_returned():
    code = (
        "from runner.models.memory import return_freed_memory\n"
        "import ctypes\n"
        "return_freed_memory()\n"
        "libc = ctypes.CDLL('libc.so.6')\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "def resident(): return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "before = resident()\n"
        "blocks = [libc.malloc(ctypes.c_size_t(2**20)) for _ in range(200)]\n"
        "for block in blocks: ctypes.memset(block, 1, 2**20)\n"
        "full = resident()\n"
        # Every other one: a heap could not shrink.
        "for block in blocks[::2]: libc.free(ctypes.c_void_p(block))\n"
        "print(full - before, full - resident())\n"
    )
    used, returned = map(int, subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert used > 190e6
    assert returned > 95e6
