"""Stopping for a tracer, and letting go of one (kernel/signal.c: ptrace_stop; kernel/ptrace.c).

A function of the kernel that may stop on its way answers with what these answer: a Wait, whose
continuation gets what the tracer has made of the stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toykernel.arch.x86.asm_offsets import (
    TIF_NOTIFY_RESUME,
    TIF_SIGPENDING,
    TIF_SINGLESTEP,
    TIF_SYSCALL_EMU,
    TIF_SYSCALL_TRACE,
)
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag, test_ti_flag
from toykernel.errno import ENOSYS
from toykernel.kernel.clone_flags import CLONE_UNTRACED, CLONE_VFORK, CSIGNAL
from toykernel.kernel.jobctl import notify_parent_cldstop, task_participate_group_stop
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.ptrace_flags import (
    EVENT_NAMES,
    JOBCTL_LISTENING,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_TRAP_MASK,
    JOBCTL_TRAP_NOTIFY,
    JOBCTL_TRAP_STOP,
    JOBCTL_TRAPPING,
    PT_PTRACED,
    PT_SEIZED,
    PT_TRACESYSGOOD,
    PTRACE_EVENT_CLONE,
    PTRACE_EVENT_EXEC,
    PTRACE_EVENT_FORK,
    PTRACE_EVENT_STOP,
    PTRACE_EVENT_VFORK,
    PTRACE_EVENTMSG_SYSCALL_ENTRY,
    PTRACE_EVENTMSG_SYSCALL_EXIT,
    ptrace_event_enabled,
    ptrace_reparented,
)
from toykernel.kernel.siginfo import (
    CLD_STOPPED,
    CLD_TRAPPED,
    NSIG,
    SI_USER,
    SIGCHLD,
    SIGSTOP,
    SIGTRAP,
    TRAP_BRKPT,
    Siginfo,
    sigmask,
    signal_name,
)
from toykernel.kernel.signal import (
    fatal_signal_pending,
    force_sig_info,
    ptrace_signal_wake_up,
    recalc_sigpending,
    send_signal,
    task_clear_jobctl_pending,
    task_set_jobctl_pending,
)
from toykernel.kernel.wait import Result, Wait
from toykernel.task import PF_EXITING, SIGNAL_STOP_STOPPED, TASK_TRACED

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

#: How a stopped task goes on: (kernel, signal that the tracer gives, siginfo, and its own arguments).
After = Callable[..., Result]


def ptrace_stop(
    k: Kernel, code: int, why: int, info: Siginfo | None, after: After, *args: Any, message: int = 0
) -> Result:
    """Stop the current task, if it is traced and need not die: `code` is what its tracer's wait tells."""
    task = k.current
    if not task.ptrace or fatal_signal_pending(task):
        return after(k, code, info, *args)
    task.ptrace_message, task.last_siginfo, task.exit_code = message, info, code
    group_stopped = False
    if why == CLD_STOPPED and task.jobctl & JOBCTL_STOP_PENDING:
        group_stopped = task_participate_group_stop(task)
    task_clear_jobctl_pending(task, JOBCTL_TRAP_STOP)
    if info is not None and info["si_code"] >> 8 == PTRACE_EVENT_STOP:
        task_clear_jobctl_pending(task, JOBCTL_TRAP_NOTIFY)
    task.jobctl &= ~JOBCTL_TRAPPING
    task.state = TASK_TRACED
    notify_parent_cldstop(k, task, True, why)
    if group_stopped and ptrace_reparented(task):
        notify_parent_cldstop(k, task, False, why)
    what = EVENT_NAMES.get(code >> 8) or signal_name(code & 0x7F)
    return Wait((), _resumed, (after, args), f"ptrace-stop: {what}", TASK_TRACED)


def _resumed(k: Kernel, after: After, args: tuple[Any, ...]) -> Result:
    """The tracer, or the end of it, lets the task go on."""
    task = k.current
    code, info = task.exit_code, task.last_siginfo
    task.exit_code = task.ptrace_message = 0
    task.last_siginfo = None
    task.jobctl &= ~JOBCTL_LISTENING
    recalc_sigpending(k, task)
    return after(k, code, info, *args)


