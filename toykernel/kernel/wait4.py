"""wait4, waitpid, waitid (kernel/exit.c; fork-path L3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user, put_user
from toykernel.errno import ECHILD, EINVAL, ERESTARTSYS, Errno
from toykernel.kernel.cputime import RUSAGE_BOTH, account_child, pack_rusage
from toykernel.kernel.exit import (
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    exit_code_of,
    release_task,
)
from toykernel.kernel.pid import global_pid, task_pid_vnr
from toykernel.kernel.siginfo import SIGCHLD, SIGCONT
from toykernel.kernel.signal import signal_pending
from toykernel.kernel.wait import Result, Wait, child_queue
from toykernel.task import SIGNAL_STOP_CONTINUED, SIGNAL_STOP_STOPPED, Task

if TYPE_CHECKING:
    from toykernel.state import Kernel

WNOHANG = 0x00000001
WUNTRACED = WSTOPPED = 0x00000002
WEXITED = 0x00000004
WCONTINUED = 0x00000008
WNOWAIT = 0x01000000
WNOTHREAD = 0x20000000
WALL = 0x40000000
WCLONE = 0x80000000
_WAIT4_OPTIONS = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE
_WAITID_OPTIONS = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WALL | WCLONE
P_ALL, P_PID, P_PGID = 0, 1, 2
CLD_STOPPED, CLD_CONTINUED = 5, 6
RUSAGE_SIZE = 72


@dataclass(frozen=True)
class WaitOpts:
    """struct wait_opts: whom, for what, and where the answer goes. `info` is waitid's siginfo."""

    which: int
    pid: int
    options: int
    stat_addr: int = 0
    info: int = 0
    rusage: int = 0
    waitid: bool = False


def sys_waitpid(k: Kernel, pid: int, stat_addr: int, options: int) -> Result:
    """waitpid: the old form of wait4."""
    return sys_wait4(k, pid, stat_addr, options, 0)


def sys_wait4(k: Kernel, upid: int, stat_addr: int, options: int, ru: int) -> Result:
    """wait4: take a dead child, or sleep until there is one."""
    if options & 0xFFFFFFFF & ~_WAIT4_OPTIONS:
        raise Errno(EINVAL)
    which, pid = P_PGID, -upid
    if upid == -1:
        which, pid = P_ALL, 0
    elif upid > 0:
        which, pid = P_PID, upid
    elif upid == 0:
        pid = 0
    return do_wait(k, WaitOpts(which, pid, options | WEXITED, stat_addr, rusage=ru))


def sys_waitid(k: Kernel, which: int, upid: int, infop: int, options: int, ru: int) -> Result:
    """waitid: choose what to wait for, and whether to take it."""
    if options & 0xFFFFFFFF & ~_WAITID_OPTIONS or not options & (WEXITED | WSTOPPED | WCONTINUED):
        raise Errno(EINVAL)
    if which not in (P_ALL, P_PID, P_PGID):
        raise Errno(EINVAL)
    if which != P_ALL and upid <= 0:
        raise Errno(EINVAL)
    return do_wait(k, WaitOpts(which, upid, options, info=infop, rusage=ru, waitid=True))


def _eligible(k: Kernel, wo: WaitOpts, p: Task) -> bool:
    if not wo.options & WALL and (p.exit_signal != SIGCHLD) != bool(wo.options & WCLONE):
        return False
    if wo.which == P_ALL:
        return True
    if wo.which == P_PID:
        return task_pid_vnr(k, p) == wo.pid
    group = k.current.signal.pgrp if wo.pid == 0 else global_pid(k, wo.pid)
    return group != 0 and p.signal.pgrp == group


def do_wait(k: Kernel, wo: WaitOpts) -> Result:
    """One look; also how a waiter goes on after each wake-up."""
    current = k.current
    threads = [current] if wo.options & WNOTHREAD else current.signal.threads
    candidates = [c for t in threads for c in t.children if _eligible(k, wo, c)]
    for child in candidates:
        if child.is_zombie:
            if len(child.signal.threads) == 1 and wo.options & WEXITED:
                return wait_task_zombie(k, child, wo)
        elif wo.options & WSTOPPED and child.signal.flags & SIGNAL_STOP_STOPPED:
            if child.signal.group_exit_code:
                return wait_task_stopped(k, child, wo)
        elif wo.options & WCONTINUED and child.signal.flags & SIGNAL_STOP_CONTINUED:
            return wait_task_continued(k, child, wo)
    if not candidates:
        raise Errno(ECHILD)
    if wo.options & WNOHANG:
        return _answer(k, wo, 0, None)
    if signal_pending(current):
        raise Errno(ERESTARTSYS)
    who = "any child" if wo.which == P_ALL else f"child {wo.pid}"
    if wo.which == P_PGID:
        who = f"a child in process group {wo.pid or current.signal.pgrp}"
    name = "waitid" if wo.waitid else "wait4"
    return Wait(child_queue(k, current), do_wait, (wo,), f"{name} for {who}")


def wait_task_zombie(k: Kernel, p: Task, wo: WaitOpts) -> int:
    """Reap one zombie; the answer is stored after it is gone, so EFAULT loses it, as on Linux."""
    status = exit_code_of(p)
    pid, uid = task_pid_vnr(k, p), p.cred.uid
    usage = pack_rusage(k, p, RUSAGE_BOTH)
    if status & 0x7F:
        code, value = (CLD_DUMPED if status & 0x80 else CLD_KILLED), status & 0x7F
    else:
        code, value = CLD_EXITED, status >> 8
    if not wo.options & WNOWAIT:
        account_child(k, p)
        release_task(k, p)
    return _answer(k, wo, pid, (code, pid, uid, value), status, usage)


def wait_task_stopped(k: Kernel, p: Task, wo: WaitOpts) -> int:
    """A stopped child is told of once."""
    status = p.signal.group_exit_code
    if not wo.options & WNOWAIT:
        p.signal.group_exit_code = 0
    pid = task_pid_vnr(k, p)
    told = (CLD_STOPPED, pid, p.cred.uid, status)
    return _answer(k, wo, pid, told, status << 8 | 0x7F, pack_rusage(k, p, RUSAGE_BOTH))


def wait_task_continued(k: Kernel, p: Task, wo: WaitOpts) -> int:
    """So is one that was continued."""
    if not wo.options & WNOWAIT:
        p.signal.flags &= ~SIGNAL_STOP_CONTINUED
    pid = task_pid_vnr(k, p)
    told = (CLD_CONTINUED, pid, p.cred.uid, SIGCONT)
    return _answer(k, wo, pid, told, 0xFFFF, pack_rusage(k, p, RUSAGE_BOTH))


def _answer(
    k: Kernel,
    wo: WaitOpts,
    pid: int,
    told: tuple[int, int, int, int] | None,
    status: int = 0,
    usage: bytes = b"",
) -> int:
    """Store what was found where the caller wants it. Raises Errno(EFAULT)."""
    if usage and wo.rusage:
        copy_to_user(k, wo.rusage, usage)
    if not wo.waitid:
        if told is not None and wo.stat_addr:
            put_user(k, status, wo.stat_addr)
        return pid
    if wo.info:
        code, child, uid, value = told or (0, 0, 0, 0)
        signo = SIGCHLD if told is not None else 0
        copy_to_user(k, wo.info, struct.pack("<iiiIIi", signo, 0, code, child, uid, value))
    return 0
