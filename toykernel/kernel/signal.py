"""Raising signals and taking them (kernel/signal.c).

One door raises a signal: `send_signal`. It is kept in the task's own queue or in its thread group's until a
task that does not block it comes back to user mode; what happens then is decided by
`get_signal_to_deliver`, and a handler's frame is built by arch/x86/signal.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TIF_SIGPENDING
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag, test_ti_flag
from toykernel.errno import EAGAIN
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.ptrace_flags import (
    JOBCTL_LISTENING,
    JOBCTL_PENDING_MASK,
    JOBCTL_STOP_CONSUME,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_TRAP_NOTIFY,
    JOBCTL_TRAPPING,
    PT_SEIZED,
)
from toykernel.kernel.siginfo import (
    KERNEL_COREDUMP,
    KERNEL_IGNORE,
    KERNEL_ONLY,
    KERNEL_STOP,
    SI_KERNEL,
    SI_USER,
    SIGCONT,
    SIGKILL,
    SIGRTMIN,
    SIGSEGV,
    SYNCHRONOUS,
    Siginfo,
    sigmask,
)
from toykernel.kernel.signal_types import (
    RLIMIT_SIGPENDING,
    SIG_DFL,
    SIG_IGN,
    Pending,
    SigAction,
    signal_pending,
)
from toykernel.kernel.wait_queue import wake_up
from toykernel.task import (
    PF_EXITING,
    SIGNAL_GROUP_EXIT,
    SIGNAL_STOP_CONTINUED,
    SIGNAL_STOP_STOPPED,
    SIGNAL_UNKILLABLE,
    TASK_INTERRUPTIBLE,
    TASK_STOPPED,
    TASK_TRACED,
    TASK_WAKEKILL,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

SIGNAL_CLD_STOPPED = 0x00000010
SIGNAL_CLD_CONTINUED = 0x00000020
SIGNAL_CLD_MASK = SIGNAL_CLD_STOPPED | SIGNAL_CLD_CONTINUED


# -- what is pending -------------------------------------------------------------------------------


def pending_set(pending: Pending) -> int:
    """The signals of a queue as a set."""
    return sigmask(*pending)


def fatal_signal_pending(task: Task) -> bool:
    """Whether SIGKILL waits for the task, which is how a group's end reaches it too."""
    return SIGKILL in task.pending


def signal_pending_state(state: int, task: Task) -> bool:
    """Whether a task that is about to sleep in this state has a reason not to."""
    if state & TASK_INTERRUPTIBLE:
        return signal_pending(task)
    return bool(state & TASK_WAKEKILL) and fatal_signal_pending(task)


def recalc_sigpending(k: Kernel, task: Task) -> None:
    """Bring TIF_SIGPENDING in line with the queues and the mask.

    Only the task itself takes it back: a call that a signal has interrupted must come by the restart in
    do_notify_resume, even when SIGCONT has taken the stop signal away again.
    """
    if signal_pending(task):
        set_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)
    elif task is k.current:
        clear_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)


def was_interrupted(k: Kernel) -> bool:
    """Whether a signal has come for the current task since it left user mode, taken back or not."""
    return test_ti_flag(k.machine.ram, k.current.stack, TIF_SIGPENDING)


def set_current_blocked(k: Kernel, task: Task, blocked: int) -> None:
    """A new mask of blocked signals; SIGKILL and SIGSTOP cannot be in it."""
    task.blocked = blocked & ~KERNEL_ONLY
    recalc_sigpending(k, task)


def action_of(task: Task, sig: int) -> SigAction:
    """The action of the task's group for a signal; the default one where nothing was set."""
    return task.sighand.action.get(sig) or SigAction()


def sig_ignored(task: Task, sig: int, force: bool = False) -> bool:
    """Whether a signal would do nothing, so that it need not be queued; a blocked one always is."""
    if (task.blocked | task.real_blocked) >> (sig - 1) & 1:
        return False
    if task.ptrace and sig != SIGKILL:
        return False  # its tracer wants to know
    handler = action_of(task, sig).handler
    if handler == SIG_DFL and task.signal.flags & SIGNAL_UNKILLABLE and not force:
        return True
    if handler == SIG_IGN:
        return True
    return handler == SIG_DFL and bool(sigmask(sig) & KERNEL_IGNORE)


def sig_fatal(task: Task, sig: int) -> bool:
    """Whether a signal ends the group: its default action does, and no handler is set."""
    harmless = KERNEL_IGNORE | KERNEL_STOP
    return not sigmask(sig) & harmless and action_of(task, sig).handler == SIG_DFL


# -- raising ---------------------------------------------------------------------------------------


def threads_of(task: Task) -> list[Task]:
    """The task's thread group, itself included."""
    return task.signal.threads or [task]


