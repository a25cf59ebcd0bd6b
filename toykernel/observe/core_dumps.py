"""Core files of processes that die of a signal whose default is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.collector import Collector
from toykernel.look.elf_core import elf_core

if TYPE_CHECKING:
    from toykernel.kernel.siginfo import Siginfo
    from toykernel.state import Kernel
    from toykernel.task import Task


class CoreDumps(Collector):
    """Listens to one kernel; `write(pid, data)` gets each core file, once, whatever is run again."""

    def __init__(self, k: Kernel, write: Callable[[int, bytes], None]) -> None:
        self._k, self._write = k, write
        self._done: set[tuple[int, int]] = set()  # pid, birth
        k.host.trace.coredump.append(self._on_coredump)

    def _on_coredump(self, task: Task, sig: int, info: Siginfo) -> None:
        who = (task.tgid, task.group_leader.start_time)
        if who not in self._done:
            self._done.add(who)
            self._write(task.tgid, elf_core(self._k, task, sig, info))
