"""What became of several specs: one line each, and how many came to which end."""

from __future__ import annotations

from pathlib import Path

from runner.errors import DataError, GituneError, Location, Problem
from runner.reconcile import Outcome
from runner.report.outcome import render_outcome, summarize


def test_one_line_for_each_and_a_count():
    outcomes = [
        Outcome("a", "1.0.0", idle="1.0.0 is live as production"),
        Outcome("long-name", "1.0.0", error=GituneError("no")),
        Outcome("b", "1.0.0", blocked="deploy: commit first"),
        Outcome("c", "1.0.0", error=DataError([Problem("bad", Location("x"))])),
        Outcome("d", "2.0.0", ran=["score"], idle="deploys from main"),
        Outcome("e", "1.0.0", error=GituneError("no")),
    ]
    assert summarize(outcomes).splitlines() == [
        "6 specs: 1 evaluated, 1 nothing to do, 1 data check failed, 1 blocked, 2 failed",
        "  a 1.0.0          nothing to do",
        "  long-name 1.0.0  failed",
        "  b 1.0.0          blocked",
        "  c 1.0.0          data check failed",
        "  d 2.0.0          evaluated",
        "  e 1.0.0          failed",
    ]


def test_the_log_of_what_failed_is_named():
    logs = {"prepare": Path("/l/p.log"), "train": Path("/l/t.log")}
    outcome = Outcome("a", "1.0.0", ran=["prepare"], error=GituneError("train broke down"), logs=logs)
    text = render_outcome(outcome, coloured=False)
    assert "log of train: /l/t.log" in text
    assert "p.log" not in text
