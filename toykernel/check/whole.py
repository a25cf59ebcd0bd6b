"""The whole kernel at one moment, as the checks of everything see it: what several of them go through is
gathered once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.pgtable import pte_present
from toykernel.look.open_files import open_files
from toykernel.look.page_tables import entries
from toykernel.look.spaces import address_spaces, users_of

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.mm.mm_types import MmStruct, VmArea
    from toykernel.state import Kernel


class Mapped(NamedTuple):
    """A user page-table entry that holds a frame, and the area that its linear address lies in, if any."""

    mm: MmStruct
    address: int
    pte: int
    pfn: int
    area: VmArea | None


class Whole:
    """Valid until the guest or the kernel does anything."""

    def __init__(self, k: Kernel) -> None:
        self.k = k

    @cached_property
    def spaces(self) -> list[MmStruct]:
        """Every user address space, in order of their numbers."""
        return address_spaces(self.k)

    @cached_property
    def mapped(self) -> list[Mapped]:
        """Every entry that holds a frame: by address space, then by address."""
        found = []
        for mm in self.spaces:
            area = None
            for entry in entries(self.k, mm):
                address, pte = entry.address, entry.pte
                if pte_present(pte):
                    if area is None or not area.vm_start <= address < area.vm_end:
                        area = mm.find_exact(address)
                    found.append(Mapped(mm, address, pte, pte >> PAGE_SHIFT, area))
        return found

    @cached_property
    def files(self) -> list[File]:
        """Every open file, each once."""
        return open_files(self.k)

    def where(self, entry: Mapped) -> str:
        """For messages: whose entry it is, for which address, and its frame."""
        return f"{users_of(self.k, entry.mm)} at {entry.address:#010x}: frame {entry.pfn:#x}"
