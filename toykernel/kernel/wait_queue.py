"""Wait queues (kernel/sched/wait.c): who sleeps on something, and how that is told that it has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(eq=False)
class WaitQueueEntry:
    """wait_queue_entry: one sleeper on one queue; a task that waits for several things has several."""

    task: Task


@dataclass(eq=False)
class WaitCallback:
    """An entry whose function is not to wake a task but to pass on what happened (ep_poll_callback).

    `func(k, callback, key)` says whether it has woken somebody; an exclusive one then counts as one of
    those of whom a wake-up wakes only so many.
    """

    func: Callable[[Kernel, WaitCallback, Any], bool]
    data: Any
    exclusive: bool = False


@dataclass(eq=False)
class WaitQueue:
    """wait_queue_head_t: who sleeps on something, in the order they came; exclusive ones come last."""

    name: str
    entries: dict[WaitQueueEntry, None] = field(default_factory=dict)
    exclusive: dict[WaitQueueEntry, None] = field(default_factory=dict)
    callbacks: dict[WaitCallback, None] = field(default_factory=dict)


def _in_order(callbacks: dict[WaitCallback, None]) -> list[WaitCallback]:
    """The last that came is told first (add_wait_queue), but of exclusive ones the first."""
    shared = [one for one in callbacks if not one.exclusive]
    return [*reversed(shared), *(one for one in callbacks if one.exclusive)]


def wake_up(k: Kernel, queue: WaitQueue, *, nr_exclusive: int = 1, key: Any = None) -> None:
    """Make the tasks on a queue runnable, as __wake_up; each looks for itself whether it may go on.

    All that are not exclusive, and `nr_exclusive` of the others (0: all of them). A `key` says what
    happened to sleepers that do not get up for everything: POLL bits where a file's state changed, 0 for
    what no poll waits for.
    """
    for callback in _in_order(queue.callbacks) if queue.callbacks else ():
        if callback.func(k, callback, key) and callback.exclusive:
            nr_exclusive -= 1
            if not nr_exclusive:
                break
    for entry in list(queue.entries):
        if _wanted(k, entry.task, key):
            k.try_to_wake_up(entry.task)
    for entry in list(queue.exclusive):
        if _wanted(k, entry.task, key) and k.try_to_wake_up(entry.task):
            nr_exclusive -= 1
            if not nr_exclusive:
                return


def _wanted(k: Kernel, task: Task, key: Any) -> bool:
    wait = task.wait
    if key is None or wait is None or wait.wants is None:
        return True
    return wait.wants(k, task, key, *wait.args)
