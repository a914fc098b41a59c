"""Programs that tests run beside each other, and kill: `python writers.py append|killed|measured STORE …`."""

import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import ConflictError
from runner.registry.facts import Deployment, Record
from runner.registry.registry import open_registry


def append(store, who, count):
    """Deploy `count` versions, planning again after every conflict."""
    registry = open_registry(store, Path(), Path("unused"))
    for turn in range(int(count)):
        while True:
            live = registry.live("support", "production")
            entry = Deployment(
                number=live.number + 1 if live else 1,
                name="support",
                alias="production",
                version=f"1.{who}.{turn}",
                previous=live.version if live else None,
                commit="c" * 40,
                target="server",
                deployed=datetime.now(UTC),
            )
            try:
                registry.append_deployment(entry)
                break
            except ConflictError:
                continue


def killed(store, scratch, rounds):
    """Start a writer and kill it at a random moment, again and again, and till both early and late ones were hit."""
    turn = 0
    while turn < int(rounds) or not (any(Path(store).glob(".tmp/*")) and any(Path(store).glob("records/*/*/*"))):
        child = os.fork()
        if child == 0:
            write_for_ever(store, Path(scratch), turn)
        time.sleep(random.Random(turn).uniform(0.0, 0.02 + turn / 1000))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        turn += 1


def write_for_ever(store, scratch, turn):
    registry = open_registry(store, Path(), Path("unused"))
    now = datetime.now(UTC)
    while True:
        source = scratch / f"{turn}.bin"
        source.write_bytes(os.urandom(2_000_000))
        outputs = {"weights": registry.put_file(source)}
        key = str(turn % 3) * 64
        record = Record(
            step="train", key=key, inputs={}, outputs=outputs, spec="s", version="1.0.0", started=now, finished=now
        )
        registry.add_record(record)


def measured(store, source):
    """Print by how many bytes storing a file raised this process's peak memory."""
    registry = open_registry(store, Path(), Path("unused"))
    registry.put_bytes(b"warm")
    before = peak()
    registry.put_file(Path(source))
    print(peak() - before)


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    {"append": append, "killed": killed, "measured": measured}[sys.argv[1]](*sys.argv[2:])
