"""Page tables at fork, at a fault and at the end (mm/memory.c).

Copy-on-write in one paragraph: `copy_page_range` maps a parent's private pages into the child without
copying them, takes one more reference to each frame and the write bit from both entries. The first of
them to write faults; `do_wp_page` gives it a copy, or, when nobody else refers to the frame any more,
just the write bit back.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from emu.paging import PF_W, PTE_A, PTE_D, PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT
from emu.record import dataclass
from toykernel.arch.x86.pgtable import (
    PGDIR_SIZE,
    PTE_PROTNONE,
    PTE_UFFD_WP,
    PteWork,
    clear_ptes,
    copy_ptes,
    flush_tlb_mm,
    flush_tlb_page,
    get_pte,
    one_by_one,
    present_ptes,
    pte_alloc,
    pte_offset,
    pte_present,
    set_pte,
)
from toykernel.errno import EFAULT, Errno
from toykernel.mm.filemap import FaultSigbus, UserFault, vma_frame
from toykernel.mm.guards import GuardFault
from toykernel.mm.mm_types import (
    FEATURE_EVENT_FORK,
    FEATURE_WP_ASYNC,
    UFFD_MODE_MINOR,
    UFFD_MODE_MISSING,
    UFFD_MODE_WP,
    UFFD_PAGEFAULT_FLAG_MINOR,
    UFFD_PAGEFAULT_FLAG_WP,
    VM_DONTCOPY,
    VM_RWX,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
    MmStruct,
    VmArea,
)
from toykernel.mm.vma import anon_vma_prepare
from toykernel.timing_costs import copy_page

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


#: An entry that fork took the write bit from: linear address, physical address, what it was.
ProtectedPte = tuple[int, int, int]


def vm_page_prot(vm_flags: int) -> int:
    """The bits of a fresh entry. A private page is never writable from the start: see do_wp_page."""
    if not vm_flags & VM_RWX:
        return PTE_PROTNONE | PTE_A
    shared_writable = vm_flags & VM_SHARED and vm_flags & VM_WRITE
    return PTE_P | PTE_US | PTE_A | (PTE_RW if shared_writable else 0)


def mk_pte(pfn: int, vma: VmArea) -> int:
    """An entry for a frame in an area: accessed, with the rights that the area gives."""
    return pfn << PAGE_SHIFT | vm_page_prot(vma.vm_flags)


def copy_page_range(
    k: Kernel,
    dst: MmStruct,
    src: MmStruct,
    vma: VmArea,
    protected: list[ProtectedPte],
    work: PteWork | None = None,
) -> None:
    """Fork's share of one area (fork-path K1-K3). The caller flushes `src` afterwards (K4), and charges
    for `work`: without it entries go one by one.

    Raises Errno(ENOMEM) when a page table cannot be had; what has been copied by then is in `dst`
    and goes away with it, and what `src` has lost is in `protected`.
    """
    asks = vma.uffd_mode & UFFD_MODE_WP and vma.has_uffd_feature(FEATURE_EVENT_FORK)
    if vma.vm_flags & (VM_DONTCOPY | VM_WIPEONFORK) or not (vma.anon_vma or asks):
        return  # left out, or (K13, too) all to be had again from the page cache or the zero page
    lost = PTE_A if asks else PTE_A | PTE_UFFD_WP
    if work is not None:
        copy_ptes(k, dst, src, vma.vm_start, vma.vm_end, protected, work, lost)
        return
    reached = table = 0  # the page table of `dst` that the walk has come to, and where it lies
    for address, at, pte in present_ptes(k, src, vma.vm_start, vma.vm_end):
        if not table or address & -PGDIR_SIZE != reached:
            reached = address & -PGDIR_SIZE
            table = pte_alloc(k, dst, address) & PTE_FRAME
        new_at = table | at & ~PTE_FRAME
        if k.memory.eager_fork:
            _copy_eagerly(k, dst, address, new_at, pte & (~lost | PTE_A))
        else:
            if pte & PTE_RW:
                protected.append((address, at, pte))
                pte &= ~PTE_RW  # in both: whoever writes first must fault
                set_pte(k, src, address, at, pte)
            _copy_one_pte(k, dst, address, new_at, pte & ~lost)


def _copy_one_pte(k: Kernel, dst: MmStruct, address: int, new_at: int, pte: int) -> None:
    k.memory.pages.get_page(pte >> PAGE_SHIFT)
    set_pte(k, dst, address, new_at, pte)


def unprotect_ptes(k: Kernel, mm: MmStruct, protected: list[ProtectedPte]) -> None:
    """The fork failed: give the write bits back (fork-path J)."""
    for address, at, pte in reversed(protected):
        set_pte(k, mm, address, at, pte)
    flush_tlb_mm(k, mm)


def _copy_eagerly(k: Kernel, dst: MmStruct, address: int, new_at: int, pte: int) -> None:
    """Fork as it was before copy-on-write: the page itself is copied (fork-path K12)."""
    source = pte & PTE_FRAME
    if source >> PAGE_SHIFT == k.memory.zero_pfn:
        k.memory.pages.get_page(k.memory.zero_pfn)
        set_pte(k, dst, address, new_at, pte)
        return
    pfn = k.memory.pages.alloc_pages(k, 0, "eager copy", highmem=True)
    copy_page(k, pfn << PAGE_SHIFT, source)
    set_pte(k, dst, address, new_at, pfn << PAGE_SHIFT | pte & ~PTE_FRAME)


def unmap_page_range(k: Kernel, mm: MmStruct, start: int, end: int) -> None:
    """Take every page in a range away, and its reference with it."""
    unmap_vmas(k, mm, [(start, end)])


def unmap_vmas(k: Kernel, mm: MmStruct, ranges: list[tuple[int, int]]) -> None:
    """unmap_page_range for each range."""
    for marks in (mm.uffd_poison, mm.uffd_wp):
        marks -= {page for start, end in ranges for page in marks if start <= page < end}
    if not one_by_one(k):
        work = PteWork()
        for start, end in ranges:
            clear_ptes(k, mm, start, end, work)
        work.charge(k)
        return
    for start, end in ranges:
        for address, at, pte in present_ptes(k, mm, start, end):
            set_pte(k, mm, address, at, 0)
            if pte_present(pte):
                k.memory.pages.put_page(k, pte >> PAGE_SHIFT)


def zap_page_range(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int) -> None:
    """unmap_page_range of a part of an area that stays: who was to ask before a write to a page of its file
    still is (zap_install_uffd_wp_if_needed)."""
    kept = set()
    if area.mapping is not None and area.uffd_mode & UFFD_MODE_WP:
        kept = {page for page in mm.uffd_wp if start <= page < end}
        kept |= {page for page, _, pte in present_ptes(k, mm, start, end) if pte & PTE_UFFD_WP}
    unmap_page_range(k, mm, start, end)
    mm.uffd_wp |= kept


def count_fault(
    k: Kernel, task: Task, kind: str, address: int, old: int | None = None, new: int | None = None
) -> None:
    """One page fault of a kind (task.FAULT_KINDS) by a task, or by the kernel for it; the frames that
    were and are mapped."""
    task.stats.faults[kind] += 1
    task.min_flt += kind != "protection"
    if k.host.trace.fault:
        k.host.trace.fault.emit(task, kind, address, old, new)


@dataclass(frozen=True, slots=True)
class Fault:
    """An access that the page tables did not let through, and that its area permits.

    `error_code` is the CPU's (SDM vol. 3, 4.7), or, without PF_U, that of an access which the kernel makes
    for the task.
    """

    task: Task
    mm: MmStruct
    vma: VmArea
    address: int
    error_code: int

    @property
    def page(self) -> int:
        """Linear address of the page's first byte."""
        return self.address & PTE_FRAME

    @property
    def write(self) -> bool:
        """Whether the access was a write, by bit 1 of the error code (SDM vol. 3, 4.7)."""
        return bool(self.error_code & PF_W)


