"""What a run is counted by: the figures of the report."""

from __future__ import annotations

from dataclasses import dataclass, field

from toykernel.errno import is_error
from toykernel.errno import name as errno_name
from toykernel.syscall_table import name_of
from toykernel.task import FAULT_KINDS, Task


@dataclass(frozen=True)
class TaskRecord:
    """One task's figures, from its last exec on. `exit_code` is the wait status; None while alive."""

    pid: int
    ppid: int
    tgid: int
    comm: str
    exit_code: int | None
    cycles: int
    instructions: int
    faults: dict[str, int]
    order: int

    @classmethod
    def of(cls, task: Task, exit_code: int | None) -> TaskRecord:
        """Take the figures of a task."""
        return cls(
            task.pid,
            task.real_parent.tgid,
            task.tgid,
            task.comm,
            exit_code,
            task.stats.cycles,
            task.stats.instructions,
            dict(task.stats.faults),
            task.start_time,
        )


@dataclass
class RunStats:
    """Counts over all tasks but init, from the program's exec on."""

    started: bool = False
    forks: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("fork", "vfork", "clone"), 0)
    )
    failed: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULT_KINDS, 0))
    syscalls: dict[int, list[int]] = field(default_factory=dict)  # number -> calls, errors
    dead: list[TaskRecord] = field(default_factory=list)

    def count_fault(self, task: Task, kind: str) -> None:
        """One fault."""
        if task.pid > 1:
            self.faults[kind] += 1

    def count_fork(self, task: Task, kind: str) -> None:
        """One child made."""
        if task.pid > 1:
            self.forks[kind] += 1

    def count_failed_fork(self, task: Task, number: int) -> None:
        """One child refused."""
        if task.pid > 1:
            name = errno_name(number)
            self.failed[name] = self.failed.get(name, 0) + 1

    def count_syscall(self, task: Task, number: int, result: int) -> None:
        """One call that returned."""
        if task.pid <= 1:
            return
        counts = self.syscalls.get(number)
        if counts is None:
            counts = self.syscalls[number] = [0, 0]
        counts[0] += 1
        if is_error(result):
            counts[1] += 1

    def syscalls_by_name(self) -> dict[str, tuple[int, int]]:
        """(calls, errors) by the call's name."""
        named = sorted((name_of(number), counts) for number, counts in self.syscalls.items())
        return {name: (calls, errors) for name, (calls, errors) in named}
