"""wait4, waitpid, waitid (kernel/exit.c; fork-path L3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_to_user, put_user
from toykernel.errno import EAGAIN, ECHILD, EINVAL, ERESTARTSYS, Errno
from toykernel.fs.file import O_NONBLOCK, fget_open
from toykernel.kernel.cputime import RUSAGE_BOTH, account_child, pack_rusage
from toykernel.kernel.exit import do_notify_parent, exit_code_of, release_task
from toykernel.kernel.pid import global_pid, pid_nr_ns, task_active_pid_ns, task_pid_vnr
from toykernel.kernel.pidfd import pidfd_pid
from toykernel.kernel.ptrace_flags import JOBCTL_LISTENING, ptrace_reparented
from toykernel.kernel.ptrace_stop import ptrace_unlink
from toykernel.kernel.siginfo import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    CLD_TRAPPED,
    SIGCHLD,
    SIGCONT,
)
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, child_queue
from toykernel.syscalls import syscall
from toykernel.task import SIGNAL_STOP_CONTINUED, SIGNAL_STOP_STOPPED, TASK_TRACED, Task

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
P_ALL, P_PID, P_PGID, P_PIDFD = 0, 1, 2, 3
INT_MIN = -(1 << 31)


@dataclass(frozen=True)
class WaitOpts:
    """struct wait_opts: whom, for what, and where the answer goes.

    `pid` is the caller's number for whom, `number` the one that all of the system knows; `info` is
    waitid's siginfo.
    """

    which: int
    pid: int
    number: int
    options: int
    stat_addr: int = 0
    info: int = 0
    rusage: int = 0
    waitid: bool = False
    nonblock: bool = False  # by an O_NONBLOCK pidfd: EAGAIN where WNOHANG answers 0


@syscall(7, "pid:pid wstatus:status options:wait_options")
def sys_waitpid(k: Kernel, pid: int, stat_addr: int, options: int) -> Result:
    """waitpid: wait4 without the usage of resources."""
    return sys_wait4(k, pid, stat_addr, options, 0)


@syscall(114, "pid:pid wstatus:status options:wait_options rusage:rusage")
def sys_wait4(k: Kernel, upid: int, stat_addr: int, options: int, ru: int) -> Result:
    """wait4: take a dead child, or sleep until there is one; its pid, 0 with WNOHANG.

    ECHILD, EINVAL, EFAULT, EINTR; ESRCH for INT_MIN, by the profile.
    """
    if options & 0xFFFFFFFF & ~_WAIT4_OPTIONS:
        raise Errno(EINVAL)
    which, pid = P_PGID, -upid
    if upid == -1:
        which, pid = P_ALL, 0
    elif upid == INT_MIN:  # whose negative is no number
        raise Errno(k.host.profile.wait_for_int_min)
    elif upid > 0:
        which, pid = P_PID, upid
    elif upid == 0:
        pid = 0
    number = _number(k, which, pid)
    return do_wait(k, WaitOpts(which, pid, number, options | WEXITED, stat_addr, rusage=ru))


@syscall(284, "which:wait_which pid:pid infop:address options:wait_options rusage:address")
def sys_waitid(k: Kernel, which: int, upid: int, infop: int, options: int, ru: int) -> Result:
    """waitid: choose what to wait for, and whether to take it; 0. ECHILD, EINVAL, EFAULT, EINTR."""
    if options & 0xFFFFFFFF & ~_WAITID_OPTIONS or not options & (WEXITED | WSTOPPED | WCONTINUED):
        raise Errno(EINVAL)
    if which not in (P_ALL, P_PID, P_PGID, P_PIDFD):
        raise Errno(EINVAL)
    if which == P_PIDFD:
        return _wait_pidfd(k, upid, infop, options, ru)
    if (which == P_PGID and upid < 0) or (which == P_PID and upid <= 0):
        raise Errno(EINVAL)
    number = _number(k, which, upid)
    return do_wait(k, WaitOpts(which, upid, number, options, info=infop, rusage=ru, waitid=True))


def _wait_pidfd(k: Kernel, fd: int, infop: int, options: int, ru: int) -> Result:
    """waitid for the process of a pidfd; one that is not to block answers EAGAIN. EINVAL, EBADF."""
    if fd < 0:
        raise Errno(EINVAL)
    file = fget_open(k, fd)
    pid = pidfd_pid(file)
    shown = pid_nr_ns(pid, task_active_pid_ns(k.current))
    nonblock = bool(file.flags & O_NONBLOCK)
    wo = WaitOpts(
        *(P_PID, shown, pid.nr, options | (WNOHANG if nonblock else 0)),
        info=infop,
        rusage=ru,
        waitid=True,
        nonblock=nonblock and not options & WNOHANG,
    )
    return do_wait(k, wo)


def _number(k: Kernel, which: int, upid: int) -> int:
    """Whom a number means when the call begins, by the number that all of the system knows."""
    if which == P_PGID and not upid:
        return k.current.signal.pgrp
    return global_pid(k, upid)


def _eligible_pid(wo: WaitOpts, p: Task) -> bool:
    if wo.which == P_ALL:
        return True
    return wo.number != 0 and wo.number == (p.pid if wo.which == P_PID else p.signal.pgrp)


def _eligible_child(wo: WaitOpts, traced: bool, p: Task) -> bool:
    other_kind = (p.exit_signal != SIGCHLD) != bool(wo.options & WCLONE)
    if other_kind and not traced and not wo.options & WALL:
        return False
    return _eligible_pid(wo, p)


def child_wait_wants(k: Kernel, task: Task, child: Task, wo: WaitOpts) -> bool:
    """child_wait_callback: whether what happened to a child is worth getting up for."""
    if wo.options & WNOTHREAD and task not in (child.parent, child.real_parent):
        return False
    return _eligible_pid(wo, child)


def _children(k: Kernel, wo: WaitOpts, tracing: bool) -> Iterator[tuple[Task, bool]]:
    """Whom to look at, in order, and whether as a tracer.

    One that is asked for by number is found by it (do_wait_pid), and the only dead one before all living
    ones when nothing but a death is asked for: whoever waits for many children need not pass them all
    each time.
    """
    current = k.current
    if wo.which == P_PID:
        child = k.processes.init_pid_ns.map.tasks.get(wo.number)
        if child is None:
            return
        if child.is_group_leader and _is_child(wo, child.real_parent, current):
            yield child, False
        if child.ptrace and _is_child(wo, child.parent, current):
            yield child, True
        return
    dead = current.signal.dead_children
    if len(dead) == 1 and not tracing and not wo.options & (WSTOPPED | WCONTINUED):
        yield from (
            (child, False) for child in list(dead) if _is_child(wo, child.real_parent, current)
        )
    for thread in [current] if wo.options & WNOTHREAD else current.signal.threads:
        yield from ((child, False) for child in thread.children)
        yield from ((child, True) for child in thread.ptraced)


def _is_child(wo: WaitOpts, parent: Task, current: Task) -> bool:
    """is_effectively_child, by its parent or its tracer: of the thread, or of its group."""
    of_group = not wo.options & WNOTHREAD and parent.signal is current.signal
    return of_group or parent is current


def do_wait(k: Kernel, wo: WaitOpts) -> Result:
    """One look, which ends at the first child that serves; also how a waiter goes on when it is woken."""
    current = k.current
    something = False  # whether anything that is waited for can still happen
    tracing = any(thread.ptraced for thread in current.signal.threads)
    only_deaths = not wo.options & (WSTOPPED | WCONTINUED) and not tracing
    quiet = only_deaths and not current.signal.dead_children
    for child, as_tracer in _children(k, wo, tracing):
        traced = as_tracer or bool(child.ptrace and not ptrace_reparented(child))
        if not _eligible_child(wo, traced, child):
            continue
        # What a tracer has been told, a parent hears of when the trace is over.
        mine = traced or not child.ptrace
        dead = child.is_zombie and not (child.is_group_leader and len(child.signal.threads) > 1)
        if dead and mine:
            if wo.options & WEXITED:
                return wait_task_zombie(k, child, wo)
            continue  # nothing but its death is left to tell of
        something = True
        if quiet:
            break  # nobody is dead, and only deaths are waited for
        code = _stopped_code(child, traced)
        if code and (traced or wo.options & WSTOPPED):
            return wait_task_stopped(k, child, wo, code, traced)
        if wo.options & WCONTINUED and child.signal.flags & SIGNAL_STOP_CONTINUED:
            return wait_task_continued(k, child, wo)
    if not something:
        raise Errno(ECHILD)
    if wo.nonblock:
        raise Errno(EAGAIN)
    if wo.options & WNOHANG:
        return _answer(k, wo, 0, None)
    if signal_pending(current):
        raise Errno(ERESTARTSYS)
    who = "any child" if wo.which == P_ALL else f"child {wo.pid}"
    if wo.which == P_PGID:
        who = f"a child in process group {wo.pid or current.signal.pgrp}"
    reason = f"{'waitid' if wo.waitid else 'wait4'} for {who}"
    return Wait((child_queue(k, current),), do_wait, (wo,), reason, wants=child_wait_wants)


def _stopped_code(p: Task, traced: bool) -> int:
    """task_stopped_code: what a stopped child stands for, once for each who waits for it; 0."""
    if traced:
        stands = p.state == TASK_TRACED and p.wait is not None
        return p.exit_code if stands and not p.jobctl & JOBCTL_LISTENING else 0
    return p.signal.group_exit_code if p.signal.flags & SIGNAL_STOP_STOPPED else 0


def wait_task_zombie(k: Kernel, p: Task, wo: WaitOpts) -> int:
    """Reap one zombie; the answer is stored after it is gone, so EFAULT loses it, as on Linux."""
    status = exit_code_of(p)
    pid, uid = task_pid_vnr(k, p), p.cred.uid
    usage = pack_rusage(k, p, RUSAGE_BOTH) if wo.rusage else b""
    if status & 0x7F:
        code, value = (CLD_DUMPED if status & 0x80 else CLD_KILLED), status & 0x7F
    else:
        code, value = CLD_EXITED, status >> 8
    if not wo.options & WNOWAIT:
        if p.ptrace and p.is_group_leader and ptrace_reparented(p):
            ptrace_unlink(k, p)  # its real parent waits for it now
            if do_notify_parent(k, p, p.exit_signal):
                release_task(k, p)
        else:
            if p.is_group_leader:
                account_child(k, p)
            release_task(k, p)
    return _answer(k, wo, pid, (code, pid, uid, value), status, usage)


def wait_task_stopped(k: Kernel, p: Task, wo: WaitOpts, code: int, traced: bool) -> int:
    """A stopped child is told of once, unless WNOWAIT; the pid. `code` is the stop's."""
    if not wo.options & WNOWAIT:
        if traced:
            p.exit_code = 0
        else:
            p.signal.group_exit_code = 0
    pid = task_pid_vnr(k, p)
    told = (CLD_TRAPPED if traced else CLD_STOPPED, pid, p.cred.uid, code)
    return _answer(k, wo, pid, told, code << 8 | 0x7F, pack_rusage(k, p, RUSAGE_BOTH))


def wait_task_continued(k: Kernel, p: Task, wo: WaitOpts) -> int:
    """A continued child is told of once, unless WNOWAIT; the pid."""
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
