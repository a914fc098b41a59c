"""LoRA training against peers: same rows, masks, order, model, rank, effective batch, steps, threads, learning rate.

    python benchmarks/train.py --peer trl --peer-python build/peers/trl/bin/python

Every side trains in a fresh process of its own, one at a time, ours and the peers' in turn. Prints a table per kind of
data; the last line is the verdict, and the exit status is 1 when a figure that is owed was missed. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIDES = Path(__file__).resolve().parent / "training"
CLINC150 = ROOT.parent / "shared" / "data" / "clinc150"


@dataclass(frozen=True)
class Kind:
    """One kind of data: how many optimizer steps, and the ratio to a peer as it comes that is owed and aimed at."""

    steps: int
    owed: float
    aim: float


KINDS = {"short": Kind(10, 2.7, 4.0), "long": Kind(4, 7.0, 10.0), "unshared": Kind(10, 1.5, 2.0)}
LOSS_SLACK = 0.02
PEAK_BYTES = 5e9
FIRST_LOSS_SLACK = 0.03  # bf16 against fp32; another batch or another mask differs by far more
PEERS = {"trl": ["trl", "peft"], "llamafactory": ["llamafactory"]}


@dataclass(frozen=True)
class Side:
    """One contestant; `judged` when an owed figure is held against it."""

    name: str
    command: list[str]
    judged: bool = False


@dataclass(frozen=True)
class Run:
    """What one training of one side cost, and where its adapter is."""

    cpu: float
    wall: float
    peak: int
    learned: list[int]
    first_loss: float
    adapter: Path


def main() -> int:
    """Run the benchmark and return the exit status."""
    options = _options()
    if not all((options.data_dir / file).is_file() for file in ("train.jsonl", "val.jsonl")):
        print(f"verdict: SKIPPED, no CLINC150 at {options.data_dir}: name its folder with --data-dir, see README.md")
        return 0
    sides = [Side("gitune", [sys.executable, str(SIDES / "side_gitune.py")]), *_peers(options)]
    if not any(side.judged for side in sides):
        print("verdict: MISSED, no peer to compare with: install one and name its interpreter with --peer-python")
        return 1
    # Children inherit the cores; every side gets as many threads, which wait for each other alike.
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    os.sched_setaffinity(0, cores)
    print(f"{len(cores)} threads, {options.rounds} rounds; CPU seconds from the end of the first step to the last's")
    kinds = KINDS if options.data == "all" else {options.data: KINDS[options.data]}
    results = {name: _compare(name, kind, sides, options, len(cores)) for name, kind in kinds.items()}
    misses = [miss for _, missed in results.values() for miss in missed]
    ratios = ", ".join(f"{name} {ratio}" for name, (ratio, _) in results.items())
    print(f"\nverdict: {'MISSED: ' + '; '.join(misses) if misses else 'PASS: ' + ratios}")
    return 1 if misses else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--peer", action="append", choices=PEERS, help="whom to compare with (default: trl)")
    parser.add_argument(
        "--peer-python",
        action="append",
        metavar="PATH",
        help="interpreter of a peer's environment; give several and each peer takes the first that has it "
        "(default: this one)",
    )
    parser.add_argument("--tuned", action="store_true", help="also measure TRL with the settings best for a CPU")
    parser.add_argument("--data", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("GITUNE_BENCH_DATA", CLINC150)))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, help="optimizer steps, 3 to 30 (default: by kind of data)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    # 30 batches are all that the data set's long questions fill.
    if options.steps is not None and not 3 <= options.steps <= 30:  # noqa: PLR2004
        parser.error("--steps must be 3 to 30")
    if min(options.rounds, options.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")
    return options


def _peers(options: argparse.Namespace) -> list[Side]:
    """Return the sides of the peers that are installed; say which are not."""
    sides = []
    for name in dict.fromkeys(options.peer or ["trl"]):
        pythons = options.peer_python or [sys.executable]
        python = next((p for p in pythons if _has(p, PEERS[name])), None)
        if python is None:
            print(f"{name} is not installed for {' or '.join(pythons)}: left out; README.md says how to install it")
            continue
        command = [python, str(SIDES / f"side_{name}.py")]
        sides.append(Side(name, command, judged=True))
        if name == "trl" and options.tuned:
            sides.append(Side("trl tuned", [*command, "--tuned"]))
    return sides


def _has(python: str, packages: list[str]) -> bool:
    code = "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    try:
        return subprocess.run([python, "-c", code, *packages], check=False).returncode == 0
    except OSError:
        return False


def _compare(
    name: str, kind: Kind, sides: list[Side], options: argparse.Namespace, threads: int
) -> tuple[str, list[str]]:
    """Measure one kind of data, print its table and return ours against the judged peers, and what was missed."""
    steps = options.steps or kind.steps
    with tempfile.TemporaryDirectory(prefix="gitune-bench-") as scratch:
        folder = Path(scratch)
        _child([sys.executable, str(SIDES / "rows.py"), name, options.data_dir, folder, steps], threads)
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        runs: dict[str, list[Run]] = {side.name: [] for side in sides}
        for turn in range(options.rounds):
            for side in sides if turn % 2 == 0 else reversed(sides):
                run = _train(side, folder, turn, threads)
                runs[side.name].append(run)
                _check_same_work(job, runs["gitune"][0], side.name, run)
                speed = sum(job["tokens"][1:]) / run.cpu
                print(f"{name}, round {turn + 1}: {side.name} {speed:.0f} tokens/CPU-s", file=sys.stderr, flush=True)
        # The same job gives the same adapter again, so the first round's is measured.
        adapters = [str(runs[side.name][0].adapter) for side in sides]
        printed = _child([sys.executable, str(SIDES / "loss.py"), folder, *adapters], threads)
    losses = dict(zip(runs, json.loads(printed.splitlines()[-1]), strict=True))
    return _table(name, kind, job, sides, runs, losses)


def _train(side: Side, folder: Path, turn: int, threads: int) -> Run:
    out = folder / f"{side.name.replace(' ', '-')}-{turn}"
    out.mkdir()
    command = [*side.command[:2], str(folder), str(out), *side.command[2:]]
    _child(command, threads)
    return Run(**json.loads((out / "result.json").read_text(encoding="utf-8")), adapter=out / "adapter")


def _child(command: list[Any], threads: int) -> str:
    """Run a script to its end and return what it printed."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(threads),
        # What Gitune sets for itself; without it a peer's threads spin at barriers, and that is counted.
        "GOMP_SPINCOUNT": "20000",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _check_same_work(job: dict[str, Any], ours: Run, name: str, run: Run) -> None:
    """Stop unless a side learned the same tokens of the same batches as ours."""
    if run.learned != job["learned"]:
        sys.exit(f"not comparable: learned tokens of each step are {job['learned']}, of {name} {run.learned}")
    if abs(run.first_loss / ours.first_loss - 1) > FIRST_LOSS_SLACK:
        sys.exit(
            f"not comparable: the untrained model's loss on the first batch is {ours.first_loss:.4f}, "
            f"of {name} {run.first_loss:.4f}"
        )


