"""sys_ipc (ipc/syscall.c): the one call through which the i386 made all of System V's for a long time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import get_user, put_user
from toykernel.errno import EINVAL, ENOSYS, Errno
from toykernel.ipc.msg import sys_msgctl, sys_msgget, sys_msgrcv, sys_msgsnd
from toykernel.ipc.semop import do_semtimedop, semctl, semget
from toykernel.ipc.shm import do_shmat, sys_shmctl, sys_shmdt, sys_shmget
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

SEMOP, SEMGET, SEMCTL, SEMTIMEDOP = 1, 2, 3, 4
MSGSND, MSGRCV, MSGGET, MSGCTL = 11, 12, 13, 14
SHMAT, SHMDT, SHMGET, SHMCTL = 21, 22, 23, 24


@syscall(117, "call:uint first:int second:int third:int ptr:address fifth:int")
def sys_ipc(
    k: Kernel, call: int, first: int, second: int, third: int, ptr: int, fifth: int
) -> Result:
    """ipc: semaphores, messages and shared memory. ENOSYS for another call, and what the calls answer."""
    version, call = call >> 16, call & 0xFFFF
    if call in (SEMOP, SEMTIMEDOP):
        timeout = fifth & 0xFFFFFFFF if call == SEMTIMEDOP else 0
        return do_semtimedop(k, first, ptr, second, timeout)
    if call == SEMGET:
        return semget(k, first, second, third)
    if call == SEMCTL:
        if not ptr:
            raise Errno(EINVAL)
        return semctl(k, first, second, third, get_user(k, ptr))
    if call == MSGSND:
        return sys_msgsnd(k, first, ptr, second, third)
    if call == MSGRCV:
        return _msgrcv(k, version, first, second, third, ptr, fifth)
    if call == MSGGET:
        return sys_msgget(k, first, second)
    if call == MSGCTL:
        return sys_msgctl(k, first, second, ptr)
    if call == SHMAT:
        if version == 1:
            raise Errno(EINVAL)
        put_user(k, do_shmat(k, first, ptr, second), third & 0xFFFFFFFF)
        return 0
    if call == SHMDT:
        return sys_shmdt(k, ptr)
    if call == SHMGET:
        return sys_shmget(k, first, second & 0xFFFFFFFF, third)
    if call == SHMCTL:
        return sys_shmctl(k, first, second, ptr)
    raise Errno(ENOSYS)


def _msgrcv(
    k: Kernel, version: int, msqid: int, size: int, flags: int, ptr: int, mtype: int
) -> Result:
    """Six arguments are one too many: in version 0 two of them lie in memory (struct ipc_kludge)."""
    if version:
        return sys_msgrcv(k, msqid, ptr, size, mtype, flags)
    if not ptr:
        raise Errno(EINVAL)
    msgp, word = get_user(k, ptr), get_user(k, ptr + 4)
    return sys_msgrcv(k, msqid, msgp, size, word - (1 << 32) if word >> 31 else word, flags)
