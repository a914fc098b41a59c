"""Plans made by hand, for tests of what is printed of them."""

from __future__ import annotations

from runner.plan.model import PlannedStep, SpecPlan
from runner.registry.facts import STEPS

KEY = "3f2a91bc" + "0" * 56


def spec_plan(name="support-triage", champion=None, **actions):
    """Steps are REUSE unless said otherwise: `train="RUN"` or a whole PlannedStep."""
    steps = []
    for step in STEPS:
        wanted = actions.get(step, "REUSE")
        if isinstance(wanted, str):
            key = KEY if wanted in ("RUN", "REUSE") else None
            wanted = PlannedStep(step=step, action=wanted, key=key, reason=f"why {wanted.lower()}")
        steps.append(wanted)
    return SpecPlan(name=name, version="1.0.0", file=f"specs/{name}/spec.yaml", champion=champion, steps=steps)
