"""Small system calls (kernel/sys.c, kernel/timer.c)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EINVAL, ENOSYS, EPERM, ESRCH, Errno
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.io_context import IoContext
from toykernel.kernel.pid import find_task_by_vpid, pid_vnr, task_pid_vnr
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

NEW_UTS_LEN = 64
IOPRIO_WHO_PROCESS = 1
_IOPRIO_CLASSES = 4
_IOPRIO_LEVELS = 8


def sys_ni_syscall(k: Kernel) -> int:
    """Every number without a function of its own: Errno(ENOSYS)."""
    raise Errno(ENOSYS)


@syscall(20)
def sys_getpid(k: Kernel) -> int:
    """The thread group's number."""
    # As its own namespace, which is the caller's, has it (task_tgid_vnr): there is no quicker call to time.
    return k.current.group_leader.pid_struct.numbers[-1][1]


@syscall(224)
def sys_gettid(k: Kernel) -> int:
    """The task's own number."""
    return task_pid_vnr(k, k.current)


@syscall(64)
def sys_getppid(k: Kernel) -> int:
    """The parent's thread group; 0 when it is outside the pid namespace."""
    return pid_vnr(k, k.current.real_parent.tgid)


@syscall(258, "tidptr:address")
def sys_set_tid_address(k: Kernel, tidptr: int) -> int:
    """set_tid_address: where exit stores 0 and wakes a futex; the caller's number."""
    k.current.clear_child_tid = tidptr
    return task_pid_vnr(k, k.current)


@syscall(122, "buf:utsname")
def sys_uname(k: Kernel, name: int) -> int:
    """new_utsname: six strings of 65 bytes."""
    uts = k.current.nsproxy.uts_ns.name
    fields = (
        uts.sysname,
        uts.nodename,
        uts.release,
        uts.version,
        uts.machine,
        uts.domainname,
    )
    data = b"".join(
        text.encode(errors="surrogateescape")[:NEW_UTS_LEN].ljust(NEW_UTS_LEN + 1, b"\0")
        for text in fields
    )
    copy_to_user(k, name, data)
    return 0


@syscall(109, "buf:hex")
def sys_olduname(k: Kernel, name: int) -> int:
    """olduname: uname without the domain, of before there were domains."""
    return _old_names(k, name, NEW_UTS_LEN)


@syscall(59, "buf:hex")
def sys_oldolduname(k: Kernel, name: int) -> int:
    """oldolduname: the same five strings, cut to 8 bytes each."""
    return _old_names(k, name, 8)


def _old_names(k: Kernel, name: int, length: int) -> int:
    uts = k.current.nsproxy.uts_ns.name
    fields = (uts.sysname, uts.nodename, uts.release, uts.version, uts.machine)
    texts = (field.encode(errors="surrogateescape")[:length] for field in fields)
    copy_to_user(k, name, b"".join(text.ljust(length + 1, b"\0") for text in texts))
    return 0


def _new_name(k: Kernel, name: int, length: int) -> str:
    if not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if not 0 <= length <= NEW_UTS_LEN:
        raise Errno(EINVAL)
    return copy_from_user(k, name, length).split(b"\0")[0].decode(errors="surrogateescape")


@syscall(74, "name:buffer_in len:int")
def sys_sethostname(k: Kernel, name: int, length: int) -> int:
    """sethostname: for every task of the uts namespace.

    EPERM without CAP_SYS_ADMIN, EINVAL above 64 bytes, EFAULT.
    """
    uts = k.current.nsproxy.uts_ns
    uts.name = replace(uts.name, nodename=_new_name(k, name, length))
    return 0


@syscall(121, "name:buffer_in len:int")
def sys_setdomainname(k: Kernel, name: int, length: int) -> int:
    """At most 64 bytes. Raises Errno(EPERM) without CAP_SYS_ADMIN, Errno(EINVAL), Errno(EFAULT)."""
    uts = k.current.nsproxy.uts_ns
    uts.name = replace(uts.name, domainname=_new_name(k, name, length))
    return 0


def _ioprio_task(k: Kernel, which: int, who: int) -> Task:
    if which != IOPRIO_WHO_PROCESS:
        raise Errno(EINVAL)
    task = find_task_by_vpid(k, who) if who else k.current
    if task is None:
        raise Errno(ESRCH)
    return task


@syscall(289, "which:int who:int ioprio:hex")
def sys_ioprio_set(k: Kernel, which: int, who: int, ioprio: int) -> int:
    """ioprio_set, of one process: its io_context is made by the first call. EINVAL, EPERM, ESRCH."""
    class_, level = ioprio >> 13, ioprio & 0x1FFF
    if class_ >= _IOPRIO_CLASSES or level >= _IOPRIO_LEVELS or (class_ == 0 and level):
        raise Errno(EINVAL)
    if class_ == 1 and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    task = _ioprio_task(k, which, who)
    if task.cred.uid not in (k.current.cred.euid, k.current.cred.uid) and k.current.cred.euid:
        raise Errno(EPERM)
    if task.io_context is None:
        task.io_context = IoContext(k.memory.slabs.ioc.alloc(k))
    task.io_context.ioprio = ioprio
    return 0


@syscall(290, "which:int who:int")
def sys_ioprio_get(k: Kernel, which: int, who: int) -> int:
    """Of one process only: IOPRIO_WHO_PGRP and _USER answer Errno(EINVAL)."""
    task = _ioprio_task(k, which, who)
    return task.io_context.ioprio if task.io_context is not None else 0


@syscall(318, "cpu:address node:address tcache:address")
def sys_getcpu(k: Kernel, cpup: int, nodep: int, _tcache: int) -> int:
    """getcpu: the processor that the caller runs on, and its memory node: both are 0. EFAULT."""
    for address in (cpup, nodep):
        if address:
            copy_to_user(k, address, bytes(4))
    return 0
