"""poll and select (fs/select.c): waiting for any of several files.

A scan asks each file for its state, and for the queues that hear of a change; without a ready one the task
sleeps on all of these, and scans again when it is woken.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user
from toykernel.errno import (
    EBADF,
    EFAULT,
    EINTR,
    EINVAL,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    Errno,
)
from toykernel.fs.file import O_PATH, current_files
from toykernel.fs.operations import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from toykernel.kernel.signal import set_current_blocked
from toykernel.kernel.signal_types import RLIMIT_NOFILE, signal_pending
from toykernel.kernel.timekeeping import (
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    ktime_get,
    pack_timespec,
    pack_timespec64,
    pack_timeval,
    timespec64_from_user,
    timespec_from_user,
)
from toykernel.kernel.wait import Result, Wait, WaitQueue
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.fs.file import File
    from toykernel.state import Kernel

NSEC_PER_MSEC = 1_000_000
SIGSET_SIZE = 8
#: What each of select's sets means in POLL bits.
POLLIN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL
POLLOUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL
POLLEX_SET = POLLPRI | POLLNVAL
#: The least that a table of descriptors has room for (NR_OPEN_DEFAULT).
NR_OPEN_DEFAULT = 64

#: How the time that is left is told: nowhere, or at an address in one of three layouts.
Left = tuple[int, str]
NOWHERE: Left = (0, "")


# -- the mask of signals while waiting -------------------------------------------------------------


def set_user_sigmask(k: Kernel, address: int, size: int) -> None:
    """ppoll's mask, for as long as the call lasts. Raises Errno(EINVAL) for another size, Errno(EFAULT)."""
    if not address:
        return
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    mask = int.from_bytes(copy_from_user(k, address, SIGSET_SIZE), "little")
    task = k.current
    task.saved_sigmask = task.blocked
    set_current_blocked(k, task, mask)


def restore_sigmask(k: Kernel) -> None:
    """The call is over without a signal: the mask is the one before (restore_saved_sigmask)."""
    task = k.current
    if task.saved_sigmask is not None:
        saved, task.saved_sigmask = task.saved_sigmask, None
        set_current_blocked(k, task, saved)


def tell_left(k: Kernel, deadline: int | None, left: Left) -> None:
    """Store the time that is left (poll_select_finish); nothing when it was to wait for ever.

    Raises Errno(EFAULT).
    """
    address, layout = left
    if not address or deadline is None:
        return
    ns = max(deadline - ktime_get(k), 0)
    pack: dict[str, Callable[[int], bytes]] = {
        "timeval": pack_timeval,
        "timespec": pack_timespec,
        "timespec64": pack_timespec64,
    }
    copy_to_user(k, address, pack[layout](ns))


def _finish(k: Kernel, deadline: int | None, left: Left, result: int) -> int:
    """The last of a call that found something, or whose time is up."""
    restore_sigmask(k)
    with suppress(Errno):  # the answer counts more
        tell_left(k, deadline, left)
    return result


def _interrupted(k: Kernel, deadline: int | None, left: Left) -> Errno:
    """The error of a call that a signal ends; do_notify_resume puts the mask back."""
    try:
        tell_left(k, deadline, left)
    except Errno:
        return Errno(EINTR)
    return Errno(ERESTARTNOHAND)


def _expired(k: Kernel, deadline: int | None, late: bool) -> bool:
    return late or (deadline is not None and deadline <= ktime_get(k))


# -- poll ------------------------------------------------------------------------------------------

#: Descriptor and the bits that are asked for.
PollFd = tuple[int, int]


def _poll_file(k: Kernel, file: File | None, events: int, pt: list[WaitQueue]) -> int:
    if file is None or file.flags & O_PATH:
        return POLLNVAL
    return file.op.poll(k, file, pt) & (events | POLLERR | POLLHUP)


def _files(k: Kernel, fds: tuple[PollFd, ...]) -> list[File | None]:
    table = current_files(k).fd
    return [table.get(fd) for fd, _ in fds]


