"""Stopping, continuing, and what the parent hears of it (kernel/signal.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.kernel.dequeue import dequeue_signal
from toykernel.kernel.pid import pid_nr_ns
from toykernel.kernel.ptrace_flags import (
    JOBCTL_STOP_CONSUME,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_TRAP_MASK,
    JOBCTL_TRAP_STOP,
    PT_SEIZED,
    ptrace_reparented,
)
from toykernel.kernel.siginfo import (
    CLD_CONTINUED,
    CLD_STOPPED,
    CLD_TRAPPED,
    KERNEL_COREDUMP,
    KERNEL_IGNORE,
    KERNEL_ONLY,
    KERNEL_STOP,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGKILL,
    SIGSTOP,
    Siginfo,
    sigmask,
)
from toykernel.kernel.signal import (
    SIGNAL_CLD_CONTINUED,
    SIGNAL_CLD_MASK,
    action_of,
    ptrace_trap_notify,
    recalc_sigpending,
    send_signal,
    signal_wake_up,
    task_clear_jobctl_pending,
    task_set_jobctl_pending,
    threads_of,
)
from toykernel.kernel.signal_types import (
    RLIMIT_CORE,
    SA_IMMUTABLE,
    SA_NOCLDSTOP,
    SA_RESETHAND,
    SIG_DFL,
    SIG_IGN,
    SigAction,
)
from toykernel.kernel.wait import child_queue, wake_up
from toykernel.task import (
    SIGNAL_GROUP_EXIT,
    SIGNAL_STOP_CONTINUED,
    SIGNAL_STOP_STOPPED,
    SIGNAL_UNKILLABLE,
    TASK_STOPPED,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_CORE_FLAG = 0x80
_MIN_COREDUMP = 4096


@dataclass(frozen=True)
class Handle:
    """Run the program's handler."""

    action: SigAction
    info: Siginfo


@dataclass(frozen=True)
class GroupExit:
    """The thread group ends with this wait status."""

    code: int


@dataclass(frozen=True)
class Stop:
    """Sleep until SIGCONT, then ask again."""


@dataclass(frozen=True)
class Trap:
    """Stop for the tracer, because the group stops or the tracer asked for it; then ask again."""


@dataclass(frozen=True)
class Tell:
    """Stop for the tracer with a signal that was taken; then ask again with what it makes of it."""

    info: Siginfo


Decision = Handle | GroupExit | Stop | Trap | Tell


def get_signal_to_deliver(k: Kernel, told: Siginfo | None = None) -> Decision | None:
    """What the current task must do next; None: nothing. arch/x86/signal.py carries it out.

    `told` is a signal that was taken, and that the tracer lets through.
    """
    task = k.current
    while True:
        signal = task.signal
        info, told = told, None
        if info is None:
            if signal.flags & SIGNAL_CLD_MASK:
                why = CLD_CONTINUED if signal.flags & SIGNAL_CLD_CONTINUED else CLD_STOPPED
                signal.flags &= ~SIGNAL_CLD_MASK
                notify_parent_cldstop(k, task, False, why)
                if ptrace_reparented(task.group_leader):
                    notify_parent_cldstop(k, task.group_leader, True, why)
            if task.jobctl & JOBCTL_STOP_PENDING and do_signal_stop(k, 0):
                return Stop()
            if task.jobctl & JOBCTL_TRAP_MASK:
                return Trap()
            info = dequeue_signal(k, task, task.blocked)
            if info is None:
                return None
            if task.ptrace and info["si_signo"] != SIGKILL and not _immutable(task, info):
                return Tell(info)
        sig = info["si_signo"]
        if k.host.trace.signal_deliver:
            k.host.trace.signal_deliver.emit(task, sig, info)
        action = action_of(task, sig)
        if action.handler == SIG_IGN:
            continue
        if action.handler != SIG_DFL:
            if action.flags & SA_RESETHAND:
                task.sighand.action[sig] = SigAction(
                    SIG_DFL, action.flags, action.restorer, action.mask
                )
            return Handle(action, info)
        if sigmask(sig) & KERNEL_IGNORE:
            continue
        if signal.flags & SIGNAL_UNKILLABLE and not sigmask(sig) & KERNEL_ONLY:
            continue
        if sigmask(sig) & KERNEL_STOP:
            if sig != SIGSTOP and is_current_pgrp_orphaned(k):
                continue
            if do_signal_stop(k, sig):
                return Stop()
            continue
        if signal.flags & SIGNAL_GROUP_EXIT:
            return GroupExit(signal.group_exit_code)
        if sigmask(sig) & KERNEL_COREDUMP and k.host.trace.coredump:
            k.host.trace.coredump.emit(task, sig, info)
        return GroupExit(sig | (_CORE_FLAG if dumps_core(task, sig) else 0))


def _immutable(task: Task, info: Siginfo) -> bool:
    """Whether a signal is the kernel's own end of a process, of which no tracer hears first."""
    return bool(action_of(task, info["si_signo"]).flags & SA_IMMUTABLE)


