"""The scheduler that does what it is told: a schedule says who runs, and when time passes.

It has no counterpart in Linux: every order that it can be told is one that some scheduler of Linux could
have chosen. Who is next is a choice whenever more than one can run and the running task is about to make a
system call or to fault, sleeps or ends. A task that cannot go on leaves the CPU to the idle task, and
the choice is made there: so it is always made at the same place, the kernel's `schedule`.

Time stands still while anybody runs: what the machine computes takes none, and the clocks show the same. It
goes on to the expiry of the next timer when everybody sleeps, or, where time is free, when that is chosen, or
when a task has computed for so long that it would have (`overdue`).
There are no ticks, so nobody's CPU time grows. Where real-time tasks can run, only the best of them may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.devices.timer import PERIOD
from toykernel.errors import HostError
from toykernel.kernel.sched import core
from toykernel.kernel.sched.entity import MAX_RT_PRIO
from toykernel.kernel.sched.runqueue import Choice, Told
from toykernel.kernel.siginfo import SIGCHLD
from toykernel.kernel.signal_types import SIG_IGN
from toykernel.kernel.timekeeping import ktime_get
from toykernel.kernel.timer import program_timer, run_hrtimers
from toykernel.mm.mm_types import VM_SHARED

if TYPE_CHECKING:
    from toykernel.arch.x86.ptrace import PtRegs
    from toykernel.state import Kernel
    from toykernel.task import Task

#: Init's first child: choices begin when it has executed the program.
_PROGRAM_PID = 2
_INT_SIZE = 2  # bytes of INT $0x80
#: waitpid and wait4; an option that changes nothing for children whose end raises SIGCHLD.
_WAITS, _WALL, _ANY_CHILD = (7, 114), 0x40000000, 0xFFFFFFFF
#: getpid, getuid, getgid, geteuid, getegid, brk, munmap, uname, mprotect, the same four with 32, gettid.
_QUIET = frozenset((20, 24, 47, 49, 50, 45, 91, 122, 125, 199, 200, 201, 202, 224))
_MMAP2, _NO_FD = 192, 0xFFFFFFFF
#: The choice that lets time pass.
TIME = 0
#: Exit status of a command whose schedule belongs to another run: EXIT_MISUSE.
_MISUSE = 125


def able(k: Kernel) -> list[Task]:
    """Who may run now, by pid: all that can, or the best real-time tasks among them."""
    assert k.sched.rq.told is not None
    ready = sorted(k.sched.rq.told.ready, key=lambda task: task.pid)
    if len(ready) > 1:
        best = min(min(task.se.prio, MAX_RT_PRIO) for task in ready)
        ready = [task for task in ready if min(task.se.prio, MAX_RT_PRIO) == best]
    if len(ready) > 1 and not k.sched.rq.told.everywhere:
        ready = [task for task in ready if not only_sleeps(k, task)] or ready
    return ready


def choices(k: Kernel) -> tuple[int, ...]:
    """What can be chosen now: the pids of who may run, and TIME where it may pass, or must."""
    assert k.sched.rq.told is not None
    if k.sched.rq.told.overdue:
        return (TIME,)
    pids = tuple(task.pid for task in able(k))
    return (TIME, *pids) if pids and k.sched.rq.told.time_is_free and k.time.timers else pids


def is_choice(told: Told, of: tuple[int, ...]) -> bool:
    """Whether there is anything to choose: one of several, or whether one's allocations fail."""
    return len(of) > 1 or of == (TIME,) or (told.faults > 0 and len(of) == 1)


def call_waits(k: Kernel, told: Told) -> bool:
    """Whether others may go first before the system call that the current task has just made: then it is back
    at its INT, as if the timer had come in before that, and makes the call again when it is chosen.
    """
    regs = k.task_pt_regs(k.current)
    if told.started and not told.everywhere and is_quiet(k.current, regs):
        return False
    if not _waits(k, told, (regs.ip, regs.sp)):
        return False
    regs.ip -= _INT_SIZE
    regs.orig_ax = 0xFFFFFFFF
    return True


def fault_waits(k: Kernel, told: Told, regs: PtRegs) -> bool:
    """The same for a page fault in user mode: its instruction faults again. It changes only what the task
    itself sees, but on the way back a handler runs for a signal that others have sent meanwhile.
    """
    return (
        regs.user_mode
        and (told.everywhere or _has_handlers(k.current))
        and _waits(k, told, (regs.ip, regs.sp))
    )


def _waits(k: Kernel, told: Told, place: tuple[int, int]) -> bool:
    task = k.current
    if not told.started:
        if task.pid != _PROGRAM_PID or not task.did_exec:
            return False
        told.started = True
        k.time.stands = ktime_get(k)
        k.machine.timer.write(PERIOD, 4, 0)
        arm(k, told)
    if told.asked.pop(task.pid, None) == place:
        return False
    told.asked[task.pid] = place
    if not is_choice(told, choices(k)):
        del told.asked[task.pid]
        return False
    core.resched_task(k, task)
    return True


# -- where the order cannot matter -----------------------------------------------------------------


