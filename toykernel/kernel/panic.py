"""The end of the kernel (kernel/panic.c, arch/x86/kernel/dumpstack.c): it says why, and stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.kernel.printk import printk
from toykernel.oops import KernelOops, oops_report

if TYPE_CHECKING:
    from toykernel.state import Kernel


def die(k: Kernel, what: str, regs: PtRegs, error_code: int) -> NoReturn:
    """The kernel's own code trapped. Raises KernelOops."""
    printk(k, what)
    raise KernelOops(oops_report(k, what, regs, error_code))


def panic(k: Kernel, what: str) -> NoReturn:
    """The kernel cannot go on. Raises KernelOops."""
    printk(k, f"Kernel panic - not syncing: {what}")
    cpu = k.machine.cpu
    frame = PtRegs(k.machine.ram, max(cpu.esp, PAGE_OFFSET))
    raise KernelOops(oops_report(k, f"Kernel panic - not syncing: {what}", frame, None))
