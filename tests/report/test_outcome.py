"""What became of several specs: one line for each that needed anything, and how many came to which end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from runner.errors import DataError, GituneError, Location, Problem
from runner.reconcile import Outcome
from runner.registry.facts import Deployment
from runner.report.outcome import render_outcome, render_outcomes, summarize


def entry(version):
    at = {"deployed": datetime(2026, 11, 22, tzinfo=UTC), "commit": "c" * 40, "target": "server"}
    return Deployment(number=2, name="f", alias="production", version=version, previous="1.0.0", **at)


def test_one_line_for_each_and_a_count():
    outcomes = [
        Outcome("a", "1.0.0", idle="1.0.0 is live as production"),
        Outcome("long-name", "1.0.0", error=GituneError("no")),
        Outcome("b", "1.0.0", blocked="deploy: commit first"),
        Outcome("c", "1.0.0", error=DataError([Problem("bad", Location("x"))])),
        Outcome("d", "2.0.0", ran=["score"], idle="deploys from main"),
        Outcome("e", "1.0.0", error=GituneError("no")),
        Outcome("f", "1.0.0", ran=["deploy"], deployment=entry("1.0.0")),
        Outcome("f", "1.0.0", ran=["deploy"], deployment=entry(None)),
    ]
    assert summarize(outcomes).splitlines() == [
        "8 specs: 1 deployed, 1 undeployed, 1 evaluated, 1 nothing to do, 1 data check failed, 1 blocked, 2 failed",
        "  long-name 1.0.0  failed",
        "  b 1.0.0          blocked",
        "  c 1.0.0          data check failed",
        "  d 2.0.0          evaluated",
        "  e 1.0.0          failed",
        "  f 1.0.0          deployed",
        "  f 1.0.0          undeployed",
    ]


def test_what_needed_nothing_is_only_counted_unless_it_is_alone():
    idle = Outcome("a", "1.0.0", idle="1.0.0 is live as production")
    stopped = Outcome("b", "1.0.0", blocked="deploy: commit first")
    assert render_outcomes([idle, stopped], coloured=False).splitlines() == [
        "b 1.0.0",
        "  ran: nothing",
        "  not deployed; deploy: commit first",
        "",
        "2 specs: 1 nothing to do, 1 blocked",
        "  b 1.0.0  blocked",
    ]
    assert render_outcomes([idle, idle], coloured=False) == "2 specs: 2 nothing to do"
    assert "nothing to deploy: 1.0.0 is live as production" in render_outcomes([idle], coloured=False)


def test_verdicts_are_wrapped_beside_their_column():
    verdict = {
        "outcome": "INCONCLUSIVE",
        "gate": "exact_match beats base by 5 points",
        "reason": "too few " * 9 + "rows",
    }
    gate = SimpleNamespace(metrics={"verdicts": [verdict], "release": False, "outcome": "INCONCLUSIVE"})
    outcome = Outcome("a", "1.0.0", gate=gate)
    whole = render_outcome(outcome, coloured=False).splitlines()[1]
    assert len(whole) > 80
    head, first, *more, _, _ = render_outcome(outcome, coloured=True, width=80).splitlines()
    assert head == "a 1.0.0"
    assert first.startswith("  \x1b[33mINCONCLUSIVE\x1b[0m exact_match beats")
    assert more
    assert all(line.startswith(" " * 15) and len(line) <= 80 for line in more)
    assert " ".join(" ".join([first, *more]).split()) == " ".join(
        whole.replace("INCONCLUSIVE", "\x1b[33mINCONCLUSIVE\x1b[0m").split()
    )


def test_the_log_of_what_failed_is_named():
    logs = {"prepare": Path("/l/p.log"), "train": Path("/l/t.log")}
    outcome = Outcome("a", "1.0.0", ran=["prepare"], error=GituneError("train broke down"), logs=logs)
    text = render_outcome(outcome, coloured=False)
    assert "log of train: /l/t.log" in text
    assert "p.log" not in text
