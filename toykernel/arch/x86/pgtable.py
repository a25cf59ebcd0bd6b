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
PGDIR_SIZE = 1 << 22
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
    pde = k.machine.ram.read32(mm.pgd + (address >> 22) * 4)
    if not pde & PTE_P:
        return None
    return (pde & PTE_FRAME) + ((address >> 12) & 0x3FF) * 4


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
    at = pte_offset(k, mm, address)
    return 0 if at is None else k.machine.ram.read32(at)


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
    if k.host.trace.set_pte:
        k.host.trace.set_pte.emit(mm, address, old, value)


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
    for run in pte_runs(k, mm, start, end):
        for entry in run:
            k.charge("present_pte")
            yield entry


def pte_runs(k: Kernel, mm: MmStruct, start: int, end: int) -> Iterator[list[PteAt]]:
    """The same, all of one page table together; only the look is charged, and not what is found."""
    ram = k.machine.ram
    while start < end:
        next_table = min((start & -PGDIR_SIZE) + PGDIR_SIZE, end)
        pde = ram.read32(mm.pgd + (start >> 22) * 4)
        if pde & PTE_P:
            at = (pde & PTE_FRAME) + ((start >> 12) & 0x3FF) * 4
            entries = ram.words(at, (next_table - start) >> 12)
            k.charge("scan_pte", len(entries))
            run = [
                (start + (index << 12), at + index * 4, pte)
                for index, pte in enumerate(entries)
                if pte
            ]
            if run:
                yield run
        start = next_table


# -- whole runs: what set_pte does for each entry, by words of memory ------------------------------


def one_by_one(k: Kernel) -> bool:
    """Somebody is told of each entry that is set, of each frame that is freed, or of each store."""
    trace = k.host.trace
    return bool(trace.set_pte or trace.page_free) or k.machine.ram.on_write is not None


def _store_run(k: Kernel, at: int, run: list[PteAt]) -> None:
    """A run's entries, whose first lies at a physical address now. Between them are none."""
    first = run[0][1]
    words = [0] * ((run[-1][1] - first >> 2) + 1)
    for _, place, pte in run:
        words[place - first >> 2] = pte
    k.machine.ram.write_words(at, words)


def protect_run(k: Kernel, mm: MmStruct, run: list[PteAt]) -> list[PteAt]:
    """Take the write bit from all entries of a run that have it; answers with those, as they were."""
    writable = [entry for entry in run if entry[2] & PTE_RW]
    if writable:
        k.charge("set_pte", len(writable))
        _store_run(k, run[0][1], [(address, at, pte & ~PTE_RW) for address, at, pte in run])
        mm.stale.update((address, None) for address, _, pte in writable if pte & PTE_P)
    return writable


def set_run(k: Kernel, mm: MmStruct, at: int, run: list[PteAt]) -> None:
    """Store a run, from this physical address on, where nothing was."""
    k.charge("set_pte", len(run))
    _store_run(k, at, run)
    held = [entry for entry in run if entry[2] & _HELD]
    mm.rss += len(held)
    mm.hiwater_rss = max(mm.hiwater_rss, mm.rss)
    add = k.memory.rmap.add
    for address, _, pte in held:
        add(pte >> PAGE_SHIFT, mm.ident, address)


def clear_run(k: Kernel, mm: MmStruct, run: list[PteAt]) -> None:
    """Nothing is mapped any more where the run was; its frames still have their references."""
    k.charge("set_pte", len(run))
    first = run[0][1]
    k.machine.ram.fill(first, run[-1][1] + 4 - first)
    mm.stale.update((address, None) for address, _, pte in run if pte & PTE_P)
    held = [entry for entry in run if entry[2] & _HELD]
    mm.rss -= len(held)
    remove = k.memory.rmap.remove
    for address, _, pte in held:
        remove(pte >> PAGE_SHIFT, mm.ident, address)


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
