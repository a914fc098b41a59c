"""Model name of a request -> the deployment it means.

A request says `support-triage` (the spec), `support-triage/staging` (the spec's alias), `support-triage@1.1.0` (an
exact version, while it is live) or `production` (the alias, when only one spec is deployed under it).
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.registry.facts import Deployment

DEFAULT_ALIAS = "production"


def resolve(model: str, live: Sequence[Deployment]) -> Deployment | None:
    """Return the one live deployment that `model` means; None when there is none, or when it could be several."""
    named = [entry for entry in live if entry.name == model]
    if named:
        return _default(named)
    exact = [entry for entry in live if model in (f"{entry.name}/{entry.alias}", f"{entry.name}@{entry.version}")]
    if exact:
        return exact[0]
    return _only([entry for entry in live if entry.alias == model])


def model_id(entry: Deployment, live: Sequence[Deployment]) -> str:
    """Return the shortest name that stays right when the next version is deployed: `name` or `name/alias`."""
    return entry.name if resolve(entry.name, live) == entry else f"{entry.name}/{entry.alias}"


def exact_name(entry: Deployment) -> str:
    """Return `name@1.2.0`, which means the same weights for ever."""
    return f"{entry.name}@{entry.version}"


def _default(named: Sequence[Deployment]) -> Deployment | None:
    return next((entry for entry in named if entry.alias == DEFAULT_ALIAS), None) or _only(named)


def _only(entries: Sequence[Deployment]) -> Deployment | None:
    return entries[0] if len(entries) == 1 else None
