"""Signals (kernel/signal.c). One door raises them; they act on the way back to user mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toykernel.arch.x86.asm_offsets import TIF_SIGPENDING
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag
from toykernel.task import SIGNAL_UNKILLABLE, TASK_INTERRUPTIBLE, TASK_WAKEKILL

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task

SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL = range(1, 10)
SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD = range(10, 18)
SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ = range(18, 26)
SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS = range(26, 32)

SIGNAL_NAMES = {
    number: name
    for name, number in list(globals().items())
    if name.startswith("SIG") and isinstance(number, int)
}

ILL_ILLOPN = 2
FPE_INTDIV, FPE_INTOVF = 1, 2
SEGV_MAPERR, SEGV_ACCERR = 1, 2
BUS_ADRALN, BUS_ADRERR = 1, 2
TRAP_BRKPT, TRAP_TRACE = 1, 2
SI_KERNEL = 0x80

#: Signals that a program's own instruction raises: they come before all others.
_SYNCHRONOUS = (SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS)
_IGNORED_BY_DEFAULT = frozenset((SIGCHLD, SIGCONT, SIGURG, SIGWINCH))


def signal_pending(task: Task) -> bool:
    """Whether something waits for the task to return to user mode."""
    return bool(task.pending)


def send_signal(k: Kernel, task: Task, sig: int, info: dict[str, Any]) -> None:
    """The one door for raising a signal. A signal that is pending already is not queued again."""
    if task.exit_state:
        return
    if sig in _IGNORED_BY_DEFAULT or (
        task.signal.flags & SIGNAL_UNKILLABLE
        and sig not in _SYNCHRONOUS
        and not info.get("forced")  # the end of a pid namespace
    ):
        for listener in k.trace.signal_discard:
            listener(task, sig, info)
        return
    for listener in k.trace.signal_generate:
        listener(task, sig, info)
    task.pending.setdefault(sig, info)
    set_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)
    if task.state == TASK_INTERRUPTIBLE or (sig == SIGKILL and task.state & TASK_WAKEKILL):
        k.try_to_wake_up(task)


def group_send_sig_info(k: Kernel, task: Task, sig: int, info: dict[str, Any]) -> None:
    """A signal for a thread group, by one of its tasks."""
    send_signal(k, task, sig, info)


def force_sig_info(k: Kernel, task: Task, sig: int, info: dict[str, Any]) -> None:
    """A signal that cannot be blocked or ignored, not even by init."""
    task.signal.flags &= ~SIGNAL_UNKILLABLE
    send_signal(k, task, sig, info)


def dequeue_signal(k: Kernel, task: Task) -> tuple[int, dict[str, Any]] | None:
    """The next signal to act on: synchronous ones first, then the lowest number."""
    if not task.pending:
        clear_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)
        return None
    sig = next((s for s in _SYNCHRONOUS if s in task.pending), min(task.pending))
    return sig, task.pending.pop(sig)


def do_notify_resume(k: Kernel) -> Result:
    """The work flags name a signal: act on it. Every action is the default one: to end the group."""
    from toykernel.kernel.exit import do_group_exit

    taken = dequeue_signal(k, k.current)
    if taken is None:
        return 0
    sig, info = taken
    for listener in k.trace.signal_deliver:
        listener(k.current, sig, info)
    return do_group_exit(k, sig)
