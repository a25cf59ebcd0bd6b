"""Limits (kernel/sys.c): getrlimit, setrlimit, prlimit64. They are the thread group's."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EINVAL, EPERM, ESRCH, Errno
from toykernel.kernel.cred import CAP_SYS_RESOURCE, capable
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.signal_types import (
    RLIM_INFINITY,
    RLIM_NLIMITS,
    RLIMIT_CPU,
    RLIMIT_NOFILE,
    Rlimits,
)
from toykernel.security import security_task_setrlimit
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_INFINITY64 = (1 << 64) - 1


def _limits(k: Kernel, resource: int) -> Rlimits:
    if not 0 <= resource < RLIM_NLIMITS:
        raise Errno(EINVAL)
    return k.current.signal.rlim


def do_setrlimit(k: Kernel, task: Task, resource: int, new: tuple[int, int]) -> None:
    """Set soft and hard limit. Raises Errno(EINVAL) for soft above hard, Errno(EPERM) for a hard
    one raised without CAP_SYS_RESOURCE.
    """
    soft, hard = new
    if soft > hard:
        raise Errno(EINVAL)
    if resource == RLIMIT_NOFILE and hard > k.files.nr_open:
        raise Errno(EPERM)
    if hard > task.signal.rlim[resource][1] and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EPERM)
    security_task_setrlimit(k, resource, new)
    if resource == RLIMIT_CPU and soft == 0:
        soft = 1  # 0 would mean none
    task.signal.rlim[resource] = (soft, hard)


@syscall(75, "resource:rlimit rlim:address")
def sys_setrlimit(k: Kernel, resource: int, rlim: int) -> int:
    """Soft and hard. Raises Errno(EPERM) above the hard limit without CAP_SYS_RESOURCE, Errno(EINVAL)."""
    soft, hard = struct.unpack("<II", copy_from_user(k, rlim, 8))
    _limits(k, resource)
    do_setrlimit(k, k.current, resource, (soft, hard))
    return 0


@syscall(191, "resource:rlimit rlim:address", name="ugetrlimit")
def sys_getrlimit(k: Kernel, resource: int, rlim: int) -> int:
    """ugetrlimit: soft and hard limit; infinity is 0xFFFFFFFF. Raises Errno(EINVAL), Errno(EFAULT)."""
    copy_to_user(k, rlim, struct.pack("<II", *_limits(k, resource)[resource]))
    return 0


@syscall(76, "resource:rlimit rlim:address", name="getrlimit")
def sys_old_getrlimit(k: Kernel, resource: int, rlim: int) -> int:
    """getrlimit of old: infinity was 0x7FFFFFFF. Errors as ugetrlimit."""
    soft, hard = _limits(k, resource)[resource]
    copy_to_user(k, rlim, struct.pack("<II", min(soft, 0x7FFFFFFF), min(hard, 0x7FFFFFFF)))
    return 0


@syscall(340, "pid:pid resource:rlimit new_limit:address old_limit:address")
def sys_prlimit64(k: Kernel, pid: int, resource: int, new_limit: int, old_limit: int) -> int:
    """prlimit64: get and set in one step, of another process too. ESRCH, EPERM, EINVAL, EFAULT."""
    new = None
    if new_limit:
        words = struct.unpack("<QQ", copy_from_user(k, new_limit, 16))
        new = (min(words[0], RLIM_INFINITY), min(words[1], RLIM_INFINITY))
    task = find_task_by_vpid(k, pid) if pid else k.current
    if task is None:
        raise Errno(ESRCH)
    _check_permission(k, task)
    _limits(k, resource)
    old = task.signal.rlim[resource]
    if new is not None:
        do_setrlimit(k, task, resource, new)
    if old_limit:
        shown = (_INFINITY64 if value == RLIM_INFINITY else value for value in old)
        copy_to_user(k, old_limit, struct.pack("<QQ", *shown))
    return 0


def _check_permission(k: Kernel, task: Task) -> None:
    mine, other = k.current.cred, task.cred
    if task is k.current or capable(k, CAP_SYS_RESOURCE):
        return
    if {other.euid, other.suid, other.uid} != {mine.uid}:
        raise Errno(EPERM)
    if {other.egid, other.sgid, other.gid} != {mine.gid}:
        raise Errno(EPERM)