def send_signal(
    k: Kernel, task: Task, sig: int, info: Siginfo, *, group: bool = False, force: bool = False
) -> int:
    """The one door for raising a signal, for one thread or (`group`) for all of its group together.

    `force` is for signals from outside a pid namespace: its init cannot ignore them, and what a task sends
    that is outside always is.

    A signal below SIGRTMIN that is pending already is not queued again. Returns 0, or EAGAIN when the
    user's queue of real-time signals is full.
    """
    if all(t.exit_state for t in (threads_of(task) if group else (task,))):
        return 0  # a dead leader still stands for its living threads
    if task.signal.flags & SIGNAL_UNKILLABLE and "si_pid" in info and _from_outside(k, task):
        info, force = {**info, "si_pid": 0}, True
    if not _prepare_signal(k, task, sig, force):
        if k.host.trace.signal_discard:
            k.host.trace.signal_discard.emit(task, sig, info)
        return 0
    info = {"si_signo": sig, "si_errno": 0, "si_code": SI_KERNEL, **info}
    queue = task.signal.shared_pending if group else task.pending
    of_timer = "si_timerid" in info  # its own record is never dropped for another's signal
    if sig in queue and sig < SIGRTMIN and not of_timer:
        return 0
    if sig >= SIGRTMIN and not of_timer and _queue_full(k, task):
        if info["si_code"] not in (SI_USER, SI_KERNEL):
            return EAGAIN
        if sig in queue:
            return 0
    if k.host.trace.signal_generate:
        k.host.trace.signal_generate.emit(task, sig, info)
    queue.setdefault(sig, []).append(info)
    if task.sighand.signalfd_wqh is not None:
        wake_up(k, task.sighand.signalfd_wqh, nr_exclusive=0)
    _complete_signal(k, task, sig, group)
    return 0


def _from_outside(k: Kernel, task: Task) -> bool:
    """Whether a task's pid namespace does not know the sender: a signal from an ancestor."""
    inside = task.pid_struct.numbers[-1][0]
    return all(ns is not inside for ns, _ in k.current.pid_struct.numbers)


def group_send_sig_info(k: Kernel, task: Task, sig: int, info: Siginfo) -> int:
    """A signal for a thread group, by one of its tasks. 0, or the error that the sender gets."""
    return send_signal(k, task, sig, info, group=True)


def send_sig(k: Kernel, sig: int, task: Task) -> int:
    """A signal that the kernel raises as if the current task had sent it (SEND_SIG_NOINFO)."""
    sender = task_pid_vnr(k, k.current.group_leader)
    info = {"si_code": SI_USER, "si_pid": sender, "si_uid": k.current.cred.uid}
    return send_signal(k, task, sig, info)


def _queue_full(k: Kernel, task: Task) -> bool:
    limit = task.signal.rlim.get(RLIMIT_SIGPENDING)
    if limit is None:
        return False
    used, seen = 0, set()
    for other in k.processes.tasks:
        if other is k.sched.idle or other.cred.user is not task.cred.user:
            continue
        used += sum(map(len, other.pending.values()))
        if other.signal.slab not in seen:
            seen.add(other.signal.slab)
            used += sum(map(len, other.signal.shared_pending.values()))
    return used >= limit[0]


def flush_sigqueue(queue: Pending, mask: int) -> None:
    """Drop the signals of a mask (bit n - 1 for signal n) from a queue,
    with all that is queued of each.
    """
    for sig in [s for s in queue if mask >> (s - 1) & 1]:
        del queue[sig]


def _prepare_signal(k: Kernel, p: Task, sig: int, force: bool) -> bool:
    """Stop and continue act when they are raised; then: is there anything to queue?"""
    signal = p.signal
    if signal.flags & SIGNAL_GROUP_EXIT:
        return sig == SIGKILL  # the group is dying
    if sigmask(sig) & KERNEL_STOP:
        for queue in (signal.shared_pending, *(t.pending for t in threads_of(p))):
            flush_sigqueue(queue, sigmask(SIGCONT))
    elif sig == SIGCONT:
        _continue(k, p)
    return not sig_ignored(p, sig, force)


def _continue(k: Kernel, p: Task) -> None:
    """SIGCONT wakes a stopped group, even where it is blocked or ignored."""
    signal = p.signal
    flush_sigqueue(signal.shared_pending, KERNEL_STOP)
    for thread in threads_of(p):
        flush_sigqueue(thread.pending, KERNEL_STOP)
        task_clear_jobctl_pending(thread, JOBCTL_STOP_PENDING)
        recalc_sigpending(k, thread)
        if thread.ptrace & PT_SEIZED:
            ptrace_trap_notify(k, thread)
        elif thread.state == TASK_STOPPED:
            k.try_to_wake_up(thread)
    why = 0
    if signal.flags & SIGNAL_STOP_STOPPED:
        why = SIGNAL_CLD_CONTINUED
    elif signal.group_stop_count:
        why = SIGNAL_CLD_STOPPED
    if why:
        # The first thread that runs tells the parent: see get_signal_to_deliver.
        signal.flags = signal.flags & ~SIGNAL_STOP_STOPPED | why | SIGNAL_STOP_CONTINUED
        signal.group_stop_count = signal.group_exit_code = 0


