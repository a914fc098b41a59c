"""How often a test set has been looked at: the score records are the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runner.evaluation.wear import wear
from runner.registry.facts import Record
from runner.registry.registry import open_namespace, open_registry

START = datetime(2026, 1, 1, tzinfo=UTC)
TEST, OTHER_TEST = "a" * 64, "b" * 64


def add(registry, number, *, candidate=None, test=TEST, spec="bot"):
    """Score a candidate; without a digest of its answers it is one of its own."""
    registry.add_record(
        Record(
            step="score",
            key=f"{number:064x}",
            inputs={"test": test, "answers": {"base": "c" * 64, "tuned": candidate or f"{number:064x}"}},
            spec=spec,
            version="1.0.0",
            started=START,
            finished=START + timedelta(seconds=number),
        )
    )


@pytest.fixture
def registry(tmp_path):
    return open_registry("store", tmp_path, tmp_path / "cache")


def test_every_different_candidate_counts_whatever_became_of_it(registry):
    add(registry, 1)
    add(registry, 2, spec="another spec")
    add(registry, 3, candidate=f"{1:064x}")  # the same answers, with other metrics
    add(registry, 4, test=OTHER_TEST)
    found = wear(registry, TEST, 64)
    assert (found.candidates, found.is_worn) == (2, False)
    assert found.odds_of_lucky_pass == pytest.approx(1 - 0.95**2)
    assert found.message.startswith("2 different candidates have been scored on these 64 test rows.")


@pytest.mark.parametrize(
    ("candidates", "odds", "is_worn"), [(1, "5 %", False), (9, "37 %", False), (10, "40 %", True), (20, "64 %", True)]
)
def test_many_candidates_make_a_lucky_pass_likely(registry, candidates, odds, is_worn):
    for number in range(candidates):
        add(registry, number)
    found = wear(registry, TEST, 100)
    assert (f"{100 * found.odds_of_lucky_pass:.0f} %", found.is_worn) == (odds, is_worn)
    assert (f"up to {odds}" in found.message) == (candidates > 1)
    assert ("Renew the test rows" in found.message) == is_worn


def test_a_test_set_that_nobody_scored_yet_is_fresh(registry):
    found = wear(registry, TEST, 64)
    assert (found.candidates, found.odds_of_lucky_pass, found.is_worn) == (0, 0.0, False)


def test_candidates_of_pull_requests_count_too_once_each(registry, tmp_path):
    add(registry, 1)
    for namespace, number in (("pr/7", 2), ("pr/8", 3)):
        add(open_namespace("store", tmp_path, tmp_path / "cache", namespace), number)
    # One of them was adopted, so main scored it again.
    add(registry, 5, candidate=f"{2:064x}")
    assert wear(registry, TEST, 64).candidates == 3
    # A pull request's own run sees the same, from its side.
    assert wear(open_namespace("store", tmp_path, tmp_path / "cache", "pr/7"), TEST, 64).candidates == 3


def test_records_are_read_once(registry, tmp_path, monkeypatch):
    for number in range(5):
        add(registry, number)
    add(open_namespace("store", tmp_path, tmp_path / "cache", "pr/7"), 9)
    assert wear(registry, TEST, 64).candidates == 6
    again = open_registry("store", tmp_path, tmp_path / "cache")
    asked = []
    read = type(again._store).read
    monkeypatch.setattr(type(again._store), "read", lambda store, key: asked.append(key) or read(store, key))
    assert wear(again, TEST, 64).candidates == 6
    assert asked == []


def test_a_stranger_may_write_what_it_likes(registry, tmp_path):
    add(registry, 1)
    own = open_namespace("store", tmp_path, tmp_path / "cache", "pr/7")
    odd = {"test": TEST, "answers": ["tuned"]}, {"test": [TEST], "answers": {"tuned": 1}}, {}
    for number, inputs in enumerate(odd, 2):
        own.add_record(
            Record(
                step="score", key=f"{number:064x}", inputs=inputs, spec="x", version="1", started=START, finished=START
            )
        )
    assert wear(registry, TEST, 64).candidates == 1