def do_poll(
    k: Kernel,
    ufds: int,
    fds: tuple[PollFd, ...],
    deadline: int | None,
    left: Left | None,
    late: bool = False,
) -> Result:
    """One scan, or a sleep until something happens. `left` is None for poll, which restarts by itself."""
    pt: list[WaitQueue] = []
    files = _files(k, fds)
    revents = [
        _poll_file(k, file, events, pt) if fd >= 0 else 0
        for file, (fd, events) in zip(files, fds, strict=True)
    ]
    ready = sum(1 for one in revents if one)
    over = bool(ready) or _expired(k, deadline, late)
    if over or signal_pending(k.current):
        for index, one in enumerate(revents):
            copy_to_user(k, ufds + 8 * index + 6, one.to_bytes(2, "little"))
        if over:
            return _finish(k, deadline, left or NOWHERE, ready)
        if left is not None:
            raise _interrupted(k, deadline, left)
        k.current.restart_block = (restart_poll, (ufds, len(fds), deadline))
        raise Errno(ERESTART_RESTARTBLOCK)
    held = tuple(file for file in files if file is not None)
    args = (ufds, fds, deadline, left)
    reason = f"poll of {', '.join(str(fd) for fd, _ in fds if fd >= 0) or 'nothing'}"
    queues = tuple(dict.fromkeys(pt))
    return Wait(queues, do_poll, args, reason, deadline=deadline, holds=held)


def _poll_fds(k: Kernel, ufds: int, nfds: int) -> tuple[PollFd, ...]:
    """The caller's array. Raises Errno(EINVAL) for more than RLIMIT_NOFILE, Errno(EFAULT)."""
    if nfds > k.current.signal.rlim[RLIMIT_NOFILE][0]:
        raise Errno(EINVAL)
    data = copy_from_user(k, ufds, 8 * nfds)
    return tuple((fd, events) for fd, events, _ in struct.iter_unpack("<iHH", data))


def restart_poll(k: Kernel, ufds: int, nfds: int, deadline: int | None) -> Result:
    """poll goes on after a stop, to the same point in time (do_restart_poll)."""
    return do_poll(k, ufds, _poll_fds(k, ufds, nfds), deadline, None)


@syscall(168, "fds:address nfds:uint timeout:int")
def sys_poll(k: Kernel, ufds: int, nfds: int, timeout: int) -> Result:
    """poll: how many files are ready, within so many milliseconds (below 0: however long it takes).

    EFAULT, EINTR, EINVAL.
    """
    fds = _poll_fds(k, ufds, nfds)
    deadline = None if timeout < 0 else ktime_get(k) + timeout * NSEC_PER_MSEC
    return do_poll(k, ufds, fds, deadline, None)


def _ppoll(
    k: Kernel, ufds: int, nfds: int, timeout: int | None, left: Left, mask: tuple[int, int]
) -> Result:
    deadline = None if timeout is None else ktime_get(k) + timeout
    set_user_sigmask(k, *mask)
    try:
        return do_poll(k, ufds, _poll_fds(k, ufds, nfds), deadline, left)
    except Errno as error:
        if error.number in (EFAULT, EINVAL):
            restore_sigmask(k)
        raise


@syscall(309, "fds:address nfds:uint tmo_p:timespec sigmask:sigset sigsetsize:size")
def sys_ppoll(k: Kernel, ufds: int, nfds: int, tsp: int, mask: int, size: int) -> Result:
    """ppoll: poll with a time in ns, and with another mask of blocked signals meanwhile."""
    timeout = timespec_from_user(k, tsp) if tsp else None
    return _ppoll(k, ufds, nfds, timeout, (tsp, "timespec"), (mask, size))


@syscall(414, "fds:address nfds:uint tmo_p:address sigmask:sigset sigsetsize:size")
def sys_ppoll_time64(k: Kernel, ufds: int, nfds: int, tsp: int, mask: int, size: int) -> Result:
    """ppoll_time64: ppoll with 64-bit times."""
    timeout = timespec64_from_user(k, tsp) if tsp else None
    return _ppoll(k, ufds, nfds, timeout, (tsp, "timespec64"), (mask, size))


# -- select ----------------------------------------------------------------------------------------

#: What is asked of each descriptor: for reading, for writing, for something exceptional.
FdSets = tuple[int, int, int]


