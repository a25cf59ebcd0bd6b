"""The gate: how the guest calls the kernel, and how the kernel's answer gets back.

A thunk of entry.S writes to a port; the machine stops there, and the function behind the thunk runs. No
Python frame outlives a call through the gate. A function that must wait answers with a Wait record; the gate
puts the task to sleep, switches, and runs what the next task was waiting for in its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from emu.engine_quirks import FIELD
from toykernel import boot
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_REGS
from toykernel.arch.x86.fault import do_page_fault
from toykernel.arch.x86.i387 import unlazy_fpu
from toykernel.arch.x86.process import fpu_area
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.signal import do_notify_resume
from toykernel.arch.x86.thread_info import task_pt_regs
from toykernel.arch.x86.traps import TRAP_HANDLERS, do_IRQ, math_state_restore
from toykernel.errno import Errno
from toykernel.kernel.exit import do_exit
from toykernel.kernel.fork import schedule_tail
from toykernel.kernel.ptrace_stop import (
    syscall_emulated,
    syscall_return,
    syscall_trace_enter,
    syscall_traced,
)
from toykernel.kernel.sched import core, schedule
from toykernel.kernel.seccomp import secure_computing
from toykernel.kernel.signal import fatal_signal_pending
from toykernel.kernel.sys import sys_ni_syscall
from toykernel.kernel.syscall_user_dispatch import syscall_user_dispatch
from toykernel.kernel.wait import SCHEDULE, Result, Wait, finish_wait, prepare_to_wait
from toykernel.syscall_table import SYSCALLS, Call, decode
from toykernel.syscalls import Function

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: What the gate runs behind a thunk. None: the guest's registers stay as the function left them.
Service = Callable[["Kernel"], Result | None]

_EAX = FIELD["eax"]
_ORIG_AX = PT_REGS.index("orig_ax")
#: From a stack's virtual address to the physical one of its pt_regs.
_REGS = task_pt_regs(0) - PAGE_OFFSET
_WRAP = 1 << 32


def make_gates(symbols: dict[str, int]) -> dict[int, tuple[str, Service]]:
    """By the linear address behind the thunk's OUT: the thunk's name and the function."""
    gates: dict[str, Service] = {
        "start_kernel": boot.start_kernel,
        "schedule": _schedule,
        "schedule_tail": schedule_tail,
        "do_notify_resume": do_notify_resume,
        "do_IRQ": do_IRQ,
        "do_exit": _do_exit,
        "math_state_restore": math_state_restore,
        "fpu_area": fpu_area,
        "sys_ni_syscall": partial(_syscall, None, 0, ()),
    }
    for name, handler in TRAP_HANDLERS.items():
        gates[name] = partial(_trap, handler)
    for row in SYSCALLS:
        if row.known:
            gates[f"sys_{row.name}"] = partial(_first_call, row)
    return {symbols[name] + 2: (name, function) for name, function in gates.items()}


def gate(k: Kernel, address: int) -> None:
    """Run the kernel function behind the thunk whose OUT is in front of this linear address."""
    host = k.host
    trace = host.trace
    name, function = host.gates[address]
    if k.machine.clock.counts_cycles:
        k.charge("call")
    if trace.gate:
        trace.gate.emit(k.current, name)
    try:
        result = function(k)
    except Errno as error:
        result = -error.number
    if isinstance(result, Wait):
        result = _wait(k, result)
    if result is not None:
        k.machine.cpu.regs[_EAX] = result & 0xFFFFFFFF
        task = k.current
        if task.syscall is not None:
            number, task.syscall = task.syscall, None
            if task.ptrace:
                syscall_return(k, task)
            if trace.sys_exit and number >= 0:
                trace.sys_exit.emit(task, number, result)
    if trace.to_user:
        trace.to_user.emit(k.current)


def _wait(k: Kernel, wait: Wait) -> int | None:
    """Let others run until one has a result; None when it goes on where it was switched away."""
    result: Result = wait
    prepare_to_wait(k, k.current, wait)
    while isinstance(result, Wait):
        core.schedule(k)
        if k.current.wait is None:
            return None
        result = finish_wait(k, k.current)
    return result


def _schedule(_k: Kernel) -> Result:
    return SCHEDULE


def _do_exit(k: Kernel) -> Result:
    return do_exit(k, k.machine.cpu.eax & 0xFF00)


def _trap(handler: Callable[[Kernel, PtRegs, int], Result | None], k: Kernel) -> Result | None:
    cpu = k.machine.cpu
    regs = PtRegs(k.machine.ram, cpu.eax)
    told = k.sched.rq.told
    if told is not None and handler is do_page_fault and schedule.fault_waits(k, told, regs):
        return None
    return handler(k, regs, cpu.edx)


def _first_call(call: Call, k: Kernel) -> Result:
    """A system call that nobody has made on this machine: look its function up, for all later ones too."""
    signed = tuple(n for n, argument in enumerate(call.arguments) if argument.kind.signed)
    made = partial(_syscall, call.function, len(call.arguments), signed)
    k.host.gates[k.machine.cpu.eip] = (f"sys_{call.name}", made)
    return made(k)


def _syscall(
    function: Function | None, arguments: int, signed: tuple[int, ...], k: Kernel
) -> Result:
    """A system call by its function, or with None one that has none; how many arguments it takes, and which
    of them are signed."""
    task = k.current
    words = k.machine.ram.aligned_words
    at = (task.stack + _REGS) >> 2
    asked = words[at + _ORIG_AX]
    told = k.sched.rq.told
    if told is not None and schedule.call_waits(k, told):
        return asked  # back in eax, to ask again
    task.syscall = asked
    if task.user_dispatch is not None and syscall_user_dispatch(k, task, asked):
        task.syscall = -1
        return asked
    if k.machine.clock.counts_cycles:
        k.charge("system_call")
    if task.ptrace:
        if syscall_emulated(k, task):
            return syscall_trace_enter(k, _skipped_syscall)
        if syscall_traced(k, task):
            return syscall_trace_enter(k, _traced_syscall)
    trace = k.host.trace
    if trace.sys_enter:
        trace.sys_enter.emit(task, asked, words[at : at + 6].tolist())
    if task.seccomp_mode:
        answer = secure_computing(
            *(k, task, asked, words[at : at + 6].tolist(), _allowed_syscall, _made_syscall)
        )
        if answer is not None:
            return answer
    if function is None:
        return sys_ni_syscall(k)
    if not arguments:
        return function(k)
    given = words[at : at + arguments].tolist()
    for n in signed:
        if given[n] >> 31:
            given[n] -= _WRAP
    return function(k, *given)


def _skipped_syscall(k: Kernel) -> Result:
    """The tracer has made the call, or there is none: eax is as it has left it."""
    task = k.current
    task.syscall = -1
    ax: int = k.task_pt_regs(task).ax
    return ax - (ax >> 31 << 32)


def _traced_syscall(k: Kernel) -> Result:
    """The tracer has seen the call, and may have put another in its place: -1 is none."""
    return _chosen_syscall(k, told=False)


def _allowed_syscall(k: Kernel) -> Result:
    """The same, when a filter of seccomp has asked it."""
    return _chosen_syscall(k, told=True)


def _chosen_syscall(k: Kernel, *, told: bool) -> Result:
    task = k.current
    regs = k.task_pt_regs(task)
    number: int = regs.orig_ax
    if number >= len(SYSCALLS) or fatal_signal_pending(task):
        return _skipped_syscall(k)
    row = SYSCALLS[number]
    if row.entry:
        unlazy_fpu(k, task)  # which its routine in entry.S would have done
    task.syscall = number
    words = regs.arguments()
    if k.host.trace.sys_enter and not told:
        k.host.trace.sys_enter.emit(task, number, words)
    if task.seccomp_mode:
        answer = secure_computing(
            *(k, task, number, words, _allowed_syscall, _made_syscall), told=told
        )
        if answer is not None:
            return answer
    return _made_syscall(k)


def _made_syscall(k: Kernel) -> Result:
    """A call that everybody has let pass."""
    regs = k.task_pt_regs(k.current)
    number: int = regs.orig_ax
    if not 0 <= number < len(SYSCALLS):
        return sys_ni_syscall(k)
    row = SYSCALLS[number]
    if row.function is None:
        return sys_ni_syscall(k)
    result: Result = row.function(k, *decode(number, regs.arguments()))
    return result
