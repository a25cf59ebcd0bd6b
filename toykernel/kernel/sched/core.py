"""The scheduler's core (kernel/sched.c): states, wake-ups, the tick, choosing.

Policy is a class with a few methods (rr.py); mechanism is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TIF_NEED_RESCHED
from toykernel.arch.x86.process import switch_to
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag
from toykernel.task import TASK_RUNNING

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task


def set_need_resched(k: Kernel, task: Task) -> None:
    """Ask for a new choice on the way out to user mode."""
    set_ti_flag(k.machine.ram, task.stack, TIF_NEED_RESCHED)


def activate_task(k: Kernel, task: Task) -> None:
    """The one door for making a task runnable."""
    task.state = TASK_RUNNING
    if not task.on_rq:
        task.on_rq = True
        k.sched_class.enqueue_task(k, task)


def deactivate_task(k: Kernel, task: Task) -> None:
    """Take a task off the queue."""
    if task.on_rq:
        task.on_rq = False
        k.sched_class.dequeue_task(k, task)


def try_to_wake_up(k: Kernel, task: Task) -> bool:
    """Wake a sleeping task; False when it was not asleep."""
    if task.state == TASK_RUNNING or task.exit_state:
        return False
    activate_task(k, task)
    for listener in k.trace.sched_wakeup:
        listener(task)
    check_preempt_curr(k, task)
    return True


def check_preempt_curr(k: Kernel, task: Task) -> None:
    """Should the woken task run before the present one? The idle task always gives way."""
    if k.current is k.idle or k.sched_class.preempts(k, task, k.current):
        set_need_resched(k, k.current)


def wake_up_new_task(k: Kernel, task: Task) -> None:
    """A child's first wake-up (fork-path C6, F6): queued; the switch comes later."""
    activate_task(k, task)
    for listener in k.trace.sched_wakeup:
        listener(task)
    check_preempt_curr(k, task)


def sched_fork(k: Kernel, p: Task) -> None:
    """A child is born running, and on no queue, so nobody can run or wake it (fork-path F1)."""
    p.state = TASK_RUNNING
    p.on_rq = False
    k.sched_class.task_fork(k, p)


def scheduler_tick(k: Kernel) -> None:
    """Once a timer interrupt."""
    if k.current is not k.idle:
        k.sched_class.task_tick(k, k.current)


def schedule(k: Kernel) -> None:
    """Choose, and switch when the choice is another task."""
    prev = k.current
    clear_ti_flag(k.machine.ram, prev.stack, TIF_NEED_RESCHED)
    if prev is not k.idle:
        if prev.state != TASK_RUNNING or prev.exit_state:
            deactivate_task(k, prev)
        else:
            k.sched_class.put_prev_task(k, prev)
    chosen = k.sched_class.pick_next_task(k) or k.idle
    if chosen is k.idle:
        k.nothing_runnable()
    if chosen is not prev:
        switch_to(k, prev, chosen)
