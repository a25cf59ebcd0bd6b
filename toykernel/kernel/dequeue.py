"""Taking a signal off its queue (dequeue_signal, kernel/signal.c); a timer behind it goes on then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.itimer import timer_signal_taken
from toykernel.kernel.ptrace_flags import JOBCTL_STOP_DEQUEUED
from toykernel.kernel.siginfo import KERNEL_STOP, Siginfo, sigmask
from toykernel.kernel.signal import next_signal, recalc_sigpending

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def dequeue_signal(k: Kernel, task: Task, blocked: int) -> Siginfo | None:
    """Take the next signal outside a mask: the thread's own first, then the group's."""
    for queue in (task.pending, task.signal.shared_pending):
        sig = next_signal(queue, blocked)
        if sig:
            info = queue[sig].pop(0)
            if not queue[sig]:
                del queue[sig]
            if sigmask(sig) & KERNEL_STOP:
                task.jobctl |= JOBCTL_STOP_DEQUEUED
            recalc_sigpending(k, task)
            timer_signal_taken(k, task, info)
            return info
    recalc_sigpending(k, task)
    return None
