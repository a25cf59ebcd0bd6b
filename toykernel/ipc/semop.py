"""semget, semop, semctl (ipc/sem.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    E2BIG,
    EAGAIN,
    EFBIG,
    EINTR,
    EINVAL,
    ENOSPC,
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
from toykernel.ipc.util import (
    IPC_64,
    IPC_INFO,
    IPC_NOWAIT,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    S_IRUGO,
    S_IWUGO,
    check_owner,
    find,
    find_index,
    highest_index,
    ident_taken,
    ipcget,
    ipcperms,
    new_ident,
    new_perm,
    pack_perm,
    read_perm,
    seconds,
    set_perm,
)
from toykernel.kernel.signal import was_interrupted
from toykernel.kernel.timekeeping import ktime_get, timespec64_from_user, timespec_from_user
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.state import Kernel

GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = range(11, 18)
SEM_STAT, SEM_INFO, SEM_STAT_ANY = 18, 19, 20
_NO_TIME = -1


def _ids(k: Kernel) -> SemIds:
    return k.current.nsproxy.ipc_ns.sem_ids


@syscall(393, "key:int nsems:int semflg:hex", name="semget")
def semget(k: Kernel, key: int, nsems: int, semflg: int) -> int:
    """The identifier of a key's set, made when it is not there and IPC_CREAT says so. Raises Errno:
    ENOENT, EEXIST with IPC_EXCL, EINVAL for the number of semaphores, ENOSPC, EACCES.
    """
    ids = _ids(k)
    if not 0 <= nsems <= ids.semmsl:
        raise Errno(EINVAL)

    def check(sma: SemArray) -> None:
        if nsems > len(sma.values):
            raise Errno(EINVAL)

    def new() -> int:
        if not nsems:
            raise Errno(EINVAL)
        if sum(len(sma.values) for sma in ids.sets.values()) + nsems > ids.semmns:
            raise Errno(ENOSPC)
        ident = new_ident(ids, ids.sets, ids.semmni)
        slab = k.memory.slabs.sem.alloc(k)
        ident_taken(ids)
        perm = new_perm(k, slab, ident, key, semflg)
        ids.sets[ident] = SemArray(*perm, [0] * nsems, [0] * nsems, ctime=seconds(k))
        return ident

    return ipcget(k, ids.sets, key, semflg, new, check)


# -- operations ------------------------------------------------------------------------------------


@syscall(420, "semid:int tsops:address nsops:size timeout:address", name="semtimedop_time64")
def semtimedop_time64(k: Kernel, semid: int, tsops: int, nsops: int, timeout: int) -> Result:
    """semtimedop_time64: semop with a time of 64 bits. Errors as semop."""
    return _semtimedop(k, semid, tsops, nsops, _timeout(k, timespec64_from_user, timeout))


def do_semtimedop(k: Kernel, semid: int, tsops: int, nsops: int, timeout: int) -> Result:
    """Several operations, all of them or none; sleeps until they can be done. Raises Errno: E2BIG,
    EFBIG, EINVAL, EIDRM, EAGAIN with IPC_NOWAIT or after `timeout`.
    """
    return _semtimedop(k, semid, tsops, nsops, _timeout(k, timespec_from_user, timeout))


def _timeout(k: Kernel, read: Callable[[Kernel, int], int], address: int) -> int | None:
    """A time in ns, or _NO_TIME for one that is none: what else is wrong counts more."""
    if not address:
        return None
    try:
        return read(k, address)
    except Errno as error:
        if error.number != EINVAL:
            raise
        return _NO_TIME


def _semtimedop(k: Kernel, semid: int, tsops: int, nsops: int, timeout: int | None) -> Result:
    if nsops < 1 or semid < 0:
        raise Errno(EINVAL)
    if nsops > _ids(k).semopm:
        raise Errno(E2BIG)
    data = copy_from_user(k, tsops, 6 * nsops)
    if timeout == _NO_TIME:
        raise Errno(EINVAL)
    deadline = None if timeout is None else ktime_get(k) + timeout
    sops = tuple(struct.iter_unpack("<Hhh", data))
    sma = find(_ids(k).sets, semid)
    if any(number >= len(sma.values) for number, _, _ in sops):
        raise Errno(EFBIG)
    ipcperms(k, sma, S_IWUGO if any(op for _, op, _ in sops) else S_IRUGO)
    if any(op and flags & SEM_UNDO for _, op, flags in sops):
        _find_alloc_undo(k, sma)
    q = SemQueue(k.current, sops, own_tgid(k.current))
    blocking = perform_atomic_semop(sma, q)
    if blocking is None:
        sma.otime = seconds(k)
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


@syscall(394, "semid:int semnum:int cmd:int arg:hex", name="semctl")
def semctl(k: Kernel, semid: int, semnum: int, cmd: int, arg: int) -> int:
    """semctl: what `cmd` asks for, else 0; `arg` is the word of the union. Raises Errno(EINVAL),
    Errno(ERANGE), Errno(EPERM), Errno(EACCES).
    """
    cmd &= ~IPC_64
    if semid < 0:
        raise Errno(EINVAL)
    ids = _ids(k)
    if cmd in (IPC_INFO, SEM_INFO):
        return _info(k, ids, cmd, arg)
    if cmd in (SEM_STAT, SEM_STAT_ANY):
        sma = find_index(ids.sets, semid)
        if cmd == SEM_STAT:
            ipcperms(k, sma, S_IRUGO)
        copy_to_user(k, arg, _semid64_ds(sma))
        return sma.ident
    sma = find(_ids(k).sets, semid)
    if cmd == IPC_RMID:
        check_owner(k, sma)
        freeary(k, _ids(k), sma)
        return 0
    if cmd == IPC_SET:
        check_owner(k, sma)
        set_perm(sma, read_perm(k, arg))
        sma.ctime = seconds(k)
        return 0
    if cmd == IPC_STAT:
        ipcperms(k, sma, S_IRUGO)
        copy_to_user(k, arg, _semid64_ds(sma))
        return 0
    if cmd in (GETALL, SETALL):
        return _all_values(k, sma, cmd, arg)
    if cmd not in (GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL):
        raise Errno(EINVAL)
    if not 0 <= semnum < len(sma.values):
        raise Errno(EINVAL)
    if cmd == SETVAL:
        ipcperms(k, sma, S_IWUGO)
        if arg > SEMVMX:
            raise Errno(ERANGE)
        _set_values(k, sma, {semnum: arg})
        return 0
    ipcperms(k, sma, S_IRUGO)
    if cmd == GETVAL:
        return sma.values[semnum]
    if cmd == GETPID:
        return sma.pids[semnum]
    zero = cmd == GETZCNT
    return sum(
        any(number == semnum and (op == 0 if zero else op < 0) for number, op, _ in s.sops)
        for s in sma.pending
    )


def _all_values(k: Kernel, sma: SemArray, cmd: int, arg: int) -> int:
    count = len(sma.values)
    if cmd == GETALL:
        ipcperms(k, sma, S_IRUGO)
        copy_to_user(k, arg, struct.pack(f"<{count}H", *sma.values))
        return 0
    ipcperms(k, sma, S_IWUGO)
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
    sma.ctime = seconds(k)
    update_queue(k, sma)


def _semid64_ds(sma: SemArray) -> bytes:
    return pack_perm(sma) + struct.pack("<7I", sma.otime, 0, sma.ctime, 0, len(sma.values), 0, 0)


def _info(k: Kernel, ids: SemIds, cmd: int, arg: int) -> int:
    """struct seminfo: the limits, or how much there is."""
    used, aem = 20, SEMVMX
    if cmd == SEM_INFO:
        used, aem = len(ids.sets), sum(len(sma.values) for sma in ids.sets.values())
    limits = (ids.semmns, ids.semmni, ids.semmns, ids.semmns, ids.semmsl, ids.semopm, ids.semopm)
    words = (*limits, used, SEMVMX, aem)
    copy_to_user(k, arg, struct.pack("<10i", *words))
    return highest_index(ids.sets)
