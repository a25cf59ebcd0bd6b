"""Interval timers of a process (kernel/itimer.c, kernel/posix-cpu-timers.c).

ITIMER_REAL runs on the clock; ITIMER_VIRTUAL and ITIMER_PROF on the ticks that the thread group has been
charged with, so they are looked at in the tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EINVAL, Errno
from toykernel.kernel.posix_timers import (
    delete_posix_timers,
    posix_timer_signal_taken,
    run_posix_cpu_timers,
)
from toykernel.kernel.sched import core
from toykernel.kernel.siginfo import (
    SIGALRM,
    SIGKILL,
    SIGPROF,
    SIGVTALRM,
    SIGXCPU,
    Siginfo,
)
from toykernel.kernel.signal import send_signal, threads_of
from toykernel.kernel.signal_types import RLIM_INFINITY, RLIMIT_CPU
from toykernel.kernel.timekeeping import (
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    ktime_get,
    pack_timeval,
    timeval_from_user,
)
from toykernel.kernel.timer import (
    HrTimer,
    hrtimer_cancel,
    hrtimer_forward,
    hrtimer_restart,
    hrtimer_start,
)
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = 0, 1, 2


@dataclass
class ItimerReal:
    """ITIMER_REAL: `interval` in ns, 0 for once."""

    timer: HrTimer
    interval: int


@dataclass
class ItimerCpu:
    """ITIMER_VIRTUAL or ITIMER_PROF: ns of the group's tick time at which it fires; 0: off."""

    expires: int
    interval: int


def it_real_fn(k: Kernel, timer: HrTimer) -> None:
    """SIGALRM. The next round starts when the program takes the signal, so they cannot pile up."""
    send_signal(k, timer.data, SIGALRM, {}, group=True)


def timer_signal_taken(k: Kernel, task: Task, info: Siginfo) -> None:
    """A signal leaves the queue: the timer behind it, if it is periodic, goes on."""
    if info["si_signo"] == SIGALRM:
        real = task.signal.itimers.get(ITIMER_REAL)
        if real is not None and real.interval and not real.timer.active:
            hrtimer_forward(real.timer, ktime_get(k), real.interval)
            hrtimer_restart(k, real.timer, real.timer.expires)
    if "si_timerid" in info:  # a program can send SI_TIMER, too
        posix_timer_signal_taken(k, task, info)


def _group_ticks(task: Task) -> tuple[int, int]:
    """What the group has run since its birth, dead threads included: ticks in user mode, ticks in all."""
    threads = threads_of(task)
    user = task.signal.utime + sum(t.utime_ticks for t in threads)
    return user, user + task.signal.stime + sum(t.stime_ticks for t in threads)


def _group_tick_time(k: Kernel, task: Task, which: int) -> int:
    return _group_ticks(task)[which == ITIMER_PROF] * core.tick_ns(k)


def run_cpu_timers(k: Kernel, task: Task) -> None:
    """In the tick: the CPU timers and the CPU limit of the group that has been charged."""
    signal = task.signal
    for which, sig in ((ITIMER_VIRTUAL, SIGVTALRM), (ITIMER_PROF, SIGPROF)):
        timer = signal.itimers.get(which)
        if timer is None or not timer.expires:
            continue
        now = _group_tick_time(k, task, which)
        if now >= timer.expires:
            timer.expires = timer.expires + timer.interval if timer.interval else 0
            send_signal(k, task, sig, {}, group=True)
    run_posix_cpu_timers(k, task)
    soft, hard = signal.rlim.get(RLIMIT_CPU, (RLIM_INFINITY, RLIM_INFINITY))
    if soft == RLIM_INFINITY:
        return
    seconds = _group_tick_time(k, task, ITIMER_PROF) // NSEC_PER_SEC
    if seconds >= hard:
        send_signal(k, task, SIGKILL, {}, group=True)
    elif seconds >= soft:
        send_signal(k, task, SIGXCPU, {}, group=True)
        signal.rlim[RLIMIT_CPU] = (soft + 1, hard)  # again in a second


def _get(k: Kernel, task: Task, which: int) -> tuple[int, int]:
    """Time left and interval, ns."""
    timer = task.signal.itimers.get(which)
    if timer is None:
        return 0, 0
    if which == ITIMER_REAL:
        left = timer.timer.expires - ktime_get(k) if timer.timer.active else 0
        return max(left, NSEC_PER_USEC if timer.timer.active else 0), timer.interval
    if not timer.expires:
        return 0, timer.interval
    # A timer that is due fires in the next tick.
    left = timer.expires - _group_tick_time(k, task, which)
    return max(left, core.tick_ns(k)), timer.interval


def _set(k: Kernel, task: Task, which: int, value: int, interval: int) -> None:
    itimers = task.signal.itimers
    if which == ITIMER_REAL:
        old = itimers.pop(which, None)
        if old is not None:
            hrtimer_cancel(k, old.timer)
        if value:
            timer = hrtimer_start(k, ktime_get(k) + value, it_real_fn, task.group_leader)
            itimers[which] = ItimerReal(timer, interval)
        return
    # A tick may come at once: one more makes sure that no less than `value` passes.
    now = _group_tick_time(k, task, which)
    expires = now + value + core.tick_ns(k) if value else 0
    itimers[which] = ItimerCpu(expires, interval)


def exit_itimers(k: Kernel, task: Task) -> None:
    """The thread group ends: its timers do not fire any more."""
    real = task.signal.itimers.pop(ITIMER_REAL, None)
    if real is not None:
        hrtimer_cancel(k, real.timer)
    task.signal.itimers.clear()
    delete_posix_timers(k, task)


def _pack(value: int, interval: int) -> bytes:
    return pack_timeval(interval) + pack_timeval(value)


@syscall(105, "which:itimer curr_value:itimerval_out")
def sys_getitimer(k: Kernel, which: int, address: int) -> int:
    """getitimer: interval and time left, in microseconds. EINVAL for a fourth timer, EFAULT."""
    if which not in (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF):
        raise Errno(EINVAL)
    copy_to_user(k, address, _pack(*_get(k, k.current, which)))
    return 0


@syscall(104, "which:itimer new:itimerval old:itimerval_out")
def sys_setitimer(k: Kernel, which: int, new: int, old: int) -> int:
    """setitimer: interval and first time; a null `new` switches it off, as Linux has it.

    EINVAL, EFAULT.
    """
    value = interval = 0
    if new:
        copy_from_user(k, new, 16)
        interval, value = timeval_from_user(k, new), timeval_from_user(k, new + 8)
    if which not in (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF):
        raise Errno(EINVAL)
    before = _get(k, k.current, which)
    _set(k, k.current, which, value, interval)
    if old:
        copy_to_user(k, old, _pack(*before))
    return 0


@syscall(27, "seconds:uint")
def sys_alarm(k: Kernel, seconds: int) -> int:
    """alarm: SIGALRM in so many seconds; what was left of the last one, rounded, at least 1."""
    left = _get(k, k.current, ITIMER_REAL)[0]
    _set(k, k.current, ITIMER_REAL, min(seconds, 0x7FFFFFFF) * NSEC_PER_SEC, 0)
    whole, rest = divmod(left, NSEC_PER_SEC)
    if (not whole and rest) or rest >= NSEC_PER_SEC // 2:
        whole += 1
    return whole
