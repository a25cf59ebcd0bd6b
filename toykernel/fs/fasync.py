"""SIGIO (fs/fcntl.c): the owner of an open file with O_ASYNC is told when the file becomes ready."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.fs.inode import S_IFCHR, S_IFIFO, S_IFSOCK
from toykernel.fs.operations import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLMSG,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
    always_ready,
)
from toykernel.kernel.siginfo import (
    SI_KERNEL,
    SI_SIGIO,
    SIGBUS,
    SIGCHLD,
    SIGFPE,
    SIGILL,
    SIGIO,
    SIGSEGV,
    SIGSYS,
    SIGTRAP,
)
from toykernel.kernel.signal import send_signal
from toykernel.kernel.wait import WaitCallback, WaitQueue

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel
    from toykernel.task import Task

F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP = range(3)
#: si_code of a signal for I/O, and the POLL bits that it stands for (band_table).
POLL_IN, POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI, POLL_HUP = range(1, 7)
_BANDS = {
    POLL_IN: POLLIN | POLLRDNORM,
    POLL_OUT: POLLOUT | POLLWRNORM | POLLWRBAND,
    POLL_MSG: POLLIN | POLLRDNORM | POLLMSG,
    POLL_ERR: POLLERR,
    POLL_PRI: POLLPRI | POLLRDBAND,
    POLL_HUP: POLLHUP | POLLERR,
}
_OWN_CODES = frozenset((SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP, SIGCHLD, SIGSYS))


@dataclass(eq=False)
class Fasync:
    """struct fasync_struct: the open file, the descriptor that O_ASYNC was set by, and where it listens."""

    slab: int
    file: File
    fd: int
    callbacks: list[tuple[WaitQueue, WaitCallback]] = field(default_factory=list)

    def closed(self, k: Kernel) -> None:
        """The open file goes, or O_ASYNC does."""
        for queue, callback in self.callbacks:
            queue.callbacks.pop(callback, None)
        self.callbacks.clear()
        k.memory.slabs.fasync.free(k, self.slab)


def can_listen(file: File) -> bool:
    """Whether the file has f_op->fasync: what never changes has not."""
    changes = file.inode.type in (S_IFIFO, S_IFSOCK, S_IFCHR) and file.op.poll is not always_ready
    return changes or file.op.fasync


def set_async(k: Kernel, file: File, fd: int, on: bool) -> None:
    """O_ASYNC is set or taken away; files that never change do not listen (f_op->fasync).

    Raises Errno(ENOMEM).
    """
    if not on:
        if file.f_async is not None:
            file.f_async.closed(k)
            file.f_async = None
        return
    if file.f_async is not None or not can_listen(file):
        return
    record = Fasync(k.memory.slabs.fasync.alloc(k), file, fd)
    queues: list[WaitQueue] = []
    file.op.poll(k, file, queues)
    for queue in queues:
        callback = WaitCallback(fasync_callback, record)
        queue.callbacks[callback] = None
        record.callbacks.append((queue, callback))
    file.f_async = record


def fasync_callback(k: Kernel, callback: WaitCallback, key: Any) -> bool:
    """Something has happened at the file: kill_fasync, for what its access mode lets it see."""
    record: Fasync = callback.data
    happened = key if isinstance(key, int) else POLLIN | POLLOUT
    if happened & POLLIN and record.file.readable:
        send_sigio(k, record.file, record.fd, POLL_IN)
    if happened & POLLOUT and record.file.writable:
        send_sigio(k, record.file, record.fd, POLL_OUT)
    return False


def send_sigio(k: Kernel, file: File, fd: int, reason: int) -> None:
    """Tell the owner, with the signal of F_SETSIG; without one it is SIGIO, which says no more."""
    kind, number = file.f_owner
    if not number:
        return
    tasks = [task for task in k.processes.tasks if not task.exit_state]
    if kind == F_OWNER_PGRP:
        found = [t for t in tasks if t.is_group_leader and t.signal.pgrp == number]
    else:
        found = [t for t in tasks if t.pid == number]
    for task in found:
        if _permitted(file, task):
            _send(k, task, file.f_signum, fd, reason, group=kind != F_OWNER_TID)


def _permitted(file: File, task: Task) -> bool:
    """sigio_perm: who set the owner might have killed it."""
    uid, euid = file.f_owner_ids
    return not euid or bool({uid, euid} & {task.cred.uid, task.cred.suid})


def _send(k: Kernel, task: Task, sig: int, fd: int, reason: int, *, group: bool) -> None:
    if sig:
        code = SI_SIGIO if sig != SIGIO and sig in _OWN_CODES else reason
        info = {"si_code": code, "si_band": _BANDS[reason], "si_fd": fd}
        if not send_signal(k, task, sig, info, group=group):
            return  # else its queue is full
    send_signal(k, task, SIGIO, {"si_code": SI_KERNEL}, group=group)
