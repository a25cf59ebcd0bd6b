"""POSIX timers (kernel/posix-timers.c, kernel/posix-cpu-timers.c).

A timer on a clock of the wall is one of the kernel's timers; one on CPU time hangs on the thread group whose
time it is, and is looked at in each tick that finds the group running.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EAGAIN, EINVAL, EOPNOTSUPP, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, Errno
from toykernel.kernel.cputime import cpu_clock_read, cpu_clock_task
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.sched.core import tick_ns
from toykernel.kernel.siginfo import NSIG, SI_TIMER, SIGALRM, Siginfo
from toykernel.kernel.signal import send_signal, sig_ignored
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
    TIMER_ABSTIME,
    clock_offset,
    ktime_get,
    pack_timespec,
    pack_timespec64,
    timespec_from_user,
)
from toykernel.kernel.timer import (
    HrTimer,
    hrtimer_cancel,
    hrtimer_forward,
    hrtimer_restart,
)
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 0, 1, 2, 4
DELAYTIMER_MAX = 0x7FFFFFFF
_TIMERS_MAX = 4096
_CLOCKS = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI)
_ALARMS = (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
_WITHOUT_TIMERS = (CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE)


@dataclass(eq=False)
class PosixTimer:
    """struct k_itimer; `interval` in ns, 0 for once."""

    ident: int
    clock: int
    notify: int
    sig: int
    value: int  # sigev_value
    target: Task  # the group's leader, or the thread of SIGEV_THREAD_ID
    timer: HrTimer  # on a CPU clock only a record: `expires` is of that clock
    watched: Task | None = None  # whose CPU time
    alone: bool = False  # the thread's, not the group's
    interval: int = 0
    overrun: int = 0
    last_overrun: int = 0


def _now(k: Kernel, posix: PosixTimer) -> int:
    """The timer's clock (monotonic for the wall's), ns."""
    if posix.watched is None:
        return ktime_get(k)
    return cpu_clock_read(k, posix.watched, posix.alone)


def _active(posix: PosixTimer) -> bool:
    if posix.watched is None:
        return posix.timer.active
    return posix in posix.watched.signal.cpu_timers


def _stop(k: Kernel, posix: PosixTimer) -> None:
    if posix.watched is None:
        hrtimer_cancel(k, posix.timer)
    elif _active(posix):
        posix.watched.signal.cpu_timers.remove(posix)


def _start(k: Kernel, posix: PosixTimer, expires: int) -> None:
    if posix.watched is None:
        hrtimer_restart(k, posix.timer, expires)
        return
    posix.timer.expires = expires
    if expires <= _now(k, posix):
        posix_timer_fn(k, posix.timer)
    else:
        posix.watched.signal.cpu_timers.append(posix)


def run_posix_cpu_timers(k: Kernel, task: Task) -> None:
    """In the tick: what is due on the CPU time of the running task and its group."""
    for posix in list(task.signal.cpu_timers):
        due = posix.watched is task if posix.alone else True
        if due and _now(k, posix) >= posix.timer.expires:
            _stop(k, posix)
            posix.timer.function(k, posix.timer)


def posix_timer_fn(k: Kernel, timer: HrTimer) -> None:
    """Fire. A periodic timer goes on when its signal is taken, at once when that is ignored."""
    posix: PosixTimer = timer.data
    target = posix.target
    if posix.notify != SIGEV_NONE:
        if sig_ignored(target, posix.sig):
            _go_on(k, posix, tick_ns(k))
            return
        info = {
            "si_code": SI_TIMER,
            "si_timerid": posix.ident,
            "si_overrun": 0,
            "si_value": posix.value,
        }
        send_signal(k, target, posix.sig, info, group=posix.notify != SIGEV_THREAD_ID)


def _go_on(k: Kernel, posix: PosixTimer, pause: int = 0) -> None:
    """On to the next expiry; with `pause`, ns, not before that when the interval is shorter: what nobody
    takes must not come as fast as it can.
    """
    if posix.interval:
        now = _now(k, posix) + (pause if posix.interval < pause else 0)
        posix.overrun += hrtimer_forward(posix.timer, now, posix.interval) - (not pause)
        _start(k, posix, posix.timer.expires)


def posix_timer_signal_taken(k: Kernel, task: Task, info: Siginfo) -> None:
    """The signal leaves the queue: say how many expiries it stands for, and go on."""
    posix = task.signal.posix_timers.get(info["si_timerid"])
    if posix is None or _active(posix):
        return
    _go_on(k, posix)
    posix.last_overrun, posix.overrun = min(posix.overrun, DELAYTIMER_MAX), 0
    info["si_overrun"] = posix.last_overrun


# -- sleeping on CPU time --------------------------------------------------------------------------


def cpu_nanosleep(
    k: Kernel, clock: int, expires: int, remaining: int | None, wide: bool = False
) -> Result:
    """Sleep until a CPU clock shows `expires` ns (posix_cpu_nsleep); `remaining` as for nanosleep.

    Raises Errno(EINVAL) for no such clock, or the caller's own.
    """
    watched, alone = cpu_clock_task(k, clock)
    if alone and watched is k.current:
        raise Errno(EINVAL)
    if cpu_clock_read(k, watched, alone) >= expires:
        return 0
    timer = HrTimer(expires, cpu_sleep_over)
    posix = PosixTimer(-1, clock, SIGEV_NONE, 0, 0, k.current, timer, watched, alone)
    timer.data = posix
    watched.signal.cpu_timers.append(posix)
    return _cpu_sleep(k, posix, remaining, wide)


def cpu_sleep_over(k: Kernel, timer: HrTimer) -> None:
    """The clock has come so far: the sleeper goes on."""
    k.try_to_wake_up(timer.data.target)


def _cpu_sleep(k: Kernel, posix: PosixTimer, remaining: int | None, wide: bool) -> Result:
    """Asleep, or just woken: by the clock, by a signal, or for nothing."""
    if not _active(posix):
        return 0
    task = k.current
    if not signal_pending(task):
        return Wait((), _cpu_sleep, (posix, remaining, wide), "clock_nanosleep on CPU time")
    _stop(k, posix)
    left = posix.timer.expires - _now(k, posix)
    if left <= 0:
        return 0
    if remaining is None:
        raise Errno(ERESTARTNOHAND)
    if remaining:
        copy_to_user(k, remaining, pack_timespec64(left) if wide else pack_timespec(left))
    task.restart_block = (cpu_nanosleep, (posix.clock, posix.timer.expires, remaining, wide))
    raise Errno(ERESTART_RESTARTBLOCK)


def _find(k: Kernel, ident: int) -> PosixTimer:
    posix: PosixTimer | None = k.current.signal.posix_timers.get(ident)
    if posix is None:
        raise Errno(EINVAL)
    return posix


def _event_target(k: Kernel, notify: int, tid: int, sig: int) -> Task:
    if notify not in (SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID):
        raise Errno(EINVAL)
    if notify != SIGEV_NONE and not 1 <= sig <= NSIG:
        raise Errno(EINVAL)
    if notify != SIGEV_THREAD_ID:
        return k.current.group_leader
    task = find_task_by_vpid(k, tid)
    if task is None or task.signal is not k.current.signal:
        raise Errno(EINVAL)
    return task


@syscall(259, "clockid:clock sevp:address timerid:address")
def sys_timer_create(k: Kernel, clock: int, event: int, created: int) -> int:
    """timer_create: a timer on a clock and what it does; SIGALRM by default. EINVAL for the clock
    or the event, EAGAIN when the group has all it may have, EFAULT.
    """
    watched, alone = None, False
    if clock in (CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID) or clock < 0:
        watched, alone = cpu_clock_task(k, clock)
    elif clock in _WITHOUT_TIMERS:
        raise Errno(EOPNOTSUPP)
    elif clock not in (*_CLOCKS, *_ALARMS):
        raise Errno(EINVAL)
    timers = k.current.signal.posix_timers
    ident = next((n for n in range(_TIMERS_MAX) if n not in timers), None)
    if ident is None:
        raise Errno(EAGAIN)
    value, sig, notify, tid = ident, SIGALRM, SIGEV_SIGNAL, 0
    if event:
        value, sig, notify, tid = struct.unpack("<IiiI", copy_from_user(k, event, 16))
    target = _event_target(k, notify, tid, sig)
    if clock in _ALARMS:  # there is no device that could wake the machine
        raise Errno(EOPNOTSUPP)
    put_user(k, ident, created)
    timer = HrTimer(0, posix_timer_fn)
    posix = PosixTimer(ident, clock, notify, sig, value, target, timer, watched, alone)
    timer.data = timers[ident] = posix
    return 0


def _left(k: Kernel, posix: PosixTimer) -> int:
    if not posix.timer.expires:
        return 0
    now = _now(k, posix)
    if _active(posix):
        return max(posix.timer.expires - now, 1)
    if posix.interval:  # fired, its signal is still pending: the time to the next expiry
        return posix.interval - (now - posix.timer.expires) % posix.interval
    return 0


@syscall(260, "timerid:int flags:hex new_value:itimerspec old_value:itimerspec_out")
def sys_timer_settime(k: Kernel, ident: int, flags: int, new: int, old: int) -> int:
    """timer_settime: first expiry (0: off) and interval. EINVAL for no such timer, EFAULT."""
    if not new:
        raise Errno(EINVAL)
    interval, value = timespec_from_user(k, new), timespec_from_user(k, new + 8)
    before = timer_set(k, ident, flags, value, interval)
    if old:
        copy_to_user(k, old, b"".join(map(pack_timespec, before)))
    return 0


def timer_set(k: Kernel, ident: int, flags: int, value: int, interval: int) -> tuple[int, int]:
    """Set a timer's first expiry (0: off) and interval, ns; what they were, as timer_left.

    Raises Errno(EINVAL) for no such timer.
    """
    posix = _find(k, ident)
    before = (posix.interval, _left(k, posix))
    _stop(k, posix)
    posix.timer.expires = 0
    posix.interval = interval if value else 0
    posix.overrun = posix.last_overrun = 0
    if value:
        expires = value
        if not flags & TIMER_ABSTIME:
            expires += _now(k, posix)
        else:
            expires -= clock_offset(k, posix.clock)
        _start(k, posix, expires)
    return before


def timer_left(k: Kernel, ident: int) -> tuple[int, int]:
    """Interval and time left of a timer, ns. Raises Errno(EINVAL) for no such timer."""
    posix = _find(k, ident)
    return posix.interval, _left(k, posix)


@syscall(261, "timerid:int curr_value:itimerspec_out")
def sys_timer_gettime(k: Kernel, ident: int, address: int) -> int:
    """timer_gettime: interval and time left. EINVAL for no such timer, EFAULT."""
    copy_to_user(k, address, b"".join(map(pack_timespec, timer_left(k, ident))))
    return 0


@syscall(262, "timerid:int")
def sys_timer_getoverrun(k: Kernel, ident: int) -> int:
    """timer_getoverrun: expiries that the last signal stood for, without the first.

    EINVAL for no such timer.
    """
    return _find(k, ident).last_overrun


@syscall(263, "timerid:int")
def sys_timer_delete(k: Kernel, ident: int) -> int:
    """timer_delete: it does not fire any more, and its number is free. EINVAL for no such timer."""
    _stop(k, _find(k, ident))
    del k.current.signal.posix_timers[ident]
    return 0


def delete_posix_timers(k: Kernel, task: Task) -> None:
    """Every timer stops and goes: at exec, and at the end of the group."""
    for posix in task.signal.posix_timers.values():
        _stop(k, posix)
    task.signal.posix_timers.clear()
