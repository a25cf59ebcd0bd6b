"""process_vm_readv and process_vm_writev (mm/process_vm_access.c): copies between two address spaces."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import (
    access_ok,
    copy_from_user,
    copy_some_to_user,
    read_some,
    user_page,
)
from toykernel.errno import EFAULT, EINVAL, EPERM, ESRCH, Errno
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.ptrace import ptrace_may_access
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

UIO_MAXIOV = 1024

Pieces = list[tuple[int, int]]


def pieces(k: Kernel, address: int, count: int, *, own: bool) -> Pieces:
    """The pieces of a struct iovec[]; addresses of the caller's own must be user's.

    Raises Errno(EINVAL), Errno(EFAULT).
    """
    if count > UIO_MAXIOV:
        raise Errno(EINVAL)
    found = list(struct.iter_unpack("<2I", copy_from_user(k, address, 8 * count)))
    for base, length in found:
        if length > 0x7FFFFFFF:
            raise Errno(EINVAL)
        if own and not access_ok(base, length):
            raise Errno(EFAULT)
    return found


def _remote_mm(k: Kernel, pid: int) -> MmStruct:
    task = find_task_by_vpid(k, pid)
    if task is None or task.mm is None:
        raise Errno(ESRCH)
    if not ptrace_may_access(k, task):
        raise Errno(EPERM)
    return task.mm


def _steps(local: Pieces, remote: Pieces) -> list[tuple[int, int, int]]:
    """The copy as own address, remote address and length, each step within a piece and a remote page."""
    steps = []
    own = [piece for piece in local if piece[1]]
    for base, length in remote:
        while length and own:
            start, room = own[0]
            part = min(length, room, PAGE_SIZE - (base & (PAGE_SIZE - 1)))
            steps.append((start, base, part))
            base, length = base + part, length - part
            own[0] = (start + part, room - part)
            if room == part:
                own.pop(0)
    return steps


def process_vm_rw(
    k: Kernel, pid: int, lvec: int, liovcnt: int, rvec: int, riovcnt: int, flags: int, write: bool
) -> int:
    """Copy piece by piece; the bytes that were copied before one that cannot be.

    Raises Errno: EINVAL, EFAULT, ESRCH, EPERM.
    """
    if flags:
        raise Errno(EINVAL)
    local = pieces(k, lvec, liovcnt, own=True)
    if not sum(length for _, length in local):
        return 0
    remote = pieces(k, rvec, riovcnt, own=False)
    if not sum(length for _, length in remote):
        return 0
    mm = _remote_mm(k, pid)
    done = 0
    for own, other, length in _steps(local, remote):
        copied = _copy(k, mm, own, other, length, write)
        done += copied
        if copied < length:
            break
    if not done:
        raise Errno(EFAULT)
    return done


def _copy(k: Kernel, mm: MmStruct, own: int, other: int, length: int, write: bool) -> int:
    """Within one remote page; how much was copied."""
    if not access_ok(other, length):
        return 0
    try:
        physical = user_page(k, mm, other, write)
    except Errno:
        return 0
    if not write:
        return copy_some_to_user(k, own, k.machine.ram.read(physical, length))
    data = read_some(k, own, length)
    k.machine.ram.write(physical, data)
    return len(data)


@syscall(347, "pid:pid local_iov:address liovcnt:size remote_iov:address riovcnt:size flags:hex")
def sys_process_vm_readv(
    k: Kernel, pid: int, lvec: int, liovcnt: int, rvec: int, riovcnt: int, flags: int
) -> int:
    """process_vm_readv: bytes of another process. EINVAL, EFAULT, ESRCH, EPERM."""
    return process_vm_rw(k, pid, lvec, liovcnt, rvec, riovcnt, flags, False)


@syscall(348, "pid:pid local_iov:address liovcnt:size remote_iov:address riovcnt:size flags:hex")
def sys_process_vm_writev(
    k: Kernel, pid: int, lvec: int, liovcnt: int, rvec: int, riovcnt: int, flags: int
) -> int:
    """process_vm_writev: bytes into another process. EINVAL, EFAULT, ESRCH, EPERM."""
    return process_vm_rw(k, pid, lvec, liovcnt, rvec, riovcnt, flags, True)
