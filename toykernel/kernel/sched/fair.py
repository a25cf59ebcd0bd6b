"""The completely fair scheduler as of 2.6.39 (kernel/sched_fair.c).

Every task has a virtual run time that grows with the time it has run, the slower the heavier its nice
level weighs; the task that is furthest behind runs. `min_vruntime` never goes back: whoever comes to the
queue is placed near it, a new task a slice later, a sleeper half a latency earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import (
    NICE_0_LOAD,
    SCHED_BATCH,
    SCHED_IDLE,
    SCHED_NORMAL,
    SchedEntity,
)
from toykernel.kernel.sched.runqueue import CfsRq
from toykernel.kernel.sched.sched_class import DEQUEUE_SLEEP, ENQUEUE_WAKEUP

if TYPE_CHECKING:
    from toykernel.kernel.sched.runqueue import SchedTunables
    from toykernel.state import Kernel
    from toykernel.task import Task

_WMULT = 1 << 32


def calc_delta(delta: int, weight: int, load: int) -> int:
    """delta * weight / load, the division by a rounded reciprocal as 32-bit Linux does it."""
    inverse = max(_WMULT // load, 1)
    product = delta * weight
    if product >= _WMULT:
        return ((product + (1 << 15) >> 16) * inverse + (1 << 15)) >> 16
    return (product * inverse + (1 << 31)) >> 32


def calc_delta_fair(delta: int, se: SchedEntity) -> int:
    """Real ns of an entity's as virtual ns."""
    return delta if se.weight == NICE_0_LOAD else calc_delta(delta, NICE_0_LOAD, se.weight)


