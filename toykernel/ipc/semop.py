"""semget, semop, semctl (ipc/sem.c, and sys_ipc, through which the i386 makes these calls)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user
from toykernel.errno import (
    E2BIG,
    EACCES,
    EAGAIN,
    EEXIST,
    EFBIG,
    EINTR,
    EINVAL,
    ENOENT,
    ENOSPC,
    ENOSYS,
    EPERM,
    ERANGE,
    Errno,
)
from toykernel.ipc.sem import (
    SEM_UNDO,
    SEMVMX,
    SemArray,
    SemIds,
    SemQueue,
    SemUndoList,
    freeary,
    own_tgid,
    perform_atomic_semop,
    update_queue,
)
from toykernel.kernel.cred import CAP_IPC_OWNER, CAP_SYS_ADMIN, capable
from toykernel.kernel.signal import was_interrupted
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get, ktime_get_real
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SEMOP, SEMGET, SEMCTL, SEMTIMEDOP = 1, 2, 3, 4
IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
IPC_PRIVATE = 0
IPC_RMID, IPC_SET, IPC_STAT, IPC_64 = 0, 1, 2, 0x100
GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = range(11, 18)
SEMMSL, SEMMNI, SEMOPM = 250, 128, 32
SEQ_MULTIPLIER = 32768
S_READ, S_ALTER = 0o444, 0o222


@syscall(117, "call:uint first:int second:int third:int ptr:address fifth:hex")
def sys_ipc(
    k: Kernel, call: int, first: int, second: int, third: int, ptr: int, fifth: int
) -> Result:
    """ipc: semaphores only; messages and shared memory are not there (ENOSYS).

    EINVAL for another call.
    """
    call &= 0xFFFF
    if call == SEMOP:
        return do_semtimedop(k, first, ptr, second, 0)
    if call == SEMTIMEDOP:
        return do_semtimedop(k, first, ptr, second, fifth)
    if call == SEMGET:
        return semget(k, first, second, third)
    if call == SEMCTL:
        if not ptr:
            raise Errno(EINVAL)
        return semctl(k, first, second, third, get_user(k, ptr))
    raise Errno(ENOSYS)


def _ids(k: Kernel) -> SemIds:
    return k.current.nsproxy.ipc_ns.sem_ids


def _check(k: Kernel, sma: SemArray, mask: int) -> None:
    """ipcperms: `mask` in bits of one class, 4 to read and 2 to alter. Raises Errno(EACCES)."""
    cred = k.current.cred
    mode = sma.mode
    if cred.euid in (sma.cuid, sma.uid):
        granted = mode >> 6
    elif cred.egid in (sma.cgid, sma.gid) or {sma.cgid, sma.gid} & set(cred.groups):
        granted = mode >> 3
    else:
        granted = mode
    if mask & 7 & ~granted and not capable(k, CAP_IPC_OWNER):
        raise Errno(EACCES)


def _find(k: Kernel, semid: int) -> SemArray:
    sma = _ids(k).sets.get(semid)
    if sma is None:
        raise Errno(EINVAL)
    return sma


def semget(k: Kernel, key: int, nsems: int, semflg: int) -> int:
    """The identifier of a key's set, made when it is not there and IPC_CREAT says so. Raises Errno:
    ENOENT, EEXIST with IPC_EXCL, EINVAL for the number of semaphores, ENOSPC, EACCES.
    """
    ids = _ids(k)
    if not 0 <= nsems <= SEMMSL:
        raise Errno(EINVAL)
    if key != IPC_PRIVATE:
        for sma in ids.sets.values():
            if sma.key != key:
                continue
            if semflg & IPC_CREAT and semflg & IPC_EXCL:
                raise Errno(EEXIST)
            if nsems > len(sma.values):
                raise Errno(EINVAL)
            _check(k, sma, semflg & 0o777)
            return sma.ident
        if not semflg & IPC_CREAT:
            raise Errno(ENOENT)
    if not nsems:
        raise Errno(EINVAL)
    if len(ids.sets) >= SEMMNI:
        raise Errno(ENOSPC)
    used = {ident % SEQ_MULTIPLIER for ident in ids.sets}
    index = next(i for i in range(SEMMNI) if i not in used)
    slab = k.memory.slabs.sem.alloc(k)
    ident = ids.seq * SEQ_MULTIPLIER + index
    ids.seq = (ids.seq + 1) % (0x7FFFFFFF // SEQ_MULTIPLIER)
    cred = k.current.cred
    ids.sets[ident] = SemArray(
        slab,
        ident,
        key,
        cred.euid,
        cred.egid,
        cred.euid,
        cred.egid,
        semflg & 0o777,
        [0] * nsems,
        [0] * nsems,
        ctime=ktime_get_real(k) // NSEC_PER_SEC,
    )
    return ident


# -- operations ------------------------------------------------------------------------------------


def do_semtimedop(k: Kernel, semid: int, tsops: int, nsops: int, timeout: int) -> Result:
    """Several operations, all of them or none; sleeps until they can be done. Raises Errno: E2BIG,
    EFBIG, EINVAL, EIDRM, EAGAIN with IPC_NOWAIT or after `timeout`.
    """
    if nsops < 1 or semid < 0:
        raise Errno(EINVAL)
    if nsops > SEMOPM:
        raise Errno(E2BIG)
    data = copy_from_user(k, tsops, 6 * nsops)
    sops = tuple(struct.iter_unpack("<Hhh", data))
    deadline = None
    if timeout:
        seconds, ns = struct.unpack("<iI", copy_from_user(k, timeout, 8))
        if seconds < 0 or ns >= NSEC_PER_SEC:
            raise Errno(EINVAL)
        deadline = ktime_get(k) + seconds * NSEC_PER_SEC + ns
    sma = _find(k, semid)
    if any(number >= len(sma.values) for number, _, _ in sops):
        raise Errno(EFBIG)
    _check(k, sma, S_ALTER if any(op for _, op, _ in sops) else S_READ)
    if any(op and flags & SEM_UNDO for _, op, flags in sops):
        _find_alloc_undo(k, sma)
    q = SemQueue(k.current, sops, own_tgid(k.current))
    blocking = perform_atomic_semop(sma, q)
    if blocking is None:
        sma.otime = ktime_get_real(k) // NSEC_PER_SEC
        if q.alters:
            update_queue(k, sma)
        return 0
    number, op, flags = blocking
    if flags & IPC_NOWAIT:
        raise Errno(EAGAIN)
    sma.pending.append(q)
    reason = f"semop {op:+d} on semaphore {number} of set {sma.ident}"
    return _sleep(k, sma, q, deadline, reason)


def _find_alloc_undo(k: Kernel, sma: SemArray) -> None:
    task = k.current
    if task.undo_list is None:
        task.undo_list = SemUndoList(k.memory.slabs.sem_undo_list.alloc(k))
    task.undo_list.ids = _ids(k)
    task.undo_list.adjust.setdefault(sma.ident, [0] * len(sma.values))


def _sleep(k: Kernel, sma: SemArray, q: SemQueue, deadline: int | None, reason: str) -> Result:
    return Wait((), semop_woken, (sma, q, deadline, reason), reason, deadline=deadline)


def semop_woken(
    k: Kernel, sma: SemArray, q: SemQueue, deadline: int | None, reason: str, late: bool = False
) -> Result:
    """A sleeper goes on: it was served, or the set is gone, or it is too late, or a signal came."""
    if q.status is not None:
        if q.status:
            raise Errno(q.status)
        return 0
    if not late and not was_interrupted(k):
        return _sleep(k, sma, q, deadline, reason)
    sma.pending.remove(q)
    raise Errno(EAGAIN if late else EINTR)  # never restarted


# -- control ---------------------------------------------------------------------------------------


def semctl(k: Kernel, semid: int, semnum: int, cmd: int, arg: int) -> int:
    """semctl: what `cmd` asks for, else 0; `arg` is the word of the union. Raises Errno(EINVAL),
    Errno(ERANGE), Errno(EPERM), Errno(EACCES).
    """
    cmd &= ~IPC_64
    if semid < 0:
        raise Errno(EINVAL)
    sma = _find(k, semid)
    if cmd == IPC_RMID:
        _check_owner(k, sma)
        freeary(k, _ids(k), sma)
        return 0
    if cmd == IPC_SET:
        _check_owner(k, sma)
        _, uid, gid, _, _, mode = struct.unpack("<IIIIIH", copy_from_user(k, arg, 22))
        sma.uid, sma.gid, sma.mode = uid, gid, sma.mode & ~0o777 | mode & 0o777
        sma.ctime = ktime_get_real(k) // NSEC_PER_SEC
        return 0
    if cmd == IPC_STAT:
        _check(k, sma, S_READ)
        copy_to_user(k, arg, _semid64_ds(sma))
        return 0
    if cmd in (GETALL, SETALL):
        return _all_values(k, sma, cmd, arg)
    if cmd not in (GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL):
        raise Errno(EINVAL)
    if not 0 <= semnum < len(sma.values):
        raise Errno(EINVAL)
    if cmd == SETVAL:
        _check(k, sma, S_ALTER)
        if arg > SEMVMX:
            raise Errno(ERANGE)
        _set_values(k, sma, {semnum: arg})
        return 0
    _check(k, sma, S_READ)
    if cmd == GETVAL:
        return sma.values[semnum]
    if cmd == GETPID:
        return sma.pids[semnum]
    zero = cmd == GETZCNT
    return sum(
        any(number == semnum and (op == 0 if zero else op < 0) for number, op, _ in s.sops)
        for s in sma.pending
    )


def _check_owner(k: Kernel, sma: SemArray) -> None:
    if k.current.cred.euid not in (sma.uid, sma.cuid) and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)


def _all_values(k: Kernel, sma: SemArray, cmd: int, arg: int) -> int:
    count = len(sma.values)
    if cmd == GETALL:
        _check(k, sma, S_READ)
        copy_to_user(k, arg, struct.pack(f"<{count}H", *sma.values))
        return 0
    _check(k, sma, S_ALTER)
    values = struct.unpack(f"<{count}H", copy_from_user(k, arg, 2 * count))
    if any(value > SEMVMX for value in values):
        raise Errno(ERANGE)
    _set_values(k, sma, dict(enumerate(values)))
    return 0


def _set_values(k: Kernel, sma: SemArray, values: dict[int, int]) -> None:
    """New values forget what every undo list remembers of these semaphores."""
    for number, value in values.items():
        sma.values[number] = value
        sma.pids[number] = own_tgid(k.current)
        for task in k.processes.tasks:
            if task.undo_list is not None and sma.ident in task.undo_list.adjust:
                task.undo_list.adjust[sma.ident][number] = 0
    sma.ctime = ktime_get_real(k) // NSEC_PER_SEC
    update_queue(k, sma)


def _semid64_ds(sma: SemArray) -> bytes:
    seq = sma.ident // SEQ_MULTIPLIER
    perm = struct.pack(
        *("<iIIIIHHHHII", sma.key, sma.uid, sma.gid, sma.cuid, sma.cgid),
        *(sma.mode, 0, seq & 0xFFFF, 0, 0, 0),
    )
    return perm + struct.pack("<7I", sma.otime, 0, sma.ctime, 0, len(sma.values), 0, 0)
