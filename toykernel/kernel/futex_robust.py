"""Robust lists (kernel/futex/core.c): the locks that a task leaves behind when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import get_user, put_user
from toykernel.errno import EINVAL, Errno
from toykernel.kernel.futex import (
    FUTEX_OWNER_DIED,
    FUTEX_TID_MASK,
    FUTEX_WAITERS,
    futex_wake,
)
from toykernel.kernel.futex_pi import exit_pi_state_list
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

ROBUST_LIST_LIMIT = 2048
ROBUST_LIST_HEAD_SIZE = 12


@syscall(311, "head:address len:size")
def sys_set_robust_list(k: Kernel, head: int, size: int) -> int:
    """set_robust_list: the locks that exit is to mark as left behind.

    EINVAL unless `size` is the head's, 12 bytes.
    """
    if size != ROBUST_LIST_HEAD_SIZE:
        raise Errno(EINVAL)
    k.current.robust_list = head
    return 0


def futex_exit_release(k: Kernel, task: Task) -> None:
    """A task leaves its memory: what it holds is marked, and goes to who waits for it."""
    if task.robust_list:
        exit_robust_list(k, task)
    exit_pi_state_list(k, task)


def exit_robust_list(k: Kernel, task: Task) -> None:
    """A task ends with locks held: set FUTEX_OWNER_DIED in each and wake one waiter.

    The lowest bit of an entry's address says that priority is inherited through it.
    """
    head, task.robust_list = task.robust_list, 0
    try:
        entry, offset = get_user(k, head), get_user(k, head + 4)
        pending = get_user(k, head + 8)
        for _ in range(ROBUST_LIST_LIMIT):
            if entry & ~1 == head:
                break
            following = get_user(k, entry & ~1)
            if entry & ~1 != pending & ~1:
                handle_futex_death(k, task, entry, offset)
            entry = following
        if pending:
            handle_futex_death(k, task, pending, offset, pending=True)
    except Errno:
        return  # the list is the program's; a broken one ends the walk


def handle_futex_death(
    k: Kernel, task: Task, entry: int, offset: int, *, pending: bool = False
) -> None:
    """One lock: only its holder leaves a mark. One that was just being given back wakes a waiter."""
    address, pi = ((entry & ~1) + offset) & 0xFFFFFFFF, entry & 1
    word = get_user(k, address)
    if pending and not pi and not word:
        futex_wake(k, address, 1)
        return
    if word & FUTEX_TID_MASK == task.pid_struct.numbers[-1][1]:
        put_user(k, word & FUTEX_WAITERS | FUTEX_OWNER_DIED, address)
        if word & FUTEX_WAITERS and not pi:
            futex_wake(k, address, 1)