def sched_nr_latency(tunables: SchedTunables) -> int:
    """How many tasks share one latency before the period grows."""
    return -(-tunables.sched_latency_ns // tunables.sched_min_granularity_ns)


def sched_period(k: Kernel, nr_running: int) -> int:
    """The time in which everybody runs once, ns."""
    tunables = k.sched.tunables
    if nr_running > sched_nr_latency(tunables):
        return tunables.sched_min_granularity_ns * nr_running
    return tunables.sched_latency_ns


def sched_slice(k: Kernel, p: Task) -> int:
    """A task's part of the period by weight, ns."""
    cfs = k.sched.rq.cfs
    period = sched_period(k, cfs.nr_running + (not p.on_rq))
    load = cfs.load + (0 if p.on_rq else p.se.weight)
    return calc_delta(period, p.se.weight, load)


def wakeup_preempt(k: Kernel, curr: Task, woken: Task) -> int:
    """-1: `woken` is not behind `curr`; 0: not by enough; 1: it should run instead."""
    behind = curr.se.vruntime - woken.se.vruntime
    if behind <= 0:
        return -1
    return int(behind > calc_delta_fair(k.sched.tunables.sched_wakeup_granularity_ns, woken.se))


def update_min_vruntime(cfs: CfsRq) -> None:
    """Follow the task that is furthest behind, never backwards."""
    curr = cfs.curr
    if cfs.timeline.keys:
        behind = cfs.timeline.keys[0][0]
        if curr is not None and curr.se.vruntime < behind:
            behind = curr.se.vruntime
    elif curr is not None:
        behind = curr.se.vruntime
    else:
        return
    if behind > cfs.min_vruntime:
        cfs.min_vruntime = behind


def place_entity(k: Kernel, se: SchedEntity, slice_ns: int | None) -> None:
    """Where a newcomer stands: a new task (with its slice in ns) or a sleeper (None)."""
    vruntime = k.sched.rq.cfs.min_vruntime
    if slice_ns is not None:
        vruntime += calc_delta_fair(slice_ns, se)
    else:
        vruntime -= k.sched.tunables.sched_latency_ns >> 1
    se.vruntime = max(se.vruntime, vruntime)


def _insert(cfs: CfsRq, p: Task) -> None:
    cfs.arrivals += 1
    key = p.se.key = (p.se.vruntime, cfs.arrivals)
    cfs.timeline.insert(key, p)


def _remove(cfs: CfsRq, p: Task) -> None:
    assert p.se.key is not None
    cfs.timeline.remove(p.se.key)
    p.se.key = None


def _clear_buddies(cfs: CfsRq, p: Task) -> None:
    if cfs.last is p:
        cfs.last = None
    if cfs.skip is p:
        cfs.skip = None


class FairClass:
    """CFS of 2.6.39: SCHED_NORMAL, SCHED_BATCH and SCHED_IDLE (kernel/sched_fair.c)."""

    name = "fair"

    def update_curr(self, k: Kernel) -> None:
        """Charge the running task, in real and in virtual time."""
        rq = k.sched.rq
        cfs = rq.cfs
        if cfs.curr is None:
            return
        se = cfs.curr.se
        delta = rq.clock - se.exec_start
        if delta <= 0:
            return
        se.sum_exec_runtime += delta
        se.vruntime += calc_delta_fair(delta, se)
        se.exec_start = rq.clock
        update_min_vruntime(cfs)

    def enqueue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """A task that did not sleep carries its distance from min_vruntime with it."""
        cfs = k.sched.rq.cfs
        if not flags & ENQUEUE_WAKEUP:
            p.se.vruntime += cfs.min_vruntime
        self.update_curr(k)
        cfs.load += p.se.weight
        cfs.nr_running += 1
        if flags & ENQUEUE_WAKEUP:
            place_entity(k, p.se, None)
        if p is not cfs.curr:
            _insert(cfs, p)

    def dequeue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """A sleeper keeps its virtual time, others only their distance."""
        cfs = k.sched.rq.cfs
        self.update_curr(k)
        _clear_buddies(cfs, p)
        if p is not cfs.curr:
            _remove(cfs, p)
        cfs.load -= p.se.weight
        cfs.nr_running -= 1
        update_min_vruntime(cfs)
        if not flags & DEQUEUE_SLEEP:
            p.se.vruntime -= cfs.min_vruntime

    def yield_task(self, k: Kernel) -> None:
        """The next choice passes the task over, if the second one is not too far ahead of it."""
        cfs = k.sched.rq.cfs
        curr = k.current
        if cfs.nr_running == 1:
            return
        _clear_buddies(cfs, curr)
        if curr.se.policy != SCHED_BATCH:
            self.update_curr(k)
        cfs.skip = curr

    def check_preempt_curr(self, k: Kernel, p: Task, flags: int) -> None:
        """A woken task preempts when it is behind by more than the wake-up granularity."""
        cfs, curr = k.sched.rq.cfs, k.current
        if p is curr or core.need_resched(k, curr):
            return
        if curr.se.policy == SCHED_IDLE and p.se.policy != SCHED_IDLE:
            core.resched_task(k, curr)
            return
        if p.se.policy != SCHED_NORMAL:
            return
        self.update_curr(k)
        if wakeup_preempt(k, curr, p) != 1:
            return
        core.resched_task(k, curr)
        if curr.on_rq and cfs.nr_running >= sched_nr_latency(k.sched.tunables):
            cfs.last = curr

    def pick_next_task(self, k: Kernel) -> Task | None:
        """The leftmost, unless a buddy is as good."""
        cfs = k.sched.rq.cfs
        tasks = cfs.timeline.tasks
        if not tasks:
            return None
        p = left = tasks[0]
        if cfs.skip is p and len(tasks) > 1:
            second = tasks[1]
            if wakeup_preempt(k, second, left) < 1:
                p = second
        if cfs.last is not None and wakeup_preempt(k, cfs.last, left) < 1:
            p = cfs.last
        _clear_buddies(cfs, p)
        self._set_next(k, p)
        return p

    def _set_next(self, k: Kernel, p: Task) -> None:
        cfs = k.sched.rq.cfs
        if p.se.key is not None:
            _remove(cfs, p)
        p.se.exec_start = k.sched.rq.clock
        p.se.prev_sum_exec_runtime = p.se.sum_exec_runtime
        cfs.curr = p

    def set_curr_task(self, k: Kernel) -> None:
        """The running task has become a fair one."""
        self._set_next(k, k.current)

    def put_prev_task(self, k: Kernel, p: Task) -> None:
        """Back among the others, if it is runnable."""
        cfs = k.sched.rq.cfs
        if p.on_rq:
            self.update_curr(k)
            _insert(cfs, p)
        cfs.curr = None

    def task_tick(self, k: Kernel, p: Task) -> None:
        """Preempt when the slice is used up, or the leftmost is further behind than a slice."""
        cfs, se = k.sched.rq.cfs, p.se
        self.update_curr(k)
        if cfs.nr_running < 2:
            return
        ideal = sched_slice(k, p)
        ran = se.sum_exec_runtime - se.prev_sum_exec_runtime
        if ran > ideal:
            core.resched_task(k, p)
            _clear_buddies(cfs, p)
            return
        if ran < k.sched.tunables.sched_min_granularity_ns:
            return
        if se.vruntime - cfs.timeline.keys[0][0] > ideal:
            core.resched_task(k, p)

    def task_fork(self, k: Kernel, p: Task) -> None:
        """The child's virtual time follows from the parent's (fork-path F4)."""
        cfs, se = k.sched.rq.cfs, p.se
        self.update_curr(k)
        curr = cfs.curr
        if curr is not None:
            se.vruntime = curr.se.vruntime
        place_entity(k, se, sched_slice(k, p))
        if k.sched.tunables.sched_child_runs_first and curr is not None:
            if curr.se.vruntime < se.vruntime:
                curr.se.vruntime, se.vruntime = se.vruntime, curr.se.vruntime
            core.resched_task(k, curr)
        se.vruntime -= cfs.min_vruntime

    def sched_exit(self, k: Kernel, p: Task) -> None:
        """Its virtual time goes with it."""

    def get_rr_interval(self, k: Kernel, p: Task) -> int:
        """The slice in ticks; 0 while the fair queue is empty."""
        return sched_slice(k, p) // core.tick_ns(k) if k.sched.rq.cfs.load else 0
