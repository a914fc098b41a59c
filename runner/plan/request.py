"""What was asked of `gitune plan`, so that a saved plan can ask the same again."""

from __future__ import annotations

from dataclasses import dataclass

from runner.registry.facts import Step


@dataclass(frozen=True)
class Request:
    """The arguments that decide a plan."""

    specs: tuple[str, ...] = ()
    """Specs named; empty for all."""
    base: str | None = None
    """Reference whose difference is planned."""
    through: Step = "deploy"
    """Last step to plan."""
    retry: bool = False
    """Steps that failed for good run again."""
    force_older: bool = False
    """A deployment from a commit that is not after the live one is allowed."""
    adopt: tuple[str, ...] = ()
    """Namespaces whose trainings and answers are taken over first."""
    namespace: str | None = None
    """Namespace that is planned for; None for main's registry."""
