"""What traps and calls say, in words: vectors, error codes bit by bit, results, wait statuses."""

from __future__ import annotations

from emu.microcode import EXTERNAL, SOFTWARE, VECTOR_NAMES, Delivery
from emu.paging import PF_P, PF_RSVD, PF_U, PF_W
from toykernel.arch.x86.asm_offsets import FIRST_EXTERNAL_VECTOR, SYSCALL_VECTOR, TIMER_IRQ
from toykernel.errno import is_error
from toykernel.errno import name as errno_name
from toykernel.kernel.siginfo import SIGNAL_NAMES

PAGE_FAULT = 14


def page_fault_bits(error_code: int) -> str:
    """A page fault's error code in words: P, W/R, U/S (SDM vol. 3, 4.7)."""
    words = [
        "protection" if error_code & PF_P else "page not present",
        "write" if error_code & PF_W else "read or fetch",
        "user" if error_code & PF_U else "supervisor",
    ]
    if error_code & PF_RSVD:
        words.append("reserved bit")
    return ", ".join(words)


def selector_error_bits(error_code: int) -> str:
    """What the error code of #TS, #NP, #SS and #GP says (SDM vol. 3, 6.13)."""
    if not error_code:
        return "no selector"
    table = "IDT" if error_code & 2 else "LDT" if error_code & 4 else "GDT"
    external = ", external event" if error_code & 1 else ""
    index = error_code >> 3
    return f"{table} entry {index:#x}{external}"


def vector_text(vector: int) -> str:
    """#PF, or the number with what the kernel uses it for."""
    if vector in VECTOR_NAMES:
        return VECTOR_NAMES[vector]
    if vector == SYSCALL_VECTOR:
        return f"{vector:#x} (system call)"
    line = vector - FIRST_EXTERNAL_VECTOR
    if line == TIMER_IRQ:
        return f"{vector:#x} (timer)"
    return f"{vector:#x} (line {line})" if 0 < line < 8 else f"{vector:#x}"


def result_text(result: int) -> str:
    """A system call's result, as strace shows it."""
    signed = result - (1 << 32) if result >> 31 & 1 and result > 0 else result
    if is_error(signed):
        return f"{signed} ({errno_name(-signed)})"
    return str(signed) if -0x10000 < signed < 0x10000 else f"{result & 0xFFFFFFFF:#x}"


def wait_status_text(code: int) -> str:
    """A wait status (wait4's word) as an exit status or the signal's name."""
    sig = code & 0x7F
    return f"killed by {SIGNAL_NAMES.get(sig, sig)}" if sig else f"status {code >> 8 & 0xFF}"


def trap_text(trap: Delivery) -> str:
    """What was delivered: vector, error code bit by bit, and the address of a page fault."""
    what = {SOFTWARE: "int ", EXTERNAL: "interrupt "}.get(trap.kind, "") + vector_text(trap.vector)
    if trap.error_code is not None:
        page = trap.vector == PAGE_FAULT
        bits = (page_fault_bits if page else selector_error_bits)(trap.error_code)
        what += f", error code {trap.error_code:#x} ({bits})"
        if page:
            what += f", cr2 {trap.cr2:#010x}"
    return what
