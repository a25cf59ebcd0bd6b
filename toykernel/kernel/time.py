"""System calls about time (kernel/time.c, kernel/posix-timers.c, kernel/hrtimer.c, kernel/sys.c).

All of them see virtual time: cycles of the machine's clock, never the host's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import (
    EINVAL,
    EOPNOTSUPP,
    EPERM,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    Errno,
)
from toykernel.kernel.cputime import (
    RUSAGE_CHILDREN,
    RUSAGE_SELF,
    RUSAGE_THREAD,
    children_times,
    cpu_clock_read,
    cpu_clock_task,
    group_times,
    pack_rusage,
)
from toykernel.kernel.cred import CAP_SYS_TIME, capable
from toykernel.kernel.posix_timers import cpu_nanosleep
from toykernel.kernel.sched.core import tick_ns
from toykernel.kernel.sched.entity import rt_policy
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.timekeeping import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    CLOCK_REALTIME_COARSE,
    CLOCK_TAI,
    CLOCK_THREAD_CPUTIME_ID,
    NSEC_PER_SEC,
    TIMER_ABSTIME,
    clock_offset,
    clock_was_read,
    cycles_to_ns,
    ktime_get,
    ktime_get_real,
    pack_timespec,
    pack_timespec64,
    pack_timeval,
    timespec64_from_user,
    timespec_from_user,
    timeval_from_user,
)
from toykernel.kernel.wait import Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

USER_HZ = 100
CPUCLOCK_SCHED = 2  # of the kinds in a CPU clock's number
_COARSE = (CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE)
_SLEEPABLE = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI)
_ALARM = (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
_NO_SLEEP = (CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, *_COARSE, *_ALARM)


# -- reading and setting ---------------------------------------------------------------------------


def _last_tick(k: Kernel) -> int:
    """CLOCK_MONOTONIC at the last tick, ns: what the coarse clocks show."""
    return cycles_to_ns(k, max(k.time.next_tick - k.time.cycles_per_tick, 0))


def clock_get(k: Kernel, clock: int) -> int:
    """A clock in ns. Raises Errno(EINVAL) for one that does not exist."""
    if clock < 0 or clock in (CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID):
        return cpu_clock_read(k, *cpu_clock_task(k, clock))
    if clock in (CLOCK_REALTIME, CLOCK_TAI):
        return ktime_get(k) + clock_offset(k, clock)
    if clock in (CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME):
        return ktime_get(k)
    if clock == CLOCK_REALTIME_COARSE:
        return k.time.wall_offset + _last_tick(k)
    if clock == CLOCK_MONOTONIC_COARSE:
        return _last_tick(k)
    raise Errno(EINVAL)


@syscall(265, "clockid:clock tp:timespec_out")
def sys_clock_gettime(k: Kernel, clock: int, address: int) -> int:
    """Stored as a timespec. Raises Errno(EINVAL) for a clock that there is not, Errno(EFAULT)."""
    clock_was_read(k)
    copy_to_user(k, address, pack_timespec(clock_get(k, clock)))
    return 0


@syscall(266, "clockid:clock res:timespec_out")
def sys_clock_getres(k: Kernel, clock: int, address: int) -> int:
    """clock_getres: 1 ns, a tick for the coarse clocks. EINVAL for no such clock, EFAULT."""
    ns = clock_resolution(k, clock)
    if address:
        copy_to_user(k, address, pack_timespec(ns))
    return 0


def clock_resolution(k: Kernel, clock: int) -> int:
    """In ns: a tick for the coarse clocks, and for CPU time by ticks (CPUCLOCK_PROF, CPUCLOCK_VIRT). Raises
    Errno(EINVAL) for a clock that there is not.
    """
    clock_get(k, clock)
    by_ticks = clock < 0 and clock & 3 != CPUCLOCK_SCHED
    return tick_ns(k) if clock in _COARSE or by_ticks else 1


def _set_wall_clock(k: Kernel, ns: int) -> int:
    if not capable(k, CAP_SYS_TIME):
        raise Errno(EPERM)
    k.time.wall_offset = ns - ktime_get(k)
    return 0


@syscall(264, "clockid:clock tp:timespec")
def sys_clock_settime(k: Kernel, clock: int, address: int) -> int:
    """clock_settime: only CLOCK_REALTIME can be set (EINVAL), with CAP_SYS_TIME (EPERM)."""
    return clock_set(k, clock, address, timespec_from_user)


def clock_set(k: Kernel, clock: int, address: int, read: Callable[[Kernel, int], int]) -> int:
    """Set a clock to the time that `read` finds at an address. EINVAL, EPERM, EFAULT.

    EPERM for a clock of CPU time by its number (posix_cpu_clock_set), if there is such a process.
    """
    if clock < 0:
        try:
            read(k, address)
        except Errno as error:
            if error.number != EINVAL:
                raise
        cpu_clock_task(k, clock)
        raise Errno(EPERM)
    if clock != CLOCK_REALTIME:
        raise Errno(EINVAL)
    return _set_wall_clock(k, read(k, address))


@syscall(78, "tv:timeval_out tz:address")
def sys_gettimeofday(k: Kernel, tv: int, tz: int) -> int:
    """gettimeofday: microseconds since 1970; the time zone is UTC. EFAULT."""
    clock_was_read(k)
    if tv:
        copy_to_user(k, tv, pack_timeval(ktime_get_real(k)))
    if tz:
        copy_to_user(k, tz, bytes(8))
    return 0


@syscall(79, "tv:timeval tz:address")
def sys_settimeofday(k: Kernel, tv: int, tz: int) -> int:
    """settimeofday. A time zone is refused (EINVAL): nothing here would heed it.

    EPERM without CAP_SYS_TIME.
    """
    ns = timeval_from_user(k, tv) if tv else None
    zone = copy_from_user(k, tz, 8) if tz else b""
    if not capable(k, CAP_SYS_TIME):
        raise Errno(EPERM)
    if any(zone):
        raise Errno(EINVAL)
    return _set_wall_clock(k, ns) if ns is not None else 0


@syscall(13, "tloc:address")
def sys_time(k: Kernel, address: int) -> int:
    """time: seconds since 1970."""
    clock_was_read(k)
    seconds = ktime_get_real(k) // NSEC_PER_SEC
    if address:
        put_user(k, seconds, address)
    return seconds


@syscall(25, "t:address")
def sys_stime(k: Kernel, address: int) -> int:
    """stime: set the wall clock to seconds since 1970. EPERM without CAP_SYS_TIME, EFAULT."""
    seconds = int.from_bytes(copy_from_user(k, address, 4), "little", signed=True)
    return _set_wall_clock(k, seconds * NSEC_PER_SEC)


# -- sleeping --------------------------------------------------------------------------------------


@syscall(162, "req:timespec rem:timespec_out")
def sys_nanosleep(k: Kernel, request: int, remaining: int) -> Result:
    """nanosleep: sleep for a time; after a handler EINTR, and what was left in `remaining`."""
    ns = timespec_from_user(k, request)
    return _sleep(k, ktime_get(k) + ns, remaining)


@syscall(267, "clockid:clock flags:hex request:timespec remain:timespec_out")
def sys_clock_nanosleep(k: Kernel, clock: int, flags: int, request: int, remaining: int) -> Result:
    """clock_nanosleep: for a time, or with TIMER_ABSTIME until the clock shows one. EOPNOTSUPP for
    a clock that only shows the time, EINVAL, EFAULT, EINTR.
    """
    return clock_nanosleep(k, clock, flags, request, remaining, wide=False)


def clock_nanosleep(
    k: Kernel, clock: int, flags: int, request: int, remaining: int, *, wide: bool
) -> Result:
    """The same for both sizes of struct timespec; `wide` has 64-bit seconds."""
    if clock in _NO_SLEEP:
        raise Errno(EOPNOTSUPP)
    on_cpu = clock < 0 or clock == CLOCK_PROCESS_CPUTIME_ID
    if not on_cpu and clock not in _SLEEPABLE:
        raise Errno(EINVAL)
    ns = timespec64_from_user(k, request) if wide else timespec_from_user(k, request)
    if on_cpu:
        absolute = bool(flags & TIMER_ABSTIME)
        expires = ns + (0 if absolute else clock_get(k, clock))
        return cpu_nanosleep(k, clock, expires, None if absolute else remaining, wide)
    if flags & TIMER_ABSTIME:
        return _sleep(k, ns - clock_offset(k, clock), None)
    return _sleep(k, ktime_get(k) + ns, remaining, wide)


def _sleep(k: Kernel, expires: int, remaining: int | None, wide: bool = False) -> Result:
    """Until `expires` (CLOCK_MONOTONIC, ns); `remaining` is None for a sleep to a point in time."""
    task = k.current
    if signal_pending(task):
        return _sleep_over(k, expires, remaining, wide, False)
    # A timer may be late by the task's slack, so that several can fire together.
    slack = 0 if rt_policy(task.se.policy) else task.timer_slack_ns
    args = (expires, remaining, wide)
    return Wait((), _sleep_over, args, "nanosleep", deadline=expires + slack)


def _sleep_over(k: Kernel, expires: int, remaining: int | None, wide: bool, late: bool) -> Result:
    if late:
        return 0
    left = expires - ktime_get(k)
    if left <= 0:
        return 0
    if remaining is None:
        raise Errno(ERESTARTNOHAND)
    if remaining:
        copy_to_user(k, remaining, pack_timespec64(left) if wide else pack_timespec(left))
    k.current.restart_block = (_sleep, (expires, remaining, wide))
    raise Errno(ERESTART_RESTARTBLOCK)


# -- accounts --------------------------------------------------------------------------------------


@syscall(43, "buf:address")
def sys_times(k: Kernel, address: int) -> int:
    """times: CPU times of the group and of its dead children in 1/100 s; the ticks since boot."""
    clock_was_read(k)
    if address:
        user, system = group_times(k, k.current)
        each = (user, system, *children_times(k, k.current))
        copy_to_user(k, address, struct.pack("<4I", *(ns * USER_HZ // NSEC_PER_SEC for ns in each)))
    return k.time.jiffies * USER_HZ // k.time.hz


@syscall(77, "who:int usage:rusage")
def sys_getrusage(k: Kernel, who: int, address: int) -> int:
    """getrusage: of the group, of its dead children, of the thread. EINVAL for others, EFAULT."""
    if who not in (RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD):
        raise Errno(EINVAL)
    clock_was_read(k)
    copy_to_user(k, address, pack_rusage(k, k.current, who))
    return 0
