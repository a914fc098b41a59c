"""Which deployment a model name means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runner.registry.facts import Deployment
from runner.serving.names import model_id, resolve


def entry(path: str) -> Deployment:
    model, version = path.split("@")
    name, alias = model.split("/")
    facts = {
        "number": 1,
        "previous": None,
        "commit": "c",
        "target": "server",
        "deployed": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Deployment(name=name, alias=alias, version=version, **facts)


TRIAGE, STAGING = "triage/production@1.1.0", "triage/staging@1.2.0"
LEGAL, CANARY = "legal/canary@3.0.0", "legal/beta@3.1.0"


@pytest.mark.parametrize(
    ("model", "live", "meant"),
    [
        ("triage", [TRIAGE], TRIAGE),
        ("triage", [STAGING, TRIAGE], TRIAGE),  # production is the default alias
        ("legal", [TRIAGE, LEGAL], LEGAL),  # else the only one
        ("legal", [LEGAL, CANARY], None),  # never a guess
        ("triage/staging", [STAGING, TRIAGE], STAGING),
        ("triage/canary", [TRIAGE, LEGAL], None),
        ("triage@1.2.0", [TRIAGE, STAGING], STAGING),
        ("triage@1.0.0", [TRIAGE, STAGING], None),  # released perhaps, but not live
        ("production", [TRIAGE, LEGAL], TRIAGE),
        ("production", [TRIAGE, "legal/production@1.0.0"], None),  # two specs
        ("canary", ["canary/beta@1.0.0", LEGAL], "canary/beta@1.0.0"),  # a spec's name comes before an alias
        ("gpt-4o", [TRIAGE], None),
        ("", [TRIAGE], None),
        ("triage", [], None),
    ],
)
def test_what_a_name_means(model, live, meant):
    assert resolve(model, [entry(one) for one in live]) == (entry(meant) if meant else None)


def test_a_model_is_listed_under_a_name_that_leads_back_to_it():
    live = [entry(one) for one in (TRIAGE, STAGING, LEGAL, CANARY)]
    ids = [model_id(one, live) for one in live]
    assert ids == ["triage", "triage/staging", "legal/canary", "legal/beta"]
    assert [resolve(one, live) for one in ids] == live
