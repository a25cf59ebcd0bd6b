"""The scheduler of 2.4: one list, a counter of ticks for each task, goodness() (kernel/sched.c there).

A task runs while its counter lasts; when every runnable task has used its own up, all counters in the
system are filled again, and who slept keeps half of what was left. Fork divides the counter, and the
parent gets back what its child did not use: forking makes no time (fork-path F5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import SCHED_FIFO, SCHED_RR

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_RT_GOODNESS = 1000
_SAME_MM_BONUS = 1


def nice_to_ticks(k: Kernel, nice: int) -> int:
    """A full counter: 20 - nice, scaled to HZ so that nice 0 has about 60 ms."""
    scale = 20 - nice
    if k.time.hz < 200:
        scale >>= 2
    elif k.time.hz < 400:
        scale >>= 1
    elif k.time.hz >= 800:
        scale <<= 1 if k.time.hz < 1600 else 2
    return scale + 1


def goodness(k: Kernel, p: Task) -> int:
    """How much `p` deserves the CPU; 0: its counter is used up; -1: it has just yielded."""
    if p.se.policy in (SCHED_FIFO, SCHED_RR):
        return _RT_GOODNESS + p.se.rt_priority
    if k.sched.rq.yielded is p:
        return -1
    if not p.se.counter:
        return 0
    weight = p.se.counter
    if p.mm is None or p.mm is k.current.active_mm:
        weight += _SAME_MM_BONUS
    return weight + 20 - p.se.nice


class GoodnessClass:
    """All policies of 2.4: SCHED_OTHER, SCHED_FIFO, SCHED_RR."""

    name = "goodness"

    def update_curr(self, k: Kernel) -> None:
        """Run time is only counted for statistics: decisions are made by ticks."""
        se = k.current.se
        if k.current is not k.sched.idle and k.sched.rq.clock > se.exec_start:
            se.sum_exec_runtime += k.sched.rq.clock - se.exec_start
            se.exec_start = k.sched.rq.clock

    def enqueue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """The newest is looked at first."""
        k.sched.rq.list24.insert(0, p)

    def dequeue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """Out of the list of the runnable."""
        k.sched.rq.list24.remove(p)

    def _to_tail(self, k: Kernel, p: Task) -> None:
        k.sched.rq.list24.remove(p)
        k.sched.rq.list24.append(p)

    def yield_task(self, k: Kernel) -> None:
        """To the tail, and worst of all for the next choice."""
        if len(k.sched.rq.list24) > 1:
            self._to_tail(k, k.current)
            k.sched.rq.yielded = k.current

    def check_preempt_curr(self, k: Kernel, p: Task, flags: int) -> None:
        """reschedule_idle: the better goodness runs."""
        if goodness(k, p) > goodness(k, k.current):
            core.resched_task(k, k.current)

    def pick_next_task(self, k: Kernel) -> Task | None:
        """The first of the best; the running one when it is as good, unless its turn is over."""
        stays = not self._refill_rr(k) and k.sched.rq.yielded is not k.current
        while k.sched.rq.list24:
            candidates = k.sched.rq.list24
            best = max(goodness(k, p) for p in candidates)
            if best:
                chosen = next(p for p in candidates if goodness(k, p) == best)
                if stays and k.current.on_rq and goodness(k, k.current) == best:
                    chosen = k.current
                k.sched.rq.yielded = None
                chosen.se.exec_start = k.sched.rq.clock
                return chosen
            for p in k.processes.tasks:
                p.se.counter = (p.se.counter >> 1) + nice_to_ticks(k, p.se.nice)
        return None

    def _refill_rr(self, k: Kernel) -> bool:
        """RR's slice is used up: a new one, at the tail."""
        p = k.current
        if p.on_rq and p.se.policy == SCHED_RR and not p.se.counter:
            p.se.counter = nice_to_ticks(k, p.se.nice)
            self._to_tail(k, p)
            return True
        return False

    def put_prev_task(self, k: Kernel, p: Task) -> None:
        """It stays where it is."""
        self.update_curr(k)

    def set_curr_task(self, k: Kernel) -> None:
        """There is no other class to come from."""

    def task_tick(self, k: Kernel, p: Task) -> None:
        """update_process_times: one tick less."""
        self.update_curr(k)
        p.se.counter = max(p.se.counter - 1, 0)
        if not p.se.counter:
            core.resched_task(k, p)

    def task_fork(self, k: Kernel, p: Task) -> None:
        """fork-path F5: the child's half is rounded up, the parent's down."""
        parent = k.current.se
        if k.current is k.sched.idle:
            p.se.counter = nice_to_ticks(k, p.se.nice)
            return
        p.se.counter = (parent.counter + 1) >> 1
        parent.counter >>= 1
        if not parent.counter:
            core.resched_task(k, k.current)

    def sched_exit(self, k: Kernel, p: Task) -> None:
        """release_task in 2.4: what the child did not use goes back, up to a full counter."""
        parent = p.parent.se
        parent.counter = min(parent.counter + p.se.counter, nice_to_ticks(k, -20))

    def get_rr_interval(self, k: Kernel, p: Task) -> int:
        """A full counter in ticks; 0 for SCHED_FIFO."""
        if p.se.policy == SCHED_FIFO:
            return 0
        return nice_to_ticks(k, p.se.nice)