def ptrace_notify(
    k: Kernel, code: int, after: After, *args: Any, why: int = CLD_TRAPPED, message: int = 0
) -> Result:
    """A stop that is no signal's: `code` is SIGTRAP with something above it."""
    task = k.current
    info = {
        "si_signo": code & 0x7F,
        "si_errno": 0,
        "si_code": code,
        "si_pid": task_pid_vnr(k, task),
        "si_uid": task.cred.uid,
    }
    return ptrace_stop(k, code, why, info, after, *args, message=message)


def ptrace_event(
    k: Kernel, event: int, message: int, then: Callable[..., Result], *args: Any
) -> Result:
    """Stop for an event that the tracer has asked for; `then` is called in any case."""
    task = k.current
    if ptrace_event_enabled(task, event):
        return ptrace_notify(k, event << 8 | SIGTRAP, _then, then, args, message=message)
    if event == PTRACE_EVENT_EXEC and task.ptrace & (PT_PTRACED | PT_SEIZED) == PT_PTRACED:
        send_signal(k, task, SIGTRAP, {"si_code": SI_USER})  # as it was before there were events
    return then(k, *args)


def fork_event(parent: Task, flags: int) -> int:
    """PTRACE_EVENT_ of a fork, when the parent's tracer wants to hear of it; 0. CLONE_UNTRACED forbids it."""
    if not parent.ptrace or flags & CLONE_UNTRACED:
        return 0
    event = PTRACE_EVENT_FORK if flags & CSIGNAL == SIGCHLD else PTRACE_EVENT_CLONE
    if flags & CLONE_VFORK:
        event = PTRACE_EVENT_VFORK
    return event if ptrace_event_enabled(parent, event) else 0


def _then(
    k: Kernel, _code: int, _info: Siginfo | None, then: Callable[..., Result], args: tuple[Any, ...]
) -> Result:
    return then(k, *args)


def do_jobctl_trap(k: Kernel, after: After) -> Result:
    """Stop because the group stops, or because the tracer has asked for it."""
    task = k.current
    signal = task.signal
    sig = task.jobctl & JOBCTL_STOP_SIGMASK
    if task.ptrace & PT_SEIZED:
        if not signal.group_stop_count and not signal.flags & SIGNAL_STOP_STOPPED:
            sig = SIGTRAP
        return ptrace_notify(k, sig | PTRACE_EVENT_STOP << 8, after, why=CLD_STOPPED)
    return ptrace_stop(k, sig, CLD_STOPPED, None, after)


def ptrace_signal(k: Kernel, info: Siginfo, after: After) -> Result:
    """Stop with a signal that was taken; `after` gets it, or None when the tracer has cancelled it."""
    k.current.jobctl |= JOBCTL_STOP_DEQUEUED
    return ptrace_stop(k, info["si_signo"], CLD_TRAPPED, info, _signal_chosen, after)


def _signal_chosen(
    k: Kernel, sig: int, info: Siginfo | None, after: Callable[..., Result]
) -> Result:
    task = k.current
    if not sig or info is None:
        return after(k, None)
    if sig != info["si_signo"]:
        info = {
            "si_signo": sig,
            "si_errno": 0,
            "si_code": SI_USER,
            "si_pid": task_pid_vnr(k, task.parent),
            "si_uid": task.parent.cred.uid,
        }
    if task.blocked & sigmask(sig) or fatal_signal_pending(task):
        send_signal(k, task, sig, info)
        return after(k, None)
    return after(k, info)


# -- beginning and end -----------------------------------------------------------------------------


def ptrace_link(child: Task, tracer: Task) -> None:
    """The task is the tracer's from now on."""
    tracer.ptraced.append(child)
    child.parent = tracer


