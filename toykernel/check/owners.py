"""Who holds each frame: every reference that the kernel's records account for, as data.

The allocator counts references; this counts the reasons for them. What the two disagree about is a
leak, or a reference that nobody took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.arch.x86.pgtable import PTRS_PER_TABLE, USER_PGD_PTRS, pte_present
from toykernel.check.records import address_spaces, records

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.mm.slab import KmemCache
    from toykernel.state import Kernel


@dataclass(frozen=True)
class Entry:
    """A nonzero user page-table entry: linear address, the entry, and the address space's number."""

    mm: MmStruct
    address: int
    pte: int

    @property
    def pfn(self) -> int:
        """The frame that it points to."""
        return self.pte >> PAGE_SHIFT

    @property
    def present(self) -> bool:
        """Whether it holds a frame; the CPU may use it only when its P bit is set as well."""
        return pte_present(self.pte)


def users_of(k: Kernel, mm: MmStruct) -> str:
    """For messages: whose address space it is."""
    return (
        ", ".join(f"pid {t.pid} ({t.comm})" for t in k.processes.tasks if t.mm is mm)
        or f"mm {mm.ident}"
    )


def tables(k: Kernel, mm: MmStruct) -> Iterator[tuple[int, int]]:
    """(first linear address, directory entry) of every user page-table page."""
    for index, pde in enumerate(k.machine.ram.words(mm.pgd, USER_PGD_PTRS)):
        if pde:
            yield index << 22, pde


def entries(k: Kernel, mm: MmStruct) -> Iterator[Entry]:
    """Every nonzero user entry, by address. Tables outside RAM are skipped: a check reports them."""
    ram = k.machine.ram
    for base, pde in tables(k, mm):
        at = pde & PTE_FRAME
        if at + PAGE_SIZE > ram.size:
            continue
        for index, pte in enumerate(ram.words(at, PTRS_PER_TABLE)):
            if pte:
                yield Entry(mm, base + (index << PAGE_SHIFT), pte)


Claim = tuple[int, str]  # frame, by whom


def _page_tables(k: Kernel) -> Iterator[Claim]:
    for mm in address_spaces(k):
        yield mm.pgd >> PAGE_SHIFT, f"page directory of mm {mm.ident}"
        for base, pde in tables(k, mm):
            yield pde >> PAGE_SHIFT, f"page table of mm {mm.ident} for {base:#010x}"


def _user_pages(k: Kernel) -> Iterator[Claim]:
    for mm in address_spaces(k):
        for entry in entries(k, mm):
            if entry.present:
                yield entry.pfn, f"mm {mm.ident} at {entry.address:#010x}"


def _kernel_stacks(k: Kernel) -> Iterator[Claim]:
    for task in k.processes.tasks:
        pfn = (task.stack - PAGE_OFFSET) >> PAGE_SHIFT
        if pfn >= k.memory.reserved_end:  # the idle task's is part of the kernel's image
            yield pfn, f"kernel stack of pid {task.pid}"


def _slab_pages(k: Kernel) -> Iterator[Claim]:
    """A slab page is held by its cache as long as the cache can say which records are in it."""
    known = list(records(k))
    for cache in k.memory.slabs:
        claimed: dict[int, int] = {}
        for kind, address in known:
            if kind == cache.name:
                page = address & PTE_FRAME
                claimed[page] = claimed.get(page, 0) + 1
        for page in cache.pages():
            if claimed.get(page, 0) == cache.objects_in(page):
                yield (page - PAGE_OFFSET) >> PAGE_SHIFT, f"slab {cache.name}"


def _page_cache(k: Kernel) -> Iterator[Claim]:
    for mapping in k.memory.mappings.values():
        for index, pfn in mapping.pages.items():
            yield pfn, f"page {index} of {mapping.name}"


def _pins(k: Kernel) -> Iterator[Claim]:
    for pfn, count in k.memory.pins.items():
        for _ in range(count):
            yield pfn, "held by the kernel"


def _reserved(k: Kernel) -> Iterator[Claim]:
    yield k.memory.zero_pfn, "zero page of the kernel"


#: Everything that may hold a frame. A new kind of holder adds its function here.
HOLDERS: tuple[Callable[[Kernel], Iterator[Claim]], ...] = (
    _reserved,
    _page_tables,
    _user_pages,
    _page_cache,
    _pins,
    _kernel_stacks,
    _slab_pages,
)


def owners(k: Kernel) -> dict[int, list[str]]:
    """By frame: everybody who holds a reference to it."""
    held: dict[int, list[str]] = {}
    for holder in HOLDERS:
        for pfn, who in holder(k):
            held.setdefault(pfn, []).append(who)
    return held


def leaked_frames(k: Kernel) -> int:
    """Frames with more references than holders; the frames of a block count one by one."""
    held = owners(k)
    return sum(
        1 << order
        for pfn, order in k.memory.pages.allocated().items()
        if k.memory.pages.page_count(pfn) > len(held.get(pfn, ()))
    )


def leaked_objects(k: Kernel, cache: KmemCache) -> int:
    """Slab objects in use that no record stands for."""
    return cache.active - sum(1 for kind, _ in records(k) if kind == cache.name)


__all__ = [
    "HOLDERS",
    "Claim",
    "Entry",
    "address_spaces",
    "entries",
    "leaked_frames",
    "leaked_objects",
    "owners",
    "records",
    "tables",
    "users_of",
]
