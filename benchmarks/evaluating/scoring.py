"""10,000 stored answers, all cheap metrics of the catalog that are made of answers, and their intervals; no model.

`python scoring.py` prints the CPU seconds as JSON: of all together, and of every metric scored alone, which shows whom
to ask when they are too many. Imports are not counted.
"""

from __future__ import annotations

import json
import random
import resource

from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import Example, Row, number_rows
from runner.errors import Location
from runner.evaluation.catalog import METRICS
from runner.evaluation.intervals import interval
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores
from runner.evaluation.stored import Answers

ROWS = 10_000
WRONG = 0.25
OUTSIDE = {"consistency", "answer_tokens", "format_compliance"}
"""They need several samples, counted tokens or a contract."""
DEAR = {"difflib_ratio"}
"""Quadratic and in Python: told, and not among the cheap metrics that the figure is owed for."""


def main() -> None:
    """Print what scoring costs."""
    rows = _rows()
    names = [name for name, metric in METRICS.items() if metric.kind != "measure" and name not in OUTSIDE]
    cheap = [name for name in names if name not in DEAR]
    answers = _answers(rows)
    _score(rows[:50], answers, names)  # imports what is imported late
    cpu = _score(rows, answers, cheap)
    parts = {name: _score(rows, answers, [name]) for name in names}
    print(json.dumps({"rows": len(rows), "metrics": cheap, "cpu": cpu, "parts": parts}))


def _score(rows: list[Row], answers: Answers, names: list[str]) -> float:
    """Return the CPU seconds that metrics and their intervals take."""
    started = _cpu()
    subject = score_answers(rows, answers, names, "intent", None)
    scores = Scores(rows=[row.id for row in rows], subjects={"tuned": subject})
    for name in names:
        interval(name, scores, "tuned")
    return _cpu() - started


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _answers(rows: list[Row]) -> Answers:
    """Return the references, a share of them exchanged for others."""
    chance = random.Random(7)
    references = [reference_of(row) for row in rows]
    return Answers.of(
        {
            prompt_of(row).id: chance.choice(references) if chance.random() < WRONG else reference
            for row, reference in zip(rows, references, strict=True)
        }
    )


def _rows() -> list[Row]:
    chance = random.Random(42)
    words = [f"word{number}" for number in range(400)]
    examples = []
    for number in range(ROWS):
        answer = {
            "intent": f"intent_{chance.randrange(60)}",
            "reason": " ".join(chance.choices(words, k=15)),
            "amount": chance.randrange(1000),
        }
        turns = [("user", f"question {number}"), ("assistant", json.dumps(answer))]
        messages = [{"role": role, "content": content} for role, content in turns]
        examples.append(Example(messages, None, Location("made")))
    return [row for row, _ in number_rows(examples)]


if __name__ == "__main__":
    main()
