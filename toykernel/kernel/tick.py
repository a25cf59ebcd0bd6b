"""The timer interrupt and what a tick is charged to (kernel/timer.c, kernel/time/tick-common.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.itimer import run_cpu_timers
from toykernel.kernel.sched import core, schedule
from toykernel.kernel.timer import program_timer, run_hrtimers

if TYPE_CHECKING:
    from toykernel.state import Kernel


def timer_interrupt(k: Kernel, user_mode: bool) -> None:
    """Line 0: timers that are due, and the tick when it is time for one."""
    if k.time.stands is not None:
        schedule.interrupted(k)
        return
    run_hrtimers(k)
    now = k.machine.clock.cycles
    if now >= k.time.next_tick:
        ticks = (now - k.time.next_tick) // k.time.cycles_per_tick + 1
        k.time.next_tick += ticks * k.time.cycles_per_tick
        k.time.jiffies += ticks
        update_process_times(k, user_mode)
    program_timer(k, idle=k.current is k.sched.idle and not core.need_resched(k, k.sched.idle))


def update_process_times(k: Kernel, user_mode: bool) -> None:
    """A tick is charged to the task that it finds running."""
    task = k.current
    if task is not k.sched.idle:
        if user_mode:
            task.utime_ticks += 1
        else:
            task.stime_ticks += 1
    if k.host.trace.tick:
        k.host.trace.tick.emit(task)
    core.scheduler_tick(k)
    if task is not k.sched.idle:
        run_cpu_timers(k, task)
