"""The oops: what the kernel says of itself when it goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.errors import BusError
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, THREAD_SIZE
from toykernel.arch.x86.ptrace import PtRegs

if TYPE_CHECKING:
    from toykernel.state import Kernel

_STACK_WORDS = 24


class KernelOops(Exception):
    """The kernel failed; the text is the whole report."""


def symbol_for(k: Kernel, address: int) -> str:
    """`name+offset` of the kernel symbol at or below an address, or the bare number."""
    best = max(
        (
            (value, name)
            for name, value in k.host.symbols.items()
            if PAGE_OFFSET <= value <= address
        ),
        default=None,
    )
    if best is None or address - best[0] > 0x4000:
        return f"{address:#010x}"
    return f"{best[1]}+{address - best[0]:#x}"


def oops_report(k: Kernel, what: str, regs: PtRegs, error_code: int | None) -> str:
    """Registers, task and stack as Linux shows them."""
    task = k.current
    cpu = k.machine.cpu
    lines = [what if error_code is None else f"Oops: {what}, error code {error_code:#06x}"]
    lines.append(f"task: pid {task.pid} ({task.comm}), cycles {k.machine.clock.cycles}")
    try:
        words = regs.as_dict()
    except BusError:
        words = {}
    if words and error_code is not None:
        lines.append(
            f"EIP: {words['cs'] & 0xFFFF:04x}:{symbol_for(k, words['ip'])}  EFLAGS: {words['flags']:08x}"
        )
        for names in (("ax", "bx", "cx", "dx"), ("si", "di", "bp", "sp")):
            lines.append("  ".join(f"E{name.upper()}: {words[name]:08x}" for name in names))
    lines.append(
        f"CPU: eip {symbol_for(k, cpu.eip)} esp {cpu.esp:08x} cpl {cpu.cpl} "
        f"cr0 {cpu.cr0:08x} cr2 {cpu.cr2:08x} cr3 {cpu.cr3:08x}"
    )
    lines.append("Stack: " + _stack(k, task.stack, cpu.esp))
    return "\n".join(lines)


def _stack(k: Kernel, stack: int, esp: int) -> str:
    top = stack + THREAD_SIZE
    if not stack <= esp < top:
        return f"esp {esp:08x} is not on the task's stack {stack:08x}-{top:08x}"
    start = esp & ~3
    count = min(_STACK_WORDS, (top - start) // 4)
    words = k.machine.ram.words(start - PAGE_OFFSET, count)
    return " ".join(f"{word:08x}" for word in words)
