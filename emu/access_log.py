"""Every data access of user mode, written down without stopping anybody: which instruction, where, how.

They come through the memory hook, at physical addresses. Nothing of the guest changes; it only runs slower.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, NamedTuple

from emu.hooks import EngineState, UserAccess

if TYPE_CHECKING:
    from emu.machine import Machine

ROOM = 1 << 16


class Access(NamedTuple):
    """One access: after how many instructions its own was complete, that one's linear address, the physical
    address and size of the data in bytes, and whether it was a write."""

    retired: int
    code: int
    address: int
    size: int
    write: bool


def note(state: EngineState, write: bool, address: int, size: int) -> None:
    """log_access of emu/_native.c, for one of user mode."""
    if state.access_count < state.access_room:
        table = (UserAccess * state.access_room).from_address(state.accesses)
        record = table[state.access_count]
        record.retired, record.code = state.retired, state.in_flight
        record.address, record.size, record.write = address, size, write
    state.access_count += 1


class AccessLog:
    """The accesses of one machine from now until `close`."""

    def __init__(self, machine: Machine) -> None:
        self._table = (UserAccess * ROOM)()
        self._machine = machine
        self._state = machine.cpu.state
        self._state.accesses, self._state.access_room = ctypes.addressof(self._table), ROOM
        self._state.access_count = 0
        machine.cpu.watching = True

    def close(self) -> None:
        """Write nothing down any more."""
        self._state.accesses = self._state.access_room = 0
        self._machine.cpu.watching = False

    def take(self) -> list[Access]:
        """Those since the last time, in order; what there was no room for is not among them."""
        count = min(self._state.access_count, ROOM)
        self._state.access_count = 0
        return [
            Access(one.retired, one.code, one.address, one.size, bool(one.write))
            for one in self._table[:count]
        ]
