"""PREPARE: source files -> canonical splits, test prompts, row sources, near neighbours, slices and a data card."""

from __future__ import annotations

from runner.data.neighbours import find_neighbours, neighbours_to_json
from runner.data.prepare import prepare
from runner.data.prompts import prompts_of, prompts_to_jsonl
from runner.data.rows import rows_to_jsonl
from runner.data.slices import slice_places
from runner.digest import digest_file
from runner.plan.subject import digest_sources
from runner.progress import Progress
from runner.steps.context import StepContext, StepResult, require_unchanged, to_json, to_jsonl


def run(context: StepContext) -> StepResult:
    """Read, check and split the rows.

    Raises:
        DataError: with every finding of severity error.
        GituneError: when a file was edited since the plan.
    """
    loaded, registry = context.subject.loaded, context.registry
    spec = loaded.spec
    contract = context.contract()
    context.report(Progress("reading rows"))
    prepared = prepare(spec.dataset, loaded.folder, loaded.root, contract, slice_places(loaded))
    require_unchanged("the data", context.subject.files, digest_sources(loaded, digest_file))
    splits = {"train": prepared.train, "validation": prepared.validation, "test": prepared.test}
    written = {name: rows_to_jsonl(rows) for name, rows in splits.items()}
    outputs = {name: registry.put_bytes(data) for name, data in written.items()}
    outputs["prompts"] = registry.put_bytes(prompts_to_jsonl(prompts_of(prepared.test)))
    outputs["sources"] = registry.put_bytes(to_jsonl(prepared.sources))
    outputs["card"] = registry.put_bytes(to_json(prepared.card))
    context.report(Progress("comparing test rows with training rows"))
    neighbours = find_neighbours(prepared.train, prepared.test)
    outputs["neighbours"] = registry.put_bytes(to_jsonl(neighbours_to_json(neighbours)))
    if prepared.slices:
        outputs["slices"] = registry.put_bytes(to_json(prepared.slices))
    files = {path: digest for role in context.subject.files.values() for path, digest in role.items()}
    counts = {name: len(rows) for name, rows in splits.items()}
    metrics = {
        "rows": counts,
        # Bytes of the longest row to learn: plans estimate memory from it.
        "longest_row": max(map(len, b"".join(written[name] for name in ("train", "validation")).splitlines())),
        "findings": len(prepared.findings),
        "near_test_rows": sum(found.near for found in neighbours),
        "files": files,
    }
    return StepResult(outputs, metrics)
