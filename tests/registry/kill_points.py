"""Kill a writer before, within and after every operation on the file system, and look at what is left.

`python tests/registry/kill_points.py SCRATCH` prints one JSON line for each point: what was written, where it was
killed, and what is wrong afterwards (an empty list). A program of its own, because it forks.
"""

from __future__ import annotations

import builtins
import json
import os
import shutil
import signal
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

from runner.digest import digest_bytes
from runner.registry import folder_store
from runner.registry.artifacts import blob_key
from runner.registry.facts import Artifact, Content, Deployment, Failure, Lease, Record, Ruling, Version
from runner.registry.registry import Registry, open_registry
from runner.registry.store import open_store

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY, COMMIT = "a" * 64, "c" * 40
WEIGHTS = b"weights" * 500_000
OLD = f"records/train/{'e' * 64}/1.json"
ADAPTER = Artifact(digest="d" * 64, size=3, kind="tree")


def record(number):
    facts = {"step": "train", "key": KEY, "spec": "s", "version": "1.0.0", "started": NOW, "finished": NOW}
    return Record(inputs={}, metrics={"number": number}, **facts)


def version(number):
    content = Content(
        base_model="b", base_digest="b", train_key=KEY, adapter=ADAPTER, engine="llama_cpp", generation={}
    )
    facts = {"keys": {}, "champion": None, "verdict": "PASS", "commit": COMMIT, "released": NOW}
    return Version(name="s", version=number, content=content, **facts)


def deployment(number):
    facts = {"version": "1.0.0", "previous": None, "commit": COMMIT, "target": "server", "deployed": NOW}
    return Deployment(number=number, name="s", alias="production", **facts)


def failure():
    return Failure(step="train", key=KEY, message="NaN", at=NOW)


def lease(number):
    facts = {"owner": "o", "host": "h", "pid": 1, "spec": "s", "started": NOW}
    return Lease(step="train", key=KEY, number=number, **facts)


def ruling():
    return Ruling(number=1, name="s", kind="hold", who="Ada", reason="thin", at=NOW)


def write_ruling(registry, _):
    if not registry.rulings("s"):
        registry.add_ruling(ruling())


def write_record(registry, _):
    if (found := registry.record("train", KEY)) is None or found.metrics["number"] == 1:
        registry.add_record(record(2))


def write_deployment(registry, _):
    if registry.live("s", "production").number == 1:
        registry.append_deployment(deployment(2))


def write_failure(registry, _):
    if registry.failure("train", KEY) is None:
        registry.add_failure(failure())


WRITES = {
    "blob": lambda registry, scratch: registry.put_file(scratch / "weights"),
    "damaged blob again": lambda registry, _: registry.put_bytes(b"rows"),
    "tree and manifest": lambda registry, scratch: registry.put_tree(scratch / "tree"),
    "record": write_record,
    "failure": write_failure,
    "version": lambda registry, _: registry.release(version("1.1.0")),
    "deployment": write_deployment,
    "record once": lambda registry, _: registry.add_record_once(record(1).model_copy(update={"key": "b" * 64})),
    "lease beat": lambda registry, _: registry.add_lease(lease(2)),
    "decision": write_ruling,
    "gc": lambda registry, _: registry._store.delete(OLD),
    "damaged blob aside": lambda registry, _: registry._store.set_aside(
        blob_key(digest_bytes(b"rows")), f"corrupt/{digest_bytes(b'rows')}"
    ),
}


