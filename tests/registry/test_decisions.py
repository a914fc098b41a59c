"""Decisions are a log: numbered, create-only, and none is ever passed over."""

from datetime import UTC, datetime

import pytest

from runner.errors import ConflictError, RegistryError
from runner.registry.facts import Ruling


def ruling(number, kind="hold", **fields):
    facts = {"name": "support", "who": "Ada", "reason": "why not", "at": datetime(2026, 11, 22, tzinfo=UTC)}
    return Ruling(number=number, kind=kind, **(facts | fields))


def test_decisions_come_back_in_order(registry):
    assert registry.rulings("support") == []
    rulings = [ruling(number, kind) for number, kind in enumerate(("hold", "lift", "approve") * 4, start=1)]
    for one in rulings:
        registry.add_ruling(one)
    assert registry.rulings("support") == rulings
    assert registry.rulings("other") == []


def test_a_number_is_given_once(registry):
    registry.add_ruling(ruling(1))
    with pytest.raises(ConflictError, match="decision 1 about support is taken"):
        registry.add_ruling(ruling(1, "lift"))
    assert registry.rulings("support") == [ruling(1)]


@pytest.mark.parametrize("content", [None, b"{", b"{}"])
def test_a_decision_that_is_lost_is_an_error(local, tmp_path, content):
    for number in (1, 2):
        local.add_ruling(ruling(number))
    path = tmp_path / "store/decisions/support/00000001.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RegistryError, match=r"00000001\.json .* missing or cannot be read"):
        local.rulings("support")


@pytest.mark.parametrize("name", ["..", "a/b", ""])
def test_names_that_could_lead_elsewhere_are_refused(registry, name):
    with pytest.raises(RegistryError, match="cannot be a name"):
        registry.add_ruling(ruling(1, name=name))
