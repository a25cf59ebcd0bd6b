"""What page-table entries and areas say, in words: each bit by name, whether a write copies."""

from __future__ import annotations

from emu.paging import PTE_A, PTE_D, PTE_G, PTE_P, PTE_PCD, PTE_PWT, PTE_RW, PTE_US
from toykernel.mm.mm_types import VM_SHARED, VM_WRITE, VmArea

#: Bit, name when set, name when clear.
BITS = (
    (PTE_P, "present", "not present"),
    (PTE_RW, "writable", "read-only"),
    (PTE_US, "user", "supervisor"),
    (PTE_PWT, "write-through", ""),
    (PTE_PCD, "cache off", ""),
    (PTE_A, "accessed", "not accessed"),
    (PTE_D, "dirty", "clean"),
    (PTE_G, "global", ""),
)


def entry_bits(entry: int, *, table: bool) -> list[str]:
    """Names of an entry's bits. `table`: an entry of the directory, which has no dirty bit."""
    if not entry & PTE_P:
        return ["not present"] + ([f"software {entry:#x}"] if entry else [])
    names = []
    for bit, on, off in BITS:
        if table and bit in (PTE_D, PTE_G):
            continue
        name = on if entry & bit else off
        if name:
            names.append(name)
    return names


def entry_letters(entry: int) -> str:
    """P RW US A D as letters, `-` for a clear bit."""
    letters = zip("PWUAD", (PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D), strict=True)
    return "".join(letter if entry & bit else "-" for letter, bit in letters)


def area_flags(area: VmArea) -> str:
    """Whether fork shares the pages, and what a write does then."""
    if area.vm_flags & VM_SHARED:
        return "shared"
    return "private, copy on write" if area.vm_flags & VM_WRITE else "private"
