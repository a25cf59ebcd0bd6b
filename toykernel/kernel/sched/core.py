"""The scheduler's core (kernel/sched.c): states, wake-ups, the tick, choosing.

Mechanism is here; who is better is a class's business: rt.py, fair.py, idle.py in this order, or
goodness.py alone for a 2.4 kernel. The kernel is never preempted: whoever should go is marked
(TIF_NEED_RESCHED), and goes on the way out to user mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TIF_NEED_RESCHED, TIF_RSEQ
from toykernel.arch.x86.process import switch_to
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag, test_ti_flag
from toykernel.kernel import timer
from toykernel.kernel.sched.entity import (
    MAX_PRIO,
    MAX_RT_PRIO,
    MIN_NICE,
    SCHED_NORMAL,
    SchedEntity,
    nice_to_prio,
    rt_policy,
)
from toykernel.kernel.sched.sched_class import (
    DEQUEUE_SLEEP,
    ENQUEUE_WAKEUP,
    WF_FORK,
    SchedClass,
)
from toykernel.kernel.signal import signal_pending_state
from toykernel.kernel.task_struct import put_task_struct
from toykernel.kernel.timekeeping import ktime_get
from toykernel.task import TASK_NEW, TASK_RUNNING

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

NSEC_PER_SEC = 1_000_000_000


def class_rank(k: Kernel, p: Task) -> int:
    """Index of a task's class in k.host.sched_classes: the lower, the better."""
    if p is k.sched.idle:
        return len(k.host.sched_classes) - 1
    return int(len(k.host.sched_classes) == 3 and p.se.prio >= MAX_RT_PRIO)


def class_of(k: Kernel, p: Task) -> SchedClass:
    """The class that a task belongs to now."""
    classes = k.host.sched_classes
    if p is k.sched.idle:
        return classes[-1]
    return classes[len(classes) == 3 and p.se.prio >= MAX_RT_PRIO]


def tick_ns(k: Kernel) -> int:
    """Nanoseconds between two timer interrupts: 10^9 / HZ."""
    return NSEC_PER_SEC // k.time.hz


def update_rq_clock(k: Kernel) -> None:
    """Bring the queue's clock, in ns, up to the present cycle."""
    k.sched.rq.clock = ktime_get(k)


def update_curr(k: Kernel) -> None:
    """Charge the running task up to now."""
    update_rq_clock(k)
    class_of(k, k.current).update_curr(k)


def resched_task(k: Kernel, task: Task) -> None:
    """Ask for a new choice on the way out to user mode."""
    set_ti_flag(k.machine.ram, task.stack, TIF_NEED_RESCHED)


def need_resched(k: Kernel, task: Task) -> bool:
    """Whether a new choice has been asked for (TIF_NEED_RESCHED) since the task last had one."""
    return test_ti_flag(k.machine.ram, task.stack, TIF_NEED_RESCHED)


def activate_task(k: Kernel, task: Task, flags: int = 0) -> None:
    """The one door for making a task runnable."""
    task.state = TASK_RUNNING
    if not task.on_rq:
        update_rq_clock(k)
        class_of(k, task).enqueue_task(k, task, flags)
        task.on_rq = True
        k.sched.rq.nr_running += 1


def deactivate_task(k: Kernel, task: Task, flags: int = 0) -> None:
    """The one door for taking a task off the queue; nothing when it is on none."""
    if task.on_rq:
        update_rq_clock(k)
        class_of(k, task).dequeue_task(k, task, flags)
        task.on_rq = False
        k.sched.rq.nr_running -= 1


def try_to_wake_up(k: Kernel, task: Task) -> bool:
    """Wake a sleeping task; False when it was not asleep. Who is not born yet does not sleep (F1)."""
    if task.state in (TASK_RUNNING, TASK_NEW) or task.exit_state:
        return False
    activate_task(k, task, ENQUEUE_WAKEUP)
    if k.host.trace.sched_wakeup:
        k.host.trace.sched_wakeup.emit(task)
    check_preempt_curr(k, task, 0)
    return True


def check_preempt_curr(k: Kernel, task: Task, flags: int) -> None:
    """Should the woken task run before the present one? A better class always does."""
    curr = k.current
    if task is curr:
        return
    rank, present = class_rank(k, task), class_rank(k, curr)
    if rank < present:
        resched_task(k, curr)
    elif rank == present:
        k.host.sched_classes[rank].check_preempt_curr(k, task, flags)


def wake_up_new_task(k: Kernel, task: Task) -> None:
    """A child's first wake-up (fork-path C6, F6): queued; the switch comes later."""
    activate_task(k, task)
    if k.host.trace.sched_wakeup_new:
        k.host.trace.sched_wakeup_new.emit(task)
    check_preempt_curr(k, task, WF_FORK)


def sched_fork(k: Kernel, p: Task) -> None:
    """A child's place in the scheduler: on no queue yet (fork-path F1-F4)."""
    p.on_rq = False
    se = p.se = k.current.se.copy()
    se.exec_start = se.sum_exec_runtime = se.prev_sum_exec_runtime = se.nvcsw = se.nivcsw = 0
    se.vruntime = se.prev_utime = se.prev_stime = 0
    if se.reset_on_fork:  # F2
        if rt_policy(se.policy):
            se.policy, se.rt_priority = SCHED_NORMAL, 0
            se.static_prio = nice_to_prio(0)
        elif se.nice < 0:
            se.static_prio = nice_to_prio(0)
        se.reset_on_fork = False
    se.prio = se.normal_prio  # F3: a boost is not inherited
    update_rq_clock(k)
    class_of(k, p).task_fork(k, p)


