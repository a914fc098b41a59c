"""How many cores this process may use, and how its threads wait for each other.

Call `wait_politely()` before the first import of torch or xllamacpp: both run on OpenMP, whose threads by default spin
at every barrier. With one other busy process on two cores that took llama.cpp from 0.027 to 3 seconds per token.
"""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of cores this process may run on (containers and `taskset` count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wait_politely() -> None:
    """Let OpenMP threads sleep at barriers instead of spinning; a setting of the user's own is kept."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
