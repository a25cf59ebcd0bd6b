"""Waiting, without a stack: a wait record says what a task sleeps on and how it goes on.

A kernel function that must wait returns a Wait. The task sleeps; when it has been woken and chosen
again, `resume(k, *args)` is called in its context and answers like the function itself: with a result,
an error, or another Wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toykernel.task import TASK_INTERRUPTIBLE

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass
class WaitQueue:
    """wait_queue_head_t: the tasks that sleep on something, in the order they came."""

    name: str
    tasks: list[Task] = field(default_factory=list)


@dataclass(frozen=True)
class Wait:
    """`reason` is for people: what a task that sleeps for ever sleeps on."""

    queue: WaitQueue
    resume: Callable[..., int | Wait]
    args: tuple[Any, ...]
    reason: str
    state: int = TASK_INTERRUPTIBLE


Result = int | Wait


@dataclass
class Completion:
    """struct completion: something that happens once, and who waits for it."""

    wait: WaitQueue
    done: bool = False


def complete(k: Kernel, x: Completion) -> None:
    """It has happened."""
    x.done = True
    wake_up(k, x.wait)


def prepare_to_wait(task: Task, wait: Wait) -> None:
    """Put a task to sleep on a queue; the caller schedules."""
    task.wait = wait
    task.state = wait.state
    wait.queue.tasks.append(task)


def finish_wait(task: Task) -> Wait:
    """Take a woken task off its queue; its record."""
    wait = task.wait
    assert wait is not None
    task.wait = None
    if task in wait.queue.tasks:
        wait.queue.tasks.remove(task)
    return wait


def wake_up(k: Kernel, queue: WaitQueue) -> None:
    """Make every task on a queue runnable; each looks for itself whether it may go on."""
    for task in list(queue.tasks):
        k.try_to_wake_up(task)


def child_queue(_k: Kernel, task: Task) -> WaitQueue:
    """wait_chldexit: where the threads of a group wait for their children."""
    signal = task.signal
    if signal.wait_chldexit is None:
        signal.wait_chldexit = WaitQueue(f"children of {task.tgid}")
    return signal.wait_chldexit


def _not_resumed(_k: Kernel) -> Result:
    raise AssertionError("who only schedules is not resumed")


#: What a function answers that does not return to its caller: the gate schedules.
SCHEDULE = Wait(WaitQueue("nothing"), _not_resumed, (), "schedule")


def never_return(k: Kernel) -> Wait:
    """The answer of a function whose caller is not coming back."""
    k.current.syscall = None
    return SCHEDULE