def dumps_core(task: Task, sig: int) -> bool:
    """Whether the status says that memory was dumped: such a signal, and a limit that allows it."""
    limit = task.signal.rlim.get(RLIMIT_CORE, (0, 0))[0]
    return bool(sigmask(sig) & KERNEL_COREDUMP) and limit >= _MIN_COREDUMP


def is_current_pgrp_orphaned(k: Kernel) -> bool:
    """Whether nobody in the session could continue the caller's group."""
    return _orphaned(k, k.current.signal.pgrp, None)


def kill_orphaned_pgrp(k: Kernel, member: Task, parent: Task | None) -> None:
    """The last link between a group and its session goes, with `member` itself or (`parent`) because that
    ends: a group in which somebody is stopped gets SIGHUP and SIGCONT, for nobody else could help it.
    """
    group = member.signal
    ignored = None if parent is not None else member
    above = parent or member.real_parent
    if above.signal.pgrp == group.pgrp or above.signal.session != group.session:
        return
    if not _orphaned(k, group.pgrp, ignored):
        return
    leaders = [t for t in k.processes.tasks if t is t.group_leader and t.signal.pgrp == group.pgrp]
    if any(t.signal.flags & SIGNAL_STOP_STOPPED for t in leaders if t is not k.sched.idle):
        for sig in (SIGHUP, SIGCONT):
            for task in leaders:
                send_signal(k, task, sig, {}, group=True)


def _orphaned(k: Kernel, pgrp: int, ignored: Task | None) -> bool:
    """Whether no member of a group, `ignored` left out, has a parent outside it in the same session."""
    for task in k.processes.tasks:
        if task is k.sched.idle or task.signal.pgrp != pgrp or task.exit_state or task is ignored:
            continue
        parent = task.real_parent.signal
        if task.real_parent.pid == 1:
            continue
        if parent.pgrp != pgrp and parent.session == task.signal.session:
            return False
    return True


def do_signal_stop(k: Kernel, sig: int) -> bool:
    """Stop the group for a signal, or (0) take part in a stop that has begun: whether to sleep now.

    A traced thread traps instead, which is left pending.
    """
    task = k.current
    signal = task.signal
    if not task.jobctl & JOBCTL_STOP_PENDING:
        if not task.jobctl & JOBCTL_STOP_DEQUEUED or signal.flags & SIGNAL_GROUP_EXIT:
            return False  # SIGCONT came in between
        if not signal.flags & SIGNAL_STOP_STOPPED:
            signal.group_exit_code = sig
        signal.group_stop_count = 0
        wanted = sig | JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME
        for thread in [task, *(t for t in threads_of(task) if t is not task)]:
            if thread.state == TASK_STOPPED or not task_set_jobctl_pending(thread, wanted):
                continue
            signal.group_stop_count += 1
            if thread is task:
                continue
            if thread.ptrace & PT_SEIZED:
                ptrace_trap_notify(k, thread)
            else:
                signal_wake_up(k, thread, False)
    if task.ptrace:
        task_set_jobctl_pending(task, JOBCTL_TRAP_STOP)
        return False
    task.exit_code = task.jobctl & JOBCTL_STOP_SIGMASK
    if task_participate_group_stop(task):
        notify_parent_cldstop(k, task, False, CLD_STOPPED)
    recalc_sigpending(k, task)
    return True


def task_participate_group_stop(task: Task) -> bool:
    """This thread stops; True for the last one, with which the group has stopped."""
    signal = task.signal
    counts = bool(task.jobctl & JOBCTL_STOP_CONSUME)
    task_clear_jobctl_pending(task, JOBCTL_STOP_PENDING)
    if not counts:
        return False
    if signal.group_stop_count:
        signal.group_stop_count -= 1
    if signal.group_stop_count or signal.flags & SIGNAL_STOP_STOPPED:
        return False
    signal.flags = signal.flags & ~SIGNAL_STOP_CONTINUED | SIGNAL_STOP_STOPPED
    return True


def notify_parent_cldstop(k: Kernel, task: Task, for_ptracer: bool, why: int) -> None:
    """SIGCHLD for a stop or a continuation, unless SA_NOCLDSTOP; a waiter hears of it anyway.

    To the tracer, or else to the real parent of the group.
    """
    if for_ptracer:
        parent = task.parent
    else:
        task = task.group_leader
        parent = task.real_parent
    action = action_of(parent, SIGCHLD)
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDSTOP:
        status = {
            CLD_CONTINUED: SIGCONT,
            CLD_STOPPED: task.signal.group_exit_code & 0x7F,
            CLD_TRAPPED: task.exit_code & 0x7F,
        }[why]
        info = {
            "si_code": why,
            "si_pid": pid_nr_ns(task.pid_struct, parent.pid_struct.ns),
            "si_uid": task.cred.uid,
            "si_status": status,
            "si_utime": task.utime_ticks,
            "si_stime": task.stime_ticks,
        }
        send_signal(k, parent, SIGCHLD, info, group=True)
    wake_up(k, child_queue(k, parent), key=task)
