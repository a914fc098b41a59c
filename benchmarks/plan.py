"""What planning costs, in CPU seconds of the whole process tree, side by side with DVC and Terraform.

    make bench-plan
    python benchmarks/plan.py --dvc build/peers/dvc/bin/dvc --terraform terraform

Builds repositories of released specs with the real `gitune apply` (planning/repository.py says what is real), then runs
every command in a fresh process, ours and the peers' in turn. Prints a table; the last line is the verdict, and the
exit status is 1 when a figure that is owed was missed. See README.md.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLANNING = Path(__file__).resolve().parent / "planning"
sys.path.insert(0, str(PLANNING))

from meter import ROOT, Run, gitune, measured  # noqa: E402 - scripts of their own
from peers import Dvc, Terraform  # noqa: E402
from repository import commit  # noqa: E402

MEGABYTE = 1 << 20
MANY, MANY_RECORDS, VERSIONS = 2500, 10_000, 4000


@dataclass
class Figure:
    """One line of the table: ours in every round, and each peer's."""

    name: str
    owed: float
    aim: float | None = None
    unit: str = "s"
    ours: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)

    @property
    def missed(self) -> bool:
        """Whether ours is not what is owed; said this way round, a number that is none is a miss."""
        return not statistics.median(self.ours) <= self.owed

    def __str__(self) -> str:
        found = statistics.median(self.ours)
        spread = f"({min(self.ours):.3g}-{max(self.ours):.3g})"
        aim = "" if self.aim is None else f"{self.aim:g}"
        theirs = [
            f"{name} {statistics.median(values):.3g} ({_ratio(values, self.ours):.1f}x)"
            for name, values in self.peers.items()
        ]
        return f"{self.name:<44}{found:>8.3g} {self.unit:<3}{spread:<15}{self.owed:>6g}{aim:>7}  {', '.join(theirs)}"


def _ratio(theirs: list[float], ours: list[float]) -> float:
    """Return the median over rounds of a peer's figure over ours; one that was taken once counts for every round."""
    paired = theirs if len(theirs) == len(ours) else theirs[:1] * len(ours)
    return statistics.median(their / our for their, our in zip(paired, ours, strict=True))


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    folder: Path
    rounds: int
    dvc: Dvc | None
    terraform: Terraform | None

    def build(self, script: str, count: int) -> Path:
        """Build, unless it was kept, what a script makes of a count."""
        root = self.folder / f"{script.removesuffix('.py')}-{count}"
        return self._built(root, lambda: _script(script, root, count))

    def peer(self, name: str, count: int) -> Path:
        """Build, unless it was kept, the same for a peer."""
        root = self.folder / f"{name}-{count}"
        return self._built(root, lambda: getattr(self, name).build(root, count))

    def _built(self, root: Path, build: Callable[[], object]) -> Path:
        if not (root / ".built").exists():
            print(f"building {root.name} …", file=sys.stderr, flush=True)
            shutil.rmtree(root, ignore_errors=True)
            build()
            (root / ".built").touch()
        return root


