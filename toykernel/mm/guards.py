"""Guard regions (mm/madvise.c): pages of an area that nobody may touch, without areas of their own.

Linux keeps them as markers in the page tables; here the address space lists their addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.errno import EFAULT, Errno

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct


class GuardFault(Errno):
    """An access to such a page: SIGSEGV for a program, EFAULT for the kernel on its behalf."""

    def __init__(self) -> None:
        super().__init__(EFAULT)


def guards_in(mm: MmStruct, start: int, end: int) -> set[int]:
    """Those of a range."""
    return {page for page in mm.guards if start <= page < end}


def install_guards(mm: MmStruct, start: int, end: int) -> None:
    """Every page of a range, whose contents are gone."""
    mm.guards.update(range(start, end, PAGE_SIZE))


def remove_guards(mm: MmStruct, start: int, end: int) -> None:
    """The pages of a range can be touched again."""
    if mm.guards:
        gone = guards_in(mm, start, end)
        mm.guards -= gone
        mm.uffd_wp -= gone


def move_guards(mm: MmStruct, old: int, new: int, length: int) -> None:
    """They go with a mapping that moves (mremap)."""
    moved = guards_in(mm, old, old + length) if mm.guards else set()
    mm.guards -= moved
    mm.guards |= {page - old + new for page in moved}
