"""futex and its relatives as system calls (kernel/futex/syscalls.c, kernel/futex/waitwake.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, get_user
from toykernel.errno import EAGAIN, EINVAL, ENOSYS, ERESTARTSYS, ETIMEDOUT, Errno
from toykernel.kernel.futex import (
    FUTEX_BITSET_MATCH_ANY,
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMP_REQUEUE,
    FUTEX_CMP_REQUEUE_PI,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAIT_REQUEUE_PI,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
    FutexQ,
    futex_requeue,
    futex_wait,
    futex_wake,
    futex_wake_op,
    get_futex_key,
    queue_me,
    signed,
)
from toykernel.kernel.futex_pi import (
    futex_lock_pi,
    futex_requeue_pi,
    futex_unlock_pi,
    futex_wait_requeue_pi,
)
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import (
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    ktime_get,
    timespec64_from_user,
    timespec_from_user,
)
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_WITH_TIME = (
    *(FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI),
)
_WITH_CLOCK = (FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2)
FUTEX_WAITV_MAX = 128
FUTEX2_SIZE_U32, FUTEX2_PRIVATE = 2, 128


def _deadline(k: Kernel, command: int, op: int, time: int) -> int:
    """When a wait ends, in ns of CLOCK_MONOTONIC: FUTEX_WAIT's time is relative."""
    if command == FUTEX_WAIT:
        return ktime_get(k) + time
    wall = op & FUTEX_CLOCK_REALTIME or command == FUTEX_LOCK_PI
    return time - k.time.wall_offset if wall else time


def _futex(
    k: Kernel,
    args: tuple[int, int, int, int, int, int],
    read: Callable[[Kernel, int], int],
) -> Result:
    uaddr, op, val, utime, uaddr2, val3 = args
    private = bool(op & FUTEX_PRIVATE_FLAG)
    command = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
    deadline = None
    if utime and command in _WITH_TIME:
        deadline = _deadline(k, command, op, read(k, utime))
    if op & FUTEX_CLOCK_REALTIME and command not in _WITH_CLOCK:
        raise Errno(ENOSYS)
    if command in (FUTEX_WAIT, FUTEX_WAIT_BITSET):
        bitset = FUTEX_BITSET_MATCH_ANY if command == FUTEX_WAIT else val3
        return futex_wait(k, uaddr, val, bitset, private, deadline)
    if command == FUTEX_WAKE:
        return futex_wake(k, uaddr, signed(val), private=private)
    if command == FUTEX_WAKE_BITSET:
        return futex_wake(k, uaddr, signed(val), bitset=val3, private=private)
    if command in (FUTEX_REQUEUE, FUTEX_CMP_REQUEUE):
        expected = val3 if command == FUTEX_CMP_REQUEUE else None
        return futex_requeue(k, uaddr, uaddr2, val, utime, expected, private=private)
    if command == FUTEX_WAKE_OP:
        return futex_wake_op(k, uaddr, uaddr2, signed(val), signed(utime), val3, private=private)
    if command in (FUTEX_LOCK_PI, FUTEX_LOCK_PI2):
        return futex_lock_pi(k, uaddr, private, deadline)
    if command == FUTEX_TRYLOCK_PI:
        return futex_lock_pi(k, uaddr, private, None, trylock=True)
    if command == FUTEX_UNLOCK_PI:
        return futex_unlock_pi(k, uaddr, private)
    if command == FUTEX_WAIT_REQUEUE_PI:
        bitset = FUTEX_BITSET_MATCH_ANY
        return futex_wait_requeue_pi(k, uaddr, val, bitset, uaddr2, private, deadline)
    if command == FUTEX_CMP_REQUEUE_PI:
        return futex_requeue_pi(k, uaddr, uaddr2, val, utime, val3, private)
    raise Errno(ENOSYS)