def main() -> int:
    """Run the benchmark and return the exit status."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="gitune-bench-") as scratch:
        bench = Bench(
            options.keep or Path(scratch),
            options.rounds,
            Dvc(options.dvc.absolute()) if options.dvc and options.dvc.exists() else None,
            Terraform(options.terraform) if shutil.which(options.terraform) else None,
        )
        bench.folder.mkdir(parents=True, exist_ok=True)
        for name, found in (("DVC", bench.dvc), ("Terraform", bench.terraform)):
            if found is None:
                print(f"{name} is left out: not installed (README.md says how)")
        parts = [part for name, part in PARTS.items() if not options.only or name in options.only]
        figures = [figure for part in parts for figure in part(bench)]
    print(f"\nCPU seconds of the process tree, medians of {options.rounds} rounds (least-greatest); (peer over ours)")
    print(f"{'':<44}{'gitune':>8}{'':<19}{'owed':>6}{'aim':>7}  peers")
    for figure in figures:
        print(figure)
    misses = [f"{f.name}: {statistics.median(f.ours):.3g} {f.unit}, owed {f.owed:g}" for f in figures if f.missed]
    aims = sum(f.aim is None or statistics.median(f.ours) <= f.aim for f in figures)
    passed = f"PASS: {len(figures)} figures, {aims} of them at their aim"
    print(f"\nverdict: {'MISSED: ' + '; '.join(misses) if misses else passed}")
    return 1 if misses else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dvc", type=Path, default=ROOT / "build/peers/dvc/bin/dvc", help="DVC's program")
    parser.add_argument("--terraform", default="terraform", help="Terraform's program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part (repeatable; default: all)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="build the repositories here, or take those built before"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def _script(name: str, *arguments: object) -> None:
    command = [sys.executable, PLANNING / name, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")


def start_up(bench: Bench) -> list[Figure]:
    """Measure what a person waits for before anything is read, over an interpreter that does nothing."""
    helped, wrong = Figure("--help, over bare Python", 0.10, 0.06), Figure("usage error, over bare Python", 0.10, 0.06)
    for _ in range(2 * bench.rounds):
        bare = measured([sys.executable, "-c", "pass"], bench.folder).cpu
        for figure, verb in ((helped, "--help"), (wrong, "frobnicate")):
            run = measured([sys.executable, "-m", "runner", verb], bench.folder, {"PYTHONPATH": str(ROOT)})
            figure.ours.append(run.cpu - bare)
        if bench.dvc:
            python = bench.dvc.program.with_name("python")
            theirs = bench.dvc(bench.folder, "--help").cpu - measured([python, "-c", "pass"], bench.folder).cpu
            helped.peers.setdefault("dvc", []).append(theirs)
    return [helped, wrong]


def nothing_to_do(bench: Bench) -> list[Figure]:
    """Measure plans that find every spec up to date."""
    figures = []
    for count, owed, aim in ((25, 0.40, 0.25), (250, 1.0, 0.7)):
        figure = Figure(f"plan, {count} specs, nothing to do", owed, aim)
        root = bench.build("repository.py", count)
        peers: Mapping[str, Dvc | Terraform | None] = {"terraform": bench.terraform, "dvc": bench.dvc}
        places = {name: bench.peer(name, count) for name, peer in peers.items() if peer}
        _idle(root, count)
        for _ in range(bench.rounds):
            figure.ours.append(_idle(root, count).cpu)
            for name, place in places.items():
                peer = peers[name]
                assert peer is not None
                figure.peers.setdefault(name, []).append(peer.up_to_date(place).cpu)
        figures.append(figure)
    return figures


def changed(bench: Bench) -> list[Figure]:
    """Measure a plan that has one of 250 specs to train anew: it costs what changed, not specs times history."""
    root = bench.build("repository.py", 250)
    figure = Figure("plan, one of 250 specs changed", 1.2)
    for number in range(bench.rounds):
        file = root / "specs" / f"item-{number:04}" / "spec.yaml"
        text = file.read_text(encoding="utf-8")
        try:
            edited = text.replace("version: 1.0.0", "version: 1.1.0").replace("num_epochs: 2", "num_epochs: 3")
            file.write_text(edited, encoding="utf-8")
            run = gitune(root, "plan")
        finally:
            file.write_text(text, encoding="utf-8")
        if "1 to run" not in run.printed:
            sys.exit(f"one training was to be planned:\n{run.printed[-1500:]}")
        figure.ours.append(run.cpu)
    return [figure]


def many(bench: Bench) -> list[Figure]:
    """Measure a large repository: time and memory."""
    root = bench.build("repository.py", MANY)
    records = sum(1 for _ in (root / "registry" / "store" / "records").rglob("*.json"))
    if records < MANY_RECORDS:
        sys.exit(f"{root} holds {records} records, and {MANY_RECORDS} were to be read")
    _idle(root, MANY)
    runs = [_idle(root, MANY) for _ in range(bench.rounds)]
    return [
        Figure(f"plan, {MANY} specs, {records} records", 7.0, ours=[run.cpu for run in runs]),
        Figure("  its peak memory", 200.0, unit="MB", ours=[run.peak / MEGABYTE for run in runs]),
    ]


def _idle(root: Path, count: int) -> Run:
    run = gitune(root, "plan")
    if run.printed != f"No changes. {count} specs are up to date.\n":
        sys.exit(f"gitune finds work where there is none:\n{run.printed[-1500:]}")
    return run


def revert(bench: Bench) -> list[Figure]:
    """Measure `git revert` of one spec in 25, planned and applied: the pointer moves, and no step runs."""
    figure = Figure("revert of one spec in 25, plan + apply", 0.8, 0.6)
    root = bench.build("real.py", 24)
    theirs = _dvc_to_revert(bench)
    for number in range(bench.rounds):
        _revert(root)
        plan, apply = gitune(root, "plan", "--json"), gitune(root, "apply", "--yes", "--json")
        summary = json.loads(plan.printed)["summary"]
        ran = [step for spec in json.loads(apply.printed)["specs"] for step in spec["ran"]]
        if ran != ["deploy"] or summary["run"] != 1 or summary["depends"]:
            sys.exit(f"revert {number + 1} ran {ran}; its plan said {summary}")
        figure.ours.append(plan.cpu + apply.cpu)
        if theirs and bench.dvc:
            _revert(theirs)
            dry, real = bench.dvc(theirs, "repro", "--dry"), bench.dvc(theirs, "repro")
            figure.peers.setdefault("dvc", []).append(dry.cpu + real.cpu)
    return [figure]


def _revert(root: Path) -> None:
    command = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run([*command, "revert", "--no-edit", "HEAD"], cwd=root, check=True, capture_output=True)


def _dvc_to_revert(bench: Bench) -> Path | None:
    """Return a repository whose last commit changed one spec; DVC ran both states, and has them cached."""
    if bench.dvc is None:
        return None
    root = bench.folder / "dvc-revert"
    shutil.rmtree(root, ignore_errors=True)
    bench.dvc.build(root, 25)
    for rate in (1000, 2000):
        (root / "specs" / "item-0000" / "params.yaml").write_text(f"rate: {rate}\n", encoding="utf-8")
        bench.dvc(root, "repro")
        commit(root, f"Set rate to {rate}")
    return root


def trivial_steps(bench: Bench) -> list[Figure]:
    """Measure what a step costs besides its work: `prepare` of 60 rows in each of 25 specs, less an apply of none."""
    figure = Figure("a trivial step (prepare of 60 rows)", 0.03, 0.02)
    root = bench.build("repository.py", 25)
    specs = sorted(root.glob("specs/*/spec.yaml"))
    texts = [spec.read_text(encoding="utf-8") for spec in specs]
    try:
        for _ in range(bench.rounds):
            # A division of the rows that no earlier run of a kept repository has had.
            seed = f"seed: {secrets.randbelow(1 << 30) + 43}}}"
            for spec, text in zip(specs, texts, strict=True):
                spec.write_text(text.replace("seed: 42}", seed, 1), encoding="utf-8")
            first, again = (gitune(root, "apply", "--yes", "--json", "--through", "prepare") for _ in range(2))
            ran = [
                [step for spec in json.loads(run.printed)["specs"] for step in spec["ran"]] for run in (first, again)
            ]
            if ran != [["prepare"] * len(specs), []]:
                sys.exit(f"{len(specs)} steps were to be run, then none, and it was {ran}")
            figure.ours.append((first.cpu - again.cpu) / len(specs))
    finally:
        for spec, text in zip(specs, texts, strict=True):
            spec.write_text(text, encoding="utf-8")
    if bench.dvc:
        place = bench.folder / "dvc-steps"
        shutil.rmtree(place, ignore_errors=True)
        bench.dvc.build(place, 25)
        for params in place.glob("specs/*/params.yaml"):
            params.write_text("rate: 5000\n", encoding="utf-8")
        figure.peers["dvc"] = [(bench.dvc(place, "repro").cpu - bench.dvc(place, "repro").cpu) / 100]
    return [figure]


def listing(bench: Bench) -> list[Figure]:
    """Measure the list of all released versions."""
    figure = Figure(f"registry ls, {VERSIONS} versions, over bare Python", 0.15)
    root = bench.build("versions.py", VERSIONS)
    names = json.loads(gitune(root, "registry", "ls", "--json").printed)["names"]
    if (listed := sum(len(name["versions"]) for name in names)) != VERSIONS:
        sys.exit(f"{VERSIONS} versions were to be listed, and {listed} were")
    for _ in range(bench.rounds):
        bare = measured([sys.executable, "-c", "pass"], bench.folder).cpu
        figure.ours.append(gitune(root, "registry", "ls").cpu - bare)
    return [figure]


PARTS: Mapping[str, Callable[[Bench], list[Figure]]] = {
    "start-up": start_up,
    "nothing": nothing_to_do,
    "changed": changed,
    "many": many,
    "revert": revert,
    "steps": trivial_steps,
    "listing": listing,
}

if __name__ == "__main__":
    sys.exit(main())
