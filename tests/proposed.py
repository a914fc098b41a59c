"""Proposals made by hand, for tests of what is told of them."""

from __future__ import annotations

from plans import spec_plan
from reports import make_report

from runner.plan.model import make_plan
from runner.proposals.model import BarChange, Proposal, ProposedSpec

HEAD, BASE = "a" * 40, "b" * 40
RUN = "https://github.example/acme/bots/actions/runs/7"


def judged(name="support-triage", outcome="PASS", *, rows=12, **changed):
    releasable = changed.pop("releasable", outcome == "PASS")
    report = make_report(rows, name=name, outcome=outcome, releasable=releasable, **changed)
    return ProposedSpec(name=name, version="1.1.0", state="judged", plan=spec_plan(name), report=report)


def unjudged(name="support-triage", state="waiting", reason="train has to run", **changed):
    plan = spec_plan(name, train="RUN", score="DEPENDS")
    return ProposedSpec(name=name, version="1.1.0", state=state, plan=plan, reason=reason, **changed)


def proposal(*specs, **changed):
    plans = [spec.plan for spec in specs if spec.plan is not None]
    told = {
        "head": HEAD,
        "base": BASE,
        "base_ref": "main",
        "specs": list(specs),
        "plan": None if "plan" in changed else make_plan(plans, HEAD),
        "tool": "0.6.0",
    }
    return Proposal(**{**told, **changed})


def bar(**changed):
    told = {"what": "gates of support-triage", "path": "specs/support-triage/spec.yaml", "owners": ["@ada", "@org/ml"]}
    return BarChange(**{**told, **changed})
