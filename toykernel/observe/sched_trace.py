"""`--trace sched`: the scheduler's trace events as the kernel itself prints them (trace-cmd, ftrace).

    COMM-PID [CPU] SECONDS.MICROSECONDS: EVENT: NAME=VALUE...

Times are those of the machine's clock. Programs that read such text, trace viewers among them, read this.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from toykernel.collector import Collector
from toykernel.kernel.timekeeping import ktime_get
from toykernel.state import Kernel
from toykernel.task import STATE_LETTERS, TASK_RUNNING, Task

HEADER = (
    "# tracer: nop\n"
    "#\n"
    "#           TASK-PID    CPU#    TIMESTAMP  FUNCTION\n"
    "#              | |       |          |         |\n"
)


def state_text(task: Task) -> str:
    """The state in which a task is switched away from: R when it only lost its turn, x when it ended."""
    if task.exit_state:
        return "x"
    return STATE_LETTERS[task.state] if task.state != TASK_RUNNING else "R"


def trace_line(k: Kernel, task: Task, event: str, fields: str) -> bytes:
    """An event of a task, now."""
    seconds, ns = divmod(ktime_get(k), 1_000_000_000)
    comm = task.comm if task.pid else "<idle>"
    head = f"{comm:>16}-{task.pid:<5} [000] {seconds:5}.{ns // 1000:06}: "
    return f"{head}{event}: {fields}\n".encode(errors="surrogateescape")


class SchedTrace(Collector):
    """Listens to a kernel; `write` takes whole lines as bytes."""

    def __init__(self, k: Kernel, write: Callable[[bytes], None], *, header: bool = True) -> None:
        self._k = k
        self._write = write
        if header:
            write(HEADER.encode())
        trace = k.host.trace
        trace.sched_switch.append(self._switch)
        trace.sched_wakeup.append(partial(self._wakeup, "sched_wakeup"))
        trace.sched_wakeup_new.append(partial(self._wakeup, "sched_wakeup_new"))
        trace.process_fork.append(self._fork)
        trace.process_exec.append(self._exec)
        trace.process_exit.append(partial(self._ended, "sched_process_exit"))
        trace.release_task.append(partial(self._ended, "sched_process_free"))

    def _line(self, event: str, task: Task, **fields: Any) -> None:
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        self._write(trace_line(self._k, task, event, words))

    def _switch(self, prev: Task, chosen: Task) -> None:
        self._line(
            "sched_switch",
            prev,
            prev_comm=prev.comm,
            prev_pid=prev.pid,
            prev_prio=prev.se.prio,
            prev_state=f"{state_text(prev)} ==>",
            next_comm=chosen.comm,
            next_pid=chosen.pid,
            next_prio=chosen.se.prio,
        )

    def _wakeup(self, event: str, task: Task) -> None:
        self._line(
            event,
            self._k.current,
            comm=task.comm,
            pid=task.pid,
            prio=task.se.prio,
            success=1,
            target_cpu="000",
        )

    def _fork(self, parent: Task, child: Task, _flags: int) -> None:
        self._line(
            "sched_process_fork",
            parent,
            comm=parent.comm,
            pid=parent.pid,
            child_comm=child.comm,
            child_pid=child.pid,
        )

    def _exec(self, task: Task, path: str) -> None:
        self._line("sched_process_exec", task, filename=path, pid=task.pid, old_pid=task.pid)

    def _ended(self, event: str, task: Task) -> None:
        self._line(event, self._k.current, comm=task.comm, pid=task.pid, prio=task.se.prio)
