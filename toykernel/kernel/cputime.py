"""CPU time of tasks and thread groups (kernel/posix-cpu-timers.c, kernel/sys.c).

The scheduler knows to the nanosecond how long a task has run; ticks say how much of it was user time, as
on a kernel with tick accounting.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.kernel.sched import core
from toykernel.kernel.timekeeping import pack_timeval

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task


def task_sched_runtime(k: Kernel, task: Task) -> int:
    """ns that a task has run."""
    if task is k.current:
        core.update_curr(k)
    return task.se.sum_exec_runtime


def split(runtime: int, user_ticks: int, system_ticks: int) -> tuple[int, int]:
    """User and system ns of a run time, in proportion to the ticks; all user without any tick."""
    total = user_ticks + system_ticks
    user = runtime * user_ticks // total if total else runtime
    return user, runtime - user


def task_times(k: Kernel, task: Task) -> tuple[int, int]:
    """User and system ns of one task."""
    return split(task_sched_runtime(k, task), task.utime_ticks, task.stime_ticks)


def threads(task: Task) -> list[Task]:
    """The group's threads that are not gone."""
    return task.signal.threads or [task]


def group_times(k: Kernel, task: Task) -> tuple[int, int]:
    """User and system ns of a thread group, the threads that have ended included."""
    members = threads(task)
    signal = task.signal
    runtime = signal.sum_sched_runtime + sum(task_sched_runtime(k, t) for t in members)
    user = signal.utime + sum(t.utime_ticks for t in members)
    return split(runtime, user, signal.stime + sum(t.stime_ticks for t in members))


def children_times(k: Kernel, task: Task) -> tuple[int, int]:
    """User and system ns of the group's dead children: their ticks."""
    tick = core.tick_ns(k)
    return task.signal.cutime * tick, task.signal.cstime * tick


def group_runtime(k: Kernel, task: Task) -> int:
    """ns that a thread group has run."""
    return sum(group_times(k, task))


def _rusage(times: tuple[int, int], faults: int, switches: tuple[int, int]) -> bytes:
    words = [0] * 14
    words[4] = faults  # ru_minflt: nothing here is ever read from a disk
    words[12], words[13] = switches
    return pack_timeval(times[0]) + pack_timeval(times[1]) + struct.pack("<14I", *words)


def pack_rusage(k: Kernel, task: Task, who: int) -> bytes:
    """struct rusage: 0 the group's, -1 its dead children's, 1 the thread's own."""
    signal = task.signal
    if who == -1:
        return _rusage(children_times(k, task), signal.cmin_flt, (0, 0))
    members = [task] if who == 1 else threads(task)
    times = task_times(k, task) if who == 1 else group_times(k, task)
    faults = sum(sum(t.stats.faults.values()) for t in members)
    if who == 0:
        faults += signal.min_flt
    switches = (sum(t.se.nvcsw for t in members), sum(t.se.nivcsw for t in members))
    return _rusage(times, faults, switches)
