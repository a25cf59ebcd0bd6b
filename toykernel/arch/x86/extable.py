"""Faults of the kernel's own instructions that have a fix-up (arch/x86/mm/extable.c).

Only the way back to user mode has any: it loads what a program has put into its frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_OFFSET

if TYPE_CHECKING:
    from toykernel.arch.x86.ptrace import PtRegs
    from toykernel.state import Kernel

_SEGMENT_LOADS = ("restore_ds", "restore_es", "restore_fs", "restore_gs")


def fixup_exception(k: Kernel, regs: PtRegs) -> bool:
    """Repair a fault in ring 0, if there is a way; the instruction or its fix-up runs next.

    A segment register that cannot be loaded becomes null, as on Linux.
    """
    ip = regs.ip
    if ip == k.host.symbols["restore_iret"]:
        regs.ip = k.host.symbols["iret_exc"]
        return True
    name = next((name for name in _SEGMENT_LOADS if ip == k.host.symbols[name]), None)
    if name is None:
        return False
    # A trap from ring 0 pushes no stack pointer: the stack goes on right above the frame.
    slot = regs.address + PT_OFFSET["flags"] + 4
    k.machine.ram.write32(slot - PAGE_OFFSET, 0)
    # The register can still hold what cannot be loaded any more, and then so does this frame.
    setattr(regs, name.removeprefix("restore_"), 0)
    return True
