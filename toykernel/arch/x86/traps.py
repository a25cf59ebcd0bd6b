"""Exceptions become signals (arch/x86/kernel/traps.c; fork-path A5, A6).

From ring 0 each of them is a bug of the kernel: an oops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emu.eflags import EFLAGS_RF
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import FIRST_EXTERNAL_VECTOR, RESCHEDULE_IRQ, TIMER_IRQ
from toykernel.arch.x86.extable import fixup_exception
from toykernel.arch.x86.fault import do_page_fault
from toykernel.arch.x86.hw_breakpoint import DR_STEP, DR_TRAP_BITS, hit_instruction
from toykernel.arch.x86.process import init_fpu
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.errno import Errno
from toykernel.kernel.panic import die
from toykernel.kernel.printk import printk
from toykernel.kernel.siginfo import (
    BUS_ADRALN,
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
    FPE_INTDIV,
    ILL_BADSTK,
    ILL_ILLOPN,
    SI_KERNEL,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGKILL,
    SIGSEGV,
    SIGTRAP,
    TRAP_BRKPT,
    TRAP_HWBKPT,
    TRAP_TRACE,
)
from toykernel.kernel.signal import force_sig_info
from toykernel.kernel.tick import timer_interrupt

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

MATH_FAULT, SIMD_FAULT = 16, 19
#: trap_no of a failed iret, behind the CPU's own vectors.
IRET_ERROR = 32


@dataclass(frozen=True)
class TrapRule:
    """What a user program gets for one exception."""

    entry: str  # label of the entry point in entry.S
    handler: str  # label of the thunk
    text: str
    signal: int
    si_code: int = SI_KERNEL
    has_address: bool = False  # si_addr is the instruction
    user_gate: bool = False  # DPL 3: a program may raise it with INT


#: By vector. The gates are interrupt gates, so that CR2 and DR6 are read before anything else.
TRAPS: dict[int, TrapRule] = {
    0: TrapRule("divide_error", "do_divide_error", "divide error", SIGFPE, FPE_INTDIV, True),
    1: TrapRule("debug", "do_debug", "debug", SIGTRAP, TRAP_TRACE, True),
    2: TrapRule("nmi", "do_nmi", "nmi", 0),
    3: TrapRule("int3", "do_int3", "int3", SIGTRAP, user_gate=True),
    4: TrapRule("overflow", "do_overflow", "overflow", SIGSEGV, user_gate=True),
    5: TrapRule("bounds", "do_bounds", "bounds", SIGSEGV),
    6: TrapRule("invalid_op", "do_invalid_op", "invalid opcode", SIGILL, ILL_ILLOPN, True),
    8: TrapRule("double_fault", "do_double_fault", "double fault", SIGSEGV),
    10: TrapRule("invalid_TSS", "do_invalid_TSS", "invalid TSS", SIGSEGV),
    11: TrapRule("segment_not_present", "do_segment_not_present", "segment not present", SIGBUS),
    12: TrapRule("stack_segment", "do_stack_segment", "stack segment", SIGBUS),
    13: TrapRule("general_protection", "do_general_protection", "general protection", SIGSEGV),
    16: TrapRule("coprocessor_error", "do_coprocessor_error", "coprocessor error", SIGFPE, 0, True),
    17: TrapRule(
        "alignment_check", "do_alignment_check", "alignment check", SIGBUS, BUS_ADRALN, True
    ),
    19: TrapRule(
        "simd_coprocessor_error", "do_simd_coprocessor_error", "simd exception", SIGFPE, 0, True
    ),
}


def do_trap(k: Kernel, vector: int, regs: PtRegs, error_code: int) -> None:
    """One exception, other than a page fault: a signal in user mode;
    an exception-table fixup or an oops in ring 0.
    """
    rule = TRAPS[vector]
    if not regs.user_mode:
        if fixup_exception(k, regs):
            return
        die(k, rule.text, regs, error_code)
    if vector == 2:
        printk(k, "NMI received for unknown reason")
        return
    task = k.current
    task.thread.trap_no, task.thread.error_code = vector, error_code
    info: dict[str, Any] = {"si_code": rule.si_code}
    if rule.has_address:
        info["si_addr"] = regs.ip
    if vector == 1:
        dr6 = k.machine.cpu.dr6
        task.thread.virtual_dr6 = dr6 & (DR_STEP | DR_TRAP_BITS)
        info["si_code"] = _debug_code(dr6)
        if hit_instruction(task.thread, dr6):
            regs.flags |= EFLAGS_RF  # or it would hit again
        k.machine.cpu.set_dr(6, 0)
    if vector in (MATH_FAULT, SIMD_FAULT):
        code = math_error_code(k, vector)
        if not code:
            return  # nothing unmasked is pending: a spurious one
        info["si_code"] = code
    force_sig_info(k, task, rule.signal, info)


def _debug_code(dr6: int) -> int:
    """si_code of SIGTRAP (get_si_code); without a reason it was INT1."""
    if dr6 & DR_STEP:
        return TRAP_TRACE
    return TRAP_HWBKPT if dr6 & DR_TRAP_BITS else TRAP_BRKPT


def _trap_handler(vector: int) -> Callable[[Kernel, PtRegs, int], None]:
    def handler(k: Kernel, regs: PtRegs, error_code: int) -> None:
        do_trap(k, vector, regs, error_code)

    return handler


def math_error_code(k: Kernel, vector: int) -> int:
    """FPE_ code of the first unmasked exception (math_error); 0 when there is none."""
    control, status, mxcsr = k.machine.cpu.fpu_words
    raised, masked = (status, control) if vector == MATH_FAULT else (mxcsr, mxcsr >> 7)
    pending = raised & ~masked
    if pending & 0x01:  # invalid operation, stack faults too
        return FPE_FLTINV
    if pending & 0x04:
        return FPE_FLTDIV
    if pending & 0x08:
        return FPE_FLTOVF
    if pending & 0x12:  # a denormal operand counts as underflow
        return FPE_FLTUND
    return FPE_FLTRES if pending & 0x20 else 0


def math_state_restore(k: Kernel) -> int:
    """#NM: decide whose registers to save (eax) and whose to load (edx); entry.S does it."""
    cpu = k.machine.cpu
    task = k.current
    regs = PtRegs(k.machine.ram, cpu.esp + 4)
    if not regs.user_mode:
        die(k, "FPU used in the kernel", regs, 0)
    if not task.thread.fpu:
        try:
            task.thread.fpu = init_fpu(k)
        except Errno:
            force_sig_info(k, task, SIGKILL, {})
            cpu.edx = 0
            return 0
    owner = k.arch.fpu_owner
    k.arch.fpu_owner = task
    cpu.edx = task.thread.fpu
    return owner.thread.fpu if owner is not None and owner is not task else 0


