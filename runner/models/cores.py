"""How many cores this process may use, and how its threads wait for each other.

Call `wait_politely()` before the first import of torch or xllamacpp: both run on OpenMP, whose threads by default spin
at every barrier. An answer of SmolLM2-135M with two threads on two cores, alone and beside one busy process: spinning
1,000 rounds before sleeping 0.49 and 1.5 seconds, 20,000 rounds 0.49 and 5.0. Training, whose waits are longer: 20,000
rounds 460 tokens/s alone, 1,000 rounds 380.
"""

from __future__ import annotations

import os
from pathlib import Path

SHARE = "GITUNE_CORES"
"""Environment variable with the number of cores a process may use at most."""

ROUNDS = 1_000
"""Rounds that a thread spins before it sleeps, for answers."""
ROUNDS_IN_TRAINING = 20_000
"""The same for training."""


def available_cores() -> int:
    """Return the number of cores this process may use; `taskset`, a container's CPU limit and GITUNE_CORES count."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [limit for limit in (_container_limit(), _share()) if limit is not None]
    return max(1, min([cores, *limits]))


def _share() -> int | None:
    """Return this process's share of the cores, where several steps run side by side."""
    text = os.environ.get(SHARE, "")
    return int(text) if text.isdecimal() else None


def _container_limit(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    """Return how many cores' time the container may use (cgroup v2), or None without a limit."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) // int(period)
    except (OSError, ValueError):
        return None


def bounded_threads(wanted: int | None) -> int:
    """Return how many threads to start: what is wanted, but never more than there are cores to run them."""
    return min(wanted or available_cores(), available_cores())


def wait_politely(rounds: int = ROUNDS) -> None:
    """Let OpenMP threads spin briefly at barriers, then sleep; an earlier setting is kept, the user's own above all."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(rounds))