def _table(
    name: str, kind: Kind, job: dict[str, Any], sides: list[Side], runs: dict[str, list[Run]], losses: dict[str, float]
) -> tuple[str, list[str]]:
    """Print what was measured; return the ratios to the judged sides and the figures that were missed."""
    length = sum(job["tokens"]) / (job["steps"] * job["batch_size"])
    print(f"\n{name}: {job['shared']} of {length:.1f} tokens a row shared by all, steps of {job['batch_size']} rows")
    print(f"learned tokens of each step, equal on all sides: {' '.join(map(str, job['learned']))}")
    heads = zip(("tokens/CPU-s", "wall s", "peak GB", "first loss", "final loss"), (13, 8, 9, 12, 12), strict=True)
    print(f"{'side':<14}{''.join(f'{head:>{width}}' for head, width in heads)}  gitune faster by")
    ours, ratios = runs["gitune"], []
    peak = max(run.peak for run in ours)
    misses = [f"{name}: peak {peak / 1e9:.1f} GB, owed under {PEAK_BYTES / 1e9:.0f}"] if peak >= PEAK_BYTES else []
    for side in sides:
        own = runs[side.name]
        speed = statistics.median(sum(job["tokens"][1:]) / run.cpu for run in own)
        wall, high = statistics.median(run.wall for run in own), max(run.peak for run in own) / 1e9
        pairs = [theirs.cpu / mine.cpu for mine, theirs in zip(ours, own, strict=True)]
        ratio = statistics.median(pairs)
        told = "" if side.name == "gitune" else f"  {ratio:.2f}x ({min(pairs):.2f}-{max(pairs):.2f})"
        told += f", owed {kind.owed}x, aim {kind.aim}x" if side.judged else ""
        loss = losses[side.name]
        print(f"{side.name:<14}{speed:>13.0f}{wall:>8.1f}{high:>9.2f}{own[0].first_loss:>12.4f}{loss:>12.4f}{told}")
        if side.judged:
            ratios.append(f"{ratio:.2f}x {side.name}")
            misses += [f"{name}: {ratio:.2f}x {side.name}, owed {kind.owed}x"] if ratio < kind.owed else []
            worse = losses["gitune"] / loss - 1
            # Said this way round, a loss that is not a number is a miss.
            misses += [] if worse <= LOSS_SLACK else [f"{name}: final loss {worse:.1%} above {side.name}'s"]
    return " and ".join(ratios), misses


if __name__ == "__main__":
    sys.exit(main())