def wants_signal(k: Kernel, sig: int, task: Task) -> bool:
    """Whether a thread can take a signal now; one that has work already is left alone."""
    if task.blocked >> (sig - 1) & 1 or task.flags & PF_EXITING or task.exit_state:
        return False
    if sig == SIGKILL:
        return True
    if task.state in (TASK_STOPPED, TASK_TRACED):
        return False
    return task is k.current or not test_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)


def _complete_signal(k: Kernel, p: Task, sig: int, group: bool) -> None:
    """Who takes it? A fatal one takes the whole group."""
    if wants_signal(k, sig, p):
        target = p
    elif not group:
        recalc_sigpending(k, p)
        return
    else:
        others = [t for t in threads_of(p) if wants_signal(k, sig, t)]
        if not others:
            for thread in threads_of(p):
                recalc_sigpending(k, thread)
            return
        target = others[0]
    signal = p.signal
    if (
        sig_fatal(p, sig)
        and not signal.flags & (SIGNAL_UNKILLABLE | SIGNAL_GROUP_EXIT)
        and not target.real_blocked >> (sig - 1) & 1
        and (sig == SIGKILL or not p.ptrace)
        and not sigmask(sig) & KERNEL_COREDUMP
    ):
        signal.flags |= SIGNAL_GROUP_EXIT
        signal.group_exit_code = sig
        signal.group_stop_count = 0
        for thread in threads_of(p):
            kill_thread(k, thread)
        return
    signal_wake_up(k, target, sig == SIGKILL)


def kill_thread(k: Kernel, thread: Task) -> None:
    """SIGKILL for one thread of a group that is ending."""
    task_clear_jobctl_pending(thread, JOBCTL_PENDING_MASK)
    thread.pending.setdefault(SIGKILL, [{"si_signo": SIGKILL, "si_errno": 0, "si_code": 0}])
    signal_wake_up(k, thread, True)


def signal_wake_up(k: Kernel, task: Task, resume: bool) -> None:
    """There is work for a task on its way to user mode; `resume` wakes a stopped one too."""
    set_ti_flag(k.machine.ram, task.stack, TIF_SIGPENDING)
    mask = TASK_INTERRUPTIBLE | (TASK_WAKEKILL | TASK_STOPPED if resume else 0)
    if task.state & mask:
        k.try_to_wake_up(task)


def ptrace_signal_wake_up(k: Kernel, task: Task, resume: bool) -> None:
    """There is work for a traced task; `resume` gets it out of its stop."""
    signal_wake_up(k, task, False)
    if resume and task.state == TASK_TRACED:
        k.try_to_wake_up(task)


def ptrace_trap_notify(k: Kernel, task: Task) -> None:
    """What its group does has changed: a task that was seized tells its tracer, with a trap."""
    task_set_jobctl_pending(task, JOBCTL_TRAP_NOTIFY)
    ptrace_signal_wake_up(k, task, bool(task.jobctl & JOBCTL_LISTENING))


def task_set_jobctl_pending(task: Task, mask: int) -> bool:
    """Something that is to happen on the way to user mode; not for a task that dies."""
    if fatal_signal_pending(task) or task.flags & PF_EXITING or task.exit_state:
        return False
    if mask & JOBCTL_STOP_SIGMASK:
        task.jobctl &= ~JOBCTL_STOP_SIGMASK
    task.jobctl |= mask
    return True


def task_clear_jobctl_pending(task: Task, mask: int) -> None:
    """It is not to happen any more, or happens now."""
    if mask & JOBCTL_STOP_PENDING:
        mask |= JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED
    task.jobctl &= ~mask
    if not task.jobctl & JOBCTL_PENDING_MASK:
        task.jobctl &= ~JOBCTL_TRAPPING


def force_sig_info(k: Kernel, task: Task, sig: int, info: Siginfo) -> None:
    """A signal that cannot be blocked or ignored, not even by init, for one thread."""
    blocked = bool(task.blocked & sigmask(sig))
    if blocked or action_of(task, sig).handler == SIG_IGN:
        task.sighand.action[sig] = SigAction()
        task.blocked &= ~sigmask(sig)
    if action_of(task, sig).handler == SIG_DFL and not task.ptrace:
        task.signal.flags &= ~SIGNAL_UNKILLABLE
    send_signal(k, task, sig, info)


def force_sigsegv(k: Kernel, task: Task, sig: int) -> None:
    """A handler's frame could not be built; when that was SIGSEGV's own, nothing can help."""
    if sig == SIGSEGV:
        task.sighand.action[SIGSEGV] = SigAction()
    force_sig_info(k, task, SIGSEGV, {})


# -- taking ----------------------------------------------------------------------------------------


def next_signal(pending: Pending, blocked: int) -> int:
    """The signal of a queue to act on first: the lowest synchronous one, or else the lowest; 0: none."""
    ready = [sig for sig in pending if not blocked >> (sig - 1) & 1]
    return min(ready, key=lambda sig: (sig not in SYNCHRONOUS, sig), default=0)
