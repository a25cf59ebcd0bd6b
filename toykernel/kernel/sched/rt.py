"""Real-time tasks: FIFO and RR by fixed priority (kernel/sched_rt.c).

The running task stays in its list. All of them together may use `sched_rt_runtime_us` of each
`sched_rt_period_us`; then they are held back until the period is over, so that a loop at priority 99
does not stop the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import SCHED_RR
from toykernel.kernel.timer import HrTimer, hrtimer_start

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

#: RR's slice in ms.
DEF_TIMESLICE_MS = 100


def def_timeslice(k: Kernel) -> int:
    """RR's slice in ticks: 100 ms, at least one."""
    return max(DEF_TIMESLICE_MS * k.time.hz // 1000, 1)


def rt_period_over(k: Kernel, timer: HrTimer) -> None:
    """A new period: what was used beyond the last one's share counts in this one."""
    rt, tunables = k.sched.rq.rt, k.sched.tunables
    core.update_curr(k)
    rt.rt_time = max(rt.rt_time - tunables.sched_rt_runtime_us * 1000, 0)
    if rt.throttled and rt.rt_time < tunables.sched_rt_runtime_us * 1000:
        rt.throttled = False
        core.resched_task(k, k.current)
    rt.period_timer = None
    if rt.nr_running or rt.rt_time:
        _start_period(k)


def _start_period(k: Kernel) -> None:
    period = k.sched.tunables.sched_rt_period_us * 1000
    k.sched.rq.rt.period_timer = hrtimer_start(k, k.sched.rq.clock + period, rt_period_over)


class RtClass:
    """SCHED_FIFO and SCHED_RR, with the throttling of 2.6.39 (kernel/sched_rt.c)."""

    name = "rt"

    def update_curr(self, k: Kernel) -> None:
        """Charge the running task and the class."""
        p, rt = k.current, k.sched.rq.rt
        delta = k.sched.rq.clock - p.se.exec_start
        if delta <= 0:
            return
        p.se.sum_exec_runtime += delta
        p.se.exec_start = k.sched.rq.clock
        runtime = k.sched.tunables.sched_rt_runtime_us
        if runtime < 0:
            return
        rt.rt_time += delta
        if rt.rt_time > runtime * 1000 and not rt.throttled:
            rt.throttled = True
            core.resched_task(k, p)

    def enqueue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """To the tail of its priority's list."""
        rt = k.sched.rq.rt
        rt.queues.setdefault(p.se.prio, []).append(p)
        rt.nr_running += 1
        if rt.period_timer is None and k.sched.tunables.sched_rt_runtime_us >= 0:
            _start_period(k)

    def dequeue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """Out of the list of its priority, after it was charged."""
        rt = k.sched.rq.rt
        if p is k.current:
            self.update_curr(k)
        rt.queues[p.se.prio].remove(p)
        if not rt.queues[p.se.prio]:
            del rt.queues[p.se.prio]
        rt.nr_running -= 1

    def _to_tail(self, k: Kernel, p: Task) -> None:
        queue = k.sched.rq.rt.queues[p.se.prio]
        queue.remove(p)
        queue.append(p)

    def yield_task(self, k: Kernel) -> None:
        """Behind the others of the same priority."""
        self._to_tail(k, k.current)

    def check_preempt_curr(self, k: Kernel, p: Task, flags: int) -> None:
        """The better priority runs, at once."""
        if p.se.prio < k.current.se.prio:
            core.resched_task(k, k.current)

    def pick_next_task(self, k: Kernel) -> Task | None:
        """The first of the best list."""
        rt = k.sched.rq.rt
        if not rt.queues or rt.throttled:
            return None
        p: Task = rt.queues.peekitem(0)[1][0]
        p.se.exec_start = k.sched.rq.clock
        return p

    def put_prev_task(self, k: Kernel, p: Task) -> None:
        """It stays where it is."""
        self.update_curr(k)

    def set_curr_task(self, k: Kernel) -> None:
        """The running task has become a real-time one."""
        k.current.se.exec_start = k.sched.rq.clock

    def task_tick(self, k: Kernel, p: Task) -> None:
        """RR's slice has one tick less; when it is used up, the next of the same priority runs."""
        self.update_curr(k)
        if p.se.policy != SCHED_RR:
            return
        p.se.time_slice -= 1
        if p.se.time_slice > 0:
            return
        p.se.time_slice = def_timeslice(k)
        if len(k.sched.rq.rt.queues[p.se.prio]) > 1:
            self._to_tail(k, p)
            core.resched_task(k, p)

    def task_fork(self, k: Kernel, p: Task) -> None:
        """Nothing is divided between parent and child."""

    def sched_exit(self, k: Kernel, p: Task) -> None:
        """What is left of its slice is nobody's."""

    def get_rr_interval(self, k: Kernel, p: Task) -> int:
        """RR's slice in ticks; 0 for FIFO, which has none."""
        return def_timeslice(k) if p.se.policy == SCHED_RR else 0
