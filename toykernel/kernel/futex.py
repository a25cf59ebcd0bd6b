"""Futexes (kernel/futex.c): sleeping on a word of user memory, and waking whoever sleeps on it.

A futex is known by its key: address space and address where the memory is private, frame and offset
where it is shared, so that two processes that map one page meet.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.uaccess import access_ok, get_user, put_user
from toykernel.errno import (
    EAGAIN,
    EFAULT,
    EINVAL,
    ENOSYS,
    ERESTART_RESTARTBLOCK,
    ERESTARTSYS,
    ETIMEDOUT,
    Errno,
)
from toykernel.kernel.sched.entity import MAX_RT_PRIO
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait
from toykernel.mm.memory import follow_page
from toykernel.mm.mm_types import VM_MAYSHARE

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

FUTEX_WAIT, FUTEX_WAKE, FUTEX_FD, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE = range(5)
FUTEX_WAKE_OP, FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI = 5, 6, 7, 8
FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET, FUTEX_WAIT_REQUEUE_PI = 9, 10, 11
FUTEX_CMP_REQUEUE_PI, FUTEX_LOCK_PI2 = 12, 13
FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME = 128, 256
FUTEX_BITSET_MATCH_ANY = 0xFFFFFFFF
FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_TID_MASK = 0x80000000, 0x40000000, 0x3FFFFFFF

#: ("private", address space, address) or ("shared", 0, physical address).
Key = tuple[str, int, int]


@dataclass(eq=False)
class FutexQ:
    """struct futex_q: one sleeper. `key` becomes None when it is woken."""

    task: Task
    key: Key | None
    bitset: int
    prio: int  # real-time sleepers are woken first, the best of them before the others
    pi: PiState | None = None  # the lock that it waits for, where the holder inherits its priority
    requeue_key: Key | None = None  # FUTEX_WAIT_REQUEUE_PI: the lock that it may be moved to
    owns: bool = False  # it has been given that lock


@dataclass(eq=False)
class PiState:
    """struct futex_pi_state: a lock that is contended, and who holds it; None once the holder has ended."""

    key: Key
    owner: Task | None


def get_futex_key(k: Kernel, address: int, *, private: bool) -> Key:
    """What identifies the word at an address. Raises Errno(EINVAL) for one not on a word,
    Errno(EFAULT) for a bad one.
    """
    mm = k.current.mm
    if address & 3:
        raise Errno(EINVAL)
    if mm is None or not access_ok(address, 4) or address >= TASK_SIZE:
        raise Errno(EFAULT)
    if private:
        return ("private", mm.ident, address)
    get_user(k, address)
    area = mm.find_exact(address)
    if area is not None and area.vm_flags & VM_MAYSHARE:
        physical = follow_page(k, mm, address)
        assert physical is not None
        return ("shared", 0, physical)
    return ("private", mm.ident, address)


def signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def futex_wait(
    k: Kernel, uaddr: int, val: int, bitset: int, private: bool, deadline: int | None
) -> Result:
    """Sleep while the word is `val`; also how a wait with a time goes on after a stop (futex_wait_restart).

    Raises Errno(EAGAIN) when it is not `val`, Errno(EINVAL), Errno(EFAULT); Errno(ETIMEDOUT) at `deadline`.
    """
    if not bitset:
        raise Errno(EINVAL)
    key = get_futex_key(k, uaddr, private=private)
    if get_user(k, uaddr) != val:
        raise Errno(EAGAIN)
    q = queue_me(k, key, bitset)
    return _sleep(k, q, (uaddr, val, bitset, private, deadline))


#: What `futex_wait` is called with.
WaitArgs = tuple[int, int, int, bool, int | None]


def _sleep(k: Kernel, q: FutexQ, args: WaitArgs) -> Result:
    reason = f"futex at {args[0]:#x}, word {args[1]}"
    return Wait((), futex_woken, (q, args), reason, deadline=args[4])


def futex_woken(k: Kernel, q: FutexQ, args: WaitArgs, late: bool = False) -> Result:
    """The sleeper goes on: was it woken, was it late, was it a signal?"""
    if q.key is None:
        return 0
    if not late and not signal_pending(k.current):
        return _sleep(k, q, args)
    k.processes.futexes.remove(q)
    if late:
        raise Errno(ETIMEDOUT)
    if args[4] is None:
        raise Errno(ERESTARTSYS)
    k.current.restart_block = (futex_wait, args)  # it keeps its deadline
    raise Errno(ERESTART_RESTARTBLOCK)


def queue_me(k: Kernel, key: Key, bitset: int = FUTEX_BITSET_MATCH_ANY) -> FutexQ:
    """The current task is in the queue of a word from now on."""
    q = FutexQ(k.current, key, bitset, min(k.current.se.normal_prio, MAX_RT_PRIO))
    k.processes.futexes.append(q)
    return q


def futex_wake(
    k: Kernel,
    uaddr: int,
    count: int,
    *,
    bitset: int = FUTEX_BITSET_MATCH_ANY,
    private: bool = False,
) -> int:
    """Wake up to `count` sleepers, by priority and then in the order they came; how many were
    woken. EINVAL for an empty bitset.
    """
    if not bitset:
        raise Errno(EINVAL)
    key = get_futex_key(k, uaddr, private=private)
    woken = 0
    for q in queued(k, key):
        if q.pi is not None or q.requeue_key is not None:
            raise Errno(EINVAL)  # these are woken by who gives them the lock
        if not q.bitset & bitset:
            continue
        wake_futex(k, q)
        woken += 1
        if woken >= count:
            break
    return woken


def queued(k: Kernel, key: Key) -> list[FutexQ]:
    """Who sleeps on a word, in the order of Linux's plist."""
    return sorted((q for q in k.processes.futexes if q.key == key), key=lambda q: q.prio)