def do_select(
    k: Kernel,
    n: int,
    addresses: FdSets,
    sets: FdSets,
    deadline: int | None,
    left: Left,
    late: bool = False,
) -> Result:
    """One scan of the bit sets, or a sleep until something happens."""
    pt: list[WaitQueue] = []
    table = current_files(k).fd
    result = [0, 0, 0]
    held = []
    asked = sets[0] | sets[1] | sets[2]
    for fd in range(n):
        if not asked >> fd & 1:
            continue
        file = table.get(fd)
        if file is None:
            restore_sigmask(k)
            raise Errno(EBADF)
        held.append(file)
        mask = POLLNVAL if file.flags & O_PATH else file.op.poll(k, file, pt)
        for index, bits in enumerate((POLLIN_SET, POLLOUT_SET, POLLEX_SET)):
            if sets[index] >> fd & 1 and mask & bits:
                result[index] |= 1 << fd
    ready = sum(one.bit_count() for one in result)
    if ready or _expired(k, deadline, late):
        size = _set_size(n)
        try:
            for address, one in zip(addresses, result, strict=True):
                if address:
                    copy_to_user(k, address, one.to_bytes(size, "little"))
        except Errno:
            restore_sigmask(k)
            raise
        return _finish(k, deadline, left, ready)
    if signal_pending(k.current):
        raise _interrupted(k, deadline, left)
    args = (n, addresses, sets, deadline, left)
    reason = f"select of {', '.join(str(fd) for fd in range(n) if asked >> fd & 1) or 'nothing'}"
    queues = tuple(dict.fromkeys(pt))
    return Wait(queues, do_select, args, reason, deadline=deadline, holds=tuple(held))


def _set_size(n: int) -> int:
    """Bytes of a set of `n` bits: whole words."""
    return (n + 31) // 32 * 4


def core_sys_select(
    k: Kernel, n: int, addresses: FdSets, timeout: int | None, left: Left, mask: tuple[int, int]
) -> Result:
    """The sets from memory, then the scan. Raises Errno(EINVAL), Errno(EFAULT), Errno(EBADF)."""
    if n < 0:
        raise Errno(EINVAL)
    table = current_files(k).fd
    room = max(NR_OPEN_DEFAULT, 1 << max(table, default=0).bit_length())
    n = min(n, room)
    deadline = None if timeout is None else ktime_get(k) + timeout
    bits = (1 << n) - 1
    read = [
        int.from_bytes(copy_from_user(k, a, _set_size(n)), "little") & bits if a else 0
        for a in addresses
    ]
    set_user_sigmask(k, *mask)
    return do_select(k, n, addresses, (read[0], read[1], read[2]), deadline, left)


def _timeval(k: Kernel, address: int) -> int | None:
    """A timeval, which may have any number of microseconds. Raises Errno(EINVAL) below 0."""
    if not address:
        return None
    seconds, usec = struct.unpack("<2i", copy_from_user(k, address, 8))
    ns = int(seconds * NSEC_PER_SEC + usec * NSEC_PER_USEC)
    if ns < 0 or usec < 0:
        raise Errno(EINVAL)
    return ns


@syscall(
    142, "nfds:int readfds:address writefds:address exceptfds:address tv:timeval", name="_newselect"
)
def sys_select(k: Kernel, n: int, inp: int, outp: int, exp: int, tvp: int) -> Result:
    """_newselect: how many bits of the three sets stand for ready files; tells the time that is left.

    EBADF, EFAULT, EINTR, EINVAL.
    """
    return core_sys_select(k, n, (inp, outp, exp), _timeval(k, tvp), (tvp, "timeval"), (0, 0))


@syscall(82, "arg:address", name="select")
def sys_old_select(k: Kernel, arg: int) -> Result:
    """select: the old form, five words in memory."""
    n, inp, outp, exp, tvp = struct.unpack("<i4I", copy_from_user(k, arg, 20))
    return sys_select(k, n, inp, outp, exp, tvp)


def _pselect(k: Kernel, n: int, sets: FdSets, timeout: int | None, left: Left, sig: int) -> Result:
    mask = (get_user(k, sig), get_user(k, sig + 4)) if sig else (0, 0)
    return core_sys_select(k, n, sets, timeout, left, mask)


@syscall(
    308,
    "nfds:int readfds:address writefds:address exceptfds:address timeout:timespec sig:address",
)
def sys_pselect6(k: Kernel, n: int, inp: int, outp: int, exp: int, tsp: int, sig: int) -> Result:
    """pselect6: select with a time in ns and a mask of signals; its address and size are behind `sig`."""
    timeout = timespec_from_user(k, tsp) if tsp else None
    return _pselect(k, n, (inp, outp, exp), timeout, (tsp, "timespec"), sig)


@syscall(
    413,
    "nfds:int readfds:address writefds:address exceptfds:address timeout:address sig:address",
)
def sys_pselect6_time64(
    k: Kernel, n: int, inp: int, outp: int, exp: int, tsp: int, sig: int
) -> Result:
    """pselect6_time64: pselect6 with 64-bit times."""
    timeout = timespec64_from_user(k, tsp) if tsp else None
    return _pselect(k, n, (inp, outp, exp), timeout, (tsp, "timespec64"), sig)
