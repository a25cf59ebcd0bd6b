"""Watching physical memory: who accessed a range first and last, without stopping anybody.

The engine's accesses come through the memory hook, those of the host (the kernel, trap frames) through
Ram's door for writing. Nothing of the guest changes, its clock neither; it only runs slower. The CPU's
setting of Accessed and Dirty bits is no access here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.hooks import EngineState, WatchRecord
from emu.record import dataclass

if TYPE_CHECKING:
    from emu.machine import Machine


@dataclass(frozen=True)
class Range:
    """Physical bytes from `start` up to `end`, and which accesses count."""

    start: int
    end: int
    reads: bool = False
    writes: bool = True


#: Instructions and deliveries when an access was made: that of the instruction in flight is counted.
Moment = tuple[int, int]


def note(state: EngineState, write: bool, address: int, size: int, now: Moment) -> None:
    """An access; note_access of emu/_native.c."""
    table = (WatchRecord * state.watch_count).from_address(state.watches)
    for record in table:
        outside = address >= record.end or record.start >= address + size
        if outside or not (record.writes if write else record.reads):
            continue
        record.last[:] = now
        if not record.seen:
            record.first[:] = now
        record.seen += 1


class Watches:
    """Ranges of one machine that are watched from now until `close`."""

    def __init__(self, machine: Machine, ranges: Sequence[Range]) -> None:
        self._machine = machine
        self._table = (WatchRecord * max(len(ranges), 1))()
        self._state = machine.cpu.state
        self.move(ranges)
        machine.ram.on_write = self._written

    def move(self, ranges: Sequence[Range]) -> None:
        """Other ranges, as many; what was seen is forgotten."""
        for record, wanted in zip(self._table, ranges, strict=False):
            record.start, record.end = wanted.start, wanted.end
            record.reads, record.writes = wanted.reads, wanted.writes
            record.seen = 0
        self._state.watches = ctypes.addressof(self._table)
        self._state.watch_count = len(ranges)
        self._machine.cpu.watching = bool(ranges)

    def close(self) -> None:
        """Watch nothing any more."""
        self._state.watch_count = 0
        self._machine.cpu.watching = False
        self._machine.ram.on_write = None

    def _written(self, address: int, length: int) -> None:
        state = self._state
        note(state, True, address, length, (state.retired, state.deliveries))

    def seen(self, index: int) -> tuple[Moment, Moment] | None:
        """The first and the last access to a range."""
        record = self._table[index]
        if not record.seen:
            return None
        return (record.first[0], record.first[1]), (record.last[0], record.last[1])
