"""The scheduler's system calls (kernel/sched.c, kernel/sys.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EACCES, EINVAL, EPERM, ESRCH, Errno
from toykernel.kernel.cred import CAP_SYS_NICE, capable
from toykernel.kernel.pid import find_task_by_vpid, global_pid
from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import (
    MAX_NICE,
    MAX_USER_RT_PRIO,
    MIN_NICE,
    POLICY_NAMES,
    SCHED_BATCH,
    SCHED_FIFO,
    SCHED_IDLE,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
    rt_policy,
)
from toykernel.kernel.sched.rt import def_timeslice
from toykernel.kernel.signal_types import RLIMIT_NICE, RLIMIT_RTPRIO
from toykernel.kernel.timekeeping import pack_timespec
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

PRIO_PROCESS, PRIO_PGRP, PRIO_USER = 0, 1, 2
_NR_CPUS = 1


@syscall(158)
def sys_sched_yield(k: Kernel) -> int:
    """sched_yield: give the turn away, as the task's class has it; always 0."""
    core.update_rq_clock(k)
    core.class_of(k, k.current).yield_task(k)
    core.resched_task(k, k.current)
    return 0


def find_process_by_pid(k: Kernel, pid: int) -> Task:
    """0 is the caller. Raises Errno(ESRCH)."""
    task = find_task_by_vpid(k, pid) if pid else k.current
    if task is None:
        raise Errno(ESRCH)
    return task


@syscall(34, "inc:int")
def sys_nice(k: Kernel, increment: int) -> int:
    """nice: change one's own level by so much, within -20 to 19. 0, or EPERM beyond RLIMIT_NICE."""
    increment = max(-40, min(40, increment))
    task = k.current
    nice = max(MIN_NICE, min(MAX_NICE, task.se.nice + increment))
    if increment < 0 and not can_nice(k, task, nice):
        raise Errno(EPERM)
    core.set_user_nice(k, task, nice)
    return 0


def can_nice(k: Kernel, task: Task, nice: int) -> bool:
    """Whether the caller may give a task have this level: RLIMIT_NICE counts 1 to 40 for 19 to -20."""
    return capable(k, CAP_SYS_NICE) or 20 - nice <= task.signal.rlim[RLIMIT_NICE][0]


def _priority_targets(k: Kernel, which: int, who: int) -> list[Task]:
    """The tasks that getpriority and setpriority are about, perhaps none.

    Raises Errno(EINVAL) for `which`.
    """
    if which == PRIO_PROCESS:
        task = find_task_by_vpid(k, who) if who else k.current
        return [task] if task is not None else []
    if which == PRIO_PGRP:
        group = global_pid(k, who) if who else k.current.signal.pgrp
        return [t for t in k.processes.tasks if t is not k.sched.idle and t.signal.pgrp == group]
    if which == PRIO_USER:
        uid = who or k.current.cred.uid
        return [t for t in k.processes.tasks if t is not k.sched.idle and t.cred.uid == uid]
    raise Errno(EINVAL)


def _same_owner(k: Kernel, p: Task) -> bool:
    return k.current.cred.euid in (p.cred.euid, p.cred.uid)


def policies(k: Kernel) -> frozenset[int]:
    """The policies that the scheduler has: 2.4's knows three."""
    later = {SCHED_BATCH, SCHED_IDLE} if k.host.sched_classes[0].name == "goodness" else set()
    return frozenset(POLICY_NAMES) - later


@syscall(97, "which:int who:int prio:int")
def sys_setpriority(k: Kernel, which: int, who: int, niceval: int) -> int:
    """setpriority: a nice level for a process, a group or a user.

    ESRCH for nobody, EPERM for another user's, EACCES beyond RLIMIT_NICE, EINVAL.
    """
    targets = _priority_targets(k, which, who)
    niceval = max(MIN_NICE, min(MAX_NICE, niceval))
    error: int | None = ESRCH
    for task in targets:
        if not _same_owner(k, task) and not capable(k, CAP_SYS_NICE):
            error = EPERM
            continue
        if niceval < task.se.nice and not can_nice(k, task, niceval):
            error = EACCES  # as setpriority(2) says; nice answers EPERM
            continue
        error = None if error == ESRCH else error
        core.set_user_nice(k, task, niceval)
    if error is not None:
        raise Errno(error)
    return 0


@syscall(96, "which:int who:int")
def sys_getpriority(k: Kernel, which: int, who: int) -> int:
    """getpriority: 20 - nice of the best of them, so that no answer looks like an error.

    ESRCH, EINVAL.
    """
    targets = _priority_targets(k, which, who)
    if not targets:
        raise Errno(ESRCH)
    return max(20 - task.se.nice for task in targets)


def _set_scheduler(k: Kernel, pid: int, policy: int | None, param: int) -> int:
    if not param or pid < 0:
        raise Errno(EINVAL)
    priority = int.from_bytes(copy_from_user(k, param, 4), "little", signed=True)
    p = find_process_by_pid(k, pid)
    if policy is None:
        policy, reset = p.se.policy, p.se.reset_on_fork
    else:
        known = policies(k)
        reset = SCHED_IDLE in known and bool(policy & SCHED_RESET_ON_FORK)
        policy -= SCHED_RESET_ON_FORK if reset else 0
        if policy not in known:
            raise Errno(EINVAL)
    set_scheduler(k, p, policy, priority, reset)
    return 0