class Killer:
    """Counts operations on the file system and kills this process before, in the middle of, or after one."""

    def __init__(self, at: int, when: str, told: int) -> None:
        self.at, self.when, self.told, self.count = at, when, told, 0
        for name in ("link", "replace", "rename", "mkdir", "unlink", "fsync"):
            setattr(os, name, self.watched(name, getattr(os, name)))
        self.real_open = os.open
        os.open = lambda path, flags, *rest: (
            self.step("create", lambda: self.real_open(path, flags, *rest))
            if flags & os.O_CREAT
            else self.real_open(path, flags, *rest)
        )
        folder_store.open = self.opened

    def watched(self, name, real):
        def call(*arguments, **options):
            shown = name
            if name == "fsync":
                shown = "fsync folder" if stat.S_ISDIR(os.fstat(arguments[0]).st_mode) else "fsync file"
            return self.step(shown, lambda: real(*arguments, **options))

        return call

    def step(self, name, do, half=None):
        self.count += 1
        mine = self.count == self.at
        if mine:
            os.write(self.told, name.encode())
            if self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.when == "within" and half is not None:
                half()
                os.kill(os.getpid(), signal.SIGKILL)
        done = do()
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def opened(self, *arguments, **options):
        file = builtins.open(*arguments, **options)  # noqa: PTH123, SIM115 - stands in for it
        return Torn(file, self) if file.writable() else file


class Torn:
    """A file whose content may be written by half."""

    def __init__(self, file, killer):
        self.file, self.killer = file, killer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def writelines(self, chunks):
        data = b"".join(chunks)

        def half():
            self.file.write(data[: len(data) // 2])
            self.file.flush()

        self.killer.step("write", lambda: self.file.write(data), half)


def prepare(scratch: Path) -> Path:
    """Write the old truth: one of everything, and a blob with a flipped bit."""
    (scratch / "weights").write_bytes(WEIGHTS)
    (scratch / "tree").mkdir()
    for name in "ab":
        (scratch / "tree" / name).write_bytes(name.encode() * 1000)
    registry = open_registry("old", scratch, scratch / "cache")
    registry.add_record(record(1))
    registry.release(version("1.0.0"))
    registry.add_lease(lease(1))
    registry._store.create(OLD, b"{}")
    registry.append_deployment(deployment(1))
    blob = scratch / "old" / blob_key(registry.put_bytes(b"rows").digest)
    blob.unlink()
    blob.write_bytes(b"rowz")
    return scratch / "old"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {key: (folder / key).read_bytes() for key in open_store(str(folder), folder).list("")}


def perform(write, folder: Path, scratch: Path) -> None:
    # One file at a time: the point at which it is killed is then the same in every run.
    registry = Registry(open_store(str(folder), folder), scratch / "cache")
    write(registry, scratch)


def killed_at(at: int, when: str, write, folder: Path, scratch: Path) -> str | None:
    """Return the operation that a child was killed at, None when it came to its end."""
    reading, told = os.pipe()
    child = os.fork()
    if child == 0:
        Killer(at, when, told)
        perform(write, folder, scratch)
        os._exit(0)
    os.close(told)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as line:
        name = line.read()
    if os.WIFSIGNALED(status):
        return name
    if os.WEXITSTATUS(status):
        sys.exit("a writer failed")
    return None


def faults(found: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> list[str]:
    """Say what is neither the old nor the new truth."""
    wrong = [f"{key} is gone" for key in old.keys() & new.keys() - found.keys()]
    wrong += [f"{key} is neither old nor new" for key in found if found[key] not in (old.get(key), new.get(key))]
    return wrong


def main(scratch: Path) -> None:
    sys.modules["runner.registry.transfers"].AT_ONCE = 1
    before = prepare(scratch)
    old = snapshot(before)
    for name, write in WRITES.items():
        undisturbed = shutil.copytree(before, scratch / f"{name} undisturbed")
        perform(write, undisturbed, scratch)
        new = snapshot(undisturbed)
        if new == old:
            sys.exit(f"{name} wrote nothing")
        for when in ("before", "within", "after"):
            at = 0
            while True:
                at += 1
                folder = shutil.copytree(before, scratch / f"{name} {when} {at}")
                operation = killed_at(at, when, write, folder, scratch)
                if operation is None:
                    break
                if when == "within" and operation != "write":  # the kernel does it whole or not at all
                    continue
                wrong = faults(snapshot(folder), old, new)
                perform(write, folder, scratch)  # the next apply
                wrong += [] if snapshot(folder) == new else ["the next apply does not heal it"]
                print(json.dumps({"write": name, "when": when, "at": at, "operation": operation, "wrong": wrong}))
                shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
