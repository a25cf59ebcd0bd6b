"""Pages that another thread gives (mm/userfaultfd.c): an area whose missing pages are asked for."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.paging import PTE_D, PTE_RW
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.pgtable import get_pte, pte_alloc, pte_present, set_pte
from toykernel.errno import EEXIST, EFAULT, ENOENT, Errno
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.memory import mk_pte
from toykernel.mm.mm_types import VM_SHARED, VM_WRITE
from toykernel.mm.vma import anon_vma_prepare

if TYPE_CHECKING:
    from toykernel.kernel.wait_queue import WaitQueue
    from toykernel.mm.mm_types import MmStruct, VmArea
    from toykernel.state import Kernel
    from toykernel.task import Task

FEATURE_SIGBUS, FEATURE_THREAD_ID, FEATURE_EXACT_ADDRESS = 1 << 7, 1 << 8, 1 << 11


@dataclass(eq=False)
class UserfaultfdWait:
    """struct userfaultfd_wait_queue: a thread that waits for a page; `ptid` is its number as the reader
    sees it. `told`: the message was read."""

    task: Task
    address: int
    write: bool
    ptid: int
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


def mfill_page(k: Kernel, mm: MmStruct, area: VmArea, address: int, data: bytes | None) -> None:
    """A page with contents, or (None) of zeros. Raises Errno(EEXIST) where there is one, Errno(ENOMEM),
    Errno(EFAULT) beyond the end of shared memory."""
    at = pte_alloc(k, mm, address)
    if pte_present(get_pte(k, mm, address)):
        raise Errno(EEXIST)
    if area.mapping is not None:
        index = area.page_index(address)
        if index in area.mapping.pages:
            raise Errno(EEXIST)
        try:
            pfn = area.mapping.find_or_create_page(k, index)
        except FaultSigbus:
            raise Errno(EFAULT) from None
        k.memory.pages.get_page(pfn)
    elif data is None:
        pfn = k.memory.zero_pfn
        k.memory.pages.get_page(pfn)
        set_pte(k, mm, address, at, mk_pte(pfn, area))
        return
    else:
        pfn = k.memory.pages.get_zeroed_page(k, "anonymous page", highmem=True)
        anon_vma_prepare(k, mm, area)
    if data is not None:
        k.machine.ram.write(pfn << PAGE_SHIFT, data)
    writable = PTE_RW | PTE_D if area.vm_flags & VM_WRITE and not area.vm_flags & VM_SHARED else 0
    set_pte(k, mm, address, at, mk_pte(pfn, area) | writable)


def mfill_atomic(k: Kernel, mm: MmStruct, address: int, pages: list[bytes | None]) -> int:
    """Pages from `address` on; how many bytes were given before one could not be. Raises Errno for the
    first: ENOENT outside of registered areas, EEXIST, ENOMEM."""
    area = _destination(mm, address, len(pages) * PAGE_SIZE)
    done = 0
    for data in pages:
        try:
            mfill_page(k, mm, area, address + done, data)
        except Errno:
            if not done:
                raise
            break
        done += PAGE_SIZE
    return done
