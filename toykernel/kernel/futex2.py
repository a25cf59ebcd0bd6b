"""futex_wake, futex_wait and futex_requeue (kernel/futex/syscalls.c): FUTEX_WAKE_BITSET, WAIT_BITSET and
CMP_REQUEUE as calls of their own, with the flags of futex_waitv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, Errno
from toykernel.kernel.futex import futex_requeue, futex_wait, futex_wake, get_futex_key
from toykernel.kernel.futex_calls import (
    FUTEX2_PRIVATE,
    FUTEX2_SIZE_U32,
    waitv_deadline,
    waitv_words,
)
from toykernel.kernel.wait import Result
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


def _private(flags: int) -> bool:
    """Words have 32 bits, of this process only or not. Raises Errno(EINVAL)."""
    if flags & ~(FUTEX2_SIZE_U32 | FUTEX2_PRIVATE) or not flags & FUTEX2_SIZE_U32:
        raise Errno(EINVAL)
    return bool(flags & FUTEX2_PRIVATE)


@syscall(454, "uaddr:address mask:hex nr:int flags:hex")
def sys_futex_wake(k: Kernel, uaddr: int, mask: int, nr: int, flags: int) -> int:
    """futex_wake: wake so many of those whose mask has a bit in common; none for 0. EINVAL, EFAULT."""
    private = _private(flags)
    if not mask:
        raise Errno(EINVAL)
    if not nr:
        get_futex_key(k, uaddr, private=private)
        return 0
    return futex_wake(k, uaddr, nr, bitset=mask, private=private)


@syscall(455, "uaddr:address val:uint mask:hex flags:hex timeout:address clockid:clock")
def sys_futex_wait(
    k: Kernel, uaddr: int, val: int, mask: int, flags: int, timeout: int, clock: int
) -> Result:
    """futex_wait: sleep while the word is `val`, at most until a time. EAGAIN, EFAULT, EINTR, EINVAL,
    ETIMEDOUT.
    """
    private = _private(flags)
    deadline = waitv_deadline(k, timeout, clock)
    return futex_wait(k, uaddr, val, mask, private, deadline)


@syscall(456, "waiters:address flags:hex nr_wake:int nr_requeue:int")
def sys_futex_requeue(k: Kernel, waiters: int, flags: int, wake: int, requeue: int) -> int:
    """futex_requeue: wake some sleepers of the first of two words, let others sleep on the second.

    EAGAIN when the first is not what was expected, EFAULT, EINVAL.
    """
    if flags or not waiters:
        raise Errno(EINVAL)
    (first, val, private), (second, _, other) = waitv_words(k, waiters, 2)
    if private != other:
        raise Errno(EINVAL)
    return futex_requeue(k, first, second, wake, requeue, val, private=private)
