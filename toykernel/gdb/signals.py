"""Signal numbers of the protocol, which are gdb's own (include/gdb/signals.def), and Linux's."""

from __future__ import annotations

#: Linux's number to gdb's, where they differ.
_DIFFERENT = {
    7: 10,
    10: 30,
    12: 31,
    16: 143,
    17: 20,
    18: 19,
    19: 17,
    20: 18,
    23: 16,
    29: 23,
    30: 32,
    31: 12,
    32: 77,
    64: 78,
    **{number: number + 12 for number in range(33, 64)},
}
_BACK = {gdb: linux for linux, gdb in _DIFFERENT.items()}
_SAME = frozenset((0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 14, 15, 21, 22, 24, 25, 26, 27, 28))


def to_gdb(number: int) -> int:
    """For a stop reply; 143 (unknown) for what gdb has no number for."""
    return number if number in _SAME else _DIFFERENT.get(number, 143)


def from_gdb(number: int) -> int:
    """From a resumption; 0 for what Linux does not have."""
    return number if number in _SAME else _BACK.get(number, 0)
