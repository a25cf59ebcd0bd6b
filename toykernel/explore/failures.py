"""Allocations that fail because a schedule says so: `explore --faults`, and `run --schedule` behind it.

Counted are the allocations of system calls, from one choice to the next. A move is a choice of an
exploration as one number: a pid, and above its bits which of these allocations fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toykernel.collector import Collector
from toykernel.errno import ENOMEM, Errno
from toykernel.syscall_table import SYSCALLS

if TYPE_CHECKING:
    from toykernel.kernel.sched.runqueue import Choice
    from toykernel.state import Kernel

_PID_BITS = 32
_PID = (1 << _PID_BITS) - 1


def make_move(pid: int, fail: int) -> int:
    """`fail`: which allocation, from 1; 0: none."""
    return fail << _PID_BITS | pid


def pid_of(move: int) -> int:
    """Who goes on."""
    return move & _PID


def fail_of(move: int) -> int:
    """Which allocation fails; 0: none."""
    return move >> _PID_BITS


def move_of(choice: Choice) -> int:
    """A choice as a move."""
    return make_move(choice.run, choice.fail)


def move_text(move: int) -> str:
    """`time`, `3`, and `3!2` where the second allocation of pid 3's step fails."""
    text = str(pid_of(move)) if move else "time"
    return f"{text}!{fail_of(move)}" if fail_of(move) else text


class Failures(Collector):
    """Is asked before each allocation of one kernel, whose scheduler is told what to do."""

    collected: ClassVar[tuple[str, ...]] = ("failed",)

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.failed: list[str] = []  # in words
        k.host.may_fail = self

    def __call__(self, what: str) -> None:
        """Raises Errno for the one that is to fail."""
        told, task = self._k.sched.rq.told, self._k.current
        if told is None or not told.started or task.syscall is None:
            return
        told.allocations += 1
        if told.allocations == told.fails:
            told.faults = max(told.faults - 1, 0)
            self.failed.append(f"{what} in {_name(task.syscall)} of {task.pid}")
            raise Errno(ENOMEM)


def _name(number: int) -> str:
    return SYSCALLS[number].name if 0 <= number < len(SYSCALLS) else f"call {number}"
