"""Which instructions read and write memory in one piece: those with LOCK, and XCHG with memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import walk

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_LOCK = 0xF0
_XCHG = (0x86, 0x87)
_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF2, 0xF3))


def is_atomic(k: Kernel, task: Task, address: int) -> bool:
    """Whether the instruction at a linear address of a task is one."""
    for at in range(address, address + 15):
        byte = _byte(k, task, at)
        if byte == _LOCK:
            return True
        if byte not in _PREFIXES:
            return byte in _XCHG
    return False


def _byte(k: Kernel, task: Task, address: int) -> int | None:
    assert task.mm is not None
    found = walk(k.machine.ram, task.mm.pgd, address)
    return k.machine.ram.read(found.physical, 1)[0] if found.physical is not None else None