def is_quiet(task: Task, regs: PtRegs) -> bool:
    """Whether the call that a task makes is about itself alone, and nobody can change its mind in between."""
    mm = task.mm
    return (
        (regs.ax in _QUIET or (regs.ax == _MMAP2 and regs.di == _NO_FD))
        and mm is not None
        and mm.mm_users == 1
        and not any(area.vm_flags & VM_SHARED for area in mm)
        and not _has_handlers(task)
    )


def only_sleeps(k: Kernel, task: Task) -> bool:
    """Whether a task is about to wait for children none of whom has ended: whether it sleeps now or later is
    the same to everybody, as long as no handler can interrupt its sleep.
    """
    assert k.sched.rq.told is not None
    if task.pid not in k.sched.rq.told.asked:
        return False
    regs = k.task_pt_regs(task)
    if regs.ax not in _WAITS or regs.dx & ~_WALL:
        return False
    children = [child for thread in task.signal.threads for child in thread.children]
    return (
        bool(children)
        and (regs.bx == _ANY_CHILD or any(child.pid == regs.bx for child in children))
        and not any(child.exit_state or child.exit_signal != SIGCHLD for child in children)
        and not (task.pending or task.signal.shared_pending or _has_handlers(task))
        and task.pid_struct.ns is k.processes.init_pid_ns
    )


def _has_handlers(task: Task) -> bool:
    return any(action.handler > SIG_IGN for action in task.sighand.action.values())


def arm(k: Kernel, told: Told) -> None:
    """Have the running task interrupted where the next choice says."""
    k.machine.timer.at_instruction = told.choices[0].instruction if told.choices else None


def interrupted(k: Kernel) -> None:
    """The timer, while time stands: it goes on to the first expiry if nobody runs; who is next?"""
    assert k.time.stands is not None
    if k.current is k.sched.idle and k.time.timers:
        k.time.stands = max(k.time.stands, k.time.timers.peekitem(0)[0][0])
        run_hrtimers(k)
    core.resched_task(k, k.current)


def refuse(told: Told, of: tuple[int, ...], wanted: Choice) -> HostError:
    """The schedule is another program's, or another machine's."""
    can = ", ".join("time" if pid == TIME else str(pid) for pid in of)
    were = ", ".join("time" if pid == TIME else str(pid) for pid in wanted.of)
    return HostError(
        _MISUSE,
        f"the schedule does not fit: choice {told.made + 1} is {wanted.run} of {were}, here it is of {can}",
    )


class ScheduleClass:
    """All policies of Linux; see above."""

    name = "schedule"

    def update_curr(self, k: Kernel) -> None:
        """Nobody's time is counted."""

    def enqueue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """The order does not matter."""
        assert k.sched.rq.told is not None
        k.sched.rq.told.ready.append(p)

    def dequeue_task(self, k: Kernel, p: Task, flags: int) -> None:
        """It cannot be chosen any more."""
        assert k.sched.rq.told is not None
        k.sched.rq.told.ready.remove(p)
        k.sched.rq.told.asked.pop(p.pid, None)

    def yield_task(self, k: Kernel) -> None:
        """A choice follows every system call."""

    def check_preempt_curr(self, k: Kernel, p: Task, flags: int) -> None:
        """One more can run: the idle task has to ask, others are asked on their way to user mode."""
        if k.current is k.sched.idle:
            core.resched_task(k, k.current)

    def pick_next_task(self, k: Kernel) -> Task | None:
        """As the schedule says. Behind its end the running task goes on while it can, then the lowest pid.

        Raises HostError for a choice that is none here.
        """
        told = k.sched.rq.told
        assert told is not None
        ready = able(k)
        if not ready:
            return None
        running = k.current if k.current in ready else None
        if not told.started:
            return running or ready[0]
        told.overdue = bool(told.choices) and told.choices[0].of == (TIME,)
        of = choices(k)
        told.overdue = False
        if not is_choice(told, of):
            return ready[0]
        if running is None and k.current is not k.sched.idle:
            core.resched_task(k, k.sched.idle)
            return k.sched.idle
        pid = (running or ready[0]).pid
        told.fails = told.allocations = 0
        if told.choices:
            wanted = told.choices.pop(0)
            if wanted.of != of or wanted.run not in of:
                raise refuse(told, of, wanted)
            pid, told.fails = wanted.run, wanted.fail
            arm(k, told)
        told.made += 1
        if pid == TIME:
            program_timer(k, idle=True)
            return k.sched.idle
        return next(task for task in ready if task.pid == pid)

    def put_prev_task(self, k: Kernel, p: Task) -> None:
        """It stays where it is."""

    def set_curr_task(self, k: Kernel) -> None:
        """There is no other class to come from."""

    def task_tick(self, k: Kernel, p: Task) -> None:
        """There are none once the program runs."""

    def task_fork(self, k: Kernel, p: Task) -> None:
        """Nothing is divided between parent and child."""

    def sched_exit(self, k: Kernel, p: Task) -> None:
        """It leaves nothing."""

    def get_rr_interval(self, k: Kernel, p: Task) -> int:
        """0: turns have no length."""
        return 0
