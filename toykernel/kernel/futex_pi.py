"""Locks whose holder inherits the priority of who waits (kernel/futex/pi.c, kernel/locking/rtmutex.c).

The word holds the holder's number; FUTEX_WAITERS says that unlocking needs the kernel, which gives the lock
to the best waiter itself. While somebody waits, the holder runs at the best priority of all who do.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import get_user, put_user
from toykernel.errno import (
    EAGAIN,
    EDEADLK,
    EINVAL,
    EPERM,
    ERESTARTNOINTR,
    ESRCH,
    ETIMEDOUT,
    Errno,
)
from toykernel.kernel.futex import (
    FUTEX_BITSET_MATCH_ANY,
    FUTEX_OWNER_DIED,
    FUTEX_TID_MASK,
    FUTEX_WAITERS,
    FutexQ,
    Key,
    PiState,
    get_futex_key,
    queue_me,
    queued,
    signed,
    wake_futex,
)
from toykernel.kernel.pid import find_task_by_vpid, pid_nr_ns
from toykernel.kernel.sched.core import rt_mutex_setprio
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait
from toykernel.task import PF_EXITING, PF_KTHREAD

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def _tid(k: Kernel, task: Task) -> int:
    """A task's number in its own namespace, which is what the word holds."""
    return pid_nr_ns(task.pid_struct, task.pid_struct.ns)


def _waiters(k: Kernel, pi: PiState) -> list[FutexQ]:
    """Who waits for a lock, the best first."""
    waiting = [q for q in k.processes.futexes if q.pi is pi]
    return sorted(waiting, key=lambda q: q.task.se.prio)


def _adjust(k: Kernel, task: Task) -> None:
    """rt_mutex_adjust_prio: a task runs at its own priority, or at that of the best who waits for it."""
    while True:  # nobody waits for itself in the end: _check_deadlock
        waiting = [q for q in k.processes.futexes if q.pi is not None and q.pi.owner is task]
        prio = min([task.se.normal_prio, *(q.task.se.prio for q in waiting)])
        if prio == task.se.prio:
            return
        rt_mutex_setprio(k, task, prio)
        blocked = next((q for q in k.processes.futexes if q.task is task and q.pi), None)
        if blocked is None or blocked.pi is None or blocked.pi.owner is None:
            return
        task = blocked.pi.owner


def _check_deadlock(k: Kernel, owner: Task | None, task: Task) -> None:
    """Whether the holder, or whom it waits for in turn, waits for a task. Raises Errno(EDEADLK)."""
    while owner is not None:
        if owner is task:
            raise Errno(EDEADLK)
        q = next((q for q in k.processes.futexes if q.task is owner and q.pi), None)
        owner = q.pi.owner if q is not None and q.pi is not None else None


def lock_pi_atomic(
    k: Kernel, uaddr: int, key: Key, task: Task, *, set_waiters: bool = False
) -> PiState | None:
    """Take a free lock for a task (None), or say what it is to wait for. Raises Errno: EDEADLK, EINVAL,
    ESRCH, EPERM, EAGAIN, EFAULT.
    """
    word, tid = get_user(k, uaddr), _tid(k, task)
    if word & FUTEX_TID_MASK == tid:
        raise Errno(EDEADLK)
    top = next(iter(queued(k, key)), None)
    if top is not None:
        return _attach_to_state(k, top, word)
    if not word & FUTEX_TID_MASK:
        put_user(k, word & FUTEX_OWNER_DIED | tid | (FUTEX_WAITERS if set_waiters else 0), uaddr)
        return None
    owner = find_task_by_vpid(k, word & FUTEX_TID_MASK)
    put_user(k, word | FUTEX_WAITERS, uaddr)
    if owner is None:
        raise Errno(ESRCH)
    if owner.flags & PF_KTHREAD:
        raise Errno(EPERM)
    if owner.flags & PF_EXITING:
        raise Errno(ESRCH if owner.exit_state else EAGAIN)
    return PiState(key, owner)


