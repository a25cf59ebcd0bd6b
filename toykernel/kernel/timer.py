"""Timers in virtual time (kernel/hrtimer.c, kernel/timer.c), and the timer interrupt.

One ordered queue holds every timer of the kernel by expiry. The board's timer is set to the next tick or
the next expiry, whichever comes first, so that both are exact to the cycle; while the CPU idles
the ticks stop and only the next expiry counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emu.devices.timer import LEFT
from toykernel.kernel.sched import core
from toykernel.kernel.timekeeping import ktime_get, ns_to_cycles

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(eq=False)
class HrTimer:
    """struct hrtimer: `function(k, timer)` runs in the timer interrupt at `expires` (ns, monotonic)."""

    expires: int
    function: Callable[[Kernel, HrTimer], None]
    data: Any = None
    key: tuple[int, int] | None = None  # its place in the queue; None when it is not running

    @property
    def active(self) -> bool:
        """Whether it is still to fire."""
        return self.key is not None


def hrtimer_start(
    k: Kernel, expires: int, function: Callable[[Kernel, HrTimer], None], data: Any = None
) -> HrTimer:
    """A new timer, running. `expires` is CLOCK_MONOTONIC in ns."""
    timer = HrTimer(expires, function, data)
    hrtimer_restart(k, timer, expires)
    return timer


def hrtimer_restart(k: Kernel, timer: HrTimer, expires: int) -> None:
    """Start a timer anew."""
    hrtimer_cancel(k, timer)
    k.time.timer_arrivals += 1
    timer.expires = expires
    timer.key = (expires, k.time.timer_arrivals)
    k.time.timers[timer.key] = timer
    program_timer(k)


def hrtimer_cancel(k: Kernel, timer: HrTimer) -> bool:
    """Stop a timer; False when it has fired already."""
    if timer.key is None:
        return False
    del k.time.timers[timer.key]
    timer.key = None
    return True


def hrtimer_forward(timer: HrTimer, now: int, interval: int) -> int:
    """The next expiry after `now` of a periodic timer, and how many were passed over."""
    passed = max((now - timer.expires) // interval, 0) + 1
    timer.expires += passed * interval
    return passed


def wake_sleeper(k: Kernel, timer: HrTimer) -> None:
    """The function of a timer whose data is the task that sleeps until it fires."""
    k.try_to_wake_up(timer.data)


def sleep_until(k: Kernel, task: Task, expires: int) -> HrTimer:
    """Wake a task at a time. Whoever waits cancels it after waking: False there means time-out."""
    return hrtimer_start(k, expires, wake_sleeper, task)


def program_timer(k: Kernel, *, idle: bool = False) -> None:
    """Set the board's timer to the next thing that must happen."""
    if not k.time.next_tick:
        return  # the clock has not been started yet
    target = None if idle else k.time.next_tick
    if k.time.timers:
        first = ns_to_cycles(k, k.time.timers.peekitem(0)[0][0])
        target = first if target is None else min(target, first)
    if target is not None and target != k.machine.timer.next:
        k.machine.timer.write(LEFT, 4, max(target - k.machine.clock.cycles, 1))


def start_ticks(k: Kernel) -> None:
    """The clock starts."""
    k.time.next_tick = k.machine.clock.cycles + k.time.cycles_per_tick
    program_timer(k)


def timer_interrupt(k: Kernel, user_mode: bool) -> None:
    """Line 0: timers that are due, and the tick when it is time for one."""
    run_hrtimers(k)
    now = k.machine.clock.cycles
    if now >= k.time.next_tick:
        ticks = (now - k.time.next_tick) // k.time.cycles_per_tick + 1
        k.time.next_tick += ticks * k.time.cycles_per_tick
        k.time.jiffies += ticks
        update_process_times(k, user_mode)
    program_timer(k, idle=k.current is k.sched.idle and not core.need_resched(k, k.sched.idle))


def run_hrtimers(k: Kernel) -> None:
    """Fire what is due, in order of expiry."""
    now = ktime_get(k)
    while k.time.timers:
        (expires, _), timer = k.time.timers.peekitem(0)
        if expires > now:
            return
        hrtimer_cancel(k, timer)
        timer.function(k, timer)


def update_process_times(k: Kernel, user_mode: bool) -> None:
    """A tick is charged to the task that it finds running."""
    from toykernel.kernel.itimer import run_cpu_timers

    task = k.current
    if task is not k.sched.idle:
        if user_mode:
            task.utime_ticks += 1
        else:
            task.stime_ticks += 1
    for listener in k.host.trace.tick:
        listener(task)
    core.scheduler_tick(k)
    if task is not k.sched.idle:
        run_cpu_timers(k, task)
