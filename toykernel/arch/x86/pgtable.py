"""Page-table entries: the one door for changing them, and the flushes that are owed afterwards.

Directories and tables are frames in guest RAM. The kernel's quarter (from PAGE_OFFSET) has the same
entries in every directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.paging import PTE_D, PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.mm.mm_types import MmStruct

if TYPE_CHECKING:
    from toykernel.state import Kernel

USER_PGD_PTRS = PAGE_OFFSET >> 22
PGDIR_SHIFT = 22
PGDIR_SIZE = 1 << PGDIR_SHIFT
PTRS_PER_TABLE = 1024
_TABLE = PTE_P | PTE_RW | PTE_US

#: A page that is there but that the area forbids altogether (mprotect PROT_NONE): P is clear, so the
#: CPU looks at no other bit, and this one says that the frame is still the entry's.
PTE_PROTNONE = 0x100
#: A bit for the kernel's use: a userfaultfd is asked before somebody writes to the page (_PAGE_UFFD_WP).
PTE_UFFD_WP = 0x400
_HELD = PTE_P | PTE_PROTNONE
#: An entry: linear address, physical address of the entry, and what it is.
PteAt = tuple[int, int, int]


def pte_present(pte: int) -> bool:
    """Whether an entry holds a frame, accessible or not (PROT_NONE keeps its frame)."""
    return bool(pte & _HELD)


def pgd_alloc(k: Kernel) -> int:
    """A directory with the kernel's half in place; physical address. Raises Errno(ENOMEM)."""
    pgd = k.memory.pages.alloc_pages(k, 0, "pgd") << PAGE_SHIFT
    ram = k.machine.ram
    ram.fill(pgd, USER_PGD_PTRS * 4)
    half = USER_PGD_PTRS * 4
    k.charge("pgd_alloc")
    ram.copy(pgd + half, k.arch.swapper_pg_dir + half, PAGE_SIZE - half)
    return pgd


def pgd_free(k: Kernel, mm: MmStruct) -> None:
    """Give the directory's frame back; its tables are gone already."""
    k.memory.pages.put_page(k, mm.pgd >> PAGE_SHIFT)
    mm.pgd = 0


def pte_offset(k: Kernel, mm: MmStruct, address: int) -> int | None:
    """Physical address of the entry for a linear address; None without a table."""
    pde = k.machine.ram.aligned_words[mm.pgd + (address >> 20 & 0xFFC) >> 2]
    if not pde & PTE_P:
        return None
    return (pde & PTE_FRAME) + (address >> 10 & 0xFFC)


def pte_alloc(k: Kernel, mm: MmStruct, address: int) -> int:
    """Physical address of the entry for a linear address; makes a table when there is none.

    Raises Errno(ENOMEM).
    """
    at = pte_offset(k, mm, address)
    if at is None:
        table = k.memory.pages.get_zeroed_page(k, "page table") << PAGE_SHIFT
        k.machine.ram.write32(mm.pgd + (address >> 22) * 4, table | _TABLE)
        mm.nr_ptes += 1
        at = table + ((address >> 12) & 0x3FF) * 4
    return at


def get_pte(k: Kernel, mm: MmStruct, address: int) -> int:
    """The entry for a linear address; 0 without a table."""
    ram = k.machine.ram
    pde = ram.aligned_words[mm.pgd + (address >> 20 & 0xFFC) >> 2]
    return ram.read32((pde & PTE_FRAME) + (address >> 10 & 0xFFC)) if pde & PTE_P else 0