def _attach_to_state(k: Kernel, top: FutexQ, word: int) -> PiState:
    """Wait for the same as who waits already, if the word agrees. Raises Errno(EINVAL)."""
    pi = top.pi
    if pi is None:
        raise Errno(EINVAL)  # somebody sleeps on it that wants no lock
    if pi.owner is None:
        if word & FUTEX_OWNER_DIED and not word & FUTEX_TID_MASK:
            return pi
        raise Errno(EINVAL)
    if word & FUTEX_TID_MASK != _tid(k, pi.owner):
        raise Errno(EINVAL)
    return pi


def futex_lock_pi(
    k: Kernel, uaddr: int, private: bool, deadline: int | None, trylock: bool = False
) -> Result:
    """Take a lock, waiting for it until `deadline`; with `trylock` only if it is free.

    EDEADLK, EAGAIN for a lock that is held, ETIMEDOUT, ESRCH when its holder does not exist, EINVAL, EFAULT.
    """
    key = get_futex_key(k, uaddr, private=private)
    pi = lock_pi_atomic(k, uaddr, key, k.current)
    if pi is None:
        return 0
    if trylock:
        raise Errno(EAGAIN)
    _check_deadlock(k, pi.owner, k.current)
    q = queue_me(k, key)
    q.pi = pi
    if pi.owner is not None:
        _adjust(k, pi.owner)
    return _sleep(q, uaddr, private, deadline)


def _sleep(q: FutexQ, uaddr: int, private: bool, deadline: int | None) -> Result:
    args = (q, uaddr, private, deadline)
    return Wait((), lock_pi_woken, args, f"futex lock at {uaddr:#x}", deadline=deadline)


def lock_pi_woken(
    k: Kernel, q: FutexQ, uaddr: int, private: bool, deadline: int | None, late: bool = False
) -> Result:
    """A waiter goes on: it has been given the lock, or it is too late, or a signal came."""
    if q.owns:
        return 0
    if not late and not signal_pending(k.current):
        return _sleep(q, uaddr, private, deadline)
    leave(k, q)
    raise Errno(ETIMEDOUT if late else ERESTARTNOINTR)


def leave(k: Kernel, q: FutexQ) -> None:
    """A waiter gives up: the holder no longer runs at its priority."""
    k.processes.futexes.remove(q)
    pi, q.pi = q.pi, None
    if pi is not None and pi.owner is not None:
        _adjust(k, pi.owner)


def _hand_over(k: Kernel, pi: PiState, bits: int = 0) -> None:
    """The best waiter has the lock: in the word, and woken."""
    q = _waiters(k, pi)[0]
    old, pi.owner = pi.owner, q.task
    kind, _, at = pi.key
    word = FUTEX_WAITERS | bits | _tid(k, q.task)
    if kind == "private":
        with suppress(Errno):  # the program's own bad pointer
            put_user(k, word, at)
    else:
        k.machine.ram.write32(at, word)
    give(k, q)
    for task in (old, q.task):
        if task is not None and not task.exit_state:
            _adjust(k, task)


def give(k: Kernel, q: FutexQ) -> None:
    """A waiter has the lock and goes on."""
    q.owns, q.pi = True, None
    wake_futex(k, q)


def futex_unlock_pi(k: Kernel, uaddr: int, private: bool) -> int:
    """Give a lock back. EPERM when the caller does not hold it, EINVAL, EFAULT."""
    word = get_user(k, uaddr)
    if word & FUTEX_TID_MASK != _tid(k, k.current):
        raise Errno(EPERM)
    key = get_futex_key(k, uaddr, private=private)
    top = next(iter(queued(k, key)), None)
    if top is None:
        put_user(k, 0, uaddr)
        return 0
    if top.pi is None or top.pi.owner is not k.current:
        raise Errno(EINVAL)
    _hand_over(k, top.pi)
    return 0


