"""Waiting, without a stack: a wait record says what a task sleeps on and how it goes on.

A kernel function that must wait returns a Wait. The task sleeps; when it has been woken and chosen
again, `resume(k, *args)` is called in its context and answers like the function itself: with a result,
an error, or another Wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.errno import Errno
from toykernel.fs.file import fput, get_file
from toykernel.kernel.signal import recalc_sigpending
from toykernel.kernel.timer import HrTimer, hrtimer_cancel, hrtimer_start
from toykernel.kernel.wait_queue import WaitCallback, WaitQueue, WaitQueueEntry, wake_up
from toykernel.task import TASK_INTERRUPTIBLE

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel
    from toykernel.task import Task


__all__ = [
    "SCHEDULE",
    "Completion",
    "Result",
    "Wait",
    "WaitCallback",
    "WaitQueue",
    "WaitQueueEntry",
    "child_queue",
    "complete",
    "finish_wait",
    "never_return",
    "prepare_to_wait",
    "wake_sleeper",
    "wake_up",
]


@dataclass(eq=False)
class Wait:
    """What a task sleeps on, and how it goes on.

    It is woken by any of `queues`, by a signal that `state` lets through, or at `deadline`
    (CLOCK_MONOTONIC in ns), where there is one. With a deadline `resume` gets one more argument, the last:
    whether the time was up.

    An exclusive waiter is one of those of whom a wake-up wakes only so many. `holds` are the open files
    that stay open until `resume` has answered, whoever closes their descriptors in the meantime.
    `wants(k, task, key, *args)` says whether a wake-up that names what happened (`key`) is worth getting
    up for. `reason` is for people: what a task that sleeps for ever sleeps on.
    """

    queues: tuple[WaitQueue, ...]
    resume: Callable[..., int | Wait]
    args: tuple[Any, ...]
    reason: str
    state: int = TASK_INTERRUPTIBLE
    deadline: int | None = None
    exclusive: bool = False
    holds: tuple[File, ...] = ()
    wants: Callable[..., bool] | None = None
    # While the task sleeps: its place on each queue, and what wakes it at the deadline.
    entries: tuple[WaitQueueEntry, ...] = field(default=(), init=False)
    timer: HrTimer | None = field(default=None, init=False)


Result = int | Wait

#: What a function answers that does not return to its caller: the gate only schedules.
SCHEDULE = Wait((), lambda: 0, (), "schedule")


@dataclass
class Completion:
    """struct completion: something that happens once, and who waits for it."""

    wait: WaitQueue
    done: bool = False


def complete(k: Kernel, x: Completion) -> None:
    """It has happened: everybody who waits for it is woken, and whoever asks later does not sleep."""
    x.done = True
    wake_up(k, x.wait)


# -- the sleeper -----------------------------------------------------------------------------------


def prepare_to_wait(k: Kernel, task: Task, wait: Wait) -> None:
    """Put the current task to sleep on every queue of `wait`; the caller schedules."""
    if wait is SCHEDULE:
        return
    task.wait = wait
    task.state = wait.state
    recalc_sigpending(k, task)  # what woke it before may have been taken back
    wait.entries = tuple(WaitQueueEntry(task) for _ in wait.queues)
    for queue, entry in zip(wait.queues, wait.entries, strict=True):
        (queue.exclusive if wait.exclusive else queue.entries)[entry] = None
    for file in wait.holds:
        get_file(file)
    if wait.deadline is not None:
        wait.timer = hrtimer_start(k, wait.deadline, wake_sleeper, task)


def wake_sleeper(k: Kernel, timer: HrTimer) -> None:
    """The function of a deadline's timer: wakes the task that is its data."""
    k.try_to_wake_up(timer.data)


def finish_wait(k: Kernel, task: Task) -> Result:
    """The woken task leaves its queues and goes on; when it is to sleep again, it does already.

    The files of the old wait are let go of only when the new one, if there is one, has them.
    """
    wait = task.wait
    assert wait is not None
    for queue, entry in zip(wait.queues, wait.entries, strict=True):
        del (queue.exclusive if wait.exclusive else queue.entries)[entry]
    late: tuple[bool, ...] = ()
    if wait.timer is not None:
        late = (not hrtimer_cancel(k, wait.timer),)
    task.wait = None
    try:
        result = wait.resume(k, *wait.args, *late)
    except Errno as error:
        result = -error.number
    if isinstance(result, Wait):
        prepare_to_wait(k, task, result)
    for file in wait.holds:
        fput(k, file)
    return result


def child_queue(_k: Kernel, task: Task) -> WaitQueue:
    """wait_chldexit: where the threads of a group wait for their children."""
    signal = task.signal
    if signal.wait_chldexit is None:
        signal.wait_chldexit = WaitQueue(f"children of {task.tgid}")
    return signal.wait_chldexit


def never_return(k: Kernel) -> Wait:
    """The answer of a function whose caller is not coming back."""
    k.current.syscall = None
    return SCHEDULE