def set_pte(k: Kernel, mm: MmStruct, address: int, at: int, value: int) -> None:
    """The one door: store an entry at physical `at`, which maps linear `address`.

    An entry that loses rights or changes frames may live on in the TLB, so the page is noted until
    somebody flushes; gaining rights needs no flush on i386.
    """
    ram = k.machine.ram
    k.charge("set_pte")
    old = ram.read32(at)
    ram.write32(at, value)
    if old & PTE_P and (
        (old ^ value) & PTE_FRAME or old & ~value & (PTE_P | PTE_RW | PTE_US | PTE_D)
    ):
        mm.stale[address & PTE_FRAME] = None
    was, now = old & _HELD, value & _HELD
    if was and now:
        if (old ^ value) & PTE_FRAME:
            k.memory.rmap.remove(old >> PAGE_SHIFT, mm.ident, address)
            k.memory.rmap.add(value >> PAGE_SHIFT, mm.ident, address)
    elif was:
        mm.rss -= 1
        k.memory.rmap.remove(old >> PAGE_SHIFT, mm.ident, address)
    elif now:
        mm.rss += 1
        if mm.rss > mm.hiwater_rss:
            mm.hiwater_rss = mm.rss
        k.memory.rmap.add(value >> PAGE_SHIFT, mm.ident, address)
    trace = k.host.trace
    if trace.set_pte:
        trace.set_pte.emit(mm, address, old, value)
    if trace.set_ptes:
        trace.set_ptes.emit(mm, [(address, old, value)])


def flush_tlb_mm(k: Kernel, mm: MmStruct) -> None:
    """Forget every cached translation of an address space; only the active one has any."""
    mm.stale.clear()
    if mm is k.memory.active_mm:
        k.machine.flush_tlb()


def flush_tlb_page(k: Kernel, mm: MmStruct, address: int) -> None:
    """Forget the cached entry of one page. (The engine only knows how to forget all.)"""
    mm.stale.pop(address & PTE_FRAME, None)
    if mm is k.memory.active_mm:
        k.machine.flush_tlb()


def present_ptes(k: Kernel, mm: MmStruct, start: int, end: int) -> Iterator[PteAt]:
    """All nonzero entries in a range.

    The kernel's own walk, which takes time: whoever only watches uses look.page_tables.entries.
    """
    for first, at, entries in _tables(k, mm, start, end):
        k.charge("scan_pte", len(entries))
        for index, pte in enumerate(entries):
            if pte:
                k.charge("present_pte")
                yield first + (index << 12), at + index * 4, pte


def _tables(k: Kernel, mm: MmStruct, start: int, end: int) -> Iterator[tuple[int, int, list[int]]]:
    """The part of each page table that maps a range: the first linear address, the physical address of its
    entry, and all entries."""
    ram = k.machine.ram
    directory = mm.pgd
    while start < end:
        stop = (start | PGDIR_SIZE - 1) + 1
        if stop > end:
            stop = end
        pde = ram.aligned_words[directory + (start >> 20 & 0xFFC) >> 2]
        if pde & PTE_P:
            at = (pde & PTE_FRAME) + (start >> 10 & 0xFFC)
            yield start, at, ram.words(at, stop - start >> 12)
        start = stop


# -- whole ranges: what set_pte does for each entry, by words of memory ----------------------------


class PteWork:
    """What was looked at and stored in page tables, in entries, to be charged once for all ranges."""

    __slots__ = ("present", "scanned", "stored", "table", "table_of")

    def __init__(self) -> None:
        self.scanned = self.present = self.stored = 0
        #: Whose entries a copy has come to: the number of that page table, and where it lies.
        self.table_of = self.table = -1

    def charge(self, k: Kernel) -> None:
        """Put it on the clock, each kind of work by its own price."""
        if self.scanned:
            k.charge("scan_pte", self.scanned)
        if self.present:
            k.charge("present_pte", self.present)
        if self.stored:
            k.charge("set_pte", self.stored)


def one_by_one(k: Kernel) -> bool:
    """Somebody is told of each entry that is set, of each frame that is freed, or of each store."""
    trace = k.host.trace
    return bool(trace.set_pte or trace.page_free) or k.machine.ram.on_write is not None


