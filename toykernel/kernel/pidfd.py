"""pidfd (kernel/pid.c, kernel/signal.c): a process by an open file, which never means another one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, put_user
from toykernel.errno import EBADF, EINVAL, EPERM, ESRCH, Errno
from toykernel.fs.anon_inodes import anon_inode_getfile
from toykernel.fs.file import (
    O_EXCL,
    O_NONBLOCK,
    O_RDWR,
    File,
    fd_install,
    fget,
    fput,
    get_file,
    get_unused_fd,
)
from toykernel.fs.operations import POLLHUP, POLLIN, POLLRDNORM, FileOperations
from toykernel.fs.proc.node import ProcNode, find_task
from toykernel.kernel.clone_flags import CLONE_THREAD
from toykernel.kernel.kill import send_by_call, user_info
from toykernel.kernel.pid import Pid, get_pid, pid_nr_ns, pid_task, put_pid, task_active_pid_ns
from toykernel.kernel.pidfd_info import pidfd_ioctl
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.kernel.siginfo import NSIG, SI_TKILL, SI_USER, SIGINFO_SIZE, unpack_siginfo
from toykernel.kernel.wait import WaitQueue
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.state import Kernel
    from toykernel.task import Task

PIDFD_NONBLOCK, PIDFD_THREAD = O_NONBLOCK, O_EXCL
SIGNAL_THREAD, SIGNAL_GROUP, SIGNAL_PROCESS_GROUP = 1, 2, 4


def pidfd_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN when the process has ended, POLLHUP, too, when nothing is left of it."""
    pid: Pid = file.private
    if pid.wait_pidfd is None:
        pid.wait_pidfd = WaitQueue(f"end of {pid.nr}")
    pt.append(pid.wait_pidfd)
    task = pid_task(k, pid)
    if task is None:
        return POLLIN | POLLRDNORM | POLLHUP
    alone = file.flags & PIDFD_THREAD or len(task.signal.threads) == 1
    return POLLIN | POLLRDNORM if task.exit_state and alone else 0


def pidfd_release(k: Kernel, file: File) -> None:
    """The number may be given again, once the process is gone, too."""
    put_pid(k, file.private)


def pidfd_show_fdinfo(k: Kernel, file: File) -> str:
    """The process's number, and that in each namespace below the reader's; -1 when it is gone, 0 for one that
    the reader does not see."""
    pid: Pid = file.private
    ns = task_active_pid_ns(k.current)
    nr = pid_nr_ns(pid, ns) if pid_task(k, pid) is not None else -1
    below = pid.numbers[ns.level + 1 :] if nr > 0 else ()
    return f"Pid:\t{nr}\nNSpid:\t" + "\t".join(map(str, (nr, *(n for _, n in below)))) + "\n"


PIDFD = FileOperations(
    "toykernel.kernel.pidfd:PIDFD",
    poll=pidfd_poll,
    release=pidfd_release,
    ioctl=pidfd_ioctl,
    show_fdinfo=pidfd_show_fdinfo,
)


def pidfd_pid(file: File) -> Pid:
    """The pid behind an open pidfd. Raises Errno(EBADF) for another file."""
    if not isinstance(file.private, Pid):
        raise Errno(EBADF)
    return file.private


def pidfd_prepare(k: Kernel, pid: Pid, flags: int) -> tuple[int, File]:
    """A descriptor that is free, and an open file for a process, which is not installed yet. Raises
    Errno(EMFILE), Errno(ENOMEM).
    """
    fd = get_unused_fd(k)
    with ExitStack() as undo:
        undo.callback(put_pid, k, get_pid(pid))
        file = anon_inode_getfile(k, "[pidfd]", PIDFD, pid, O_RDWR | flags)
        undo.pop_all()
    return fd, file


def pidfd_create(k: Kernel, pid: Pid, flags: int) -> int:
    """A descriptor, closed by exec, for a process. Raises Errno(EMFILE), Errno(ENOMEM)."""
    return fd_install(k, *pidfd_prepare(k, pid, flags), cloexec=True)


