"""Bulk prediction against peers: same model, precision of weights, rows and limit of new tokens.

    python benchmarks/eval.py --peer-python build/peers/lm-eval/bin/python

Every side answers in a fresh process of its own, one at a time, in turn. Prints a table per kind of prompt; the last
line is the verdict, and the exit status is 1 when a figure that is owed was missed. See README.md.
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
SIDES = Path(__file__).resolve().parent / "evaluating"
CLINC150 = ROOT.parent / "shared" / "data" / "clinc150"
NEW_TOKENS = 24
SAME = 0.9
"""Share of a peer's answers that must equal ours: bf16 and rounding differ, another model or prompt by far more."""

SCORING_SECONDS = 3.0
OWED = {"short": 2.0, "long": 5.0}


@dataclass(frozen=True)
class Side:
    """One contestant."""

    name: str
    command: list[str]


def main() -> int:
    """Run the benchmark and return the exit status."""
    options = _options()
    if options.only == "scoring":
        return _verdict([_scoring()])
    if not all((options.data_dir / file).is_file() for file in ("train.jsonl", "test.jsonl")):
        print(f"verdict: SKIPPED, no CLINC150 at {options.data_dir}: name its folder with --data-dir, see README.md")
        return 0
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    os.sched_setaffinity(0, cores)
    print(f"{len(cores)} threads, {options.rounds} rounds; CPU seconds from a loaded model to the last answer")
    kinds = list(OWED) if options.kind == "all" else [options.kind]
    results = [_compare(kind, options, len(cores)) for kind in kinds]
    return _verdict(results if options.only == "answers" else [*results, _scoring()])


def _verdict(results: list[tuple[str, list[str]]]) -> int:
    misses = [miss for _, missed in results for miss in missed]
    print(
        f"\nverdict: {'MISSED: ' + '; '.join(misses) if misses else 'PASS: ' + ', '.join(told for told, _ in results)}"
    )
    return 1 if misses else 0


def _scoring() -> tuple[str, list[str]]:
    found = json.loads(_child([sys.executable, SIDES / "scoring.py"], 1).splitlines()[-1])
    print(f"\nscoring: {found['rows']} answers, {len(found['metrics'])} metrics and their intervals, CPU seconds")
    for what, seconds in sorted(found["parts"].items(), key=lambda part: -part[1])[:6]:
        print(f"{what:<32}{seconds:>8.2f}")
    told = f"scoring {found['cpu']:.2f} CPU s"
    return told, [f"{told}, owed {SCORING_SECONDS:.0f}"] if found["cpu"] > SCORING_SECONDS else []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--peer-python", metavar="PATH", help="interpreter that has lm-eval (default: left out)")
    parser.add_argument("--only", choices=["answers", "scoring"], help="half of the benchmark")
    parser.add_argument("--kind", choices=[*OWED, "all"], default="all")
    parser.add_argument("--model", choices=["tuned", "base"], default="tuned", help="base: for information")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("GITUNE_BENCH_DATA", CLINC150)))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="train the models once, into this folder")
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _compare(kind: str, options: argparse.Namespace, threads: int) -> tuple[str, list[str]]:
    """Measure one kind of prompt, print its table and return the ratios, and what was missed."""
    with tempfile.TemporaryDirectory(prefix="gitune-bench-") as scratch:
        folder = (options.keep or Path(scratch)) / kind
        if not (folder / "merged" / "config.json").exists():
            folder.mkdir(parents=True)
            _child([sys.executable, SIDES / "job.py", kind, options.data_dir, folder, options.rows], threads)
        sides = _sides(folder, options)
        runs: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
        for turn in range(options.rounds):
            for side in sides if turn % 2 == 0 else reversed(sides):
                out = Path(scratch) / "result.json"
                _child([*side.command[:2], folder, out, NEW_TOKENS, *side.command[2:]], threads)
                run = json.loads(out.read_text(encoding="utf-8"))
                runs[side.name].append(run)
                speed = len(run["answers"]) / run["cpu"]
                print(f"{kind}, round {turn + 1}: {side.name} {speed:.2f} rows/CPU-s", file=sys.stderr, flush=True)
    return _table(kind, runs, options.model == "tuned")


def _sides(folder: Path, options: argparse.Namespace) -> list[Side]:
    checkpoint = str(folder / "merged")
    if options.model == "base":
        code = "import sys; sys.path.insert(0, sys.argv[1]); import rows; print(rows.base_files().checkpoint)"
        checkpoint = _child([sys.executable, "-c", code, SIDES.parent / "training"], 1).splitlines()[-1]
    sides = [Side("gitune", [sys.executable, str(SIDES / "side_gitune.py"), options.model])]
    peers = {"transformers": sys.executable} | ({"lm_eval": options.peer_python} if options.peer_python else {})
    for name, python in peers.items():
        for dtype in ("float32", "bfloat16"):
            script = str(SIDES / f"side_{name}.py")
            sides.append(Side(f"{name} {dtype}", [python, script, checkpoint, dtype]))
    return sides


def _child(command: list[Any], threads: int) -> str:
    """Run a script to its end and return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": "20000"}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _table(kind: str, runs: dict[str, list[dict[str, Any]]], judged: bool) -> tuple[str, list[str]]:  # noqa: FBT001
    """Print what was measured; return the ratios to the better format of each peer, and what was missed."""
    ours = runs["gitune"]
    rows = len(ours[0]["answers"])
    print(f"\n{kind}: {rows} rows, at most {NEW_TOKENS} new tokens, owed {OWED[kind]}x")
    print(f"{'side':<24}{'rows/CPU-s':>12}{'wall s':>8}{'peak GB':>9}{'same':>7}  gitune faster by")
    ratios: dict[str, float] = {}
    misses = []
    for name, own in runs.items():
        speed = statistics.median(rows / run["cpu"] for run in own)
        wall, peak = statistics.median(run["wall"] for run in own), max(run["peak"] for run in own) / 1e9
        pairs = [theirs["cpu"] / mine["cpu"] for mine, theirs in zip(ours, own, strict=True)]
        same = sum(text.strip() == ours[0]["answers"][key].strip() for key, text in own[0]["answers"].items()) / rows
        told = "" if name == "gitune" else f"  {statistics.median(pairs):.2f}x ({min(pairs):.2f}-{max(pairs):.2f})"
        print(f"{name:<24}{speed:>12.2f}{wall:>8.1f}{peak:>9.2f}{same:>7.2f}{told}")
        if name != "gitune":
            peer = name.split()[0]
            ratios[peer] = min(ratios.get(peer, float("inf")), statistics.median(pairs))
            if judged and "float32" in name and same < SAME:
                misses.append(f"{kind}: only {same:.0%} of {name}'s answers are ours, not comparable")
    misses += [
        f"{kind}: {x:.2f}x {peer}, owed {OWED[kind]}x" for peer, x in ratios.items() if judged and x < OWED[kind]
    ]
    return f"{kind} " + " and ".join(f"{x:.2f}x {peer}" for peer, x in ratios.items()), misses


if __name__ == "__main__":
    sys.exit(main())