def copy_ptes(
    k: Kernel,
    dst: MmStruct,
    src: MmStruct,
    start: int,
    end: int,
    protected: list[PteAt],
    work: PteWork,
    lost: int,
) -> None:
    """The entries of a range for another address space, where nothing was, without the bits of `lost`: in
    both without the write bit, one more reference to each frame, and those of `src` that had the bit added
    to `protected`, as they were.

    Raises Errno(ENOMEM) when a page table cannot be had.
    """
    ram = k.machine.ram
    for address, at, entries in _tables(k, src, start, end):
        work.scanned += len(entries)
        if not any(entries):
            continue
        work.present += 1  # of the first, which wants the table
        if address >> PGDIR_SHIFT != work.table_of:
            work.table = pte_alloc(k, dst, address) & PTE_FRAME
            work.table_of = address >> PGDIR_SHIFT
        maps = {}
        first, writable = address, len(protected)
        for index, pte in enumerate(entries):
            if pte:
                maps[address] = pte >> PAGE_SHIFT
                if pte & PTE_RW:
                    protected.append((address, at + index * 4, pte))
                    if pte & PTE_P:
                        src.stale[address] = None
            address += PAGE_SIZE
        writable = len(protected) - writable
        work.present += len(maps) - 1
        work.stored += len(maps) + writable
        if writable:
            ram.write_words(at, [pte & ~PTE_RW for pte in entries])
        copies = [pte & ~(PTE_RW | lost) for pte in entries]
        ram.write_words(work.table | at & ~PTE_FRAME, copies)
        k.memory.pages.get_pages(maps.values())
        k.memory.rmap.add_all(dst.ident, maps)
        dst.rss += len(maps)
        if dst.rss > dst.hiwater_rss:
            dst.hiwater_rss = dst.rss
        if k.host.trace.set_ptes:
            taken = [
                (page, pte, pte & ~PTE_RW) for page, _, pte in protected[-writable:] if writable
            ]
            k.host.trace.set_ptes.emit(src, taken)
            given = [(first + i * PAGE_SIZE, 0, pte) for i, pte in enumerate(copies) if pte]
            k.host.trace.set_ptes.emit(dst, given)


def clear_ptes(k: Kernel, mm: MmStruct, start: int, end: int, work: PteWork) -> None:
    """Nothing is mapped in a range any more, and each entry's reference to its frame is given back."""
    for address, at, entries in _tables(k, mm, start, end):
        work.scanned += len(entries)
        if not any(entries):
            continue
        k.machine.ram.fill(at, len(entries) * 4)
        maps = {}
        for pte in entries:
            if pte:
                maps[address] = pte >> PAGE_SHIFT
                if pte & PTE_P:
                    mm.stale[address] = None
            address += PAGE_SIZE
        work.present += len(maps)
        work.stored += len(maps)
        mm.rss -= len(maps)
        k.memory.rmap.remove_all(mm.ident, maps)
        if k.host.trace.set_ptes:
            was = (pte for pte in entries if pte)
            cleared = [(page, pte, 0) for page, pte in zip(maps, was, strict=True)]
            k.host.trace.set_ptes.emit(mm, cleared)
        k.memory.pages.put_pages(k, maps.values())


def free_pgtables(k: Kernel, mm: MmStruct, start: int = 0, end: int = PAGE_OFFSET) -> None:
    """Free the page tables that only serve [start, end): no area is left in what they map."""
    ram = k.machine.ram
    first = start >> 22
    for offset, pde in ram.nonzero_words(mm.pgd + first * 4, (end - 1 >> 22) + 1 - first):
        index = first + offset
        if pde & PTE_P and not mm.overlapping(index << 22, (index + 1) << 22):
            ram.write32(mm.pgd + index * 4, 0)
            k.memory.pages.put_page(k, pde >> PAGE_SHIFT)
            mm.nr_ptes -= 1
            mm.stale[index << 22] = None
