"""The gate: how the guest calls the kernel, and how the kernel's answer gets back.

A thunk of entry.S writes to a port; the machine stops there, and the function behind the thunk runs. No
Python frame outlives a call through the gate. A function that must wait answers with a Wait record; the gate
puts the task to sleep, switches, and runs what the next task was waiting for in its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from emu.machine import Event
from toykernel import boot
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_REGS
from toykernel.arch.x86.process import fpu_area
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.signal import do_notify_resume
from toykernel.arch.x86.thread_info import task_pt_regs
from toykernel.arch.x86.traps import TRAP_HANDLERS, do_IRQ, math_state_restore
from toykernel.errno import Errno
from toykernel.kernel.exit import do_exit
from toykernel.kernel.fork import schedule_tail
from toykernel.kernel.sched import core
from toykernel.kernel.wait import SCHEDULE, Result, Wait, finish_wait, prepare_to_wait
from toykernel.syscall_table import SYSCALLS
from toykernel.syscall_table import sys_ni_syscall as ni_syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: What the gate runs behind a thunk. None: the guest's registers stay as the function left them.
Service = Callable[["Kernel"], Result | None]

_ORIG_AX = PT_REGS.index("orig_ax")


def make_gates(symbols: dict[str, int]) -> dict[int, tuple[str, Service]]:
    """By the address behind the thunk's OUT: name and function."""
    gates: dict[str, Service] = {
        "start_kernel": boot.start_kernel,
        "schedule": _schedule,
        "schedule_tail": schedule_tail,
        "do_notify_resume": do_notify_resume,
        "do_IRQ": do_IRQ,
        "do_exit": _do_exit,
        "math_state_restore": math_state_restore,
        "fpu_area": fpu_area,
        "sys_ni_syscall": partial(_syscall, number=None),
    }
    for name, handler in TRAP_HANDLERS.items():
        gates[name] = partial(_trap, handler=handler)
    for row in SYSCALLS:
        if row.function is not None:
            gates[f"sys_{row.name}"] = partial(_syscall, number=row.number)
    return {symbols[name] + 2: (name, function) for name, function in gates.items()}


def gate(k: Kernel, event: Event) -> None:
    """Run the kernel function behind the thunk that the guest is in."""
    name, function = k.host.gates[event.address]
    k.charge("call")
    if k.host.trace.gate:
        k.host.trace.gate.emit(k.current, name)
    try:
        result = function(k)
    except Errno as error:
        result = -error.number
    _return(k, result)
    if k.host.trace.to_user:
        k.host.trace.to_user.emit(k.current)


def _return(k: Kernel, result: Result | None) -> None:
    """Hand a result to the guest; while it is a Wait, let others run."""
    if isinstance(result, Wait):
        prepare_to_wait(k, k.current, result)
    while isinstance(result, Wait):
        core.schedule(k)
        if k.current.wait is None:
            return  # it goes on where it was switched away
        result = finish_wait(k, k.current)
    if result is not None:
        k.machine.cpu.eax = result
        _syscall_done(k, result)


def _schedule(_k: Kernel) -> Result:
    return SCHEDULE


def _do_exit(k: Kernel) -> Result:
    return do_exit(k, k.machine.cpu.eax & 0xFF00)


def _trap(k: Kernel, handler: Callable[[Kernel, PtRegs, int], None]) -> None:
    cpu = k.machine.cpu
    handler(k, PtRegs(k.machine.ram, cpu.eax), cpu.edx)


def _syscall(k: Kernel, number: int | None) -> Result:
    """A system call: of this number, or with None one that has no function."""
    task = k.current
    words = k.machine.ram.words(task_pt_regs(task.stack) - PAGE_OFFSET, _ORIG_AX + 1)
    asked = task.syscall = words[_ORIG_AX]
    k.charge("system_call")
    if k.host.trace.sys_enter:
        k.host.trace.sys_enter.emit(task, asked, words[:6])
    if number is None:
        return ni_syscall(k)
    row = SYSCALLS[number]
    function = row.function
    assert function is not None
    if not row.arguments:
        return function(k)
    return function(k, *[a.decode(w) for a, w in zip(row.arguments, words, strict=False)])


def _syscall_done(k: Kernel, result: int) -> None:
    task = k.current
    if task.syscall is None:
        return
    number, task.syscall = task.syscall, None
    if k.host.trace.sys_exit:
        k.host.trace.sys_exit.emit(task, number, result)
