"""Process groups and sessions (kernel/sys.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EACCES, EINVAL, EPERM, ESRCH, Errno
from toykernel.kernel.pid import find_task_by_vpid, global_pid, join_group, pid_vnr, put_pid
from toykernel.security import security_task_setpgid
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def _change_group(k: Kernel, task: Task, pgrp: int, session: int) -> None:
    pids = k.processes.init_pid_ns.pids
    old = [pids[number] for number in (task.signal.pgrp, task.signal.session)]
    join_group(k, task.signal, pids[pgrp], pids[session])
    for pid in old:
        put_pid(k, pid)


@syscall(57, "pid:pid pgid:pid")
def sys_setpgid(k: Kernel, pid: int, pgid: int) -> int:
    """setpgid: oneself or a child that has not exec'd (EACCES),
    into a group of the same session (EPERM). ESRCH, EINVAL.
    """
    leader = k.current.group_leader
    own = pid_vnr(k, leader.pid)
    pid = pid or own
    pgid = pgid or pid
    if pgid < 0:
        raise Errno(EINVAL)
    p = find_task_by_vpid(k, pid)
    if p is None:
        raise Errno(ESRCH)
    if not p.is_group_leader:
        raise Errno(EINVAL)
    if p.real_parent.signal is leader.signal:
        if p.signal.session != leader.signal.session:
            raise Errno(EPERM)
        if p.did_exec:
            raise Errno(EACCES)
    elif p is not leader:
        raise Errno(ESRCH)
    if p.signal.leader:
        raise Errno(EPERM)
    group = global_pid(k, pgid)
    if pgid != pid and not any(
        t.signal.pgrp == group and t.signal.session == leader.signal.session
        for t in k.processes.tasks
    ):
        raise Errno(EPERM)
    security_task_setpgid(k, p, pgid)
    _change_group(k, p, group, p.signal.session)
    return 0


def _find(k: Kernel, pid: int) -> Task:
    task = find_task_by_vpid(k, pid) if pid else k.current
    if task is None:
        raise Errno(ESRCH)
    return task


@syscall(132, "pid:pid")
def sys_getpgid(k: Kernel, pid: int) -> int:
    """0 is the caller. Raises Errno(ESRCH)."""
    return pid_vnr(k, _find(k, pid).signal.pgrp)


@syscall(65)
def sys_getpgrp(k: Kernel) -> int:
    return pid_vnr(k, k.current.signal.pgrp)


@syscall(147, "pid:pid")
def sys_getsid(k: Kernel, pid: int) -> int:
    """0 is the caller. Raises Errno(ESRCH)."""
    return pid_vnr(k, _find(k, pid).signal.session)


@syscall(66)
def sys_setsid(k: Kernel) -> int:
    """setsid: a session and a group of one's own; its number.

    EPERM if a group of that number exists.
    """
    leader = k.current.group_leader
    if leader.signal.leader or any(t.signal.pgrp == leader.pid for t in k.processes.tasks):
        raise Errno(EPERM)
    leader.signal.leader = True
    _change_group(k, leader, leader.pid, leader.pid)
    leader.signal.tty = None
    console = k.files.console_tty
    if console is not None and not console.session and leader.real_parent.pid == 1:
        # What getty does for the first program that a user sees.
        leader.signal.tty = console
        console.session, console.pgrp = leader.signal.session, leader.signal.pgrp
    return pid_vnr(k, leader.pid)
