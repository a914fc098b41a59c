"""A YAML file in the repository -> `Document`, or one SpecError in plain words.

`read_yaml(root / "specs/x/spec.yaml", root)`. The file comes from a stranger's pull request: it is looked at before it
is opened (kind, size, links), read once up to its limit, and parsed as data only.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePath

from runner.errors import Location, Problem, SpecError
from runner.spec.document import Document
from runner.spec.known import KnownDocuments

MAX_BYTES = 1 << 20


def read_yaml(path: Path, root: Path, known: KnownDocuments | None = None) -> Document:
    """Read one YAML file that lies in the repository `root`.

    Args:
        path: the file.
        root: the repository.
        known: documents that were read before, this one from now on among them.

    Raises:
        SpecError: when it cannot be read as one YAML document of plain data.
    """
    name = name_in(root, path)
    data = _read_bytes(path, root, name)
    if known is not None and (found := known.find(data, name)) is not None:
        return found
    document = parse_yaml(data, name)
    if known is not None:
        known.add(data, document)
    return document


def parse_yaml(data: bytes, name: str) -> Document:
    """Parse the bytes of one YAML document, such as a file of another commit.

    Args:
        data: the bytes.
        name: what errors call them.

    Raises:
        SpecError: when they are no YAML document of plain data.
    """
    return _parse(_decode(data, name), name)


def _parse(text: str, name: str) -> Document:
    # A plan that knows all its documents needs no parser.
    import yaml

    from runner.spec.yaml_tree import read_tree

    try:
        return read_tree(text, name)
    except yaml.YAMLError as error:
        from runner.spec.yaml_syntax import syntax_problem

        raise SpecError([syntax_problem(error, text, name)]) from None


def name_in(root: Path, path: Path) -> str:
    """Return the repository-relative name of `path` with forward slashes, links unresolved."""
    return os.path.relpath(path, root).replace(os.sep, "/")


def inside(root: Path, path: Path) -> bool:
    """Return whether `path`, links resolved, lies in the repository and not in git's own folder."""
    if path.is_relative_to(root) and ".." not in path.parts and not has_link(root, path.relative_to(root)):
        return ".git" not in path.relative_to(root).parts
    real, top = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    return real.is_relative_to(top) and ".git" not in real.relative_to(top).parts


def has_link(folder: Path, below: PurePath) -> bool:
    """Return whether a relative path passes through a link on its way down from `folder`."""
    return any((folder / step).is_symlink() for step in (below, *below.parents[:-1]))


def _read_bytes(path: Path, root: Path, name: str) -> bytes:
    """Return the content of a regular file of acceptable size that lies inside the repository."""
    where = Location(name)
    if not inside(root, path):
        raise SpecError([Problem("this path leads out of the repository", where, "replace the link by a plain file")])
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SpecError([Problem("not a regular file", where)])
        if status.st_size > MAX_BYTES:
            message = f"{status.st_size:,} bytes are too much: at most {MAX_BYTES:,} are read"
            raise SpecError([Problem(message, where, "keep data in files of its own")])
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise SpecError([Problem(f"cannot be read: {error.strerror or error}", where)]) from None


def _decode(data: bytes, name: str) -> str:
    """Return the text of UTF-8 bytes; a byte order mark is taken off."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        message = f"not UTF-8: byte 0x{data[error.start]:02x} at position {error.start}"
        where = Location(name, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise SpecError([Problem(message, where, "save the file as UTF-8")]) from None
