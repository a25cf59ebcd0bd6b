"""Debug registers of a traced task: breakpoints and watchpoints of its tracer.

Linux has them in arch/x86/kernel/hw_breakpoint.c, and in ptrace.c what struct user shows of them.

A task's are in the CPU while it runs. The host's debugger has the same registers, and goes before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.errno import EINVAL, EIO, Errno

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task, ThreadStruct

DR_STEP, DR_TRAP_BITS = 0x4000, 0xF
#: Of DR7: what a program cannot set, an enable bit of any of the four, and the bit that is always set.
_RESERVED, _ENABLED, _FIXED = 0xFFFF0000 ^ 0xFFFFFC00, 0xFF, 0x400
_IO, _EXECUTE, _EIGHT = 2, 0, 2
_NONE = (None, None, None, None)


def ptrace_get_debugreg(thread: ThreadStruct, number: int) -> int:
    """What struct user has at u_debugreg."""
    if number < 4:
        return thread.ptrace_bps[number] or 0
    return {6: thread.virtual_dr6, 7: thread.ptrace_dr7}.get(number, 0)


def ptrace_set_debugreg(thread: ThreadStruct, number: int, value: int) -> None:
    """Of a task that stands still. Raises Errno: EIO for DR4 and DR5, EINVAL for what no breakpoint can be:
    an address of the kernel, one that its length does not divide, ports.
    """
    if number < 4:
        if value >= TASK_SIZE:
            raise Errno(EINVAL)
        points = list(thread.ptrace_bps)
        points[number] = value
        _check(tuple(points), thread.ptrace_dr7)
        thread.ptrace_bps = tuple(points)
    elif number == 6:
        thread.virtual_dr6 = value
    elif number == 7:
        value &= ~_RESERVED
        points = list(thread.ptrace_bps)
        for n in range(4):
            if value >> 2 * n & 3 and points[n] is None:
                points[n] = 0
        _check(tuple(points), value)
        thread.ptrace_bps, thread.ptrace_dr7 = tuple(points), value
    else:
        raise Errno(EIO)


def _check(points: tuple[int | None, ...], dr7: int) -> None:
    """Raises Errno(EINVAL)."""
    for n, address in enumerate(points):
        kind, length = dr7 >> 16 + 4 * n & 3, dr7 >> 18 + 4 * n & 3
        if address is None:
            continue
        if kind == _IO or length == _EIGHT or (kind == _EXECUTE and length):
            raise Errno(EINVAL)
        if address & length:
            raise Errno(EINVAL)


def hit_instruction(thread: ThreadStruct, dr6: int) -> bool:
    """Whether an instruction breakpoint is among those that DR6 names."""
    dr7 = thread.ptrace_dr7
    return any(dr6 >> n & 1 and dr7 >> 16 + 4 * n & 3 == _EXECUTE for n in range(4))


def flush_ptrace_hw_breakpoint(k: Kernel, task: Task) -> None:
    """A new program, or a new task, has none."""
    thread = task.thread
    armed = thread.ptrace_dr7 & _ENABLED
    thread.ptrace_bps, thread.ptrace_dr7, thread.virtual_dr6 = _NONE, 0, 0
    if armed and task is k.current:
        load_debug_registers(k, task)


def switch_debug_registers(k: Kernel, prev: Task, next_task: Task) -> None:
    """Those of the next task into the CPU, where either has any."""
    if (prev.thread.ptrace_dr7 | next_task.thread.ptrace_dr7) & _ENABLED:
        load_debug_registers(k, next_task)


def load_debug_registers(k: Kernel, task: Task) -> None:
    """A task's into the CPU, unless the host's debugger has it."""
    machine, thread = k.machine, task.thread
    if machine.watched:
        return
    armed = thread.ptrace_dr7 & _ENABLED
    for n in range(4):
        machine.cpu.set_dr(n, (thread.ptrace_bps[n] or 0) if armed else 0)
    machine.cpu.set_dr(7, thread.ptrace_dr7 | _FIXED if armed else _FIXED)
