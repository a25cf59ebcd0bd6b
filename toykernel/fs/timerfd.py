"""timerfd (fs/timerfd.c): a timer whose expiries are read from a file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EAGAIN, ECANCELED, EINVAL, ERESTARTSYS, Errno
from toykernel.fs.anon_inodes import anon_inode_getfile, noop_llseek
from toykernel.fs.file import (
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDWR,
    File,
    fd_install,
    fget_open,
    get_unused_fd,
)
from toykernel.fs.operations import POLLIN, FileOperations
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    ktime_get,
    pack_timespec,
    pack_timespec64,
    timespec64_from_user,
    timespec_from_user,
)
from toykernel.kernel.timer import (
    HrTimer,
    hrtimer_cancel,
    hrtimer_forward,
    hrtimer_restart,
)
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.state import Kernel

TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET = 1, 2
_CLOCKS = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME)


@dataclass(eq=False)
class TimerfdCtx:
    """struct timerfd_ctx: expiries that were not read yet; `interval` in ns, 0 for once.

    `wall_offset` is the clock's when the timer was set, where it is to be told that the clock was set.
    """

    slab: int
    clock: int
    wait: WaitQueue
    timer: HrTimer
    interval: int = 0
    ticks: int = 0
    expired: bool = False
    might_cancel: bool = False
    settime_flags: int = 0
    wall_offset: int = 0


def _context(file: File) -> TimerfdCtx:
    if not isinstance(file.private, TimerfdCtx):
        raise Errno(EINVAL)
    return file.private


def timerfd_tmrproc(k: Kernel, timer: HrTimer) -> None:
    """It expires: a periodic one goes on when somebody reads."""
    ctx: TimerfdCtx = timer.data
    ctx.expired = True
    ctx.ticks += 1
    wake_up(k, ctx.wait, key=POLLIN)


def _catch_up(k: Kernel, ctx: TimerfdCtx) -> None:
    """Start a periodic timer that has expired again, counting what it has passed over."""
    if ctx.expired and ctx.interval:
        ctx.ticks += hrtimer_forward(ctx.timer, ktime_get(k), ctx.interval) - 1
        hrtimer_restart(k, ctx.timer, ctx.timer.expires)
    ctx.expired = False


def _cancelled(k: Kernel, ctx: TimerfdCtx) -> bool:
    """Whether the wall clock was set since the timer was, if that is to be told; once."""
    if not ctx.might_cancel or ctx.wall_offset == k.time.wall_offset:
        return False
    ctx.wall_offset = k.time.wall_offset
    return True


def timerfd_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """8 bytes: how often it has expired since the last read; waits for the first time.

    EINVAL for a smaller buffer, EAGAIN with O_NONBLOCK, ECANCELED when the clock was set.
    """
    ctx = _context(file)
    if count < 8:
        raise Errno(EINVAL)
    if _cancelled(k, ctx):
        ctx.ticks, ctx.expired = 0, False
        raise Errno(ECANCELED)
    if not ctx.ticks:
        if file.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        args = (file, buf, count)
        return Wait((ctx.wait,), timerfd_read, args, "read of a timerfd", holds=(file,))
    _catch_up(k, ctx)
    ticks, ctx.ticks = ctx.ticks, 0
    copy_to_user(k, buf, ticks.to_bytes(8, "little"))
    return 8


def timerfd_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN once it has expired."""
    ctx = _context(file)
    pt.append(ctx.wait)
    return POLLIN if ctx.ticks else 0


def timerfd_release(k: Kernel, file: File) -> None:
    """The last open is gone: the timer stops."""
    ctx = _context(file)
    hrtimer_cancel(k, ctx.timer)
    k.memory.slabs.timerfd.free(k, ctx.slab)


def timerfd_fdinfo(k: Kernel, file: File) -> str:
    """Clock, expiries, flags, time left and interval."""
    ctx = _context(file)
    interval, left = (divmod(ns, 1_000_000_000) for ns in _get(k, ctx))
    return (
        f"clockid: {ctx.clock}\nticks: {ctx.ticks}\nsettime flags: 0{ctx.settime_flags:o}\n"
        f"it_value: ({left[0]}, {left[1]})\nit_interval: ({interval[0]}, {interval[1]})\n"
    )