def sched_exit(k: Kernel, p: Task) -> None:
    """A task is released: its class settles what is left of its turn."""
    class_of(k, p).sched_exit(k, p)


def scheduler_tick(k: Kernel) -> None:
    """Once a timer interrupt:
    charge the running task, and ask for a new choice when its turn is over.
    """
    update_rq_clock(k)
    class_of(k, k.current).task_tick(k, k.current)


def schedule(k: Kernel) -> None:
    """Choose, and switch when the choice is another task."""
    prev = k.current
    clear_ti_flag(k.machine.ram, prev.stack, TIF_NEED_RESCHED)
    update_rq_clock(k)
    prev_class = class_of(k, prev)
    if not prev.exit_state and signal_pending_state(prev.state, prev):
        prev.state = TASK_RUNNING  # it has a reason not to sleep
    sleeps = prev is not k.sched.idle and bool(prev.state != TASK_RUNNING or prev.exit_state)
    if sleeps:
        deactivate_task(k, prev, DEQUEUE_SLEEP)
    prev_class.put_prev_task(k, prev)
    chosen = pick_next_task(k)
    clear_ti_flag(k.machine.ram, prev.stack, TIF_NEED_RESCHED)
    if chosen is not prev:
        if prev is k.sched.idle:
            timer.program_timer(k)  # somebody runs again: so do the ticks
        if prev.rseq:
            set_ti_flag(k.machine.ram, prev.stack, TIF_RSEQ)
        prev.se.nvcsw += sleeps
        prev.se.nivcsw += not sleeps
        switch_to(k, prev, chosen)
        finish_task_switch(k, prev)


def finish_task_switch(k: Kernel, prev: Task) -> None:
    """A dead task has been switched away from for the last time: its own use of its record ends."""
    if prev.exit_state:
        put_task_struct(k, prev)


def pick_next_task(k: Kernel) -> Task:
    """The choice of the best class that has anybody; idle always has itself."""
    for cls in k.host.sched_classes:
        chosen = cls.pick_next_task(k)
        if chosen is not None:
            return chosen
    raise AssertionError("the idle class always has a task")


def change_priority(
    k: Kernel,
    p: Task,
    *,
    policy: int | None = None,
    rt_priority: int = 0,
    static_prio: int | None = None,
    reset_on_fork: bool | None = None,
) -> None:
    """The one door for a task's priority: off the queue, changed, on again, preemption checked.

    What changes nothing that counts now leaves the task where it is in its queue.
    """
    update_rq_clock(k)
    if reset_on_fork is not None:
        p.se.reset_on_fork = reset_on_fork
    if rt_policy(p.se.policy) and policy is None and static_prio is not None:
        p.se.static_prio = static_prio  # remembered for later
        return
    if policy == p.se.policy and rt_priority == p.se.rt_priority and static_prio is None:
        return
    queued, running = p.on_rq, p is k.current
    old_rank, old_prio = class_rank(k, p), p.se.prio
    old_class = k.host.sched_classes[old_rank]
    if queued:
        old_class.dequeue_task(k, p, 0)
    if running:
        p.on_rq = False  # so that it is not put back
        old_class.put_prev_task(k, p)
        p.on_rq = queued
    if policy is not None:
        p.se.policy, p.se.rt_priority = policy, rt_priority
    if static_prio is not None:
        p.se.static_prio = static_prio
    p.se.prio = p.se.normal_prio
    new_rank = class_rank(k, p)
    new_class = k.host.sched_classes[new_rank]
    if old_rank != new_rank and new_class.name == "fair":
        p.se.vruntime = 0  # its distance from the others starts anew
    if running:
        new_class.set_curr_task(k)
    if queued:
        new_class.enqueue_task(k, p, 0)
    _priority_changed(k, p, (old_rank, old_prio))


def rt_mutex_setprio(k: Kernel, p: Task, prio: int) -> None:
    """Boost a task to a priority that it does not have by its policy, or end that."""
    update_rq_clock(k)
    queued, running = p.on_rq, p is k.current
    old_rank, old_prio = class_rank(k, p), p.se.prio
    if queued:
        class_of(k, p).dequeue_task(k, p, 0)
    if running:
        p.on_rq = False  # so that it is not put back
        class_of(k, p).put_prev_task(k, p)
        p.on_rq = queued
    p.se.prio = prio
    if running:
        class_of(k, p).set_curr_task(k)
    if queued:
        class_of(k, p).enqueue_task(k, p, 0)
    _priority_changed(k, p, (old_rank, old_prio))


def _priority_changed(k: Kernel, p: Task, old: tuple[int, int]) -> None:
    """switched_to and prio_changed: who should run now?"""
    if p is k.current:
        if (class_rank(k, p), p.se.prio) > old:
            resched_task(k, p)
    elif p.on_rq and (class_rank(k, p), p.se.prio) != old:
        check_preempt_curr(k, p, 0)


def init_idle(k: Kernel, idle: Task) -> None:
    """The idle task's priority is below every other."""
    idle.se = SchedEntity(prio=MAX_PRIO)


def set_user_nice(k: Kernel, p: Task, nice: int) -> None:
    """A new nice level; a real-time task only remembers it."""
    change_priority(k, p, static_prio=nice_to_prio(max(MIN_NICE, min(19, nice))))
