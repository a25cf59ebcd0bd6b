"""Pages that another thread gives (mm/userfaultfd.c): an area whose missing pages are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from emu.paging import PTE_D, PTE_RW
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.pgtable import (
    PTE_UFFD_WP,
    flush_tlb_mm,
    get_pte,
    present_ptes,
    pte_alloc,
    pte_offset,
    pte_present,
    set_pte,
)
from toykernel.errno import EBUSY, EEXIST, EFAULT, EINVAL, ENOENT, Errno
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.memory import mk_pte
from toykernel.mm.mm_types import (
    FEATURE_WP_ASYNC,
    FEATURE_WP_UNPOPULATED,
    UFFD_MODE_WP,
    VM_LOCKED,
    VM_RWX,
    VM_SHARED,
    VM_WRITE,
)
from toykernel.mm.vma import anon_vma_prepare

if TYPE_CHECKING:
    from toykernel.kernel.wait_queue import WaitQueue
    from toykernel.mm.mm_types import MmStruct, VmArea
    from toykernel.state import Kernel
    from toykernel.task import Task

FEATURE_SIGBUS, FEATURE_THREAD_ID, FEATURE_EXACT_ADDRESS = 1 << 7, 1 << 8, 1 << 11
_MARKS = FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC


@dataclass(eq=False)
class UserfaultfdWait:
    """struct userfaultfd_wait_queue: a thread that waits for a page; `ptid` is its number as the reader
    sees it. `told`: the message was read."""

    task: Task
    address: int
    write: bool
    ptid: int
    reason: int = 0  # UFFD_PAGEFAULT_FLAG_WP, _MINOR, or 0: it is missing
    told: bool = False
    woken: bool = False


@dataclass(eq=False)
class UserfaultfdCtx:
    """struct userfaultfd_ctx; `features` are None until UFFDIO_API has been there."""

    slab: int
    mm: MmStruct
    wait: WaitQueue  # who reads or polls
    features: int | None = None
    faults: list[UserfaultfdWait] = field(default_factory=list)  # in the order in which they came


def wake_userfault(k: Kernel, ctx: UserfaultfdCtx, start: int, end: int) -> None:
    """Those who wait for a page of [start, end) try again."""
    for waiting in list(ctx.faults):
        if start <= waiting.address < end:
            ctx.faults.remove(waiting)
            waiting.woken = True
            k.try_to_wake_up(waiting.task)


def _destination(mm: MmStruct, address: int, length: int) -> VmArea:
    """The one area that has all of it. Raises Errno(ENOENT)."""
    area = mm.find_exact(address)
    if area is None or area.uffd is None or area.vm_end < address + length:
        raise Errno(ENOENT)
    return area


def mfill_page(
    k: Kernel, mm: MmStruct, area: VmArea, address: int, data: bytes | None, wp: bool = False
) -> None:
    """A page with contents, or (None) of zeros; with `wp` who writes to it asks first. Raises Errno(EEXIST)
    where there is one, Errno(ENOMEM), Errno(EFAULT) beyond the end of shared memory."""
    at = pte_alloc(k, mm, address)
    if pte_present(get_pte(k, mm, address)):
        raise Errno(EEXIST)
    if area.mapping is not None and area.vm_flags & VM_SHARED:
        index = area.page_index(address)
        if area.mapping.has_page(index):
            raise Errno(EEXIST)
        try:
            pfn = area.mapping.find_or_create_page(k, index)
        except FaultSigbus:
            raise Errno(EFAULT) from None
        k.memory.pages.get_page(pfn)
    elif data is None:
        pfn = k.memory.zero_pfn
        k.memory.pages.get_page(pfn)
        _install(k, mm, address, at, mk_pte(pfn, area), wp=False)
        return
    else:
        pfn = k.memory.pages.get_zeroed_page(k, "anonymous page", highmem=True)
        anon_vma_prepare(k, mm, area)
    if data is not None:
        k.machine.ram.write(pfn << PAGE_SHIFT, data)
    writable = PTE_RW | PTE_D if area.vm_flags & VM_WRITE and not area.vm_flags & VM_SHARED else 0
    _install(k, mm, address, at, mk_pte(pfn, area) | writable, wp)


def _install(k: Kernel, mm: MmStruct, address: int, at: int, pte: int, wp: bool) -> None:
    set_pte(k, mm, address, at, pte & ~PTE_RW | PTE_UFFD_WP if wp else pte)
    _unmark(mm, address)


def _unmark(mm: MmStruct, address: int) -> None:
    mm.uffd_poison.discard(address)
    mm.uffd_wp.discard(address)


def mcontinue_page(k: Kernel, mm: MmStruct, area: VmArea, address: int, wp: bool) -> None:
    """A page of shared memory that is there, mapped (mfill_atomic_pte_continue). Raises Errno(EFAULT) for
    none, Errno(EEXIST), Errno(ENOMEM)."""
    at = pte_alloc(k, mm, address)
    if pte_present(get_pte(k, mm, address)):
        raise Errno(EEXIST)
    assert area.mapping is not None
    index = area.page_index(address)
    if not area.mapping.has_page(index):
        raise Errno(EFAULT)
    pfn = area.mapping.find_or_create_page(k, index)
    k.memory.pages.get_page(pfn)
    _install(k, mm, address, at, mk_pte(pfn, area), wp)


def mpoison_page(k: Kernel, mm: MmStruct, area: VmArea, address: int, wp: bool) -> None:
    """A page whose next access is SIGBUS (mfill_atomic_pte_poison). Errno(EEXIST) where there is one."""
    if pte_present(get_pte(k, mm, address)):
        raise Errno(EEXIST)
    _unmark(mm, address)
    mm.uffd_poison.add(address)


def mfill_atomic(
    k: Kernel, mm: MmStruct, address: int, pages: list[bytes | None], *, wp: bool = False
) -> int:
    """Pages from `address` on; how many bytes were given before one could not be. Raises Errno for the
    first: ENOENT outside of registered areas, EEXIST, ENOMEM, EINVAL for `wp` where that is not asked."""
    area = _destination(mm, address, len(pages) * PAGE_SIZE)
    if wp and not area.uffd_mode & UFFD_MODE_WP:
        raise Errno(EINVAL)

    def one(at: int) -> None:
        mfill_page(k, mm, area, at, pages[(at - address) >> PAGE_SHIFT], wp)

    return as_far_as_it_goes(address, address + len(pages) * PAGE_SIZE, one)


def each_page(
    k: Kernel,
    mm: MmStruct,
    start: int,
    end: int,
    what: Callable[[Kernel, MmStruct, VmArea, int, bool], None],
    *,
    shared: bool,
    wp: bool = False,
) -> int:
    """The same for what needs no contents; `shared`: of shared memory only (EINVAL)."""
    area = _destination(mm, start, end - start)
    if wp and not area.uffd_mode & UFFD_MODE_WP:
        raise Errno(EINVAL)
    if shared and (area.mapping is None or not area.vm_flags & VM_SHARED):
        raise Errno(EINVAL)
    return as_far_as_it_goes(start, end, lambda at: what(k, mm, area, at, wp))


def as_far_as_it_goes(start: int, end: int, one: Callable[[int], None]) -> int:
    """Page after page, until one cannot be done; how many bytes were. Raises the first one's Errno."""
    for at in range(start, end, PAGE_SIZE):
        try:
            one(at)
        except Errno:
            if at == start:
                raise
            return at - start
    return end - start


