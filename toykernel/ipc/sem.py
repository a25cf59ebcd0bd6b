"""System V semaphores (ipc/sem.c): sets of counters, operations on several at once, and SEM_UNDO."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EIDRM, ERANGE, Errno
from toykernel.ipc.util import IpcIds, KernIpcPerm
from toykernel.kernel.clone_flags import CLONE_SYSVSEM
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get_real

if TYPE_CHECKING:
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.state import Kernel
    from toykernel.task import Task


SEM_UNDO = 0x1000
SEMVMX = SEMAEM = 32767

SemBuf = tuple[int, int, int]  # number, operation, flags


@dataclass(eq=False)
class SemQueue:
    """struct sem_queue: operations that are to be done together, for a task that may sleep.

    `pid` is the task's number as GETPID tells it. `status` says how a sleeper was served: 0 or an error
    number; None while it still waits.
    """

    task: Task
    sops: tuple[SemBuf, ...]
    pid: int
    status: int | None = None

    @property
    def alters(self) -> bool:
        """Whether it changes a value; else it waits for zeros only."""
        return any(op for _, op, _ in self.sops)


@dataclass(eq=False)
class SemArray(KernIpcPerm):
    """struct sem_array. `pids` holds the last process to operate on each semaphore."""

    values: list[int]
    pids: list[int]
    otime: int = 0
    ctime: int = 0
    pending: list[SemQueue] = field(default_factory=list)  # who sleeps, in the order they came


@dataclass(eq=False)
class SemIds(IpcIds):
    """The sets of one namespace, by identifier, and its limits."""

    sets: dict[int, SemArray] = field(default_factory=dict)
    semmsl: int = 250  # semaphores of a set
    semmns: int = 32000  # of all sets
    semopm: int = 32  # operations of a call
    semmni: int = 128  # sets


@dataclass(eq=False)
class SemUndoList:
    """struct sem_undo_list: what exit adds to each semaphore, by set. Shared with CLONE_SYSVSEM."""

    slab: int
    refcnt: int = 1
    adjust: dict[int, list[int]] = field(default_factory=dict)
    ids: SemIds | None = None


def free_all_sems(k: Kernel, ids: SemIds) -> None:
    """The namespace is gone: so are its sets, and their sleepers get EIDRM."""
    for sma in list(ids.sets.values()):
        freeary(k, ids, sma)


def freeary(k: Kernel, ids: SemIds, sma: SemArray) -> None:
    """Remove a set; whoever sleeps on it gets EIDRM."""
    del ids.sets[sma.ident]
    for q in list(sma.pending):
        _serve(k, sma, q, EIDRM)
    k.memory.slabs.sem.free(k, sma.slab)


def own_tgid(p: Task) -> int:
    """What getpid answers to a task."""
    return p.group_leader.pid_struct.numbers[-1][1]


# -- doing operations ------------------------------------------------------------------------------


def perform_atomic_semop(sma: SemArray, q: SemQueue) -> SemBuf | None:
    """Do all, or answer with the one that would block. Raises Errno(ERANGE), changing nothing."""
    values = list(sma.values)
    undo = q.task.undo_list
    adjust = list(undo.adjust.get(sma.ident, ())) if undo is not None else []
    for sop in q.sops:
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
    for number, _, _ in q.sops:
        sma.pids[number] = q.pid
    if undo is not None and adjust:
        undo.adjust[sma.ident] = adjust
    return None


def update_queue(k: Kernel, sma: SemArray) -> None:
    """Values have changed: whoever changes them does for the sleepers what can be done now.

    First who waits for zeros, then the others in the order they came, from the start again after each
    that could be served.
    """
    while True:
        for q in [q for q in sma.pending if not q.alters]:
            _serve_if_possible(k, sma, q)
        altering = [q for q in sma.pending if q.alters]
        if not any(_serve_if_possible(k, sma, q) for q in altering):
            return


def _serve_if_possible(k: Kernel, sma: SemArray, q: SemQueue) -> bool:
    try:
        if perform_atomic_semop(sma, q) is not None:
            return False
    except Errno as error:
        _serve(k, sma, q, error.number)
        return False
    sma.otime = ktime_get_real(k) // NSEC_PER_SEC
    _serve(k, sma, q, 0)
    return True


def _serve(k: Kernel, sma: SemArray, q: SemQueue, status: int) -> None:
    sma.pending.remove(q)
    q.status = status
    k.try_to_wake_up(q.task)


# -- undo lists ------------------------------------------------------------------------------------


def copy_semundo(k: Kernel, p: Task, args: CloneArgs) -> bool:
    """fork-path G: a plain fork starts with no list. Whether one had to be made for the parent.

    Raises Errno(ENOMEM).
    """
    current = k.current
    p.undo_list = None
    if not args.flags & CLONE_SYSVSEM:
        return False
    made = current.undo_list is None
    if current.undo_list is None:
        current.undo_list = SemUndoList(k.memory.slabs.sem_undo_list.alloc(k))
    current.undo_list.refcnt += 1
    p.undo_list = current.undo_list
    return made


def uncopy_semundo(k: Kernel, p: Task, made: bool) -> None:
    """The clone failed: a list that it made for the parent goes, too."""
    exit_sem(k, p)
    if made:
        exit_sem(k, k.current)


def exit_sem(k: Kernel, p: Task) -> None:
    """The last user of an undo list applies it: every adjustment is added, never below zero."""
    undo, p.undo_list = p.undo_list, None
    if undo is None:
        return
    undo.refcnt -= 1
    if undo.refcnt:
        return
    if undo.ids is not None:
        for ident, adjustments in undo.adjust.items():
            sma = undo.ids.sets.get(ident)
            if sma is None:
                continue
            for index, change in enumerate(adjustments):
                if change:
                    sma.values[index] = min(max(sma.values[index] + change, 0), 32767)
                    sma.pids[index] = own_tgid(p)
            update_queue(k, sma)
    k.memory.slabs.sem_undo_list.free(k, undo.slab)
