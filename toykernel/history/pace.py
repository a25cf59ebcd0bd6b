"""How far apart moments are kept: by what it takes to run again from one to the next.

Work is in about microseconds of the host's, and comes from what is counted anyway, never from a clock of the
host's: a run keeps the same moments every time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toykernel.syscall_table import BY_NAME

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.history.moments import Kept

#: Work between two moments at least; else so many times that of taking one.
_GAP, _TIMES = 15_000, 11
#: What a moment takes: always, what cycle timing and each task add, and so many frames that are compared.
_MOMENT, _TIMED_MOMENT, _TASK, _FRAMES = 800, 300, 35, 10
#: Instructions in one unit, and the least cycles that are sure to take one: without cycle timing and with it.
_INSTRUCTIONS, _CYCLES = 90, 90
_TIMED_INSTRUCTIONS, _TIMED_CYCLES = 40, 160
#: A trap, with the cheapest of calls; what cycle timing, a list of events and listeners to traps add.
_TRAP, _TIMED, _LISTED, _HEARD = 3, 1, 8, 35
#: What is dearer, besides the trap that it came by: another call, a yield, a page fault, a fork and its exit,
#: an exec, behind which all code is new to the engine.
_CALL, _YIELD, _FAULT, _FORK, _EXEC = 6, 12, 130, 600, 9_000
#: Calls that answer a number of the caller's own.
_CHEAP = frozenset(
    BY_NAME[name].number
    for name in ("getpid", "getppid", "gettid", "getuid32", "geteuid32", "getgid32", "getegid32")
)
#: Traps between two looks at most: what comes may be dearer than what was.
_MOST = 1_000
#: As soon as no more than this part of a gap is left, a moment is due.
_REST = 12
_EXECVE = BY_NAME["execve"].number
_SCHED_YIELD = BY_NAME["sched_yield"].number


class Counts(NamedTuple):
    """How much of each kind there was since power-on."""

    instructions: int
    deliveries: int
    calls: int  # but the cheapest
    yields: int
    faults: int
    forks: int
    execs: int


class Pace:
    """Of the run of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._k = session.kernel
        self._looked = self.counts()

    def counts(self) -> Counts:
        """Up to here."""
        stats, state = self._session.stats, self._k.machine.cpu.state
        calls = yields = execs = 0
        for number, counts in stats.syscalls.items():
            if number not in _CHEAP:
                calls += counts[0]
                if number == _SCHED_YIELD:
                    yields = counts[0]
                elif number == _EXECVE:
                    execs = counts[0]
        faults = sum(stats.faults.values())
        forks = self._k.processes.total_forks
        return Counts(state.retired, state.deliveries, calls, yields, faults, forks, execs)

    def work(self, before: Counts, now: Counts) -> int:
        """What it takes to run from one place to a later one, with those who listen now."""
        timed = self._k.machine.clock.counts_cycles
        in_one = _TIMED_INSTRUCTIONS if timed else _INSTRUCTIONS
        return (now.instructions - before.instructions) // in_one + self._traps(before, now)

    def _traps(self, before: Counts, now: Counts) -> int:
        """The kernel's part of it."""
        machine, trace = self._k.machine, self._k.host.trace
        trap = _TRAP + _TIMED * machine.clock.counts_cycles
        trap += _LISTED * bool(trace.gate) + _HEARD * bool(machine.trap_listeners)
        return (
            (now.deliveries - before.deliveries) * trap
            + (now.calls - before.calls) * _CALL
            + (now.yields - before.yields) * _YIELD
            + (now.faults - before.faults) * _FAULT
            + (now.forks - before.forks) * _FORK
            + (now.execs - before.execs) * _EXEC
        )

    def due(self, last: Kept) -> tuple[int, int] | None:
        """At which cycle, and after how many deliveries, to look again; None when a moment is due now."""
        k = self._k
        cost = _MOMENT + _TIMED_MOMENT * k.machine.clock.counts_cycles
        cost += len(k.processes.tasks) * _TASK + k.memory.pages.reach // _FRAMES
        gap = max(_GAP, _TIMES * cost)
        now = self.counts()
        left = gap - self.work(last.counts, now)
        return self._ahead(left, now) if left > gap // _REST else None

    def _ahead(self, left: int, now: Counts) -> tuple[int, int]:
        before, self._looked = self._looked, now
        since = now.deliveries - before.deliveries
        each = max(self._traps(before, now) // since, _TRAP) if since > 0 else _FAULT
        clock = self._k.machine.clock
        cycles = left * (_TIMED_CYCLES if clock.counts_cycles else _CYCLES)
        return clock.cycles + cycles, now.deliveries + min(left // (2 * each) + 1, _MOST)