def handle_mm_fault(k: Kernel, fault: Fault) -> None:
    """Make a page present, or writable, as its area allows.

    Raises Errno(ENOMEM), FaultSigbus beyond the end of a mapped object, or UserFault.
    """
    handle_pte_fault(k, fault, pte_alloc(k, fault.mm, fault.page))


def fault_in(k: Kernel, fault: Fault) -> None:
    """handle_mm_fault, and once more for who may not write yet to what is there now. Raises the same."""
    handle_mm_fault(k, fault)
    if fault.write and get_pte(k, fault.mm, fault.page) & PTE_UFFD_WP:
        handle_mm_fault(k, fault)


def handle_pte_fault(k: Kernel, fault: Fault, at: int) -> None:
    """Not present: a page of the file, or an anonymous one. Present: copy-on-write, or an old TLB.

    `at` is the physical address of the entry.
    """
    mm, vma, address, write = fault.mm, fault.vma, fault.page, fault.write
    pte = k.machine.ram.read32(at)
    if not pte_present(pte):
        if address in mm.guards:
            raise GuardFault
        if address in mm.uffd_poison:
            raise FaultSigbus  # as without CONFIG_MEMORY_FAILURE
        if vma.mapping is not None:
            do_fault(k, fault, at)
        else:
            do_anonymous_page(k, fault, at)
    elif write and not pte & PTE_RW:
        if pte & PTE_UFFD_WP:
            if vma.uffd_mode & UFFD_MODE_WP and not vma.has_uffd_feature(FEATURE_WP_ASYNC):
                raise UserFault(UFFD_PAGEFAULT_FLAG_WP)
            pte &= ~PTE_UFFD_WP
        do_wp_page(k, fault, at, pte)
    else:
        # Another task of the same address space was faster: only the TLB was old.
        set_pte(k, mm, address, at, pte | PTE_A | (PTE_D if write else 0))
        flush_tlb_page(k, mm, address)


