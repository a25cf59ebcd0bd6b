"""Process numbers (kernel/pid.c; fork-path L1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EAGAIN, Errno

if TYPE_CHECKING:
    from toykernel.task import Task

PID_MAX_DEFAULT = 32768
RESERVED_PIDS = 300


class PidMap:
    """Numbers in use, the last one given, and the task of each."""

    def __init__(self, pid_max: int = PID_MAX_DEFAULT) -> None:
        self.pid_max = pid_max
        self.last = 0
        self._used: dict[int, int] = {}  # number -> how many use it
        self.tasks: dict[int, Task] = {}

    def alloc(self) -> int:
        """The next number; wraps from pid_max to 300, skipping those in use. Raises Errno(EAGAIN)."""
        pid = self.last + 1
        for _ in range(self.pid_max):
            if pid >= self.pid_max:
                pid = min(RESERVED_PIDS, self.pid_max - 1)
            if pid not in self._used:
                self.last = pid
                self._used[pid] = 1
                return pid
            pid += 1
        raise Errno(EAGAIN)

    def free(self, pid: int) -> None:
        """Give one use of a number back."""
        self._used[pid] -= 1
        if not self._used[pid]:
            del self._used[pid]

    def in_use(self) -> int:
        """How many numbers are taken."""
        return len(self._used)
