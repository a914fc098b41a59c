"""`specs/<name>/data.lock` <-> pins: what remote and package inputs were when the owner last looked.

`gitune data lock` writes it; planning reads digests from it and needs neither network nor bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel

from runner.spec.known import KnownDocuments
from runner.spec.section import Section
from runner.spec.validation import tell, validated
from runner.spec.yaml_file import read_yaml

LOCK_FILE = "data.lock"
_HEADER = "# Written by `gitune data lock`: what each input was. Commit it.\n"


class Pin(Section):
    """The content of one input."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Digest of the bytes."""
    size: Annotated[int, Field(ge=0)]
    """Number of bytes."""
    rows: Annotated[int, Field(ge=0)] | None = None
    """Number of examples, for data."""
    model_type: str | None = None
    """Family of a checkpoint, as its config.json names it."""


class Lock(RootModel[dict[str, Pin]]):
    """The whole file: URI -> pin."""


def load_lock(folder: Path, known: KnownDocuments | None = None) -> dict[str, Pin]:
    """Return the pins beside a spec by URI; none when there is no file.

    Raises:
        SpecError: with everything that is wrong with it.
    """
    file = folder / LOCK_FILE
    if not os.path.lexists(file):
        return {}
    # A spec's folder is specs/<name>, two levels below the repository.
    document = read_yaml(file, folder.parent.parent, known)
    if document.data is None and not document.findings:
        return {}
    lock, findings = validated(Lock, document)
    if lock is None or findings:
        raise tell(findings)
    return lock.root


def write_lock(folder: Path, pins: Mapping[str, Pin]) -> None:
    """Replace the lock beside a spec, whole or not at all."""
    from runner.spec.yaml_text import yaml_text

    text = _HEADER + yaml_text({uri: pin.model_dump(exclude_none=True) for uri, pin in pins.items()})
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{LOCK_FILE}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A lock is committed and read by others; mkstemp made it private.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / LOCK_FILE)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
