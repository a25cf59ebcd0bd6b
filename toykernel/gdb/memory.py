"""Memory of a process, written as ptrace would (look/filled.py reads it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PF_P, PF_W, PTE_P, PTE_RW
from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.errno import EFAULT, Errno
from toykernel.gdb.errors import RemoteError
from toykernel.look.task import TaskView
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.memory import Fault, handle_mm_fault
from toykernel.mm.mm_types import VM_SHARED, VM_WRITE

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def write_memory(k: Kernel, task: Task, address: int, data: bytes) -> None:
    """Copies made of shared pages first, pages of code included. Raises RemoteError(EFAULT).

    The kernel's own memory is written as it is.
    """
    at = 0
    while at < len(data):
        part = min(len(data) - at, PAGE_SIZE - address % PAGE_SIZE)
        k.machine.ram.write(_writable(k, task, address), data[at : at + part])
        address += part
        at += part
    k.machine.flush_tlb()


def _writable(k: Kernel, task: Task, address: int) -> int:
    view = TaskView(k, task)
    if address >= PAGE_OFFSET:
        physical = view.walk(address).physical
        if physical is None or physical >= k.machine.ram.size:
            raise RemoteError(EFAULT)
        return physical
    mm = task.mm
    area = mm.find_exact(address) if mm is not None else None
    if mm is None or area is None or (area.vm_flags & VM_SHARED and not area.vm_flags & VM_WRITE):
        raise RemoteError(EFAULT)
    wanted = PTE_P | PTE_RW
    before = view.walk(address).pte or 0
    if before & wanted != wanted:
        code = PF_W | (PF_P if before & PTE_P else 0)
        try:
            handle_mm_fault(k, Fault(task, mm, area, address, code))
        except (Errno, FaultSigbus):
            raise RemoteError(EFAULT) from None
    walk = view.walk(address)
    if walk.physical is None:
        raise RemoteError(EFAULT)
    if not area.vm_flags & VM_WRITE and walk.pte_address is not None and walk.pte is not None:
        k.machine.ram.write32(walk.pte_address, walk.pte & ~PTE_RW)  # as FOLL_FORCE leaves it
    return walk.physical
