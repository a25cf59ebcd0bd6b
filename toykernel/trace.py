"""Tracepoints: what the kernel tells of, and who listens.

The kernel calls a tracepoint, never a tracer: `if k.host.trace.tick: k.host.trace.tick.emit(task)`. The
truth test is all that it costs when nobody listens. A listener sees; it changes nothing in the guest.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, ParamSpec

from toykernel.errors import StopRun

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.task import Task

P = ParamSpec("P")


class Tracepoint(list[Callable[P, None]], Generic[P]):
    """Its listeners, called by `emit` in the order in which they registered.

    A listener that raises is a fault of the observer, not of the kernel: one line of `messages` says which
    it was, it hears nothing more of this tracepoint, and the run goes on. StopRun goes through.
    """

    def __init__(self, name: str, messages: list[str] | None = None) -> None:
        super().__init__()
        self.name = name
        self._messages = messages if messages is not None else []
        self._off: list[Callable[P, None]] = []

    def emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell every listener. Raises StopRun, which a listener raises on purpose."""
        for listener in tuple(self):
            try:
                listener(*args, **kwargs)
            except StopRun:
                raise
            except Exception as error:
                self._switch_off(listener, error)

    def remove(self, listener: Callable[P, None]) -> None:
        """Nothing more for this one; ValueError when it never listened."""
        if listener in self._off:
            self._off.remove(listener)
        else:
            super().remove(listener)

    @property
    def switched_off(self) -> tuple[Callable[P, None], ...]:
        """Listeners that hear nothing more, because they raised."""
        return tuple(self._off)

    def _switch_off(self, listener: Callable[P, None], error: Exception) -> None:
        if listener in self:
            super().remove(listener)
            self._off.append(listener)
        at = traceback.extract_tb(error.__traceback__)[-1]
        what = " ".join(f"{type(error).__name__}: {error}".split())
        self._messages.append(
            f"tracepoint {self.name}: listener {_name(listener)} is off after "
            f"{what} ({PurePath(at.filename).name}:{at.lineno})"
        )


def _name(listener: Callable[..., None]) -> str:
    """Module and qualified name; an object without one goes by its type's."""
    named: Any = listener if hasattr(listener, "__qualname__") else type(listener)
    return f"{named.__module__}.{named.__qualname__}"


class Tracepoints:
    """All tracepoints of one kernel; behind each what a listener gets."""

    sys_enter: Tracepoint[Task, int, list[int]]  # task, number, six arguments
    sys_exit: Tracepoint[Task, int, int]  # task, number, result as signed int
    fault: Tracepoint[Task, str, int, int | None, int | None]  # task, kind, address, old pfn, new
    page_fault: Tracepoint[Task, int, int, int]  # task, address, error code, eip
    #: The same for the kernel's own access to memory of the task: no CPU was there to fault.
    page_fault_kernel: Tracepoint[Task, int, int, int]
    set_pte: Tracepoint[MmStruct, int, int, int]  # mm, address, old entry, new entry
    #: The same for one entry or a range that was set in one go: (address, old entry, new entry) of each.
    set_ptes: Tracepoint[MmStruct, list[tuple[int, int, int]]]
    user_read: Tracepoint[
        Task, int, int
    ]  # task, address, size: the kernel reads there, in one page
    user_write: Tracepoint[Task, int, int]  # task, address, pfn: the kernel is about to write there
    move_pte: Tracepoint[MmStruct, int, int, int]  # mm, from, to, entry: mremap, before it does
    page_pin: Tracepoint[int, bool]  # pfn, whether it is held from now on
    page_free: Tracepoint[int, int]  # first pfn, order
    sched_switch: Tracepoint[Task, Task]  # previous, next
    sched_wakeup: Tracepoint[Task]
    sched_wakeup_new: Tracepoint[Task]  # its first
    tick: Tracepoint[Task]  # whom the tick found running
    process_fork: Tracepoint[Task, Task, int]  # parent, child, clone flags
    process_exec: Tracepoint[Task, str]  # task, path
    process_exit: Tracepoint[Task]
    release_task: Tracepoint[Task]
    signal_generate: Tracepoint[Task, int, dict[str, Any]]  # task, signal, siginfo
    signal_deliver: Tracepoint[Task, int, dict[str, Any]]
    coredump: Tracepoint[Task, int, dict[str, Any]]  # it dies of a signal whose default is a core
    signal_discard: Tracepoint[Task, int, dict[str, Any]]  # raised, and without effect
    proc_look: Tracepoint[[]]  # somebody looks into /proc, which tells of others
    gate: Tracepoint[Task, str]  # task, name of the kernel function
    to_user: Tracepoint[Task]  # a trap has been dealt with
    run_over: Tracepoint[
        []
    ]  # finished, everybody sleeps for ever, or the limit of a command is reached

    def __init__(self) -> None:
        #: What became of listeners, for people: no part of the guest or of its kernel.
        self.messages: list[str] = []
        for name in Tracepoints.__annotations__:
            setattr(self, name, Tracepoint(name, self.messages))

    def __iter__(self) -> Iterator[Tracepoint[...]]:
        """Every tracepoint, in the order in which they stand above."""
        return (getattr(self, name) for name in Tracepoints.__annotations__)