def do_iret_error(k: Kernel, regs: PtRegs, error_code: int) -> None:
    """The frame that a program wanted to return to (by sigreturn) cannot be returned to."""
    task = k.current
    task.thread.trap_no, task.thread.error_code = IRET_ERROR, error_code
    force_sig_info(k, task, SIGILL, {"si_code": ILL_BADSTK, "si_addr": 0})


#: Functions that error_code in entry.S calls, by label: (kernel, pt_regs, error code).
TRAP_HANDLERS: dict[str, Callable[[Kernel, PtRegs, int], Result | None]] = {
    **{rule.handler: _trap_handler(vector) for vector, rule in TRAPS.items()},
    "do_page_fault": do_page_fault,
    "do_iret_error": do_iret_error,
}


def do_IRQ(k: Kernel) -> int:
    """An external interrupt; the line is in orig_eax. Ended at the controller here."""
    regs = PtRegs(k.machine.ram, k.machine.cpu.esp + 4)
    line = (regs.orig_ax + 0x100) & 0xFFFFFFFF
    pic = k.machine.pic
    pic.write(0x20, 1, 0x60 | line)  # specific EOI
    if line == TIMER_IRQ:
        timer_interrupt(k, regs.user_mode)
    elif line != RESCHEDULE_IRQ:
        printk(k, f"irq {line}: nobody cared (vector {FIRST_EXTERNAL_VECTOR + line:#x})")
    return 0
