"""What a scheduling class must be able to do (struct sched_class).

A class has no state of its own: it works on the run queue and on the tasks' entities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

ENQUEUE_WAKEUP = 1
DEQUEUE_SLEEP = 1
WF_FORK = 2


class SchedClass(Protocol):
    """Called by core.py only, with the clock of the run queue up to date."""

    name: str

    def enqueue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """`p` has become runnable."""

    def dequeue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """`p` is not runnable any more."""

    def yield_task(self, k: Kernel) -> None:
        """The running task gives its turn away."""

    def check_preempt_curr(self, k: Kernel, p: Task, flags: int) -> None:
        """`p`, of the running task's class, was woken: ask for a new choice if it is better."""

    def pick_next_task(self, k: Kernel) -> Task | None:
        """The best task of this class."""

    def put_prev_task(self, k: Kernel, p: Task) -> None:
        """The task that ran is about to be compared with the others."""

    def set_curr_task(self, k: Kernel) -> None:
        """The running task has come into this class while it runs."""

    def task_tick(self, k: Kernel, p: Task) -> None:
        """A timer interrupt while `p` runs."""

    def task_fork(self, k: Kernel, p: Task) -> None:
        """`p` is being made by the running task."""

    def sched_exit(self, k: Kernel, p: Task) -> None:
        """`p` is released: what it had not used may go back to its parent."""

    def update_curr(self, k: Kernel) -> None:
        """Charge the running task for the time since it was last charged."""

    def get_rr_interval(self, k: Kernel, p: Task) -> int:
        """The time slice of `p` in ticks; 0 when it has none."""
