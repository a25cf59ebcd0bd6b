"""Who holds each frame: every reference that the kernel's records account for, as data.

The allocator counts references; this counts the reasons for them. What the two disagree about is a
leak, or a reference that nobody took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME, PTE_P
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, THREAD_SIZE
from toykernel.look.page_tables import entries, tables
from toykernel.look.records import records
from toykernel.look.spaces import address_spaces, users

if TYPE_CHECKING:
    from toykernel.state import Kernel


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
    claimed = Counter((kind, address & PTE_FRAME) for kind, address in records(k))
    for cache in k.memory.slabs:
        for page in cache.pages():
            if claimed[cache.name, page] == cache.objects_in(page):
                yield (page - PAGE_OFFSET) >> PAGE_SHIFT, f"slab {cache.name}"


def _ldts(k: Kernel) -> Iterator[Claim]:
    for mm in address_spaces(k):
        if mm.ldt_entries:
            yield mm.ldt_pfn, f"LDT of mm {mm.ident}"


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
    _ldts,
    _slab_pages,
)


#: What the kernel's own holders use a frame for, in a word; a frame of no such holder is a user page.
KINDS: dict[Callable[[Kernel], Iterator[Claim]], str] = {
    _reserved: "zero page",
    _page_tables: "page table",
    _page_cache: "page cache",
    _pins: "held",
    _kernel_stacks: "kernel stack",
    _ldts: "LDT",
    _slab_pages: "slab",
}


def kernel_claims(k: Kernel) -> Iterator[tuple[int, str, str]]:
    """(frame, kind, by whom) of every reference that is not a user page-table entry's."""
    for holder, kind in KINDS.items():
        for pfn, who in holder(k):
            yield pfn, kind, who


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


def leaked_objects(k: Kernel) -> dict[str, int]:
    """Slab objects in use that no record stands for, by the name of each cache that has such."""
    known = Counter(kind for kind, _ in records(k))
    lost = {cache.name: cache.active - known[cache.name] for cache in k.memory.slabs}
    return {name: count for name, count in lost.items() if count}


@dataclass(frozen=True)
class Mapper:
    """A page-table entry that points to a frame: whose, for which linear address."""

    pids: tuple[int, ...]
    linear: int
    entry: int


def mappers(k: Kernel, frame: int) -> Iterator[Mapper]:
    """Every user page-table entry that points to a frame, by address space."""
    for mm in address_spaces(k):
        pids = tuple(task.pid for task in users(k, mm))
        for entry in entries(k, mm):
            if entry.pte & PTE_P and entry.pfn == frame:
                yield Mapper(pids, entry.address, entry.pte)


def frame_role(k: Kernel, frame: int) -> str:
    """What the kernel uses a frame for, empty for a user page."""
    if frame == k.memory.zero_pfn:
        return "the zero page"
    if frame < k.memory.reserved_end:
        return "the kernel's own: text, tables, boot memory"
    for task in k.processes.tasks:
        base = (task.stack - PAGE_OFFSET) >> PAGE_SHIFT
        if base <= frame < base + (THREAD_SIZE >> PAGE_SHIFT):
            return f"kernel stack of pid {task.pid}"
    for mm in address_spaces(k):
        who = f"pid {', '.join(str(task.pid) for task in users(k, mm))}"
        if mm.pgd >> PAGE_SHIFT == frame:
            return f"page directory of {who}"
        for base, pde in tables(k, mm):
            if pde >> PAGE_SHIFT == frame:
                return f"page table of {who}, for {base:#010x} and up"
    return "free" if not k.memory.pages.page_count(frame) else ""
