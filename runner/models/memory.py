"""How much memory training may use here: a GPU's where there is one, else this machine's, less a container's limit.

Light: a plan asks too. NVIDIA's own library is called directly, because asking through torch would take seconds.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
from pathlib import Path
from typing import Literal, NamedTuple

DRIVER = Path("/proc/driver/nvidia/gpus")
UNLIMITED = 1 << 60
"""cgroup v1 writes a number near 2^63 where there is no limit."""


class Memory(NamedTuple):
    """Memory that a training run can have for itself."""

    device: Literal["cpu", "cuda"]
    bytes: int
    shards: int = 1
    """How many such devices hold a part of the model each."""


def training_memory() -> Memory:
    """Return the memory of the device that `backend: local` will train on."""
    gpu = gpu_memory() if DRIVER.is_dir() and not _has_cpu_torch() else None
    return Memory("cuda", gpu) if gpu else Memory("cpu", main_memory())


def memory_of(device: str) -> Memory:
    """Return the memory of a torch device type; a GPU that cannot be asked is taken for as large as need be."""
    return Memory("cuda", gpu_memory() or UNLIMITED) if device == "cuda" else Memory("cpu", main_memory())


def main_memory() -> int:
    """Return the bytes of RAM that this process may use; a container's limit counts."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = container_limit()
    return installed if limit is None else min(installed, limit)


def container_limit(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the memory limit of the innermost limited container (cgroup v2 or v1), or None without one."""
    try:
        lines = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    found = []
    for _, controllers, path in lines:
        if controllers == "":
            found += _limits(cgroups, path, "memory.max")
        elif "memory" in controllers.split(","):
            found += _limits(cgroups / "memory", path, "memory.limit_in_bytes")
    return min(found, default=None)


def _limits(top: Path, path: str, name: str) -> list[int]:
    """Return the limits of a group and of all groups around it; inside a container its own group is the top."""
    here = top / path.lstrip("/")
    found = []
    for folder in [here, *here.parents]:
        if not folder.is_relative_to(top):
            break
        try:
            text = (folder / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < UNLIMITED:
            found.append(int(text))
    return found


def gpu_memory() -> int | None:
    """Return the bytes of the first GPU that CUDA_VISIBLE_DEVICES shows, or None when there is none to be asked."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    first = "0" if visible is None else visible.split(",")[0].strip()
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        device = ctypes.c_void_p()
        if first.isdigit():
            failed = nvml.nvmlDeviceGetHandleByIndex_v2(int(first), ctypes.byref(device))
        else:
            failed = nvml.nvmlDeviceGetHandleByUUID(first.encode(), ctypes.byref(device))
        # nvmlMemory_t: total, free, used.
        counts = (ctypes.c_ulonglong * 3)()
        if failed or nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(counts)) != 0:
            return None
        return int(counts[0])
    finally:
        nvml.nvmlShutdown()


def _has_cpu_torch() -> bool:
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False


def return_freed_memory() -> None:
    """Have glibc map every large block on its own, so that a freed one goes back to the system at once.

    By default glibc learns to keep blocks of up to 32 MB in its heap, where they cannot be merged for the next tensor:
    training SmolLM2-135M on 1024 tokens took 3.5 GB, and 2.4 GB so. It costs a fifth of the speed, because every block
    is then zeroed anew, so it is for where memory is short. Does nothing where the C library is another.
    """
    m_mmap_threshold = -3
    try:
        ctypes.CDLL("libc.so.6").mallopt(m_mmap_threshold, 256 * 1024)
    except (OSError, AttributeError):
        return
