"""The idle task: what runs when nobody else does (kernel/sched_idletask.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toykernel.kernel.sched import core
from toykernel.kernel.timer import program_timer
from toykernel.state import Outcome, OutcomeKind

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def describe_sleepers(k: Kernel, holders: Mapping[Task, str]) -> str:
    """What each task but init sleeps on; who holds it, where somebody knows (`holders`, by sleeper)."""
    return ", ".join(
        f"{t.pid} ({t.comm}) in {t.wait.reason}" + (f", {holders[t]}" if t in holders else "")
        for t in k.processes.tasks
        if t.pid > 1 and t.wait is not None
    )


def nothing_runnable(k: Kernel) -> None:
    """The idle task is to run: only a timer can wake anybody. Without one the run is over."""
    if k.time.timers:
        program_timer(k, idle=True)
    else:
        k.outcome = Outcome(OutcomeKind.DEADLOCK, detail=describe_sleepers(k, {}))


class IdleClass:
    """Its one task is never queued and never sleeps."""

    name = "idle"

    def update_curr(self, k: Kernel) -> None:
        """Idle time is nobody's."""

    def enqueue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """The idle task is always there."""
        raise AssertionError("the idle task is not queued")

    def dequeue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """It cannot go away."""
        raise AssertionError("the idle task cannot sleep")

    def yield_task(self, k: Kernel) -> None:
        """Idle gives way to nobody: whoever can run has preempted it already."""

    def check_preempt_curr(self, k: Kernel, p: Task, flags: int) -> None:
        """Everybody is better."""
        core.resched_task(k, k.current)

    def pick_next_task(self, k: Kernel) -> Task | None:
        """Always; and nobody else has anything to do."""
        nothing_runnable(k)
        return k.sched.idle

    def put_prev_task(self, k: Kernel, p: Task) -> None:
        """Nothing to keep."""

    def set_curr_task(self, k: Kernel) -> None:
        """Nothing to keep."""

    def task_tick(self, k: Kernel, p: Task) -> None:
        """It has no slice."""

    def task_fork(self, k: Kernel, p: Task) -> None:
        """Boot's own forks start with an empty record."""

    def sched_exit(self, k: Kernel, p: Task) -> None:
        """It never ends."""

    def get_rr_interval(self, k: Kernel, p: Task) -> int:
        """0: it has no slice."""
        return 0
