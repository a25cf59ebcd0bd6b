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
    EIDRM,
    EINTR,
    EINVAL,
    ENOENT,
    ENOSPC,
    ENOSYS,
    EPERM,
    ERANGE,
    Errno,
)
from toykernel.ipc.sem import SemArray, SemIds, SemUndoList, SleepingOps, freeary
from toykernel.kernel.cred import CAP_IPC_OWNER, CAP_SYS_ADMIN, capable
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.signal import signal_pending
from toykernel.kernel.timekeeping import ktime_get, ktime_get_real
from toykernel.kernel.timer import hrtimer_cancel, sleep_until
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up

if TYPE_CHECKING:
    from toykernel.state import Kernel

SEMOP, SEMGET, SEMCTL, SEMTIMEDOP = 1, 2, 3, 4
IPC_CREAT, IPC_EXCL, IPC_NOWAIT, SEM_UNDO = 0o1000, 0o2000, 0o4000, 0x1000
IPC_PRIVATE = 0
IPC_RMID, IPC_SET, IPC_STAT, IPC_64 = 0, 1, 2, 0x100
GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = range(11, 18)
SEMMSL, SEMMNI, SEMOPM, SEMVMX, SEMAEM = 250, 128, 32, 32767, 16383
SEQ_MULTIPLIER = 32768
S_READ, S_ALTER = 0o444, 0o222

SemBuf = tuple[int, int, int]  # number, operation, flags


def sys_ipc(
    k: Kernel, call: int, first: int, second: int, third: int, ptr: int, fifth: int
) -> Result:
    """ipc: semaphores only; messages and shared memory are not there (ENOSYS)."""
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
    """ipcperms. Raises Errno(EACCES)."""
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
    """The set of a key, made when it is not there and IPC_CREAT says so."""
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
        WaitQueue(f"semaphore set {ident}"),
        ctime=ktime_get_real(k) // 1_000_000_000,
    )
    return ident


# -- operations ------------------------------------------------------------------------------------


def do_semtimedop(k: Kernel, semid: int, tsops: int, nsops: int, timeout: int) -> Result:
    """Several operations, all of them or none; sleeps until they can be done."""
    if nsops < 1 or semid < 0:
        raise Errno(EINVAL)
    if nsops > SEMOPM:
        raise Errno(E2BIG)
    data = copy_from_user(k, tsops, 6 * nsops)
    sops = tuple(struct.iter_unpack("<Hhh", data))
    deadline = None
    if timeout:
        seconds, ns = struct.unpack("<iI", copy_from_user(k, timeout, 8))
        if seconds < 0 or ns >= 1_000_000_000:
            raise Errno(EINVAL)
        deadline = ktime_get(k) + seconds * 1_000_000_000 + ns
    sma = _find(k, semid)
    if any(number >= len(sma.values) for number, _, _ in sops):
        raise Errno(EFBIG)
    _check(k, sma, S_ALTER if any(op for _, op, _ in sops) else S_READ)
    if any(op and flags & SEM_UNDO for _, op, flags in sops):
        _find_alloc_undo(k, sma)
    return _try(k, sma, sops, deadline)


def _find_alloc_undo(k: Kernel, sma: SemArray) -> None:
    task = k.current
    if task.undo_list is None:
        task.undo_list = SemUndoList(k.memory.slabs.sem_undo_list.alloc(k))
    task.undo_list.ids = _ids(k)
    task.undo_list.adjust.setdefault(sma.ident, [0] * len(sma.values))


def _try(k: Kernel, sma: SemArray, sops: tuple[SemBuf, ...], deadline: int | None) -> Result:
    """One go; sleeps when an operation would block."""
    blocking = perform_atomic_semop(k, sma, sops)
    if blocking is None:
        sma.otime = ktime_get_real(k) // 1_000_000_000
        if any(op for _, op, _ in sops):
            wake_up(k, sma.queue)
        return 0
    if blocking[2] & IPC_NOWAIT:
        raise Errno(EAGAIN)
    timer = sleep_until(k, k.current, deadline) if deadline is not None else None
    sleeping = SleepingOps(k.current, sops, timer)
    sma.pending.append(sleeping)
    number, op, _ = blocking
    reason = f"semop {op:+d} on semaphore {number} of set {sma.ident}"
    return Wait(sma.queue, semop_woken, (sma, sleeping, deadline), reason)


def semop_woken(k: Kernel, sma: SemArray, sleeping: SleepingOps, deadline: int | None) -> Result:
    """A sleeper goes on: the set is gone, it is too late, a signal came, or it may try again."""
    sma.pending.remove(sleeping)
    late = sleeping.timer is not None and not hrtimer_cancel(k, sleeping.timer)
    if sma.gone:
        raise Errno(EIDRM)
    if perform_atomic_semop(k, sma, sleeping.sops) is None:
        sma.otime = ktime_get_real(k) // 1_000_000_000
        wake_up(k, sma.queue)
        return 0
    if late:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(EINTR)  # never restarted
    return _try(k, sma, sleeping.sops, deadline)


def perform_atomic_semop(k: Kernel, sma: SemArray, sops: tuple[SemBuf, ...]) -> SemBuf | None:
    """Do all, or answer with the one that would block. Raises Errno(ERANGE), changing nothing."""
    values = list(sma.values)
    undo = k.current.undo_list
    adjust = list(undo.adjust.get(sma.ident, ())) if undo is not None else []
    for sop in sops:
        number, op, flags = sop
        if op == 0 and values[number]:
            return sop
        if values[number] + op < 0:
            return sop
        if values[number] + op > SEMVMX:
            raise Errno(ERANGE)
        values[number] += op
        if op and flags & SEM_UNDO:
            adjust[number] -= op
            if not -SEMAEM - 1 <= adjust[number] <= SEMAEM:
                raise Errno(ERANGE)
    sma.values[:] = values
    for number, _, _ in sops:
        sma.pids[number] = task_pid_vnr(k, k.current.group_leader)
    if undo is not None and adjust:
        undo.adjust[sma.ident] = adjust
    return None


# -- control ---------------------------------------------------------------------------------------


def semctl(k: Kernel, semid: int, semnum: int, cmd: int, arg: int) -> int:
    """semctl. `arg` is the union's word."""
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
        sma.ctime = ktime_get_real(k) // 1_000_000_000
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
        sma.pids[number] = task_pid_vnr(k, k.current.group_leader)
        for task in k.processes.tasks:
            if task.undo_list is not None and sma.ident in task.undo_list.adjust:
                task.undo_list.adjust[sma.ident][number] = 0
    sma.ctime = ktime_get_real(k) // 1_000_000_000
    wake_up(k, sma.queue)


def _semid64_ds(sma: SemArray) -> bytes:
    seq = sma.ident // SEQ_MULTIPLIER
    perm = struct.pack(
        *("<iIIIIHHHHII", sma.key, sma.uid, sma.gid, sma.cuid, sma.cgid),
        *(sma.mode, 0, seq & 0xFFFF, 0, 0, 0),
    )
    return perm + struct.pack("<7I", sma.otime, 0, sma.ctime, 0, len(sma.values), 0, 0)
