"""What a run is counted by: the figures of the report."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.process import account
from toykernel.collector import Collector
from toykernel.errno import is_error
from toykernel.errno import name as errno_name
from toykernel.kernel.clone_flags import CLONE_VFORK, CSIGNAL
from toykernel.look.program import PROGRAM_PID
from toykernel.syscall_table import BY_NAME, name_of
from toykernel.task import FAULT_KINDS, Task

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: Records of dead tasks that are kept, the last ones; of the others there are totals.
KEPT = 10_000
_FORKS = frozenset(BY_NAME[name].number for name in ("fork", "vfork", "clone"))


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
        """The figures of a task as they are now."""
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


class RunStats(Collector):
    """Listens, and counts over all tasks but init, from the program's exec on."""

    collected = ("program_status", "started", "forks", "failed", "faults", "syscalls", "left_out")
    shared = ("dead",)

    def __init__(self, k: Kernel) -> None:
        self._k = k
        #: The program's wait status; None while it lives.
        self.program_status: int | None = None
        self.started = False  # the program has been executed
        self._reset()
        trace = k.host.trace
        trace.fault.append(self._on_fault)
        trace.sys_exit.append(self._on_sys_exit)
        trace.process_fork.append(self._on_fork)
        trace.process_exec.append(self._on_exec)
        trace.release_task.append(self._on_release)

    def _reset(self) -> None:
        self.forks = dict.fromkeys(("fork", "vfork", "clone"), 0)
        self.failed: dict[str, int] = {}  # forks that were refused, by the error's name
        self.faults = dict.fromkeys(FAULT_KINDS, 0)
        self.syscalls: dict[int, list[int]] = {}  # number -> calls, errors
        self.dead: deque[TaskRecord] = deque(maxlen=KEPT)
        #: Totals over the dead tasks that `dead` has no room for.
        self.left_out = dict.fromkeys(("tasks", "cycles", "instructions", *FAULT_KINDS), 0)

    def start_over(self) -> None:
        """Nothing counted: the program has not exec'd yet."""
        self.program_status, self.started = None, False
        self._reset()

    def _on_exec(self, task: Task, _path: str) -> None:
        if task.pid == PROGRAM_PID and not self.started:
            self._reset()  # what init did for it is not its doing
            self.started = True

    def _on_fault(
        self, task: Task, kind: str, _address: int, _old: int | None, _new: int | None
    ) -> None:
        if task.pid > 1:
            self.faults[kind] += 1

    def _on_fork(self, parent: Task, _child: Task, flags: int) -> None:
        if parent.pid > 1:
            self.forks[_fork_kind(flags)] += 1

    def _on_sys_exit(self, task: Task, number: int, result: int) -> None:
        if task.pid <= 1:
            return
        counts = self.syscalls.get(number)
        if counts is None:
            counts = self.syscalls[number] = [0, 0]
        counts[0] += 1
        if result < 0 and is_error(result):
            counts[1] += 1
            if number in _FORKS:
                name = errno_name(-result)
                self.failed[name] = self.failed.get(name, 0) + 1

    def _on_release(self, task: Task) -> None:
        if task.pid == PROGRAM_PID:
            self.program_status = task.exit_code
        if len(self.dead) == self.dead.maxlen:
            oldest = self.dead[0]
            totals = {"tasks": 1, "cycles": oldest.cycles, "instructions": oldest.instructions}
            for name, value in {**totals, **oldest.faults}.items():
                self.left_out[name] += value
        self.dead.append(TaskRecord.of(task, task.exit_code))

    def syscalls_by_name(self) -> dict[str, tuple[int, int]]:
        """(calls, errors) by the call's name."""
        named = sorted((name_of(number), counts) for number, counts in self.syscalls.items())
        return {name: (calls, errors) for name, (calls, errors) in named}

    def task_records(self) -> list[TaskRecord]:
        """Figures of every task but idle and init, dead (the last KEPT of them) or alive, in order of pid."""
        account(self._k, self._k.current)
        alive = [TaskRecord.of(t, None) for t in self._k.processes.tasks if t.pid > 1]
        return sorted([*self.dead, *alive], key=lambda record: (record.pid, record.order))


def _fork_kind(flags: int) -> str:
    if flags & CLONE_VFORK:
        return "vfork"
    return "fork" if not flags & ~CSIGNAL else "clone"