@syscall(240, "uaddr:address op:futex_op val:uint timeout:address uaddr2:address val3:uint")
def sys_futex(
    k: Kernel, uaddr: int, op: int, val: int, utime: int, uaddr2: int, val3: int
) -> Result:
    """futex: wait, wake, requeue, change and wake; locks whose holder inherits priority.

    EAGAIN, EDEADLK, EFAULT, EINTR, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT.
    """
    return _futex(k, (uaddr, op, val, utime, uaddr2, val3), timespec_from_user)


@syscall(422, "uaddr:address op:futex_op val:uint timeout:address uaddr2:address val3:uint")
def sys_futex_time64(
    k: Kernel, uaddr: int, op: int, val: int, utime: int, uaddr2: int, val3: int
) -> Result:
    """futex_time64: futex with a 64-bit time."""
    return _futex(k, (uaddr, op, val, utime, uaddr2, val3), timespec64_from_user)


# -- several at once -------------------------------------------------------------------------------

#: Address, expected value, whether it is private.
Word = tuple[int, int, bool]


def waitv_words(k: Kernel, waiters: int, count: int) -> tuple[Word, ...]:
    """struct futex_waitv[]. Raises Errno(EINVAL), Errno(EFAULT)."""
    words = []
    for val, uaddr, flags, reserved in struct.iter_unpack(
        "<QQII", copy_from_user(k, waiters, 24 * count)
    ):
        if flags & ~(FUTEX2_SIZE_U32 | FUTEX2_PRIVATE) or not flags & FUTEX2_SIZE_U32 or reserved:
            raise Errno(EINVAL)
        if val >> 32:  # more than the word can hold
            raise Errno(EINVAL)
        words.append((uaddr & 0xFFFFFFFF, val & 0xFFFFFFFF, bool(flags & FUTEX2_PRIVATE)))
    return tuple(words)


def waitv_deadline(k: Kernel, timeout: int, clock: int) -> int | None:
    """futex2_setup_timeout: a time of a clock, or none, as one of CLOCK_MONOTONIC. Raises Errno(EINVAL),
    EFAULT.
    """
    if not timeout:
        return None
    if clock not in (CLOCK_REALTIME, CLOCK_MONOTONIC):
        raise Errno(EINVAL)
    deadline = timespec64_from_user(k, timeout)
    return deadline - (k.time.wall_offset if clock == CLOCK_REALTIME else 0)


@syscall(449, "waiters:address nr_futexes:uint flags:hex timeout:address clockid:clock")
def sys_futex_waitv(
    k: Kernel, waiters: int, count: int, flags: int, timeout: int, clock: int
) -> Result:
    """futex_waitv: sleep on several words until one of them is woken; which one.

    EAGAIN when one is not what was expected, EFAULT, EINTR, EINVAL, ETIMEDOUT.
    """
    if flags or not 1 <= count <= FUTEX_WAITV_MAX or not waiters:
        raise Errno(EINVAL)
    deadline = waitv_deadline(k, timeout, clock)
    words = waitv_words(k, waiters, count)
    keys = [get_futex_key(k, uaddr, private=private) for uaddr, _, private in words]
    for uaddr, val, _ in words:
        if get_user(k, uaddr) != val:
            raise Errno(EAGAIN)
    return _sleep(tuple(queue_me(k, key) for key in keys), deadline)


def _sleep(queue: tuple[FutexQ, ...], deadline: int | None) -> Result:
    reason = f"futex_waitv on {len(queue)} words"
    return Wait((), waitv_woken, (queue, deadline), reason, deadline=deadline)


def waitv_woken(
    k: Kernel, queue: tuple[FutexQ, ...], deadline: int | None, late: bool = False
) -> Result:
    """The sleeper goes on: by which word was it woken, or was it late, or a signal?"""
    woken = next((index for index, q in enumerate(queue) if q.key is None), None)
    if woken is None and not late and not signal_pending(k.current):
        return _sleep(queue, deadline)
    for q in queue:
        if q.key is not None:
            k.processes.futexes.remove(q)
    if woken is not None:
        return woken
    raise Errno(ETIMEDOUT if late else ERESTARTSYS)
