"""Page tables at fork, at a fault and at the end (mm/memory.c).

Copy-on-write in one paragraph: `copy_page_range` maps a parent's private pages into the child without
copying them, takes one more reference to each frame and the write bit from both entries. The first of
them to write faults; `do_wp_page` gives it a copy, or, when nobody else refers to the frame any more,
just the write bit back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PTE_A, PTE_D, PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.pgtable import (
    flush_tlb_mm,
    flush_tlb_page,
    get_pte,
    present_ptes,
    pte_alloc,
    pte_offset,
    set_pte,
)
from toykernel.mm.mm_types import VM_DONTCOPY, VM_SHARED, VM_WRITE, MmStruct, VmArea

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task


#: An entry that fork took the write bit from: linear address, physical address, what it was.
ProtectedPte = tuple[int, int, int]


def mk_pte(pfn: int, vma: VmArea) -> int:
    """An entry for a frame in an area: present, user, accessed; not yet writable."""
    return pfn << PAGE_SHIFT | PTE_P | PTE_US | PTE_A


def copy_page_range(
    k: Kernel, dst: MmStruct, src: MmStruct, vma: VmArea, protected: list[ProtectedPte]
) -> None:
    """Fork's share of one area (fork-path K1-K3). The caller flushes `src` afterwards (K4).

    Raises Errno(ENOMEM) when a page table cannot be had; what has been copied by then is in `dst`
    and goes away with it, and what `src` has lost is in `protected`.
    """
    if vma.vm_flags & VM_DONTCOPY:
        return
    for address, at, pte in present_ptes(k, src, vma.vm_start, vma.vm_end):
        new_at = pte_alloc(k, dst, address)
        if k.eager_fork and vma.is_cow:
            _copy_eagerly(k, dst, address, new_at, pte)
        else:
            if vma.is_cow and pte & PTE_RW:
                protected.append((address, at, pte))
                pte &= ~PTE_RW  # in both: whoever writes first must fault
                set_pte(k, src, address, at, pte)
            _copy_one_pte(k, dst, vma, address, new_at, pte)


def _copy_one_pte(
    k: Kernel, dst: MmStruct, vma: VmArea, address: int, new_at: int, pte: int
) -> None:
    if vma.vm_flags & VM_SHARED:
        pte &= ~PTE_D  # the child's entry has not written anything
    k.pages.get_page(pte >> PAGE_SHIFT)
    set_pte(k, dst, address, new_at, pte & ~PTE_A)


def unprotect_ptes(k: Kernel, mm: MmStruct, protected: list[ProtectedPte]) -> None:
    """The fork failed: give the write bits back (fork-path J)."""
    for address, at, pte in reversed(protected):
        set_pte(k, mm, address, at, pte)
    flush_tlb_mm(k, mm)


def _copy_eagerly(k: Kernel, dst: MmStruct, address: int, new_at: int, pte: int) -> None:
    """Fork as it was before copy-on-write: the page itself is copied (fork-path K12)."""
    source = pte & PTE_FRAME
    if source >> PAGE_SHIFT == k.zero_pfn:
        k.pages.get_page(k.zero_pfn)
        set_pte(k, dst, address, new_at, pte)
        return
    pfn = k.pages.alloc_pages(0, "eager copy")
    k.machine.ram.copy(pfn << PAGE_SHIFT, source)
    set_pte(k, dst, address, new_at, pfn << PAGE_SHIFT | pte & ~PTE_FRAME)


def unmap_page_range(k: Kernel, mm: MmStruct, start: int, end: int) -> None:
    """Take every page in a range away, and its reference with it."""
    for address, at, pte in present_ptes(k, mm, start, end):
        set_pte(k, mm, address, at, 0)
        if pte & PTE_P:
            k.pages.put_page(pte >> PAGE_SHIFT)


def handle_mm_fault(
    k: Kernel, task: Task, mm: MmStruct, vma: VmArea, address: int, write: bool
) -> None:
    """Make a page present, or writable, as its area allows. Raises Errno(ENOMEM)."""
    address &= PTE_FRAME
    at = pte_alloc(k, mm, address)
    handle_pte_fault(k, task, mm, vma, address, at, write)


def handle_pte_fault(
    k: Kernel, task: Task, mm: MmStruct, vma: VmArea, address: int, at: int, write: bool
) -> None:
    """The three ways out of a fault that the area permits."""
    pte = k.machine.ram.read32(at)
    if not pte & PTE_P:
        do_anonymous_page(k, task, mm, vma, address, at, write)
    elif write and not pte & PTE_RW:
        do_wp_page(k, task, mm, vma, address, at, pte)
    else:
        # Another task of the same address space was faster: only the TLB was old.
        set_pte(k, mm, address, at, pte | PTE_A | (PTE_D if write else 0))
        flush_tlb_page(k, mm, address)


def do_anonymous_page(
    k: Kernel, task: Task, mm: MmStruct, vma: VmArea, address: int, at: int, write: bool
) -> None:
    """First touch: a frame of zeros for a write, the shared zero frame for a read (fork-path K9)."""
    if not write and not vma.vm_flags & VM_SHARED:
        k.pages.get_page(k.zero_pfn)
        set_pte(k, mm, address, at, mk_pte(k.zero_pfn, vma))
        k.count_fault(task, "zero_page", address)
        return
    pfn = k.pages.get_zeroed_page("anonymous page")
    pte = mk_pte(pfn, vma)
    if vma.vm_flags & VM_WRITE:
        pte |= PTE_RW | PTE_D
    set_pte(k, mm, address, at, pte)
    k.count_fault(task, "not_present", address)


def do_wp_page(
    k: Kernel, task: Task, mm: MmStruct, vma: VmArea, address: int, at: int, pte: int
) -> None:
    """A write to a present read-only page of a writable area (fork-path K5, K6)."""
    pfn = pte >> PAGE_SHIFT
    if vma.vm_flags & VM_SHARED or (pfn != k.zero_pfn and k.pages.page_count(pfn) == 1):
        set_pte(k, mm, address, at, pte | PTE_RW | PTE_A | PTE_D)
        flush_tlb_page(k, mm, address)
        k.count_fault(task, "cow_reused", address, pfn, pfn)
        return
    new = k.pages.alloc_pages(0, "cow copy")
    k.machine.ram.copy(new << PAGE_SHIFT, pfn << PAGE_SHIFT)
    set_pte(k, mm, address, at, mk_pte(new, vma) | PTE_RW | PTE_D)
    flush_tlb_page(k, mm, address)
    k.pages.put_page(pfn)
    k.count_fault(task, "cow_copied", address, pfn, new)


def populate(k: Kernel, mm: MmStruct, vma: VmArea, address: int, data: bytes) -> None:
    """Put bytes into pages of an area that nobody runs in yet (exec). Raises Errno(ENOMEM)."""
    end = address + len(data)
    while address < end:
        page = address & PTE_FRAME
        at = pte_alloc(k, mm, page)
        pte = get_pte(k, mm, page)
        if not pte & PTE_P:
            pfn = k.pages.get_zeroed_page("program page")
            pte = mk_pte(pfn, vma) | (PTE_RW if vma.vm_flags & VM_WRITE else 0)
            set_pte(k, mm, page, at, pte)
        part = min(page + 4096, end) - address
        taken = len(data) - (end - address)
        k.machine.ram.write((pte & PTE_FRAME) + (address - page), data[taken : taken + part])
        address += part


def follow_page(k: Kernel, mm: MmStruct, address: int) -> int | None:
    """Physical address that a linear one maps to now, or None."""
    at = pte_offset(k, mm, address)
    if at is None:
        return None
    pte = k.machine.ram.read32(at)
    return (pte & PTE_FRAME) | (address & 0xFFF) if pte & PTE_P else None