def wake_futex(k: Kernel, q: FutexQ) -> None:
    """Take a sleeper off the queue and wake it."""
    k.processes.futexes.remove(q)
    q.key = None
    k.try_to_wake_up(q.task)


def futex_requeue(
    k: Kernel,
    uaddr: int,
    uaddr2: int,
    nr_wake: int,
    nr_requeue: int,
    expected: int | None,
    *,
    private: bool,
) -> int:
    """Wake some sleepers and let others sleep on another word; woken and moved together.
    Errno(EAGAIN) when the word is not `expected`.
    """
    if signed(nr_wake) < 0 or signed(nr_requeue) < 0:
        raise Errno(EINVAL)
    key, key2 = (get_futex_key(k, a, private=private) for a in (uaddr, uaddr2))
    if expected is not None and get_user(k, uaddr) != expected:
        raise Errno(EAGAIN)
    done = 0
    for q in queued(k, key):
        if q.pi is not None or q.requeue_key is not None:
            raise Errno(EINVAL)
        if done < nr_wake:
            wake_futex(k, q)
        elif done - nr_wake < nr_requeue:
            q.key = key2
            k.processes.futexes.remove(q)
            k.processes.futexes.append(q)  # behind those who sleep there already
        else:
            break
        done += 1
    return done


# -- FUTEX_WAKE_OP ---------------------------------------------------------------------------------

_COMPARE: tuple[Callable[[int, int], bool], ...] = (
    *(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge),
)
_OPERATE: tuple[Callable[[int, int], int], ...] = (
    lambda _old, arg: arg,
    operator.add,
    operator.or_,
    lambda old, arg: old & ~arg,
    operator.xor,
)


def futex_atomic_op_inuser(k: Kernel, encoded: int, uaddr: int) -> bool:
    """Change a word as FUTEX_OP says; whether what was there compares as it says. ENOSYS, EFAULT."""
    op, compare = encoded >> 28 & 7, encoded >> 24 & 15
    arg, against = _sign12(encoded >> 12), _sign12(encoded)
    if encoded >> 31:
        arg = 1 << (arg & 31)
    if op >= len(_OPERATE):
        raise Errno(ENOSYS)
    old = signed(get_user(k, uaddr))
    put_user(k, _OPERATE[op](old, arg), uaddr)
    if compare >= len(_COMPARE):
        raise Errno(ENOSYS)
    return _COMPARE[compare](old, against)


def _sign12(word: int) -> int:
    word &= 0xFFF
    return word - 0x1000 if word >> 11 else word


def futex_wake_op(
    k: Kernel, uaddr: int, uaddr2: int, count: int, count2: int, encoded: int, *, private: bool
) -> int:
    """Change the second word; wake sleepers of the first, and of the second if it compared."""
    key, key2 = (get_futex_key(k, a, private=private) for a in (uaddr, uaddr2))
    matched = futex_atomic_op_inuser(k, encoded, uaddr2)
    woken = _wake_up_to(k, key, count)
    return woken + _wake_up_to(k, key2, count2) if matched else woken


def _wake_up_to(k: Kernel, key: Key, count: int) -> int:
    woken = 0
    for q in queued(k, key):
        if q.pi is not None or q.requeue_key is not None:
            raise Errno(EINVAL)
        wake_futex(k, q)
        woken += 1
        if woken >= count:
            break
    return woken
