"""Who enters a state: the first of the workers of one machine who says so, in a table that they share.

The table is a file that all of them map: rows of 16 bytes, found by hash, each empty or the key of a
state. Two who write the same row at once can both believe that a state is theirs, and both enter it,
which costs time.
"""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_KEY = 16
_EMPTY = bytes(_KEY)
#: Behind the rows: by this a worker knows that the file is a table, and of this exploration.
_MAGIC = b"toykernel claims"
_LEAST, _MOST = 1 << 12, 1 << 22


class Claims:
    """One table, for as many states as are allowed, and many more."""

    def __init__(self, path: str) -> None:
        """Map the file. Raises OSError and ValueError for one that is no table."""
        self.path = path
        self._open(path)

    def _open(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._rows = len(self._map) // _KEY - 1
        if self._map[-_KEY:] != _MAGIC:
            raise ValueError(f"{path}: no table")

    @classmethod
    def shared(cls, path: str) -> Claims | None:
        """The table of others; None where there is none, as on another machine."""
        if not path:
            return None
        with suppress(OSError, ValueError):
            return cls(path)
        return None

    @classmethod
    @contextmanager
    def made(cls, states: int | None) -> Iterator[Claims]:
        """A new table for about so many states, while the workers work."""
        with tempfile.TemporaryDirectory(prefix="toykernel-") as folder:
            path = Path(folder) / "claims"
            _make(path, min(max(4 * (states or _MOST), _LEAST), _MOST))
            yield cls(str(path))

    def claim(self, key: bytes) -> bool:
        """Whether a state is whose who asks: nobody has claimed it before."""
        key = key if len(key) == _KEY else hashlib.blake2b(key, digest_size=_KEY).digest()
        table, at = self._map, int.from_bytes(key[:8], "little") % self._rows
        for row in range(at, at + 1000):
            place = row % self._rows * _KEY
            there = table[place : place + _KEY]
            if there == key:
                return False
            if there == _EMPTY:
                table[place : place + _KEY] = key
                return True
        return True  # it is full

    def renew(self, keys: Iterable[bytes]) -> None:
        """A new table, with these claimed, in another file: somebody may still write to the old one."""
        path = Path(self.path)
        new = path.with_name(path.name + "+")
        _make(new, self._rows)
        self.path = str(new)
        self._open(self.path)
        for key in keys:
            self.claim(key)


def _make(path: Path, rows: int) -> None:
    """A file with so many empty rows, which need no room before they are filled."""
    with path.open("wb") as file:
        file.seek(rows * _KEY)
        file.write(_MAGIC)
