"""What page tables say: of one linear address, and of all of an address space. No bit is set by looking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME, Walk
from emu.paging import walk as machine_walk
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.pgtable import PTRS_PER_TABLE, USER_PGD_PTRS, pte_present

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel


def walk(k: Kernel, pgd: int, address: int) -> Walk:
    """One address, through the directory at a physical address."""
    return machine_walk(k.machine.ram, pgd, address & 0xFFFFFFFF, pse=k.machine.cpu.pse)


@dataclass(frozen=True)
class Entry:
    """A nonzero user page-table entry: linear address, the entry, and the address space's number."""

    mm: MmStruct
    address: int
    pte: int

    @property
    def pfn(self) -> int:
        """Number of the frame that it points to."""
        return self.pte >> PAGE_SHIFT

    @property
    def present(self) -> bool:
        """Whether it holds a frame; the CPU may use it only when its P bit is set as well."""
        return pte_present(self.pte)


def tables(k: Kernel, mm: MmStruct) -> Iterator[tuple[int, int]]:
    """(first linear address, directory entry) of every user page-table page."""
    for index, pde in k.machine.ram.nonzero_words(mm.pgd, USER_PGD_PTRS):
        yield index << 22, pde


def entries(k: Kernel, mm: MmStruct) -> Iterator[Entry]:
    """Every nonzero user entry, by address. Tables outside RAM are skipped: a check reports them."""
    ram = k.machine.ram
    for base, pde in tables(k, mm):
        at = pde & PTE_FRAME
        if at + PAGE_SIZE > ram.size:
            continue
        for index, pte in ram.nonzero_words(at, PTRS_PER_TABLE):
            yield Entry(mm, base + (index << PAGE_SHIFT), pte)