def pidfd_of_child(k: Kernel, p: Task, args: CloneArgs) -> tuple[int, File] | None:
    """CLONE_PIDFD: the same for a child that is being made, where one is asked for; the descriptor's number
    is stored, too. Raises Errno(EFAULT).
    """
    if args.pidfd is None:
        return None
    if k.host.fail_step is not None:
        k.host.fail_step("D11", "pidfd_of_child")
    fd, file = pidfd_prepare(k, p.pid_struct, PIDFD_THREAD if args.flags & CLONE_THREAD else 0)
    try:
        put_user(k, fd, args.pidfd)
    except Errno:
        fput(k, file)
        raise
    return fd, file


@syscall(434, "pid:pid flags:open_flags")
def sys_pidfd_open(k: Kernel, number: int, flags: int) -> int:
    """pidfd_open: EINVAL for a flag, a number below 1 or (without PIDFD_THREAD) a thread; ESRCH, EMFILE."""
    if flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD) or number <= 0:
        raise Errno(EINVAL)
    pid = task_active_pid_ns(k.current).pids.get(number)
    if pid is None:
        raise Errno(ESRCH)
    task = pid_task(k, pid)
    if task is None:
        raise Errno(ESRCH)
    if not task.is_group_leader and not flags & PIDFD_THREAD:
        raise Errno(EINVAL)
    return pidfd_create(k, pid, flags)


def _task(k: Kernel, pidfd: int) -> Task:
    task = pid_task(k, pidfd_pid(fget(k, pidfd)))
    if task is None:
        raise Errno(ESRCH)
    return task


def _proc_pid(k: Kernel, file: File) -> Pid | None:
    """tgid_pidfd_to_pid: the process whose directory of /proc is open. Raises Errno(ESRCH)."""
    node = file.inode.private
    if not isinstance(node, ProcNode) or node.path != "{pid}":
        return None
    task = find_task(k, node)
    if task is None:
        raise Errno(ESRCH)
    return task.pid_struct


@syscall(424, "pidfd:fd sig:signal info:address flags:hex")
def sys_pidfd_send_signal(k: Kernel, pidfd: int, sig: int, address: int, flags: int) -> int:
    """pidfd_send_signal: kill by pidfd; with `info`, rt_sigqueueinfo. EBADF, EINVAL, EPERM, ESRCH."""
    if flags & ~(SIGNAL_THREAD | SIGNAL_GROUP | SIGNAL_PROCESS_GROUP) or flags & flags - 1:
        raise Errno(EINVAL)
    file = fget(k, pidfd)
    pid = _proc_pid(k, file) or pidfd_pid(file)
    if address:
        info = unpack_siginfo(copy_from_user(k, address, SIGINFO_SIZE))
        if info["si_signo"] != sig:
            raise Errno(EINVAL)
        forged = info["si_code"] >= 0 or info["si_code"] == SI_TKILL
        if forged and pid is not k.current.group_leader.pid_struct:
            raise Errno(EPERM)
    else:
        info = user_info(k, SI_USER)
    task = pid_task(k, pid)
    if task is None:
        raise Errno(ESRCH)
    if not 0 <= sig <= NSIG:
        raise Errno(EINVAL)
    if not flags & SIGNAL_PROCESS_GROUP:
        thread = flags & SIGNAL_THREAD or (not flags and file.flags & PIDFD_THREAD)
        send_by_call(k, task, sig, info, group=not thread)
        return 0
    members = [t for t in k.processes.tasks if t.is_group_leader and t.signal.pgrp == pid.nr]
    if not members:
        raise Errno(ESRCH)
    for member in members:
        send_by_call(k, member, sig, info)
    return 0


@syscall(438, "pidfd:fd targetfd:fd flags:hex")
def sys_pidfd_getfd(k: Kernel, pidfd: int, targetfd: int, flags: int) -> int:
    """pidfd_getfd: a descriptor of one's own for another process's open file, closed by exec.

    EINVAL for a flag, EBADF, EPERM, ESRCH, EMFILE.
    """
    if flags:
        raise Errno(EINVAL)
    task = _task(k, pidfd)
    if not ptrace_may_access(k, task):
        raise Errno(EPERM)
    if task.files is None:
        raise Errno(ESRCH)
    file = task.files.fd.get(targetfd)
    if file is None:
        raise Errno(EBADF)
    return fd_install(k, get_unused_fd(k), get_file(file), cloexec=True)
