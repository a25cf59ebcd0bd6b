"""System V semaphores (ipc/sem.c): sets of counters, operations on several at once, and SEM_UNDO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.kernel.timer import HrTimer
    from toykernel.kernel.wait import WaitQueue
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(eq=False)
class SleepingOps:
    """struct sem_queue: operations that wait, as (number, operation, flags), and their time-out."""

    task: Task
    sops: tuple[tuple[int, int, int], ...]
    timer: HrTimer | None = None


@dataclass(eq=False)
class SemArray:
    """struct sem_array. `pids` holds the last process to operate on each semaphore."""

    slab: int
    ident: int
    key: int
    uid: int
    gid: int
    cuid: int
    cgid: int
    mode: int
    values: list[int]
    pids: list[int]
    queue: WaitQueue
    otime: int = 0
    ctime: int = 0
    gone: bool = False
    pending: list[SleepingOps] = field(default_factory=list)


@dataclass(eq=False)
class SemIds:
    """The sets of one namespace, by identifier."""

    sets: dict[int, SemArray] = field(default_factory=dict)
    seq: int = 0


@dataclass(eq=False)
class SemUndoList:
    """struct sem_undo_list: what exit adds to each semaphore, by set. Shared with CLONE_SYSVSEM."""

    slab: int
    refcnt: int = 1
    adjust: dict[int, list[int]] = field(default_factory=dict)
    ids: SemIds | None = None
    #: The child whose clone made the list for its parent, until that clone has succeeded.
    made_for: Task | None = None


def free_all_sems(k: Kernel, ids: SemIds) -> None:
    """The namespace is gone: so are its sets."""
    for sma in list(ids.sets.values()):
        freeary(k, ids, sma)


def freeary(k: Kernel, ids: SemIds, sma: SemArray) -> None:
    """Remove a set; whoever sleeps on it learns that it is gone."""
    from toykernel.kernel.wait import wake_up

    del ids.sets[sma.ident]
    sma.gone = True
    wake_up(k, sma.queue)
    k.memory.slabs.sem.free(k, sma.slab)


def copy_semundo(k: Kernel, p: Task, share: bool) -> None:
    """fork-path G: a plain fork starts with no list. Raises Errno(ENOMEM)."""
    current = k.current
    p.undo_list = None
    if share:
        if current.undo_list is None:
            current.undo_list = SemUndoList(k.memory.slabs.sem_undo_list.alloc(k), made_for=p)
        current.undo_list.refcnt += 1
        p.undo_list = current.undo_list


def uncopy_semundo(k: Kernel, p: Task) -> None:
    """The clone failed: a list that it made for the parent goes, too."""
    undo, parent = p.undo_list, k.current
    exit_sem(k, p)
    if undo is not None and undo.made_for is p:
        exit_sem(k, parent)


def exit_sem(k: Kernel, p: Task) -> None:
    """The last user of an undo list applies it: every adjustment is added, never below zero."""
    from toykernel.kernel.wait import wake_up

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
                    sma.pids[index] = p.tgid
            wake_up(k, sma.queue)
    k.memory.slabs.sem_undo_list.free(k, undo.slab)
