"""CPU time of tasks and thread groups (kernel/posix-cpu-timers.c, kernel/sys.c).

The scheduler knows to the nanosecond how long a task has run; ticks say how much of it was user time, as
on a kernel with tick accounting.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from toykernel.errno import EINVAL, Errno
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.sched import core
from toykernel.kernel.timekeeping import (
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    pack_timeval,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_BOTH, RUSAGE_THREAD = 0, -1, -2, 1


def task_sched_runtime(k: Kernel, task: Task) -> int:
    """ns that a task has run, the present turn included."""
    if task is k.current:
        core.update_curr(k)
    return task.se.sum_exec_runtime


class CpuTimes(Protocol):
    """What was last told of a thread or of a group, ns."""

    prev_utime: int
    prev_stime: int


def split(told: CpuTimes, runtime: int, user_ticks: int, system_ticks: int) -> tuple[int, int]:
    """User and system ns of a run time, in proportion to the ticks; all user without any tick.

    A tick changes the proportion; neither part becomes less than was told before.
    """
    total = user_ticks + system_ticks
    user = runtime * user_ticks // total if total else runtime
    told.prev_utime = max(told.prev_utime, min(user, runtime - told.prev_stime))
    told.prev_stime = runtime - told.prev_utime
    return told.prev_utime, told.prev_stime


def task_times(k: Kernel, task: Task) -> tuple[int, int]:
    """User and system ns of one task."""
    return split(task.se, task_sched_runtime(k, task), task.utime_ticks, task.stime_ticks)


def threads(task: Task) -> list[Task]:
    """The group's threads that are not released; a task without a list is alone."""
    return task.signal.threads or [task]


def group_times(k: Kernel, task: Task) -> tuple[int, int]:
    """User and system ns of a thread group, the threads that have ended included."""
    signal = task.signal
    runtime, user, system = signal.sum_sched_runtime, signal.utime, signal.stime
    for t in threads(task):
        runtime += task_sched_runtime(k, t)
        user += t.utime_ticks
        system += t.stime_ticks
    return split(signal, runtime, user, system)


def children_times(k: Kernel, task: Task) -> tuple[int, int]:
    """User and system ns of the children that the group has waited for, and of theirs."""
    return task.signal.cutime, task.signal.cstime


def account_child(k: Kernel, p: Task) -> None:
    """A child is waited for: its figures and its own children's become the caller's (wait_task_zombie)."""
    group, dead = k.current.signal, p.signal
    user, system = group_times(k, p)
    group.cutime += user + dead.cutime
    group.cstime += system + dead.cstime
    group.cmaxrss = max(group.cmaxrss, dead.maxrss, dead.cmaxrss)
    group.cmin_flt += dead.min_flt + dead.cmin_flt
    group.cnvcsw += dead.nvcsw + dead.cnvcsw
    group.cnivcsw += dead.nivcsw + dead.cnivcsw
    for t in threads(p):
        group.cmin_flt += t.min_flt
        group.cnvcsw += t.se.nvcsw
        group.cnivcsw += t.se.nivcsw


def cpu_clock_task(k: Kernel, clock: int) -> tuple[Task, bool]:
    """Whose time a CPU clock shows, and whether it is the thread's alone. Raises Errno(EINVAL).

    Beside the two that have names: ~pid << 3, plus 4 for a thread, plus the kind.
    """
    if clock == CLOCK_PROCESS_CPUTIME_ID:
        return k.current.group_leader, False
    if clock == CLOCK_THREAD_CPUTIME_ID:
        return k.current, True
    pid, alone = ~(clock >> 3), bool(clock & 4)
    own = k.current if alone else k.current.group_leader
    task = find_task_by_vpid(k, pid) if pid else own
    if task is None or clock & 3 == 3:
        raise Errno(EINVAL)
    allowed = task.signal is k.current.signal if alone else task is task.group_leader
    if not allowed:
        raise Errno(EINVAL)
    return task, alone


def cpu_clock_read(k: Kernel, task: Task, alone: bool) -> int:
    """ns that a thread (`alone`) or its group has run."""
    return task_sched_runtime(k, task) if alone else group_runtime(k, task)


def group_runtime(k: Kernel, task: Task) -> int:
    """ns that a thread group has run."""
    return sum(group_times(k, task))


def _maxrss(task: Task, who: int) -> int:
    """The most pages that the group, or a child that was waited for, ever had."""
    signal, pages = task.signal, 0
    if who != RUSAGE_CHILDREN:
        pages = max(signal.maxrss, task.mm.hiwater_rss if task.mm is not None else 0)
    if who in (RUSAGE_CHILDREN, RUSAGE_BOTH):
        pages = max(pages, signal.cmaxrss)
    return pages


def pack_rusage(k: Kernel, task: Task, who: int) -> bytes:
    """struct rusage of a thread, of its group, of the group's dead children, or of both."""
    signal = task.signal
    user = system = faults = voluntary = involuntary = 0
    if who in (RUSAGE_CHILDREN, RUSAGE_BOTH):
        user, system = children_times(k, task)
        faults, voluntary, involuntary = signal.cmin_flt, signal.cnvcsw, signal.cnivcsw
    if who != RUSAGE_CHILDREN:
        alone = who == RUSAGE_THREAD
        times = task_times(k, task) if alone else group_times(k, task)
        user, system = user + times[0], system + times[1]
        if not alone:  # threads that are gone
            faults += signal.min_flt
            voluntary += signal.nvcsw
            involuntary += signal.nivcsw
        for t in (task,) if alone else threads(task):
            faults += t.min_flt
            voluntary += t.se.nvcsw
            involuntary += t.se.nivcsw
    words = [0] * 14
    words[0] = _maxrss(task, who) << 2  # ru_maxrss, in KiB
    words[4] = faults  # ru_minflt: nothing here is ever read from a disk
    words[12], words[13] = voluntary, involuntary
    return pack_timeval(user) + pack_timeval(system) + struct.pack("<14I", *words)
