"""The run queue as plain data: what each class keeps, and the tunables (kernel/sched.c)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.kernel.timer import HrTimer
    from toykernel.task import Task


@dataclass
class SchedTunables:
    """/proc/sys/kernel/sched_*; the defaults are 2.6.39's for one CPU. Nanoseconds unless named."""

    sched_latency_ns: int = 6_000_000
    sched_min_granularity_ns: int = 750_000
    sched_wakeup_granularity_ns: int = 1_000_000
    sched_child_runs_first: int = 0
    sched_rt_period_us: int = 1_000_000
    sched_rt_runtime_us: int = 950_000


class Timeline:
    """The red-black tree of struct cfs_rq: tasks by virtual run time and arrival, who is furthest behind
    first. Two lists side by side.
    """

    def __init__(self) -> None:
        self.keys: list[tuple[int, int]] = []
        self.tasks: list[Task] = []

    def __len__(self) -> int:
        return len(self.keys)

    def items(self) -> Iterator[tuple[tuple[int, int], Task]]:
        """Each task behind its key, in order."""
        return zip(self.keys, self.tasks, strict=True)

    def insert(self, key: tuple[int, int], task: Task) -> None:
        """Put a task in, under a key that nobody has."""
        at = bisect_left(self.keys, key)
        self.keys.insert(at, key)
        self.tasks.insert(at, task)

    def remove(self, key: tuple[int, int]) -> None:
        """Take the task with this key out. Raises KeyError when there is none."""
        at = bisect_left(self.keys, key)
        if at == len(self.keys) or self.keys[at] != key:
            raise KeyError(key)
        del self.keys[at], self.tasks[at]


@dataclass
class CfsRq:
    """struct cfs_rq. The running task is counted, but not in the timeline."""

    timeline: Timeline = field(default_factory=Timeline)
    curr: Task | None = None
    last: Task | None = None  # buddy: was preempted by a wake-up, has the warm cache
    skip: Task | None = None  # buddy: has yielded
    load: int = 0
    nr_running: int = 0
    min_vruntime: int = 0
    arrivals: int = 0  # equal keys stand in the order in which they came


@dataclass
class RtRq:
    """struct rt_rq: a list for each priority that has any."""

    queues: SortedDict[int, list[Task]] = field(default_factory=SortedDict)
    nr_running: int = 0
    rt_time: int = 0  # ns used in this period
    throttled: bool = False
    period_timer: HrTimer | None = None


@dataclass(frozen=True)
class Choice:
    """One choice of a schedule: pid `run` of those that could, `of`; 0 lets time pass to the next timer.

    `instruction`: the task that ran was interrupted when so many had completed since power-on; None: it was
    on its way out of the kernel, or asleep. `fail`: of the allocations of system calls up to the next choice,
    the one that fails, from 1; 0: none.
    """

    run: int
    of: tuple[int, ...]
    instruction: int | None = None
    fail: int = 0


@dataclass
class Told:
    """What the scheduler that follows a schedule keeps (schedule.py). `choices` are still to come."""

    ready: list[Task] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    made: int = 0  # choices since the program began
    started: bool = False  # the program runs: who is next is a choice from now on
    time_is_free: bool = False  # a timer may expire whenever somebody is chosen
    everywhere: bool = (
        False  # there is a choice before page faults, and where it cannot matter, too
    )
    overdue: bool = False  # somebody computes for so long that a timer expires now
    faults: int = 0  # so many allocations may still fail: then one who is alone is a choice, too
    fails: int = 0  # since the last choice, this allocation fails, from 1; 0: none
    allocations: int = 0  # so many there were since the last choice
    #: By pid, of who has let others go first and may do what it was about to: its eip and esp.
    asked: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass
class RunQueue:
    """struct rq. `clock` is in ns and stands still while the kernel makes one decision."""

    clock: int = 0
    nr_running: int = 0
    cfs: CfsRq = field(default_factory=CfsRq)
    rt: RtRq = field(default_factory=RtRq)
    list24: list[Task] = field(default_factory=list)  # the one list of the 2.4 scheduler
    yielded: Task | None = None  # 2.4: SCHED_YIELD
    told: Told | None = None  # the one who runs next is told, not chosen