# -- writing and moving ----------------------------------------------------------------------------


def uffd_wp_range(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int, *, on: bool) -> None:
    """Whether who writes to the pages of a part of an area asks first: to those that are there, and to those
    that come, of files, or where that was asked for (userfaultfd_wp_use_markers)."""
    there = set()
    for address, at, pte in present_ptes(k, mm, start, end):
        set_pte(k, mm, address, at, pte & ~PTE_RW | PTE_UFFD_WP if on else pte & ~PTE_UFFD_WP)
        there.add(address)
    if not on:
        kept = mm.guards | mm.uffd_poison
        mm.uffd_wp = {p for p in mm.uffd_wp if not start <= p < end or p in kept}
    elif area.mapping is not None or area.has_uffd_feature(_MARKS):
        mm.uffd_wp |= set(range(start, end, PAGE_SIZE)) - there - mm.guards - mm.uffd_poison
    flush_tlb_mm(k, mm)


def mwriteprotect(k: Kernel, mm: MmStruct, start: int, end: int, *, on: bool) -> None:
    """mwriteprotect_range. Raises Errno(ENOENT) at an area that is not registered for that."""
    areas = mm.overlapping(start, end)
    if not areas:
        raise Errno(ENOENT)
    for area in areas:
        if not area.uffd_mode & UFFD_MODE_WP:
            raise Errno(ENOENT)
        uffd_wp_range(k, mm, area, max(start, area.vm_start), min(end, area.vm_end), on=on)


def move_pages(
    k: Kernel, mm: MmStruct, dst: int, src: int, length: int, *, holes: bool, ctx: UserfaultfdCtx
) -> int:
    """UFFDIO_MOVE: pages of the caller's own go to where they are missing; how many bytes. Errno(EINVAL)
    for other memory, Errno(ENOENT) for a page that is not there (unless `holes`), Errno(EBUSY) for one that
    is shared, Errno(EEXIST), Errno(ENOMEM)."""
    source, target = mm.find_exact(src), mm.find_exact(dst)
    if source is None or target is None:
        raise Errno(ENOENT)
    if source.vm_end < src + length or target.vm_end < dst + length or target.uffd is not ctx:
        raise Errno(EINVAL)
    if source.mapping is not None or target.mapping is not None:
        raise Errno(EINVAL)
    if (source.vm_flags ^ target.vm_flags) & (VM_RWX | VM_LOCKED) or not source.vm_flags & VM_WRITE:
        raise Errno(EINVAL)
    first, last = src, src + length

    def one(address: int) -> None:
        _move_page(k, mm, target, dst + address - src, address, holes=holes)

    done = as_far_as_it_goes(first, last, one)
    flush_tlb_mm(k, mm)
    return done


def _move_page(k: Kernel, mm: MmStruct, area: VmArea, dst: int, src: int, *, holes: bool) -> None:
    at = pte_alloc(k, mm, dst)
    if pte_present(get_pte(k, mm, dst)) or dst in mm.uffd_poison | mm.uffd_wp | mm.guards:
        raise Errno(EEXIST)
    place, pte = pte_offset(k, mm, src), get_pte(k, mm, src)
    if place is None or not pte_present(pte):
        if holes:
            return
        raise Errno(ENOENT)
    pfn = pte >> PAGE_SHIFT
    if pfn == k.memory.zero_pfn:
        set_pte(k, mm, src, place, 0)
        set_pte(k, mm, dst, at, mk_pte(pfn, area))
        return
    if k.memory.pages.page_count(pfn) != 1:
        raise Errno(EBUSY)
    anon_vma_prepare(k, mm, area)
    set_pte(k, mm, src, place, 0)
    set_pte(k, mm, dst, at, mk_pte(pfn, area) | PTE_RW | PTE_D)