def ptrace_unlink(k: Kernel, child: Task) -> None:
    """Nobody traces the task any more: it runs on, or stops as its group has."""
    clear_ti_flag(k.machine.ram, child.stack, TIF_SYSCALL_TRACE)
    clear_ti_flag(k.machine.ram, child.stack, TIF_SYSCALL_EMU)
    child.parent.ptraced.remove(child)
    child.parent.signal.dead_children.pop(child, None)
    child.parent = child.real_parent
    child.ptrace = 0
    task_clear_jobctl_pending(child, JOBCTL_TRAP_MASK)
    child.jobctl &= ~JOBCTL_TRAPPING
    signal = child.signal
    dying = child.flags & PF_EXITING or child.exit_state
    if not dying and (signal.flags & SIGNAL_STOP_STOPPED or signal.group_stop_count):
        child.jobctl |= JOBCTL_STOP_PENDING
        if not child.jobctl & JOBCTL_STOP_SIGMASK:
            child.jobctl |= SIGSTOP
    if child.jobctl & JOBCTL_STOP_PENDING or child.state == TASK_TRACED:
        ptrace_signal_wake_up(k, child, True)


def ptrace_init_task(k: Kernel, child: Task, trace: bool) -> None:
    """A child begins its life traced, as its parent is, and stops first of all (fork-path D14, D18)."""
    parent = k.current
    if not trace or not parent.ptrace:
        return
    child.ptrace = parent.ptrace
    ptrace_link(child, parent.parent)
    if child.ptrace & PT_SEIZED:
        task_set_jobctl_pending(child, JOBCTL_TRAP_STOP)
    else:
        info = {"si_signo": SIGSTOP, "si_errno": 0, "si_code": SI_USER}
        child.pending[SIGSTOP] = [info]
    set_ti_flag(k.machine.ram, child.stack, TIF_SIGPENDING)


# -- system calls (arch/x86/kernel/ptrace.c) -------------------------------------------------------


def syscall_traced(k: Kernel, task: Task) -> bool:
    """Whether the tracer wants to hear of system calls (PTRACE_SYSCALL)."""
    return test_ti_flag(k.machine.ram, task.stack, TIF_SYSCALL_TRACE)


def syscall_emulated(k: Kernel, task: Task) -> bool:
    """Whether the tracer makes system calls itself (PTRACE_SYSEMU)."""
    return test_ti_flag(k.machine.ram, task.stack, TIF_SYSCALL_EMU)


def syscall_trace_enter(k: Kernel, then: Callable[[Kernel], Result]) -> Result:
    """Stop before a system call, whose number and arguments may be others afterwards."""
    k.task_pt_regs(k.current).ax = -ENOSYS
    return ptrace_notify(
        k, _syscall_stop(k.current), _syscall_told, then, message=PTRACE_EVENTMSG_SYSCALL_ENTRY
    )


def syscall_return(k: Kernel, task: Task) -> None:
    """A system call is done: do_notify_resume calls syscall_exit, when that has something to do."""
    ram = k.machine.ram
    stepped = test_ti_flag(ram, task.stack, TIF_SINGLESTEP) and not syscall_emulated(k, task)
    if syscall_traced(k, task) or stepped:
        set_ti_flag(ram, task.stack, TIF_NOTIFY_RESUME)


def syscall_exit(k: Kernel, then: Callable[[Kernel], Result]) -> Result:
    """Behind a system call: SIGTRAP for a task that is stepped, a stop for one whose calls are traced."""
    task = k.current
    if test_ti_flag(k.machine.ram, task.stack, TIF_SINGLESTEP):
        info = {"si_code": TRAP_BRKPT, "si_addr": k.task_pt_regs(task).ip}
        force_sig_info(k, task, SIGTRAP, info)
        return then(k)
    if not syscall_traced(k, task):
        return then(k)
    return ptrace_notify(
        k, _syscall_stop(task), _syscall_told, then, message=PTRACE_EVENTMSG_SYSCALL_EXIT
    )


def _syscall_stop(task: Task) -> int:
    return SIGTRAP | (0x80 if task.ptrace & PT_TRACESYSGOOD else 0)


def _syscall_told(
    k: Kernel, sig: int, _info: Siginfo | None, then: Callable[[Kernel], Result]
) -> Result:
    if 0 < sig <= NSIG:  # with the tracer gone it is still what the stop told: SIGTRAP and 0x80
        send_signal(k, k.current, sig, {})
    return then(k)
