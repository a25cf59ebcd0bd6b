"""What the kernel's work in the host's language costs: it executes no guest instructions, so each kind
of work is charged here, by name, as the clocks that the instructions it stands for would take.

Derived from the documented i486 clocks (docs/timing.md). A call and its return are 8 clocks (CALL 3,
RET 5), a field read or written 1. Work that depends on data is charged for what was done: entries
scanned, pages copied. Nothing is charged under the timing profile `off`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from emu.timing.rules import REP_I486

if TYPE_CHECKING:
    from toykernel.state import Kernel

_CALL, _FIELD = 8, 1
_PAGE_DWORDS = PAGE_SIZE // 4

#: Clocks for one unit of each kind of work.
COSTS: dict[str, int] = {
    # REP MOVSD of 1024 dwords: 12 + 3n. What misses L1 is charged as "copy_page lines".
    "copy_page": REP_I486["movs"].clocks(_PAGE_DWORDS),
    # REP STOSD of 1024 dwords: 7 + 4n.
    "clear_page": REP_I486["stos"].clocks(_PAGE_DWORDS),
    # A new directory: 768 entries cleared, 256 of the kernel's copied.
    "pgd_alloc": REP_I486["stos"].clocks(768) + REP_I486["movs"].clocks(256),
    # One absent entry of a table that is walked: load, test, je taken, add, add, dec, jnz taken.
    "scan_pte": 1 + 1 + 3 + 1 + 1 + 1 + 3,
    # What an entry that is there adds to that: and, two stores, shift, increment of the count.
    "present_pte": 7,
    # Storing one entry through its door: call and return, old entry, new entry, the owner's count.
    "set_pte": _CALL + 3 * _FIELD,
    # The function behind one thunk of entry.S: it stands for a call and its return.
    "call": _CALL,
    # Taking a system call's number and six arguments from pt_regs.
    "system_call": 7 * _FIELD,
    # Taking a block from or giving it to a free list: unlink or link (4), count, order, statistics (6).
    "alloc_pages": _CALL + 10 * _FIELD,
    "free_pages": _CALL + 10 * _FIELD,
    # A task record of 1 KiB copied: REP MOVSD of 256 dwords.
    "copy_task": _CALL + REP_I486["movs"].clocks(256),
    # Stack pointers, esp0, current, the outgoing and the incoming task's times.
    "switch_to": _CALL + 10 * _FIELD,
    # MOV CR3 (i486: 4); the walks that follow are charged when they happen.
    "load_cr3": 4,
}
#: By kind of work: the ledger's rule, and those clocks.
PRICES = {work: (f"kernel {work}", clocks) for work, clocks in COSTS.items()}


def copy_page(k: Kernel, destination: int, source: int) -> None:
    """Copy a frame (physical addresses) and charge for it, with the lines of it that L1 misses."""
    k.machine.ram.copy(destination, source)
    k.charge("copy_page")
    lines = k.machine.clock.copy_lines(destination, source, PAGE_SIZE)
    if lines:
        k.machine.clock.charge("kernel copy_page lines", lines)
