"""Futexes (kernel/futex.c): sleeping on a word of user memory, and waking whoever sleeps on it.

A futex is known by its key: address space and address where the memory is private, frame and offset
where it is shared, so that two processes that map one page meet.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.uaccess import access_ok, copy_from_user, get_user, put_user
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
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get
from toykernel.kernel.wait import Result, Wait
from toykernel.mm.memory import follow_page
from toykernel.mm.mm_types import VM_SHARED
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

FUTEX_WAIT, FUTEX_WAKE, FUTEX_FD, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE = range(5)
FUTEX_WAKE_OP, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET = 5, 9, 10
FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME = 128, 256
FUTEX_BITSET_MATCH_ANY = 0xFFFFFFFF
FUTEX_WAITERS, FUTEX_OWNER_DIED, FUTEX_TID_MASK = 0x80000000, 0x40000000, 0x3FFFFFFF
ROBUST_LIST_LIMIT = 2048
ROBUST_LIST_HEAD_SIZE = 12

#: ("private", address space, address) or ("shared", 0, physical address).
Key = tuple[str, int, int]


@dataclass(eq=False)
class FutexQ:
    """struct futex_q: one sleeper. `key` becomes None when it is woken."""

    task: Task
    key: Key | None
    bitset: int
    prio: int  # real-time sleepers are woken first, the best of them before the others


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
    if area is not None and area.vm_flags & VM_SHARED:
        physical = follow_page(k, mm, address)
        assert physical is not None
        return ("shared", 0, physical)
    return ("private", mm.ident, address)


@syscall(240, "uaddr:address op:futex_op val:uint timeout:address uaddr2:address val3:uint")
def sys_futex(
    k: Kernel, uaddr: int, op: int, val: int, utime: int, uaddr2: int, val3: int
) -> Result:
    """futex: wait, wake, requeue. Priority inheritance is not there (ENOSYS)."""
    private = bool(op & FUTEX_PRIVATE_FLAG)
    command = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
    if op & FUTEX_CLOCK_REALTIME and command != FUTEX_WAIT_BITSET:
        raise Errno(ENOSYS)
    if command == FUTEX_WAIT:
        return futex_wait(k, uaddr, val, utime, FUTEX_BITSET_MATCH_ANY, op)
    if command == FUTEX_WAIT_BITSET:
        return futex_wait(k, uaddr, val, utime, val3, op)
    if command == FUTEX_WAKE:
        return futex_wake(k, uaddr, _signed(val), private=private)
    if command == FUTEX_WAKE_BITSET:
        return futex_wake(k, uaddr, _signed(val), bitset=val3, private=private)
    if command == FUTEX_REQUEUE:
        return futex_requeue(k, uaddr, uaddr2, val, utime, None, private=private)
    if command == FUTEX_CMP_REQUEUE:
        return futex_requeue(k, uaddr, uaddr2, val, utime, val3, private=private)
    raise Errno(ENOSYS)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def futex_wait(k: Kernel, uaddr: int, val: int, timeout: int, bitset: int, op: int) -> Result:
    """Sleep while the word is `val`. Raises Errno(EAGAIN) when it is not, Errno(EINVAL),
    Errno(EFAULT); Errno(ETIMEDOUT) after the timeout.
    """
    if not bitset:
        raise Errno(EINVAL)
    deadline = _deadline(k, timeout, op) if timeout else None
    return _wait(k, uaddr, val, bitset, bool(op & FUTEX_PRIVATE_FLAG), deadline)


def _wait(
    k: Kernel, uaddr: int, val: int, bitset: int, private: bool, deadline: int | None
) -> Result:
    """Queue and sleep; also how a wait with a time goes on after a stop (futex_wait_restart).
    EAGAIN when the word is not `val`.
    """
    key = get_futex_key(k, uaddr, private=private)
    if get_user(k, uaddr) != val:
        raise Errno(EAGAIN)
    q = FutexQ(k.current, key, bitset, min(k.current.se.normal_prio, MAX_RT_PRIO))
    k.processes.futexes.append(q)
    return _sleep(k, q, (uaddr, val, bitset, private, deadline))


def _deadline(k: Kernel, timeout: int, op: int) -> int:
    """When a wait ends, in ns of CLOCK_MONOTONIC: FUTEX_WAIT's is relative.

    Raises Errno(EFAULT), Errno(EINVAL).
    """
    seconds, ns = struct.unpack("<iI", copy_from_user(k, timeout, 8))
    if seconds < 0 or ns >= NSEC_PER_SEC:
        raise Errno(EINVAL)
    time = int(seconds) * NSEC_PER_SEC + int(ns)
    if op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) == FUTEX_WAIT:
        return ktime_get(k) + time
    return time - k.time.wall_offset if op & FUTEX_CLOCK_REALTIME else time


#: What `_wait` is called with.
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
    k.current.restart_block = (_wait, args)  # it keeps its deadline
    raise Errno(ERESTART_RESTARTBLOCK)


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
    for q in [q for q in _queued(k, key) if q.bitset & bitset]:
        _wake(k, q)
        woken += 1
        if woken >= count:
            break
    return woken


def _queued(k: Kernel, key: Key) -> list[FutexQ]:
    """Who sleeps on a word, in the order of Linux's plist."""
    return sorted((q for q in k.processes.futexes if q.key == key), key=lambda q: q.prio)


def _wake(k: Kernel, q: FutexQ) -> None:
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
    key, key2 = (get_futex_key(k, a, private=private) for a in (uaddr, uaddr2))
    if expected is not None and get_user(k, uaddr) != expected:
        raise Errno(EAGAIN)
    done = 0
    for q in _queued(k, key):
        if done < nr_wake:
            _wake(k, q)
        elif done - nr_wake < nr_requeue:
            q.key = key2
            k.processes.futexes.remove(q)
            k.processes.futexes.append(q)  # behind those who sleep there already
        else:
            break
        done += 1
    return done


# -- robust lists ----------------------------------------------------------------------------------


@syscall(311, "head:address len:size")
def sys_set_robust_list(k: Kernel, head: int, size: int) -> int:
    """set_robust_list: the locks that exit is to mark as left behind.

    EINVAL unless `size` is the head's, 12 bytes.
    """
    if size != ROBUST_LIST_HEAD_SIZE:
        raise Errno(EINVAL)
    k.current.robust_list = head
    return 0


def exit_robust_list(k: Kernel, task: Task) -> None:
    """A task ends with locks held: set FUTEX_OWNER_DIED in each and wake one waiter."""
    head, task.robust_list = task.robust_list, 0
    try:
        entry, offset = get_user(k, head), get_user(k, head + 4)
        pending = get_user(k, head + 8)
        for _ in range(ROBUST_LIST_LIMIT):
            if entry == head:
                break
            following = get_user(k, entry)
            if entry != pending:
                handle_futex_death(k, task, (entry + offset) & 0xFFFFFFFF)
            entry = following
        if pending:
            handle_futex_death(k, task, (pending + offset) & 0xFFFFFFFF)
    except Errno:
        return  # the list is the program's; a broken one ends the walk


def handle_futex_death(k: Kernel, task: Task, address: int) -> None:
    """One lock: only its holder leaves a mark."""
    word = get_user(k, address)
    if word & FUTEX_TID_MASK == task.pid_struct.numbers[-1][1]:
        put_user(k, word & FUTEX_WAITERS | FUTEX_OWNER_DIED, address)
        if word & FUTEX_WAITERS:
            futex_wake(k, address, 1)