def do_anonymous_page(k: Kernel, fault: Fault, at: int) -> None:
    """First touch: a frame of zeros for a write, the shared zero frame for a read (fork-path K9)."""
    task, mm, vma, address = fault.task, fault.mm, fault.vma, fault.page
    if vma.uffd_mode & UFFD_MODE_MISSING:
        raise UserFault
    if not fault.write:
        k.memory.pages.get_page(k.memory.zero_pfn)
        set_pte(k, mm, address, at, with_marker(vma, mm, address, mk_pte(k.memory.zero_pfn, vma)))
        count_fault(k, task, "zero_page", address)
        return
    pfn = k.memory.pages.get_zeroed_page(k, "anonymous page", highmem=True)
    anon_vma_prepare(k, mm, vma)
    set_pte(k, mm, address, at, with_marker(vma, mm, address, mk_pte(pfn, vma) | PTE_RW | PTE_D))
    count_fault(k, task, "not_present", address, None, pfn)


def with_marker(vma: VmArea, mm: MmStruct, address: int, pte: int) -> int:
    """A fresh entry; where a marker was, which goes, a writer asks first (vmf_orig_pte_uffd_wp)."""
    if address not in mm.uffd_wp:
        return pte
    mm.uffd_wp.discard(address)
    return pte & ~PTE_RW | PTE_UFFD_WP if vma.uffd_mode & UFFD_MODE_WP else pte


def do_fault(k: Kernel, fault: Fault, at: int) -> None:
    """First touch of a page of a file or of shared memory (__do_fault): the page cache's own frame,
    or, for a write to a private area, a copy of it."""
    task, mm, vma, address, write = fault.task, fault.mm, fault.vma, fault.page, fault.write
    mapping = vma.mapping
    if vma.uffd_mode and mapping is not None:
        there = mapping.has_page(vma.page_index(address))
        if not there and vma.uffd_mode & UFFD_MODE_MISSING:
            raise UserFault
        if there and vma.uffd_mode & UFFD_MODE_MINOR:
            raise UserFault(UFFD_PAGEFAULT_FLAG_MINOR)
    pfn = vma_frame(k, vma, address)
    if write and not vma.vm_flags & VM_SHARED:
        new = k.memory.pages.alloc_pages(k, 0, "anonymous page", highmem=True)
        copy_page(k, new << PAGE_SHIFT, pfn << PAGE_SHIFT)
        anon_vma_prepare(k, mm, vma)
        set_pte(
            k, mm, address, at, with_marker(vma, mm, address, mk_pte(new, vma) | PTE_RW | PTE_D)
        )
        count_fault(k, task, "not_present", address, pfn, new)
        return
    k.memory.pages.get_page(pfn)
    pte = mk_pte(pfn, vma) | (PTE_D if write else 0)
    set_pte(k, mm, address, at, with_marker(vma, mm, address, pte))
    count_fault(k, task, "not_present", address, None, pfn)


def do_wp_page(k: Kernel, fault: Fault, at: int, pte: int) -> None:
    """A write to a present read-only page of a writable area (fork-path K5, K6).

    What decides is the frame's whole count, not the number of entries: a frame that the kernel itself
    still holds must not change under it, so it is copied too. (The zero page is one of these.)
    """
    task, mm, vma, address = fault.task, fault.mm, fault.vma, fault.page
    pfn = pte >> PAGE_SHIFT
    if vma.vm_flags & VM_SHARED or k.memory.pages.page_count(pfn) == 1:
        set_pte(k, mm, address, at, pte | PTE_RW | PTE_A | PTE_D)
        flush_tlb_page(k, mm, address)
        count_fault(k, task, "cow_reused", address, pfn, pfn)  # K6
        return
    new = k.memory.pages.alloc_pages(k, 0, "cow copy", highmem=True)
    anon_vma_prepare(k, mm, vma)
    copy_page(k, new << PAGE_SHIFT, pfn << PAGE_SHIFT)
    set_pte(k, mm, address, at, mk_pte(new, vma) | PTE_RW | PTE_D)
    flush_tlb_page(k, mm, address)
    k.memory.pages.put_page(k, pfn)
    count_fault(k, task, "cow_copied", address, pfn, new)  # K5


