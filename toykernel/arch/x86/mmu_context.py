"""Which address space the CPU is in (arch/x86/include/asm/mmu_context.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.ldt import load_mm_ldt

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel


def activate_mm(k: Kernel, mm: MmStruct) -> None:
    """Run in this address space from now on: CR3 is loaded, which empties the TLB."""
    k.charge("load_cr3")
    k.machine.load_cr3(mm.pgd)
    if mm.ldt_entries or k.machine.cpu.ldtr:
        load_mm_ldt(k, mm)
    k.memory.active_mm = mm
    mm.stale.clear()


def leave_mm(k: Kernel) -> None:
    """Run in no user address space: CR3 holds the kernel's own directory."""
    k.charge("load_cr3")
    k.machine.load_cr3(k.arch.swapper_pg_dir)
    k.memory.active_mm = None
