"""Leases (fs/locks.c): who holds one is told before somebody else opens the file in a way that does not fit.

The opener waits until the holder has given the lease back or made it a read lease, at most for
fs.lease-break-time seconds; then the kernel does it.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EACCES, EAGAIN, EINVAL, ERESTARTSYS, Errno
from toykernel.fs.fasync import F_OWNER_PID, POLL_MSG, send_sigio
from toykernel.fs.file import O_ACCMODE, O_NONBLOCK, O_RDONLY, File
from toykernel.fs.inode import S_IFREG, Inode
from toykernel.fs.locks import F_RDLCK, F_UNLCK, F_WRLCK, lock_context
from toykernel.kernel.cred import CAP_LEASE, capable
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get
from toykernel.kernel.wait import Wait, wake_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel


@dataclass(eq=False)
class Lease:
    """A lease of one open file: its kind, what it is to become, and until when (CLOCK_MONOTONIC in ns; 0:
    for ever). `fd` is the descriptor that it was taken by.
    """

    slab: int
    file: File
    fd: int
    kind: int
    target: int = field(default=-1)  # -1: nobody breaks it
    deadline: int = 0


class LeaseInTheWay(Exception):
    """An open has to wait until the leases on a file are broken."""

    def __init__(self, inode: Inode) -> None:
        super().__init__(f"a lease on inode {inode.ino}")
        self.inode = inode


def _leases(inode: Inode) -> list[Lease]:
    found: list[Lease] = inode.i_flctx.leases if inode.i_flctx is not None else []
    return found


def _opens(k: Kernel, inode: Inode) -> int:
    """How many open files there are of an inode, whoever has them (i_readcount and i_writecount)."""
    found = {
        id(file)
        for task in k.processes.tasks
        if task.files is not None
        for file in task.files.fd.values()
        if file.inode is inode and (file.readable or file.writable)
    }
    return len(found)


def fcntl_setlease(k: Kernel, file: File, fd: int, kind: int) -> int:
    """F_SETLEASE: take one, change it, or give it back. EACCES for another's file without CAP_LEASE, EAGAIN
    when it does not fit what is open, EINVAL, ENOMEM.
    """
    inode = file.inode
    if kind not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise Errno(EINVAL)
    if k.current.cred.fsuid != inode.uid and not capable(k, CAP_LEASE):
        raise Errno(EACCES)
    if inode.type != S_IFREG:
        raise Errno(EINVAL)
    context = lock_context(inode)
    _time_out(k, inode)
    own = next((lease for lease in context.leases if lease.file is file), None)
    if kind == F_UNLCK:
        if own is None:
            raise Errno(EAGAIN)
        _modify(k, inode, own, F_UNLCK)
        return 0
    if kind == F_RDLCK and inode.i_writecount > 0:
        raise Errno(EAGAIN)
    if kind == F_WRLCK and _opens(k, inode) != 1:
        raise Errno(EAGAIN)
    for lease in context.leases:
        if lease is not own and (kind == F_WRLCK or lease.target == F_UNLCK):
            raise Errno(EAGAIN)
    if own is not None:
        _modify(k, inode, own, kind)
        return 0
    context.leases.append(Lease(k.memory.slabs.file_lease.alloc(k), file, fd, kind))
    if not file.f_owner[1]:
        cred = k.current.cred
        file.f_owner, file.f_owner_ids = (F_OWNER_PID, k.current.tgid), (cred.uid, cred.euid)
    return 0


def fcntl_getlease(k: Kernel, file: File) -> int:
    """F_GETLEASE: the kind of the open file's lease, what it is to become while it is broken; F_UNLCK."""
    _time_out(k, file.inode)
    own = next((lease for lease in _leases(file.inode) if lease.file is file), None)
    if own is None:
        return F_UNLCK
    return own.target if own.target >= 0 else own.kind


def _modify(k: Kernel, inode: Inode, lease: Lease, kind: int) -> None:
    """lease_modify: another kind, or none; whoever waits looks again."""
    lease.kind, lease.target, lease.deadline = kind, -1, 0
    context = lock_context(inode)
    if kind == F_UNLCK:
        context.leases.remove(lease)
        k.memory.slabs.file_lease.free(k, lease.slab)
    wake_up(k, context.wait)


def _time_out(k: Kernel, inode: Inode) -> None:
    """time_out_leases: what should have been given back by now."""
    now = ktime_get(k)
    for lease in list(_leases(inode)):
        if lease.deadline and lease.deadline <= now:
            _modify(k, inode, lease, lease.target)


def break_lease(k: Kernel, inode: Inode, flags: int) -> None:
    """Somebody opens or truncates the file: holders of leases that do not fit are told, once.

    Raises Errno(EAGAIN) with O_NONBLOCK, else LeaseInTheWay, while there are such.
    """
    if not _leases(inode):
        return
    _time_out(k, inode)
    writes = flags & O_ACCMODE != O_RDONLY
    target = F_UNLCK if writes else F_RDLCK
    in_the_way = [lease for lease in _leases(inode) if writes or lease.kind == F_WRLCK]
    if not in_the_way:
        return
    limit = k.files.lease_break_time * NSEC_PER_SEC
    for lease in in_the_way:
        if lease.target in (target, F_UNLCK):
            continue
        lease.target = target
        lease.deadline = ktime_get(k) + limit if limit else 0
        send_sigio(k, lease.file, lease.fd, POLL_MSG)
    if flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    raise LeaseInTheWay(inode)


def wait_for_leases(
    k: Kernel, inode: Inode, resume: Callable[..., Result], args: tuple[object, ...]
) -> Result:
    """Sleep until a lease on a file goes or its time is up, and then do `resume` again. ERESTARTSYS."""
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    deadlines = [lease.deadline for lease in _leases(inode) if lease.deadline]
    reason = f"a lease on inode {inode.ino}"
    queue = lock_context(inode).wait
    deadline = min(deadlines, default=None)
    return Wait((queue,), lease_gone, (inode, resume, args), reason, deadline=deadline)


def lease_gone(
    k: Kernel,
    inode: Inode,
    resume: Callable[..., Result],
    args: tuple[object, ...],
    late: bool = False,
) -> Result:
    """A lease has gone, the time is up, or a signal has come (ERESTARTSYS)."""
    broken = any(lease.target >= 0 for lease in _leases(inode))
    if broken and not late and signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    return resume(k, *args)
