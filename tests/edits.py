"""What people change between two commits of a World, by name; a number says how. For tests of sequences of commits."""

from __future__ import annotations

import copy
import sys

from world import World

PROGRAM = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"row": row["row"], "score": float(len(row["answer"]) > %d)}))
"""


def measure(world: World, *metrics: str, own: tuple[dict, ...] = ()) -> None:
    """Ask for other metrics; what a gate goes by and what is defined stays."""
    evaluation = world.spec["evaluation"]
    asked = {gate["metric"] for gate in evaluation["gates"]} - {"format_compliance"}
    evaluation["metrics"] = list(dict.fromkeys([*metrics, *sorted(asked)]))
    defined = {one["name"]: one for one in (*evaluation.get("custom_metrics", ()), *own)}
    if defined:
        evaluation["custom_metrics"] = list(defined.values())


def ask(world: World, gate: dict) -> None:
    """Have a third gate."""
    evaluation = world.spec["evaluation"]
    evaluation["gates"] = [*evaluation["gates"][:2], gate]


def spread(world: World, number: int) -> None:
    world.spec["evaluation"]["slices"] = [["size"], ["size", "colour"], ["colour", "size"]][number]


def judge_slices(world: World, number: int) -> None:
    world.spec["evaluation"].setdefault("slices", ["size"])
    gate = {"metric": "exact_match", "beats": "base", "by": {"points": 5}, "slice": "size"}
    ask(world, gate | {"min_rows": [2, 10, 20][number]})


def sample(world: World, number: int) -> None:
    settings = world.spec["evaluation"].setdefault("generation", {})
    settings.update(temperature=0.7, samples=[2, 3, 2][number])
    measure(world, "exact_match", "consistency")


def contract(world: World, number: int) -> None:
    schema = {"json_schema": "output.schema.json"}
    world.spec["evaluation"]["output_format"] = [schema, schema | {"extract": True}, schema | {"max_length": 60}][
        number
    ]


def time_it(world: World, number: int) -> None:
    measure(world, "exact_match", ["latency_p50", "latency_p95", "answer_tokens"][number])
    if number:
        ask(world, {"metric": world.spec["evaluation"]["metrics"][1], "at_most": 600})


def own_kinds(world: World, number: int) -> None:
    definition = [{"regex": '"colour"'}, {"numeric": "last", "tolerance": 1.0}, {"regex": "S", "ignore_case": True}]
    # References hold no number, so a numeric metric cannot be used here; unused, it must change nothing.
    name = ["matches", "unused_sum", "matches"][number]
    measure(world, "exact_match", *([name] if name == "matches" else []), own=({"name": name, **definition[number]},))


def program(world: World, number: int) -> None:
    world.scripts["score.py"] = PROGRAM % [0, 20, 99][number]
    world.config["metrics"] = [{"name": "length", "command": [sys.executable, "score.py"]}]
    measure(world, "exact_match", "long_enough", own=({"name": "long_enough", "command": "length"},))


def prove(world: World, number: int) -> None:
    world.spec["evaluation"]["gates"][number % 2].update(proof="strict")
    world.spec["evaluation"]["on_inconclusive"] = ["fail", "warn", "fail"][number]


EDITS = {
    "rate": lambda w, n: w.spec["training"].update(learning_rate=[0.001, 0.002, 0.5][n]),
    "rank": lambda w, n: w.spec["training"].update(lora={"r": [16, 8, 4][n]}),
    "micro": lambda w, n: w.spec["training"].update(micro_batch_size=n + 1),
    "owner": lambda w, n: w.spec.update(owner=f"team {n}"),
    "engine": lambda w, n: w.spec.update(engine=["llama_cpp", "transformers"][n % 2]),
    "prompt": lambda w, n: w.spec["dataset"].update(system_prompt=f"Sort {n}."),
    "label": lambda w, n: w.spec["dataset"].update(label=["colour", "size"][n % 2]),
    "gate": lambda w, n: w.spec["evaluation"]["gates"][1].update(at_least=[0.9, 0.8, 0.5][n]),
    "versus": lambda w, n: ask(w, {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 5 + n}}),
    "metric": lambda w, n: measure(w, *["exact_match", "macro_f1", "exact_match.size", "similarity"][: n + 2]),
    "own metric": lambda w, n: measure(
        w,
        *("exact_match", "says_so", "validation_loss"),
        own=(
            {"name": "says_so", "contains": "red", "ignore_case": n == 1},
            {"name": "unused", "contains": str(n)},
        ),
    ),
    "own kinds": own_kinds,
    "program": program,
    "slices": spread,
    "slice gate": judge_slices,
    "samples": sample,
    "contract": contract,
    "rows": lambda w, n: w.files.update({"data/c.jsonl": list(range(120, 127 + 7 * n))}),
    "base": lambda w, n: setattr(w, "base", f"weights {n}"),
    "branch": lambda w, n: setattr(w, "branch", ["main", "topic"][n % 2]),
    "split": lambda w, n: w.spec["dataset"]["split"].update(test=[0.4, 0.3, 0.2][n]),
    "generation": lambda w, n: w.spec["evaluation"].setdefault("generation", {}).update(max_new_tokens=64 + n),
    "alias": lambda w, n: w.spec.update(deployment={"alias": ["production", "canary"][n % 2]}),
}

# What these lead to depends on more than the spec: on the clock, on versions that were released, on policy.
CIRCUMSTANCES = {
    "time": time_it,
    "version": lambda w, n: ask(
        w, {"metric": "exact_match", "not_worse_than": f"version:1.{n + 1}.0", "margin": {"points": 10}}
    ),
    "proof": prove,
    "floor": lambda w, n: w.config.update(
        policy={"floors": [{"metric": "exact_match", "beats": "base", "by": {"points": [5, 60, 10][n]}}]}
    ),
    "least rows": lambda w, n: w.config.update(policy={"min_test_rows": [10, 40, 500][n]}),
}


def snapshot(world: World):
    return copy.deepcopy((world.spec, world.files, world.base))


def edit(world: World, changes: list[tuple[str, int]], past: list, number: int) -> None:
    """Make the changes of one commit, `revert` to an earlier one among them, and note what the world is then."""
    for name, value in changes:
        if name == "revert":
            world.spec, world.files, world.base = copy.deepcopy(past[value % len(past)])
        else:
            (EDITS | CIRCUMSTANCES)[name](world, value)
            world.spec["version"] = f"1.{number}.0"
    past.append(snapshot(world))
