"""docs/start.md shows what a newcomer gets, and not what they once got."""

from __future__ import annotations

import json
from pathlib import Path

from newcomer import write_rows

from runner.init.base_model import PACKAGED
from runner.init.proposal import propose
from runner.init.sample import read_sample

ROOT = Path(__file__).parents[2]


def test_the_spec_in_the_docs_is_the_one_that_is_proposed(tmp_path):
    files = sorted((ROOT / "specs/support-triage/data").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = [{"input": row["input"], "output": row["output"]["queue"]} for row in rows]
    proposal = propose(read_sample([write_rows(tmp_path / "triage.jsonl", pairs)]), "triage", PACKAGED)
    shown = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    assert f"```yaml\n{proposal.files['spec.yaml']}```" in shown
    for line in proposal.told:
        assert f"  {line}\n" in shown
