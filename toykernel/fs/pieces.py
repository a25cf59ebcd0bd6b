"""Pieces of user memory, one behind the other, as readv and its family have them (lib/iov_iter.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_some_to_user, read_some

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: Address and length of each.
Pieces = tuple[tuple[int, int], ...]


def length_of(pieces: Pieces) -> int:
    """All their bytes."""
    return sum(length for _, length in pieces)


def behind(pieces: Pieces, done: int) -> Pieces:
    """Without their first bytes."""
    rest = []
    for base, length in pieces:
        skipped = min(done, length)
        done -= skipped
        if skipped < length:
            rest.append((base + skipped, length - skipped))
    return tuple(rest)


def store_some(k: Kernel, pieces: Pieces, data: bytes) -> int:
    """Store bytes up to the first that cannot be stored; how many there are before it."""
    done = 0
    for base, length in pieces:
        part = data[done : done + length]
        stored = copy_some_to_user(k, base, part)
        done += stored
        if stored < len(part):
            break
    return done


def load_some(k: Kernel, pieces: Pieces, size: int) -> bytes:
    """As many of the first `size` bytes as can be read before one that cannot (may be none)."""
    data = b""
    for base, length in pieces:
        part = min(length, size - len(data))
        got = read_some(k, base, part)
        data += got
        if len(got) < part:
            break
    return data