def set_scheduler(k: Kernel, p: Task, policy: int, priority: int, reset: bool) -> None:
    """Another policy and real-time priority. Raises Errno(EINVAL), Errno(EPERM)."""
    check_scheduler(k, p, policy, priority, reset)
    core.change_priority(k, p, policy=policy, rt_priority=priority, reset_on_fork=reset)
    if policy == SCHED_RR:
        p.se.time_slice = p.se.time_slice or def_timeslice(k)


def check_scheduler(k: Kernel, p: Task, policy: int, priority: int, reset: bool) -> None:
    """Whether a task may have these. Raises Errno(EINVAL), Errno(EPERM)."""
    if policy not in policies(k):
        raise Errno(EINVAL)
    if not 0 <= priority < MAX_USER_RT_PRIO or rt_policy(policy) != (priority != 0):
        raise Errno(EINVAL)
    _check_permission(k, p, policy, priority, reset)


def _check_permission(k: Kernel, p: Task, policy: int, priority: int, reset: bool) -> None:
    if capable(k, CAP_SYS_NICE):
        return
    if rt_policy(policy):
        limit = p.signal.rlim[RLIMIT_RTPRIO][0]
        if (policy != p.se.policy and not limit) or (
            priority > p.se.rt_priority and priority > limit
        ):
            raise Errno(EPERM)
    if p.se.policy == SCHED_IDLE and policy != SCHED_IDLE and not can_nice(k, p, p.se.nice):
        raise Errno(EPERM)
    if not _same_owner(k, p) or (p.se.reset_on_fork and not reset):
        raise Errno(EPERM)


@syscall(156, "pid:pid policy:policy param:address")
def sys_sched_setscheduler(k: Kernel, pid: int, policy: int, param: int) -> int:
    """sched_setscheduler: policy and real-time priority. EINVAL, ESRCH, EPERM, EFAULT."""
    if policy < 0:
        raise Errno(EINVAL)
    return _set_scheduler(k, pid, policy, param)


@syscall(154, "pid:pid param:address")
def sys_sched_setparam(k: Kernel, pid: int, param: int) -> int:
    """sched_setparam: the real-time priority, the policy stays. Errors as sched_setscheduler."""
    return _set_scheduler(k, pid, None, param)


@syscall(157, "pid:pid")
def sys_sched_getscheduler(k: Kernel, pid: int) -> int:
    """The policy, with SCHED_RESET_ON_FORK where it is set. Raises Errno(EINVAL), Errno(ESRCH)."""
    if pid < 0:
        raise Errno(EINVAL)
    se = find_process_by_pid(k, pid).se
    return se.policy | (SCHED_RESET_ON_FORK if se.reset_on_fork else 0)


@syscall(155, "pid:pid param:address")
def sys_sched_getparam(k: Kernel, pid: int, param: int) -> int:
    """sched_getparam: the real-time priority; 0 for the fair policies. EINVAL, ESRCH, EFAULT."""
    if not param or pid < 0:
        raise Errno(EINVAL)
    put_user(k, find_process_by_pid(k, pid).se.rt_priority, param)
    return 0


@syscall(159, "policy:policy")
def sys_sched_get_priority_max(k: Kernel, policy: int) -> int:
    """The best real-time priority of a policy: 99 for FIFO and RR, 0 for the others.

    Raises Errno(EINVAL).
    """
    if policy in (SCHED_FIFO, SCHED_RR):
        return MAX_USER_RT_PRIO - 1
    if policy in policies(k):
        return 0
    raise Errno(EINVAL)


@syscall(160, "policy:policy")
def sys_sched_get_priority_min(k: Kernel, policy: int) -> int:
    """1 for FIFO and RR, 0 for the others. Raises Errno(EINVAL)."""
    if policy in (SCHED_FIFO, SCHED_RR):
        return 1
    if policy in policies(k):
        return 0
    raise Errno(EINVAL)


@syscall(161, "pid:pid tp:timespec_out")
def sys_sched_rr_get_interval(k: Kernel, pid: int, interval: int) -> int:
    """sched_rr_get_interval: the time slice as a timespec, 0 without one. EINVAL, ESRCH, EFAULT."""
    copy_to_user(k, interval, pack_timespec(rr_interval(k, pid)))
    return 0


def rr_interval(k: Kernel, pid: int) -> int:
    """A task's time slice in ns, 0 without one. Raises Errno(EINVAL), Errno(ESRCH)."""
    if pid < 0:
        raise Errno(EINVAL)
    p = find_process_by_pid(k, pid)
    core.update_curr(k)
    return core.class_of(k, p).get_rr_interval(k, p) * core.tick_ns(k)


@syscall(242, "pid:pid cpusetsize:size mask:address")
def sys_sched_getaffinity(k: Kernel, pid: int, length: int, mask: int) -> int:
    """sched_getaffinity: the one CPU; 4, the bytes stored.

    EINVAL for a mask that is too short, ESRCH.
    """
    if length * 8 < _NR_CPUS or length & 3:
        raise Errno(EINVAL)
    find_process_by_pid(k, pid)
    copy_to_user(k, mask, (1).to_bytes(4, "little"))
    return 4


@syscall(241, "pid:pid cpusetsize:size mask:address")
def sys_sched_setaffinity(k: Kernel, pid: int, length: int, mask: int) -> int:
    """sched_setaffinity: a mask without the one CPU is refused. EPERM for another user's task, EINVAL,
    ESRCH, EFAULT.
    """
    data = copy_from_user(k, mask, min(length, 4))
    if not _same_owner(k, find_process_by_pid(k, pid)) and not capable(k, CAP_SYS_NICE):
        raise Errno(EPERM)
    if not int.from_bytes(data, "little") & 1:
        raise Errno(EINVAL)
    return 0
