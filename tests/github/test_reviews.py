"""Whose agreement counts: the last word of each person who may write, on exactly this commit."""

from __future__ import annotations

import pytest
from hubs import as_app, as_job

from runner.github.permissions import is_member, may_write
from runner.github.pull_requests import pull_request
from runner.github.reviews import Approvals


@pytest.fixture
def sha(clone):
    return clone.push("change", a="1")


@pytest.fixture
def number(hub, sha):
    hub.people |= {"carl": "maintain", "dora_corp": "write", "tess": "triage"}
    return hub.open_pull_request("change", "A change", "bob")


def approvals(hub, number):
    connection = as_app(hub, pull_requests="read", members="read")
    return Approvals(connection, pull_request(connection.repository, number))


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ([], []),
        ([("ada", "APPROVED")], ["ada"]),
        ([("ada", "COMMENTED")], []),
        ([("ada", "APPROVED"), ("ada", "COMMENTED")], ["ada"]),
        ([("ada", "APPROVED"), ("ada", "CHANGES_REQUESTED")], []),
        ([("ada", "CHANGES_REQUESTED"), ("ada", "APPROVED")], ["ada"]),
        ([("ada", "DISMISSED")], []),
        ([("ada", "APPROVED"), ("carl", "CHANGES_REQUESTED")], ["ada"]),
        ([("dora_corp", "APPROVED"), ("carl", "APPROVED")], ["dora_corp", "carl"]),
        ([("eve", "APPROVED"), ("tess", "APPROVED"), ("nobody", "APPROVED")], []),
        ([("bob", "APPROVED")], []),
        ([("github-actions[bot]", "APPROVED")], []),
    ],
)
def test_who_counts(hub, number, said, counts):
    for login, state in said:
        hub.review(number, login, state)
    assert approvals(hub, number).people == counts


def test_an_approval_of_an_older_commit_is_none_any_more(hub, clone, number, sha):
    hub.review(number, "ada")
    clone.push("change", a="2")
    assert approvals(hub, number).people == []
    hub.review(number, "ada", commit=hub.pull(number).head)
    assert approvals(hub, number).people == ["ada"]


def test_reviews_are_read_to_the_last_page(hub, number):
    hub.review(number, "ada")
    for _ in range(120):
        hub.review(number, "carl", "COMMENTED")
    hub.review(number, "ada", "DISMISSED")
    assert approvals(hub, number).people == []


def test_owners_are_people_or_teams(hub, number):
    hub.teams |= {"org/data": {"carl": "member", "ada": "pending"}, "other/data": {"ada": "member"}}
    hub.review(number, "carl")
    found = approvals(hub, number)
    assert found.of("x", ["@Carl"]) == "carl"
    assert found.of("x", ["@org/data"]) == "carl"
    for owners in ([], ["@ada"], ["carl"], ["carl@example.invalid"], ["@other/data"], ["@org/none"]):
        assert found.of("x", owners) is None


def test_a_membership_that_only_was_offered_is_none(hub, number):
    hub.teams |= {"org/data": {"ada": "pending"}}
    hub.review(number, "ada")
    assert approvals(hub, number).of("x", ["@org/data"]) is None


def test_a_token_that_may_not_ask_for_members_knows_none(hub, number):
    hub.teams |= {"org/data": {"ada": "member"}}
    assert is_member(as_app(hub, members="read").repository, "org/data", "ada")
    assert not is_member(as_job(hub).repository, "org/data", "ada")


@pytest.mark.parametrize(
    ("login", "may"),
    [("ada", True), ("carl", True), ("bob", True), ("dora_corp", True), ("tess", False), ("eve", False),
     ("nobody", False), ("github-actions[bot]", False), ("", False), ("../app", False), ("ada/x", False)],
)  # fmt: skip
def test_who_may_write(hub, number, login, may):
    assert may_write(as_job(hub).repository, login) is may
