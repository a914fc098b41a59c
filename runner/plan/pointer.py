"""May an alias move to a released version? (version, log, gates) -> what is in the way, in words.

A release is decided once and a way back is free; what is checked here is that the bytes are all there, and that a
release which was judged under one alias does not pass under another one unjudged.
"""

from __future__ import annotations

from collections.abc import Iterable

from runner.errors import RegistryError
from runner.registry.facts import Deployment, Record, Version
from runner.registry.views import RegistryReader
from runner.spec.models import Spec
from runner.spec.semver import next_minor


def loss(version: Version, reader: RegistryReader) -> str | None:
    """Verify by full digest what a version is made of, and say what is lost or damaged, if anything.

    A snapshot knows no more than that the bytes were there; the deployment verifies them.
    """
    adapter = version.content.adapter
    if not reader.holds_bytes:
        return None if reader.exists(adapter) else lost(version, f"{adapter.digest} was not there")
    try:
        reader.fetch(adapter)
    except RegistryError as error:
        return lost(version, error.message)
    # A copy in this machine's cache serves nobody else.
    return None if reader.exists(adapter) else lost(version, f"{adapter.digest} is in the local cache only")


def lost(version: Version, what: str) -> str:
    """Say that a release cannot be had any more, and what to do: to train it again would make another model."""
    return (
        f"{version.version} is released but its artifacts are lost: {what}; "
        "restore them from a copy of the store, or release a new version"
    )


def training_of(version: Version, found: Record | None, records: Iterable[Record]) -> Record | None:
    """Return the record of a release's training with the very weights that were released; None when it is lost.

    Args:
        version: a released version whose weights are all there.
        found: the valid record of its key, if there is one.
        records: newest records of `train`; what they name beside the weights, such as the curve, may be gone.
    """
    # A later training of the same key, by another spec, may have yielded other bytes.
    key = version.content.train_key
    record = found or next((record for record in records if record.key == key), None)
    if record is None:
        return None
    return record.model_copy(update={"outputs": record.outputs | {"adapter": version.content.adapter}})


def unjudged(version: Version, live: Deployment | None, spec: Spec, reader: RegistryReader) -> str | None:
    """Say that gates on the champion never compared a release with what it would replace, if that is so.

    That happens when a spec is released under an alias of its own and moves to another one later. What was live under
    the alias before may always come back.
    """
    if live is None or live.version is None or live.version in (version.version, version.champion):
        return None
    if not any(gate.rival == "champion" for gate in spec.evaluation.gates):
        return None
    if any(entry.version == version.version for entry in reader.deployments(spec.name, live.alias)):
        return None
    replaced = reader.version(spec.name, live.version)
    if replaced is not None and replaced.content == version.content:
        return None
    newest = reader.versions(spec.name)[-1].version
    return (
        f"{live.version} is live as {live.alias}, and {version.version} was released without a comparison with it; "
        f"give it a new version, such as {next_minor(newest)}: its gates compare the two, and nothing is trained again"
    )
