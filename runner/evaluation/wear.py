"""The score records of a registry -> how worn a test set is: how many different candidates were scored on it.

Every look at a test set is a chance to pass by luck. A gate lets a model that is no better pass in at most one case of
twenty; of twenty such models that are tried, one or the other passes more often than not. The records remember every
candidate, those that were refused and those of other specs and of pull requests too.

A test set is known by the digest of its rows, so one row more or another system prompt makes it a new one here.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.errors import RegistryError
from runner.registry.facts import Summary
from runner.registry.views import RegistryReader

LEVEL = 0.05
"""How often at most a gate lets a model pass that is no better."""

MANY = 10
"""Candidates from which on a lucky pass is likely enough to say so: 40 %."""


@dataclass(frozen=True, slots=True)
class Wear:
    """How often a test set has been looked at."""

    candidates: int
    """Different candidates (by their answers) that were scored on it, this one included."""
    odds_of_lucky_pass: float
    """At most how likely one of them passes a gate by luck, were none of them better."""
    is_worn: bool
    """Whether there are so many that a narrow pass proves little."""
    message: str
    """The same in words."""


def wear(reader: RegistryReader, test_digest: str, n: int) -> Wear:
    """Count the candidates that were scored on a test set.

    Args:
        reader: the registry.
        test_digest: sha256 of the test rows.
        n: how many rows they are.
    """
    scored = [*reader.summaries("score"), *_of_namespaces(reader)]
    candidates = len({one.inputs["tuned"] for one in scored if one.inputs.get("test") == test_digest})
    odds = 1 - (1 - LEVEL) ** candidates
    is_worn = candidates >= MANY
    return Wear(candidates, odds, is_worn, _words(candidates, odds, n, is_worn=is_worn))


def _of_namespaces(reader: RegistryReader) -> list[Summary]:
    try:
        return reader.summaries_of_namespaces("score")
    except RegistryError:  # a pull request's credentials may not show it what others wrote
        return []


def _words(candidates: int, odds: float, n: int, *, is_worn: bool) -> str:
    if candidates <= 1:
        return f"The first candidate to be scored on these {n} test rows."
    told = (
        f"{candidates} different candidates have been scored on these {n} test rows. Were none of them better, the "
        f"odds that at least one passes a gate by luck would be up to {100 * odds:.0f} %."
    )
    return f"{told} Renew the test rows before you trust a narrow pass." if is_worn else told
