"""GGUF file -> the few numbers of its header, in milliseconds and without the `gguf` package.

Long lists (the vocabulary) are counted, not read. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

from runner.errors import GituneError

# Type number -> struct format of a fixed-size value.
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class GgufHeader(NamedTuple):
    """What a GGUF file says about its model."""

    values: dict[str, int | float | str]
    """Metadata by key; of a list only its length."""
    tensors: dict[str, tuple[int, ...]]
    """Shape of every tensor, as GGUF writes it: columns first."""


def read_header(path: Path) -> GgufHeader:
    """Read metadata and tensor shapes.

    Raises:
        GituneError: when the file is not GGUF, or is cut off.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()
    except (OSError, ValueError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise GituneError(f"{path} is not a readable GGUF file: {error}") from error


class _Reader:
    """Walks the bytes once."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def header(self) -> GgufHeader:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self._at = 8
        tensors, values = self._number("Q"), self._number("Q")
        found = {self._text(): self._value(self._number("I")) for _ in range(values)}
        return GgufHeader(found, dict(self._tensor() for _ in range(tensors)))

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        number: int = value
        return number

    def _text(self) -> str:
        length = self._number("Q")
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8")

    def _value(self, kind: int) -> int | float | str:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._skip_list(self._number("I"), self._number("Q"))
        return self._number(_FORMATS[kind])

    def _skip_list(self, kind: int, length: int) -> int:
        if kind == _STRING:
            unpack, at, data = struct.Struct("<Q").unpack_from, self._at, self._data
            for _ in range(length):
                at += 8 + unpack(data, at)[0]
            self._at = at
        else:
            self._at += length * struct.calcsize(f"<{_FORMATS[kind]}")
        return length

    def _tensor(self) -> tuple[str, tuple[int, ...]]:
        name, dimensions = self._text(), self._number("I")
        shape = tuple(self._number("Q") for _ in range(dimensions))
        self._number("I")  # its type
        self._number("Q")  # its offset
        return name, shape
