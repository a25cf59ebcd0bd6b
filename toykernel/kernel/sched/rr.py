"""Round robin: every task gets the same slice, in turn, at the tail of one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.sched import core

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task

#: 100 ms at 100 Hz, Linux's RR_TIMESLICE.
RR_TIMESLICE = 10


class RoundRobin:
    """The queue holds every runnable task, the running one included."""

    def __init__(self) -> None:
        self.queue: dict[int, Task] = {}  # by pid, in turn

    def enqueue_task(self, k: Kernel, task: Task) -> None:
        """To the tail."""
        self.queue[task.pid] = task

    def dequeue_task(self, k: Kernel, task: Task) -> None:
        """Out."""
        del self.queue[task.pid]

    def put_prev_task(self, k: Kernel, task: Task) -> None:
        """Still runnable when another choice is made: to the tail when its slice is over."""
        if task.time_slice <= 0:
            task.time_slice = RR_TIMESLICE
            self._to_tail(task)

    def _to_tail(self, task: Task) -> None:
        del self.queue[task.pid]
        self.queue[task.pid] = task

    def pick_next_task(self, k: Kernel) -> Task | None:
        """The head."""
        return next(iter(self.queue.values()), None)

    def task_fork(self, k: Kernel, task: Task) -> None:
        """A full slice."""
        task.time_slice = RR_TIMESLICE

    def task_tick(self, k: Kernel, task: Task) -> None:
        """Count the slice down; at its end ask for a new choice, if there is one."""
        task.time_slice -= 1
        if task.time_slice <= 0 and len(self.queue) > 1:
            core.set_need_resched(k, task)

    def yield_task(self, k: Kernel, task: Task) -> None:
        """sched_yield: to the tail, slice or no slice."""
        self._to_tail(task)

    def preempts(self, k: Kernel, woken: Task, current: Task) -> bool:
        """A woken task waits for its turn."""
        return False