TIMERFD = FileOperations(
    "toykernel.fs.timerfd:TIMERFD",
    read=timerfd_read,
    llseek=noop_llseek,
    poll=timerfd_poll,
    release=timerfd_release,
    show_fdinfo=timerfd_fdinfo,
)


@syscall(322, "clockid:clock flags:hex")
def sys_timerfd_create(k: Kernel, clock: int, flags: int) -> int:
    """timerfd_create: a timer on a clock, off. EINVAL for another clock or flag, EMFILE, ENOMEM."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK) or clock not in _CLOCKS:
        raise Errno(EINVAL)
    with ExitStack() as undo:
        slab = k.memory.slabs.timerfd.alloc(k)
        undo.callback(k.memory.slabs.timerfd.free, k, slab)
        fd = get_unused_fd(k)
        timer = HrTimer(0, timerfd_tmrproc)
        ctx = timer.data = TimerfdCtx(slab, clock, WaitQueue("timerfd"), timer)
        file = anon_inode_getfile(k, "[timerfd]", TIMERFD, ctx, O_RDWR | flags & O_NONBLOCK)
        undo.pop_all()
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))


def _get(k: Kernel, ctx: TimerfdCtx) -> tuple[int, int]:
    """Interval and time left, ns."""
    _catch_up(k, ctx)
    left = max(ctx.timer.expires - ktime_get(k), 1) if ctx.timer.active else 0
    return ctx.interval, left


def _settime(
    k: Kernel, fd: int, flags: int, new: tuple[int, int], told: Callable[[int], bytes], old: int
) -> int:
    """Set interval and first expiry; tell those before."""
    interval, value = new
    ctx = _context(fget_open(k, fd))
    before = _get(k, ctx)
    hrtimer_cancel(k, ctx.timer)
    ctx.ticks, ctx.expired, ctx.interval = 0, False, interval
    absolute = bool(flags & TFD_TIMER_ABSTIME)
    ctx.might_cancel = bool(
        ctx.clock == CLOCK_REALTIME and absolute and flags & TFD_TIMER_CANCEL_ON_SET
    )
    ctx.wall_offset, ctx.settime_flags = k.time.wall_offset, flags
    if value:
        wall = k.time.wall_offset if ctx.clock == CLOCK_REALTIME else 0
        expires = value - wall if absolute else ktime_get(k) + value
        hrtimer_restart(k, ctx.timer, expires)
    if old:
        copy_to_user(k, old, told(before[0]) + told(before[1]))
    return 0


def _check_flags(flags: int) -> None:
    if flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET):
        raise Errno(EINVAL)


@syscall(325, "fd:fd flags:hex new_value:itimerspec old_value:itimerspec_out")
def sys_timerfd_settime(k: Kernel, fd: int, flags: int, new: int, old: int) -> int:
    """timerfd_settime: first expiry (0: off) and interval. EINVAL, EBADF, EFAULT."""
    value = timespec_from_user(k, new), timespec_from_user(k, new + 8)
    _check_flags(flags)
    return _settime(k, fd, flags, value, pack_timespec, old)


@syscall(326, "fd:fd curr_value:itimerspec_out")
def sys_timerfd_gettime(k: Kernel, fd: int, address: int) -> int:
    """timerfd_gettime: interval and time left. EINVAL, EBADF, EFAULT."""
    interval, left = _get(k, _context(fget_open(k, fd)))
    copy_to_user(k, address, pack_timespec(interval) + pack_timespec(left))
    return 0


@syscall(411, "fd:fd flags:hex new_value:address old_value:address")
def sys_timerfd_settime64(k: Kernel, fd: int, flags: int, new: int, old: int) -> int:
    """timerfd_settime64: timerfd_settime with 64-bit times."""
    value = timespec64_from_user(k, new), timespec64_from_user(k, new + 16)
    _check_flags(flags)
    return _settime(k, fd, flags, value, pack_timespec64, old)


@syscall(410, "fd:fd curr_value:address")
def sys_timerfd_gettime64(k: Kernel, fd: int, address: int) -> int:
    """timerfd_gettime64: timerfd_gettime with 64-bit times."""
    interval, left = _get(k, _context(fget_open(k, fd)))
    copy_to_user(k, address, pack_timespec64(interval) + pack_timespec64(left))
    return 0
