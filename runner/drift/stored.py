"""What the registry holds of live versions and champions: chains that verify, artifacts that are there, holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.drift.finding import Drift
from runner.errors import GituneError, RegistryError
from runner.file_index import FileIndex
from runner.models.base import read_digest
from runner.models.locate import package_is_here, parse_uri
from runner.plan.rulings import hold_on, words
from runner.registry.chain import homes, sealed_record
from runner.registry.facts import STEPS, Deployment, Version
from runner.registry.views import RegistryReader

RESTORE = "restore it from a copy of the store"


def find_held(live: Deployment, reader: RegistryReader) -> Iterator[Drift]:
    """Yield that what is live is on hold: a hold takes nothing down."""
    if live.version and (hold := hold_on(reader.rulings(live.name), live.version, released=True)) is not None:
        remedy = f"merge its rollback, or propose one: gitune rollback {live.name} --open"
        yield Drift("held_but_live", live.name, live.alias, f"{live.version} is live, but {words(hold)}", remedy)


def find_broken(live: Deployment, reader: RegistryReader) -> Iterator[Drift]:
    """Yield every entry of the log that does not verify, and what the live one vouches for."""
    faults = list(reader.broken_links(live.name, live.alias).values())
    last = reader.broken_link(live)
    for fault in dict.fromkeys([*faults, *([last] if last else [])]):
        remedy = f"{RESTORE}; `gitune explain {live.name}` shows the whole proof"
        yield Drift("broken_chain", live.name, live.alias, fault, remedy)


def versions_of(live: Deployment, champion: str | None, reader: RegistryReader) -> Iterator[Version | Drift]:
    """Yield the live version and the champion that gates compare with, or that one of their files is gone."""
    for number in dict.fromkeys(filter(None, (live.version, champion))):
        try:
            version = reader.version(live.name, number)
        except RegistryError as error:
            yield Drift("broken_chain", live.name, live.alias, error.message, error.hint or RESTORE)
            continue
        gone = Drift("missing_artifact", live.name, live.alias, f"versions/{live.name}/{number}.json is gone", RESTORE)
        yield gone if version is None else version


def find_missing(version: Version, live: Deployment, reader: RegistryReader) -> Iterator[Drift]:
    """Yield what a version has lost: its weights, or what its proof rests on. Looks at sizes, reads nothing."""
    number, weights = version.version, version.content.adapter
    if not reader.exists(weights):
        what = f"weights of {number} (sha256 {weights.digest[:12]}) are missing or cut short"
        remedy = f"{RESTORE}; or go back: gitune rollback {version.name} --open" if number == live.version else RESTORE
        yield Drift("missing_artifact", version.name, live.alias, what, remedy)
    for step in STEPS[:-1]:
        key = version.keys.get(step)
        if key is None or sealed_record(version, step, reader) is not None:
            continue
        records = (reader.latest(home, key) for home in homes(step))
        record = next((found for found in records if found is not None), None)
        outputs = record.outputs if record else {}
        gone = [name for name, one in sorted(outputs.items()) if one != weights and not reader.exists(one)]
        if gone or record is None:
            what = f"{', '.join(gone) or 'the record'} of {step}, which {number} was released with, is missing"
            yield Drift("missing_artifact", version.name, live.alias, what, RESTORE)


def find_lost_base(
    version: Version, live: Deployment, root: Path, file_roots: list[str], index: FileIndex
) -> Iterator[Drift]:
    """Yield that the base model of a version is not where it was, or another one; a package may lie elsewhere."""
    content = version.content
    uri = parse_uri(content.base_model)
    if uri.scheme == "hf" or (uri.scheme == "pkg" and not package_is_here(uri)):
        return
    try:
        digest = read_digest(content.base_model, root, file_roots, index)
        what = "" if digest == content.base_digest else f"has other bytes than {version.version} was released with"
    except GituneError as error:
        what = f"is lost: {error.message}"
    if what:
        remedy = f"restore it (sha256 {content.base_digest[:12]}): no server can load {version.version} without"
        yield Drift("lost_base_model", version.name, live.alias, f"{content.base_model} {what}", remedy)