def populate(k: Kernel, mm: MmStruct, vma: VmArea, address: int, data: bytes | memoryview) -> None:
    """Put bytes into pages of an area that nobody runs in yet (exec). Raises Errno(ENOMEM).

    A page that is there already, from a neighbour that shares it, keeps its other bytes and gets
    this area's rights.
    """
    end = address + len(data)
    while address < end:
        page = address & PTE_FRAME
        at = pte_alloc(k, mm, page)
        pte = get_pte(k, mm, page)
        pfn = (
            pte >> PAGE_SHIFT
            if pte_present(pte)
            else k.memory.pages.get_zeroed_page(k, "program page", highmem=True)
        )
        anon_vma_prepare(k, mm, vma)
        set_pte(k, mm, page, at, mk_pte(pfn, vma) | (PTE_RW if vma.vm_flags & VM_WRITE else 0))
        part = min(page + 4096, end) - address
        taken = len(data) - (end - address)
        k.machine.ram.write((pfn << PAGE_SHIFT) + (address - page), data[taken : taken + part])
        address += part


def map_pages(k: Kernel, mm: MmStruct, vma: VmArea, start: int, end: int) -> None:
    """Map the page cache's frames of an area that is not written; fork copies the entries. Errno(ENOMEM)."""
    anon_vma_prepare(k, mm, vma)
    for address in range(start, end, 1 << PAGE_SHIFT):
        at = pte_alloc(k, mm, address)
        pfn = vma_frame(k, vma, address)
        k.memory.pages.get_page(pfn)
        set_pte(k, mm, address, at, mk_pte(pfn, vma))


def follow_page(k: Kernel, mm: MmStruct, address: int) -> int | None:
    """Physical address that a linear one maps to now; None if its entry is not present."""
    at = pte_offset(k, mm, address)
    if at is None:
        return None
    pte = k.machine.ram.read32(at)
    return (pte & PTE_FRAME) | (address & 0xFFF) if pte & PTE_P else None


def make_pages_present(k: Kernel, mm: MmStruct, start: int, end: int) -> None:
    """Fault a range in, privately writable pages as if written to (mlock, MAP_POPULATE).

    Raises Errno(ENOMEM); Errno(EFAULT) for a hole or memory without any right; FaultSigbus.
    """
    for address in range(start, end, 1 << PAGE_SHIFT):
        vma = mm.find_exact(address)
        if vma is None or not vma.vm_flags & VM_RWX:
            raise Errno(EFAULT)
        write = vma.vm_flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        wanted = PTE_P | (PTE_RW if write else 0)
        if get_pte(k, mm, address) & wanted != wanted:
            fault_in(k, Fault(k.current, mm, vma, address, PF_W if write else 0))


def populate_range(k: Kernel, mm: MmStruct, start: int, end: int) -> None:
    """make_pages_present for callers that do not tell: what fails comes with the first touch."""
    with suppress(Errno, FaultSigbus):
        make_pages_present(k, mm, start, end)


def change_protection(k: Kernel, mm: MmStruct, vma: VmArea) -> None:
    """Give every entry of an area the rights that the area has now. The caller flushes."""
    prot = vm_page_prot(vma.vm_flags) & ~PTE_A
    kept = PTE_FRAME | PTE_A | PTE_D | (PTE_UFFD_WP if vma.uffd_mode & UFFD_MODE_WP else 0)
    for address, at, pte in present_ptes(k, mm, vma.vm_start, vma.vm_end):
        asks = pte & kept & PTE_UFFD_WP
        set_pte(k, mm, address, at, pte & kept | (prot & ~PTE_RW if asks else prot))


def move_page_tables(
    k: Kernel, mm: MmStruct, old: int, new: int, length: int, *, asks: bool = False
) -> None:
    """Take every entry of [old, old + length) to `new` (mremap). The caller flushes. `asks`: who was to ask
    before a write still is.

    Raises Errno(ENOMEM), having moved nothing.
    """
    lost = 0 if asks else PTE_UFFD_WP
    entries = list(present_ptes(k, mm, old, old + length))
    for address, _, _ in entries:
        pte_alloc(k, mm, address - old + new)
    for address, at, pte in entries:
        target = address - old + new
        if k.host.trace.move_pte:
            k.host.trace.move_pte.emit(mm, address, target, pte)
        set_pte(k, mm, address, at, 0)
        set_pte(k, mm, target, pte_alloc(k, mm, target), pte & ~lost)
    for marks in (mm.uffd_poison, mm.uffd_wp):
        moved = {page for page in marks if old <= page < old + length}
        marks -= moved
        if marks is mm.uffd_poison or not lost:
            marks |= {page - old + new for page in moved}