def exit_pi_state_list(k: Kernel, task: Task) -> None:
    """A task ends with locks that others wait for: each goes to the best of them, marked."""
    while True:
        held = (q.pi for q in k.processes.futexes if q.pi is not None and q.pi.owner is task)
        pi = next(held, None)
        if pi is None:
            return
        pi.owner = None
        _hand_over(k, pi, FUTEX_OWNER_DIED)


# -- moving from a condition to its lock -----------------------------------------------------------


def futex_wait_requeue_pi(
    k: Kernel, uaddr: int, val: int, bitset: int, uaddr2: int, private: bool, deadline: int | None
) -> Result:
    """Sleep while the word is `val`, to be moved to the lock at `uaddr2`, which the caller has at the end.

    EAGAIN when the word is not `val`, or when a signal comes, ETIMEDOUT, EINVAL, EFAULT.
    """
    if uaddr == uaddr2 or not bitset:
        raise Errno(EINVAL)
    key2 = get_futex_key(k, uaddr2, private=private)
    key = get_futex_key(k, uaddr, private=private)
    if get_user(k, uaddr) != val:
        raise Errno(EAGAIN)
    if key == key2:
        raise Errno(EINVAL)
    q = queue_me(k, key, bitset)
    q.requeue_key = key2
    return _sleep_for_requeue(q, uaddr, deadline)


def _sleep_for_requeue(q: FutexQ, uaddr: int, deadline: int | None) -> Result:
    reason = f"futex at {uaddr:#x}, to be moved to its lock"
    return Wait((), requeue_pi_woken, (q, uaddr, deadline), reason, deadline=deadline)


def requeue_pi_woken(
    k: Kernel, q: FutexQ, uaddr: int, deadline: int | None, late: bool = False
) -> Result:
    """A sleeper goes on: with the lock, or too late, or because of a signal, moved or not."""
    if q.owns:
        return 0
    if not late and not signal_pending(k.current):
        return _sleep_for_requeue(q, uaddr, deadline)
    moved = q.pi is not None
    leave(k, q)
    if late:
        raise Errno(ETIMEDOUT)
    raise Errno(EAGAIN if moved else ERESTARTNOINTR)


def futex_requeue_pi(
    k: Kernel, uaddr: int, uaddr2: int, nr_wake: int, nr_requeue: int, expected: int, private: bool
) -> int:
    """Give the lock at `uaddr2` to the first sleeper if it is free, and move others to wait for it; how many.

    EAGAIN when the word is not `expected`, EINVAL when sleepers are no FUTEX_WAIT_REQUEUE_PI, EFAULT, EDEADLK
    when one that would be moved holds what the lock's holder waits for; those before it have been moved.
    """
    if uaddr == uaddr2 or signed(nr_wake) != 1 or signed(nr_requeue) < 0:
        raise Errno(EINVAL)
    key = get_futex_key(k, uaddr, private=private)
    key2 = get_futex_key(k, uaddr2, private=private)
    if get_user(k, uaddr) != expected:
        raise Errno(EAGAIN)
    get_user(k, uaddr2)
    sleepers = queued(k, key)
    if not sleepers:
        return 0
    if any(q.requeue_key != key2 or q.pi is not None for q in sleepers):
        raise Errno(EINVAL)
    done = 0
    pi = lock_pi_atomic(k, uaddr2, key2, sleepers[0].task, set_waiters=nr_requeue > 0)
    if pi is None:
        first = sleepers.pop(0)
        first.requeue_key = None
        pi = PiState(key2, first.task)
        give(k, first)
        done = 1
    for q in sleepers[: nr_wake + nr_requeue - done]:
        _check_deadlock(k, pi.owner, q.task)
        k.processes.futexes.remove(q)
        q.key, q.requeue_key, q.bitset, q.pi = key2, None, FUTEX_BITSET_MATCH_ANY, pi
        k.processes.futexes.append(q)
        if pi.owner is not None:
            _adjust(k, pi.owner)
        done += 1
    return done
