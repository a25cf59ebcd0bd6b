"""Random numbers (get_random_int of drivers/char/random.c): the same ones after every boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.state import Kernel


def get_random_int(k: Kernel) -> int:
    """The next number of a generator that starts the same on every boot (xorshift32)."""
    x = k.random_state
    x ^= x << 13 & 0xFFFFFFFF
    x ^= x >> 17
    x ^= x << 5 & 0xFFFFFFFF
    k.random_state = x
    return x
