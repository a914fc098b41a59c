"""CPU seconds of a side from the moment its model is loaded; standard library only: peers import it too."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path


def clocks() -> tuple[float, float]:
    """Return the CPU seconds of all threads so far, and the wall clock."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, time.perf_counter()


def write(out: Path, started: tuple[float, float], answers: Mapping[str, str]) -> None:
    """Write what the answers cost, and the answers."""
    (cpu, wall), (cpu_end, wall_end) = started, clocks()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {"cpu": cpu_end - cpu, "wall": wall_end - wall, "peak": peak, "answers": dict(answers)}
    out.write_text(json.dumps(result), encoding="utf-8")
