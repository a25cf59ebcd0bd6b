"""Calls on another process's memory by its pidfd (mm/madvise.c, mm/oom_kill.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, EPERM, ESRCH, Errno
from toykernel.fs.file import fget
from toykernel.kernel.cred import CAP_SYS_NICE, capable
from toykernel.kernel.pid import pid_task
from toykernel.kernel.pidfd import pidfd_pid
from toykernel.kernel.process_vm_access import pieces
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.kernel.signal import fatal_signal_pending
from toykernel.mm.madvise import REMOTE, do_madvise
from toykernel.syscalls import syscall
from toykernel.task import PF_EXITING, SIGNAL_GROUP_EXIT

PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP = -10000, -10001

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def _task(k: Kernel, pidfd: int) -> Task:
    """Of a descriptor, or the caller's own thread or process. Raises Errno(EBADF), Errno(ESRCH) when the
    process is gone."""
    if pidfd in (PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP):
        return k.current if pidfd == PIDFD_SELF_THREAD else k.current.group_leader
    task = pid_task(k, pidfd_pid(fget(k, pidfd)))
    if task is None:
        raise Errno(ESRCH)
    return task


@syscall(440, "pidfd:fd iovec:address vlen:size advice:madvice flags:hex")
def sys_process_madvise(
    k: Kernel, pidfd: int, vec: int, count: int, behavior: int, flags: int
) -> int:
    """process_madvise: how many bytes were advised. EINVAL for a flag, or advice that only the process
    itself may take, EBADF, ESRCH, EPERM, EFAULT, and madvise's when nothing was advised.
    """
    if flags:
        raise Errno(EINVAL)
    ranges = pieces(k, vec, count, own=True)
    task = _task(k, pidfd)
    mm = task.mm
    if mm is None:
        raise Errno(ESRCH)
    mine = mm is k.current.mm
    if not mine and not ptrace_may_access(k, task):
        raise Errno(EPERM)
    if not mine and behavior not in REMOTE:
        raise Errno(EINVAL)
    if not mine and not capable(k, CAP_SYS_NICE):
        raise Errno(EPERM)
    done = 0
    for start, length in ranges:
        try:
            do_madvise(k, mm, start, length, behavior)
        except Errno:
            if not done:
                raise
            break
        done += length
    return done


@syscall(448, "pidfd:fd flags:hex")
def sys_process_mrelease(k: Kernel, pidfd: int, flags: int) -> int:
    """process_mrelease: take the memory of a process that has to die, which here it loses as soon as it runs.

    EINVAL for a flag, or a process that lives on, EBADF, ESRCH.
    """
    if flags:
        raise Errno(EINVAL)
    task = _task(k, pidfd)
    if task.mm is None:
        raise Errno(ESRCH)
    dies = task.flags & PF_EXITING or task.signal.flags & SIGNAL_GROUP_EXIT
    if not dies and not fatal_signal_pending(task):
        raise Errno(EINVAL)
    return 0
