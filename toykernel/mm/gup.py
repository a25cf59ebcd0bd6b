"""Pages of user memory by address (mm/gup.c): held for later, or another process's, for its tracer.

get_user_page holds a frame, whatever becomes of its entry. A frame that is held has one more reference than
entries, so a write to it by the program is copied (do_wp_page): what the kernel holds does not change any
more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.paging import PF_P, PF_W, PTE_FRAME, PTE_P, PTE_RW
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import (
    flush_tlb_page,
    get_pte,
    pte_offset,
    pte_present,
    set_pte,
)
from toykernel.arch.x86.uaccess import user_frame
from toykernel.errno import EIO, Errno
from toykernel.mm.access import BadArea, find_area
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.memory import Fault, fault_in
from toykernel.mm.mm_types import VM_MAYREAD, VM_MAYWRITE, VM_READ, VM_SHARED, VM_WRITE

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def get_user_page(k: Kernel, address: int) -> int:
    """Fault the page of an address of the caller in for reading and hold it; its frame.

    Raises Errno(EFAULT).
    """
    pfn = user_frame(k, address) >> PAGE_SHIFT
    k.memory.pages.get_page(pfn)
    k.memory.pins[pfn] = k.memory.pins.get(pfn, 0) + 1
    if k.host.trace.page_pin:
        k.host.trace.page_pin.emit(pfn, True)
    return pfn


def put_user_page(k: Kernel, pfn: int) -> None:
    """Give back a reference to a frame that get_user_page took."""
    k.memory.pins[pfn] -= 1
    if not k.memory.pins[pfn]:
        del k.memory.pins[pfn]
    if k.host.trace.page_pin:
        k.host.trace.page_pin.emit(pfn, False)
    k.memory.pages.put_page(k, pfn)


def access_process_vm(k: Kernel, task: Task, address: int, size: int) -> bytes:
    """Memory of another task, as far as it is mapped, whatever its rights (FOLL_FORCE).

    Raises Errno(EIO) when the task has none.
    """
    parts = []
    for at, part in _pages(address, size):
        physical = _force(k, task, at, False)
        if physical is None:
            break
        parts.append(k.machine.ram.read(physical, part))
    return b"".join(parts)


def write_process_vm(k: Kernel, task: Task, address: int, data: bytes) -> int:
    """Write to another task's memory, that it may only read too; how many bytes there were.

    A shared page gets a copy first (FOLL_FORCE breaks copy-on-write), which the task may write no more than
    before. Raises Errno(EIO) when the task has no memory.
    """
    done = 0
    for at, part in _pages(address, len(data)):
        physical = _force(k, task, at, True)
        if physical is None:
            break
        if k.host.trace.user_write:
            k.host.trace.user_write.emit(task, at, physical >> PAGE_SHIFT)
        k.machine.ram.write(physical, data[done : done + part])
        done += part
    if done:
        k.machine.flush_tlb()
    return done


def _pages(address: int, size: int) -> Iterator[tuple[int, int]]:
    while size > 0:
        part = min(size, PAGE_SIZE - address % PAGE_SIZE)
        yield address, part
        address += part
        size -= part


def _force(k: Kernel, task: Task, address: int, write: bool) -> int | None:
    """Physical address behind a user address of a task, faulted in; None where that cannot be."""
    mm = task.mm
    if mm is None:
        raise Errno(EIO)
    if address >= TASK_SIZE:
        return None
    try:
        vma = find_area(k, mm, address, None)
        if write and not vma.vm_flags & VM_WRITE:
            if vma.vm_flags & (VM_SHARED | VM_MAYWRITE) != VM_MAYWRITE:
                return None
        elif not write and not vma.vm_flags & (VM_READ | VM_MAYREAD):
            return None
        pte = get_pte(k, mm, address)
        wanted = PTE_RW if write else 0
        if not pte_present(pte) or pte & wanted != wanted:
            code = (PF_W if write else 0) | (PF_P if pte & PTE_P else 0)
            fault_in(k, Fault(task, mm, vma, address, code))
            pte = get_pte(k, mm, address)
    except (BadArea, FaultSigbus, Errno):
        return None
    if not pte_present(pte):
        return None
    if write and pte & PTE_RW and not vma.vm_flags & VM_WRITE:
        at = pte_offset(k, mm, address)
        assert at is not None
        set_pte(k, mm, address & PTE_FRAME, at, pte & ~PTE_RW)  # its own copy, still read-only
        flush_tlb_page(k, mm, address & PTE_FRAME)
    return pte & PTE_FRAME | address & (PAGE_SIZE - 1)
