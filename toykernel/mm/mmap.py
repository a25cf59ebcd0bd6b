"""Areas: brk, the stack, and taking an address space down (mm/mmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm, free_pgtables
from toykernel.errno import ENOMEM, Errno
from toykernel.mm.memory import unmap_page_range
from toykernel.mm.mm_types import VM_ACCOUNT, VM_DATA_DEFAULT, MmStruct, VmArea

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

_PAGE = PAGE_SIZE - 1


def page_align(address: int) -> int:
    """Round up to a page boundary."""
    return (address + _PAGE) & ~_PAGE


def new_area(k: Kernel, start: int, end: int, flags: int, name: str) -> VmArea:
    """A record for [start, end). Raises Errno(ENOMEM)."""
    return VmArea(start, end, flags, name, k.vm_area_cachep.alloc())


def free_area(k: Kernel, area: VmArea) -> None:
    """Give the record back."""
    k.vm_area_cachep.free(area.slab)


def expand_stack(k: Kernel, mm: MmStruct, vma: VmArea, address: int) -> None:
    """Grow a stack area down to an address (fork-path K10). Raises Errno(ENOMEM) at its limit."""
    start = address & ~_PAGE
    below = mm.overlapping(max(start - k.stack_guard_gap, 0), vma.vm_start)
    if vma.vm_end - start > k.rlimit_stack or start < k.mmap_min_addr or below:
        raise Errno(ENOMEM)
    mm.resize(vma, start, vma.vm_end)


def sys_brk(k: Kernel, brk: int) -> int:
    """brk: move the end of the heap; the end as it is now, moved or not."""
    mm = k.current.mm
    assert mm is not None
    if brk < mm.start_brk or brk > TASK_SIZE:
        return mm.brk
    old, new = page_align(mm.brk), page_align(brk)
    if new < old:
        _shrink_heap(k, mm, new, old)
    elif new > old:
        if mm.overlapping(old, new + PAGE_SIZE):
            return mm.brk
        if (new - old) >> 12 > k.pages.free:
            return mm.brk  # more than there can ever be: refused, as the overcommit heuristic does
        try:
            _grow_heap(k, mm, old, new)
        except Errno:
            return mm.brk
    mm.brk = brk
    return brk


def _heap(mm: MmStruct, end: int) -> VmArea | None:
    area = mm.find_exact(end - 1)
    return area if area is not None and area.name == "[heap]" and area.vm_end == end else None


def _grow_heap(k: Kernel, mm: MmStruct, old: int, new: int) -> None:
    heap = _heap(mm, old)
    if heap is not None:
        mm.resize(heap, heap.vm_start, new)
    else:
        mm.insert(new_area(k, old, new, VM_DATA_DEFAULT | VM_ACCOUNT, "[heap]"))


def _shrink_heap(k: Kernel, mm: MmStruct, new: int, old: int) -> None:
    unmap_page_range(k, mm, new, old)
    flush_tlb_mm(k, mm)
    heap = _heap(mm, old)
    if heap is None:
        return
    if heap.vm_start >= new:
        mm.remove(heap)
        free_area(k, heap)
    else:
        mm.resize(heap, heap.vm_start, new)


def exit_mmap(k: Kernel, mm: MmStruct) -> None:
    """Take every area, page and table away."""
    for area in list(mm):
        unmap_page_range(k, mm, area.vm_start, area.vm_end)
        mm.remove(area)
        free_area(k, area)
    free_pgtables(k, mm)
    flush_tlb_mm(k, mm)
