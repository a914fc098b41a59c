"""What people change between two commits of a World, by name; a number says how. For tests of sequences of commits."""

from __future__ import annotations

import copy

from world import World

EDITS = {
    "rate": lambda w, n: w.spec["training"].update(learning_rate=[0.001, 0.002, 0.5][n]),
    "rank": lambda w, n: w.spec["training"].update(lora={"r": [16, 8, 4][n]}),
    "micro": lambda w, n: w.spec["training"].update(micro_batch_size=n + 1),
    "owner": lambda w, n: w.spec.update(owner=f"team {n}"),
    "engine": lambda w, n: w.spec.update(engine=["llama_cpp", "transformers"][n % 2]),
    "prompt": lambda w, n: w.spec["dataset"].update(system_prompt=f"Sort {n}."),
    "label": lambda w, n: w.spec["dataset"].update(label=["colour", "size"][n % 2]),
    "gate": lambda w, n: w.spec["evaluation"]["gates"][1].update(at_least=[0.9, 0.8, 0.5][n]),
    "versus": lambda w, n: w.spec["evaluation"].update(
        gates=[
            *w.spec["evaluation"]["gates"][:2],
            {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 5 + n}},
        ]
    ),
    "metric": lambda w, n: w.spec["evaluation"].update(
        metrics=["exact_match", "macro_f1", "exact_match.size"][: n + 1]
    ),
    "own metric": lambda w, n: w.spec["evaluation"].update(
        metrics=["exact_match", "says_so", "validation_loss"],
        custom_metrics=[
            {"name": "says_so", "contains": "red", "ignore_case": n == 1},
            {"name": "unused", "contains": str(n)},
        ],
    ),
    "rows": lambda w, n: w.files.update({"data/c.jsonl": list(range(120, 127 + 7 * n))}),
    "base": lambda w, n: setattr(w, "base", f"weights {n}"),
    "branch": lambda w, n: setattr(w, "branch", ["main", "topic"][n % 2]),
    "split": lambda w, n: w.spec["dataset"]["split"].update(test=[0.4, 0.3, 0.2][n]),
    "generation": lambda w, n: w.spec["evaluation"].update(generation={"max_new_tokens": 64 + n}),
    "alias": lambda w, n: w.spec.update(deployment={"alias": ["production", "canary"][n % 2]}),
}


def snapshot(world: World):
    return copy.deepcopy((world.spec, world.files, world.base))


def edit(world: World, changes: list[tuple[str, int]], past: list, number: int) -> None:
    """Make the changes of one commit, `revert` to an earlier one among them, and note what the world is then."""
    for name, value in changes:
        if name == "revert":
            world.spec, world.files, world.base = copy.deepcopy(past[value % len(past)])
        else:
            EDITS[name](world, value)
            world.spec["version"] = f"1.{number}.0"
    past.append(snapshot(world))
