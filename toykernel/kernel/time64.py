"""The calls about time whose seconds have 64 bits (kernel/time/posix-timers.c): for programs after 2038.

What they do is what those do whose seconds have 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EINVAL, Errno
from toykernel.kernel.posix_timers import timer_left, timer_set
from toykernel.kernel.sched.syscalls import rr_interval
from toykernel.kernel.sigcalls import do_sigtimedwait
from toykernel.kernel.time import clock_get, clock_nanosleep, clock_resolution, clock_set
from toykernel.kernel.timekeeping import clock_was_read, pack_timespec64, timespec64_from_user
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel


@syscall(403, "clockid:clock tp:timespec64_out")
def sys_clock_gettime64(k: Kernel, clock: int, address: int) -> int:
    """clock_gettime64: EINVAL for a clock that there is not, EFAULT."""
    clock_was_read(k)
    copy_to_user(k, address, pack_timespec64(clock_get(k, clock)))
    return 0


@syscall(404, "clockid:clock tp:timespec64")
def sys_clock_settime64(k: Kernel, clock: int, address: int) -> int:
    """clock_settime64: only CLOCK_REALTIME can be set (EINVAL), with CAP_SYS_TIME (EPERM)."""
    return clock_set(k, clock, address, timespec64_from_user)


@syscall(406, "clockid:clock res:timespec64_out")
def sys_clock_getres_time64(k: Kernel, clock: int, address: int) -> int:
    """clock_getres_time64: 1 ns, a tick for the coarse clocks. EINVAL for no such clock, EFAULT."""
    ns = clock_resolution(k, clock)
    if address:
        copy_to_user(k, address, pack_timespec64(ns))
    return 0


@syscall(407, "clockid:clock flags:hex request:timespec64 remain:timespec64_out")
def sys_clock_nanosleep_time64(
    k: Kernel, clock: int, flags: int, request: int, remaining: int
) -> Result:
    """clock_nanosleep_time64: as clock_nanosleep."""
    return clock_nanosleep(k, clock, flags, request, remaining, wide=True)


@syscall(408, "timerid:int curr_value:itimerspec64_out")
def sys_timer_gettime64(k: Kernel, ident: int, address: int) -> int:
    """timer_gettime64: interval and time left. EINVAL for no such timer, EFAULT."""
    interval, left = timer_left(k, ident)
    copy_to_user(k, address, pack_timespec64(interval) + pack_timespec64(left))
    return 0


@syscall(409, "timerid:int flags:hex new_value:itimerspec64 old_value:itimerspec64_out")
def sys_timer_settime64(k: Kernel, ident: int, flags: int, new: int, old: int) -> int:
    """timer_settime64: first expiry (0: off) and interval. EINVAL for no such timer, EFAULT."""
    if not new:
        raise Errno(EINVAL)
    interval, value = timespec64_from_user(k, new), timespec64_from_user(k, new + 16)
    before = timer_set(k, ident, flags, value, interval)
    if old:
        copy_to_user(k, old, b"".join(map(pack_timespec64, before)))
    return 0


@syscall(421, "set:sigset info:address timeout:timespec64 size:size")
def sys_rt_sigtimedwait_time64(k: Kernel, uthese: int, uinfo: int, uts: int, size: int) -> Result:
    """rt_sigtimedwait_time64: as rt_sigtimedwait."""
    return do_sigtimedwait(k, uthese, uinfo, uts, size, timespec64_from_user)


@syscall(423, "pid:pid tp:timespec64_out")
def sys_sched_rr_get_interval_time64(k: Kernel, pid: int, interval: int) -> int:
    """sched_rr_get_interval_time64: the time slice, 0 without one. EINVAL, ESRCH, EFAULT."""
    copy_to_user(k, interval, pack_timespec64(rr_interval(k, pid)))
    return 0
