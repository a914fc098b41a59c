"""The example's data keeps its promises: hand-written, consistent with its schema, nearly no near-duplicates."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rapidfuzz import fuzz, process

FOLDER = Path(__file__).parents[1] / "specs" / "support-triage"
ROWS = [json.loads(line) for path in sorted(FOLDER.glob("data/*.jsonl")) for line in path.open(encoding="utf-8")]
SCHEMA = json.loads((FOLDER / "output.schema.json").read_text(encoding="utf-8"))


def test_enough_messages_for_every_queue():
    queues = Counter(row["output"]["queue"] for row in ROWS)
    assert len(ROWS) >= 400
    assert set(queues) == set(SCHEMA["properties"]["queue"]["enum"])
    assert len(queues) >= 8
    assert min(queues.values()) >= 40


def test_near_duplicates_stay_below_two_percent():
    texts = [row["input"].casefold() for row in ROWS]
    near = {
        number
        for number, text in enumerate(texts)
        for _, _, other in process.extract(text, texts, scorer=fuzz.ratio, score_cutoff=85, limit=3)
        if other != number
    }
    assert len(near) / len(texts) < 0.02


def test_labels_follow_the_guide_where_it_leaves_no_choice():
    for row in ROWS:
        labels = row["output"]
        if labels["queue"] == "security":
            assert (labels["priority"], labels["needs_human"]) == ("high", True), row
        if labels["queue"] == "feedback":
            assert labels["priority"] in ("low", "high"), row


def test_every_queue_is_in_the_guide():
    guide = (FOLDER / "LABELING.md").read_text(encoding="utf-8")
    assert all(f"| `{queue}` |" in guide for queue in SCHEMA["properties"]["queue"]["enum"])
