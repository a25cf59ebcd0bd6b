"""Timers in virtual time (kernel/hrtimer.c, kernel/timer.c).

One ordered queue holds every timer of the kernel by expiry. The board's timer is set to the next tick or
the next expiry, whichever comes first, so that both are exact to the cycle; while the CPU idles
the ticks stop and only the next expiry counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emu.devices.timer import LEFT
from emu.record import dataclass
from toykernel.kernel.timekeeping import ktime_get, ns_to_cycles

if TYPE_CHECKING:
    from toykernel.state import Kernel


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
    """Start a timer anew, at `expires` ns of CLOCK_MONOTONIC; among equals it fires last."""
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


def program_timer(k: Kernel, *, idle: bool = False) -> None:
    """Set the board's timer to the next thing that must happen."""
    if not k.time.next_tick:
        return  # the clock has not been started yet
    if k.time.stands is not None:
        if idle and k.time.timers:
            k.machine.timer.write(LEFT, 4, 1)
        return
    target = None if idle else k.time.next_tick
    if k.time.timers:
        first = ns_to_cycles(k, k.time.timers.peekitem(0)[0][0])
        target = first if target is None else min(target, first)
    if target is not None and target != k.machine.timer.next:
        k.machine.timer.write(LEFT, 4, max(target - k.machine.clock.cycles, 1))


def start_ticks(k: Kernel) -> None:
    """From now on the board interrupts every 1/HZ second; the first tick is one period away."""
    k.time.next_tick = k.machine.clock.cycles + k.time.cycles_per_tick
    program_timer(k)


def run_hrtimers(k: Kernel) -> None:
    """Fire what is due, in order of expiry."""
    now = ktime_get(k)
    while k.time.timers:
        (expires, _), timer = k.time.timers.peekitem(0)
        if expires > now:
            return
        hrtimer_cancel(k, timer)
        timer.function(k, timer)
