"""Sending signals by system call, and who may (kernel/signal.c: kill, tgkill, rt_sigqueueinfo)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user
from toykernel.errno import EINVAL, EPERM, ESRCH, Errno
from toykernel.kernel.cred import CAP_KILL, capable
from toykernel.kernel.landlock import landlock_may_signal
from toykernel.kernel.pid import find_task_by_vpid, global_pid, task_pid_vnr
from toykernel.kernel.siginfo import (
    NSIG,
    SI_TKILL,
    SI_USER,
    SIGCONT,
    SIGINFO_SIZE,
    Siginfo,
    unpack_siginfo,
)
from toykernel.kernel.signal import send_signal
from toykernel.security import security_task_kill
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def check_kill_permission(k: Kernel, sig: int, task: Task) -> None:
    """Who may, by its ids, is still asked for by the security hooks. Raises Errno, EPERM by itself."""
    if not _kill_ok_by_cred(k, sig, task):
        raise Errno(EPERM)
    landlock_may_signal(k, task)
    security_task_kill(k, task, sig)


def _kill_ok_by_cred(k: Kernel, sig: int, task: Task) -> bool:
    mine, other = k.current.cred, task.cred
    if task.signal is k.current.signal or capable(k, CAP_KILL):
        return True
    if {mine.euid, mine.uid} & {other.suid, other.uid}:
        return True
    return sig == SIGCONT and task.signal.session == k.current.signal.session


def send_by_call(k: Kernel, task: Task, sig: int, info: Siginfo, *, group: bool = True) -> None:
    """kill for one target; signal 0 only asks. Raises Errno(EPERM) or Errno(EAGAIN)."""
    check_kill_permission(k, sig, task)
    if sig:
        error = send_signal(k, task, sig, info, group=group)
        if error:
            raise Errno(error)


def user_info(k: Kernel, code: int) -> Siginfo:
    """siginfo of a signal that the current task sends:
    its group's pid and its real user id, with si_code.
    """
    return {
        "si_code": code,
        "si_pid": task_pid_vnr(k, k.current.group_leader),
        "si_uid": k.current.cred.uid,
    }


def _check_signal(sig: int) -> None:
    if not 0 <= sig <= NSIG:
        raise Errno(EINVAL)


@syscall(37, "pid:pid sig:signal")
def sys_kill(k: Kernel, pid: int, sig: int) -> int:
    """kill: a process, a group (0: one's own, negative), or everybody (-1).

    ESRCH, EPERM if none may get it, EINVAL.
    """
    info = user_info(k, SI_USER)
    if pid > 0:
        task = find_task_by_vpid(k, pid)
        if task is None:
            raise Errno(ESRCH)
        _check_signal(sig)
        send_by_call(k, task, sig, info)
        return 0
    targets = _kill_targets(k, pid)
    if not targets:
        raise Errno(ESRCH)
    _check_signal(sig)
    errors = []
    for task in targets:
        try:
            send_by_call(k, task, sig, info)
            errors.append(0)
        except Errno as error:
            errors.append(error.number)
    if pid == -1:  # being refused by some is no error here
        wrong = [number for number in errors if number not in (0, EPERM)]
        if wrong:
            raise Errno(wrong[-1])
    elif 0 not in errors:
        raise Errno(errors[-1])
    return 0


def _kill_targets(k: Kernel, pid: int) -> list[Task]:
    current = k.current
    leaders = [t for t in k.processes.tasks if t is t.group_leader and t is not k.sched.idle]
    visible = [t for t in leaders if task_pid_vnr(k, t)]
    if pid == -1:
        init = [t for t in visible if task_pid_vnr(k, t) == 1]
        return [t for t in visible if t not in init and t.signal is not current.signal]
    group = current.signal.pgrp if pid == 0 else global_pid(k, -pid)
    return [t for t in visible if group and t.signal.pgrp == group]


def _send_to_thread(k: Kernel, tgid: int, pid: int, sig: int, info: Siginfo) -> int:
    task = find_task_by_vpid(k, pid)
    if task is None or (tgid > 0 and task_pid_vnr(k, task.group_leader) != tgid):
        raise Errno(ESRCH)
    _check_signal(sig)
    send_by_call(k, task, sig, info, group=False)
    return 0


@syscall(270, "tgid:pid tid:pid sig:signal")
def sys_tgkill(k: Kernel, tgid: int, pid: int, sig: int) -> int:
    """tgkill: one thread of a group.

    EINVAL for ids below 1, ESRCH when the thread is not in it, EPERM, EAGAIN.
    """
    if pid <= 0 or tgid <= 0:
        raise Errno(EINVAL)
    return _send_to_thread(k, tgid, pid, sig, user_info(k, SI_TKILL))


@syscall(238, "tid:pid sig:signal")
def sys_tkill(k: Kernel, pid: int, sig: int) -> int:
    """To one thread, of whatever group. Raises Errno(EINVAL), Errno(ESRCH), Errno(EPERM), Errno(EAGAIN)."""
    if pid <= 0:
        raise Errno(EINVAL)
    return _send_to_thread(k, 0, pid, sig, user_info(k, SI_TKILL))


def _queued_info(k: Kernel, sig: int, address: int) -> Siginfo:
    """The caller's siginfo; it may not pretend to be the kernel or kill: Errno(EPERM).

    Errno(EFAULT).
    """
    info = unpack_siginfo(copy_from_user(k, address, SIGINFO_SIZE))
    if info["si_code"] >= 0 or info["si_code"] == SI_TKILL:
        raise Errno(EPERM)
    return info | {"si_signo": sig}


@syscall(178, "tgid:pid sig:signal info:address")
def sys_rt_sigqueueinfo(k: Kernel, pid: int, sig: int, address: int) -> int:
    """rt_sigqueueinfo: a signal with a value, for a thread group.

    ESRCH, EPERM, EAGAIN over RLIMIT_SIGPENDING.
    """
    info = _queued_info(k, sig, address)
    task = find_task_by_vpid(k, pid) if pid > 0 else None
    if task is None:
        raise Errno(ESRCH)
    _check_signal(sig)
    send_by_call(k, task, sig, info)
    return 0


@syscall(335, "tgid:pid tid:pid sig:signal info:address")
def sys_rt_tgsigqueueinfo(k: Kernel, tgid: int, pid: int, sig: int, address: int) -> int:
    """rt_tgsigqueueinfo: a signal with a value, for one thread of a group.

    Errors as tgkill, EPERM for a forged si_code.
    """
    copy_from_user(k, address, SIGINFO_SIZE)
    if pid <= 0 or tgid <= 0:
        raise Errno(EINVAL)
    return _send_to_thread(k, tgid, pid, sig, _queued_info(k, sig, address))
