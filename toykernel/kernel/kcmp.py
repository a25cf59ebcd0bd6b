"""kcmp (kernel/kcmp.c): whether two tasks share a thing, without saying where it is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user
from toykernel.errno import EBADF, EINVAL, ENOENT, EPERM, ESRCH, Errno
from toykernel.fs.eventpoll import EventPoll
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel
    from toykernel.task import Task

(
    KCMP_FILE,
    KCMP_VM,
    KCMP_FILES,
    KCMP_FS,
    KCMP_SIGHAND,
    KCMP_IO,
    KCMP_SYSVSEM,
    KCMP_EPOLL_TFD,
) = range(8)
#: Attributes of a task, by type.
_SHARED = {
    KCMP_VM: "mm",
    KCMP_FILES: "files",
    KCMP_FS: "fs",
    KCMP_SIGHAND: "sighand",
    KCMP_IO: "io_context",
    KCMP_SYSVSEM: "undo_list",
}


@syscall(349, "pid1:pid pid2:pid type:int idx1:hex idx2:hex")
def sys_kcmp(k: Kernel, pid1: int, pid2: int, kind: int, idx1: int, idx2: int) -> int:
    """kcmp: 0 for the same, else 1 or 2, by which two things can be put in order.

    ESRCH, EPERM, EBADF for a descriptor, EINVAL for another type; of KCMP_EPOLL_TFD ENOENT and EFAULT, too.
    """
    first, second = (find_task_by_vpid(k, pid) for pid in (pid1, pid2))
    if first is None or second is None:
        raise Errno(ESRCH)
    if not (ptrace_may_access(k, first) and ptrace_may_access(k, second)):
        raise Errno(EPERM)
    if kind == KCMP_FILE:
        return _order(_file(first, idx1).slab, _file(second, idx2).slab)
    if kind == KCMP_EPOLL_TFD:
        slot = copy_from_user(k, idx2, 12)
        return _order(_file(first, idx1).slab, _watched(second, slot).slab)
    if kind not in _SHARED:
        raise Errno(EINVAL)
    places = (getattr(task, _SHARED[kind]) for task in (first, second))
    return _order(*(0 if place is None else place.slab for place in places))


def _order(first: int, second: int) -> int:
    """kcmp_ptr: 0 equal, 1 below, 2 above."""
    return (first < second) | (first > second) << 1


def _file(task: Task, fd: int) -> File:
    file = task.files.fd.get(fd) if task.files is not None else None
    if file is None:
        raise Errno(EBADF)
    return file


def _watched(task: Task, slot: bytes) -> File:
    """The file that an epoll file of a task watches, by struct kcmp_epoll_slot."""
    efd, tfd, skip = struct.unpack("<3I", slot)
    ep = _file(task, efd).private
    if not isinstance(ep, EventPoll):
        raise Errno(EINVAL)
    found = [item.file for item in ep.items if item.fd == tfd]
    if skip >= len(found):
        raise Errno(ENOENT)
    file: File = found[skip]
    return file
