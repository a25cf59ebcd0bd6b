"""The scheduler without a machine: real core, real classes, a clock that the test moves."""

from types import SimpleNamespace
from typing import Any

import pytest

from emu.ram import Ram
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, THREAD_SIZE
from toykernel.fs.rootfs import mount_root
from toykernel.harness.images import boot_images
from toykernel.host import Host
from toykernel.kernel.pid import PidMap, PidNamespace
from toykernel.kernel.sched import core
from toykernel.kernel.sched.classes import sched_classes
from toykernel.kernel.timer import run_hrtimers
from toykernel.profiles import DEFAULT_PROFILE
from toykernel.state import Config, Kernel
from toykernel.task import TASK_INTERRUPTIBLE, Task

CPU_HZ = 1_000_000_000  # a cycle is a nanosecond
TICK = 10_000_000
MAX_TASKS = 1200


class Bench:
    """Tasks that run, sleep, wake, fork; `k` is as much of a Kernel as the scheduler looks at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, scheduler: str = "cfs") -> None:
        monkeypatch.setattr(core, "switch_to", self._switch_to)
        self.clock = SimpleNamespace(cycles=0, counts_cycles=False)
        machine: Any = SimpleNamespace(ram=Ram(MAX_TASKS * THREAD_SIZE), clock=self.clock)
        config = Config()
        host = Host(
            config,
            DEFAULT_PROFILE,
            boot_images(config),
            sched_classes(scheduler),
            core.try_to_wake_up,
        )
        k = Kernel(host, machine, mount_root({}), PidNamespace(0, PidMap(reserved=300)), 0)
        k.time.cpu_hz = CPU_HZ
        k.time.hz = CPU_HZ // TICK
        self.k: Any = k
        self.tasks: list[Task] = []
        self.switches = 0
        idle = self._record("swapper")
        core.init_idle(self.k, idle)
        self.k.sched.idle = self.k.current = idle

    def _record(self, comm: str) -> Task:
        number = len(self.k.processes.tasks)
        task = Task(number, PAGE_OFFSET + number * THREAD_SIZE, comm)
        task.pid = number
        self.k.processes.tasks.append(task)
        return task

    def _switch_to(self, k: Any, prev: Task, chosen: Task) -> None:
        self.switches += 1
        k.current = chosen

    def spawn(self) -> Task:
        """A fork by the running task."""
        task = self._record(f"t{len(self.k.processes.tasks)}")
        core.sched_fork(self.k, task)
        core.wake_up_new_task(self.k, task)
        self.tasks.append(task)
        self.maybe_schedule()
        return task

    def maybe_schedule(self) -> None:
        """The way out to user mode."""
        while core.need_resched(self.k, self.k.current):
            core.schedule(self.k)

    def run(self, ns: int) -> None:
        """The running task computes; ticks come when they are due."""
        end = self.clock.cycles + ns
        while self.clock.cycles < end:
            tick = (self.clock.cycles // TICK + 1) * TICK
            timer = self.k.time.timers.peekitem(0)[0][0] if self.k.time.timers else tick
            self.clock.cycles = min(tick, end, max(timer, self.clock.cycles))
            core.update_rq_clock(self.k)
            run_hrtimers(self.k)
            if self.clock.cycles == tick:
                core.scheduler_tick(self.k)
            self.maybe_schedule()

    def sleep(self) -> None:
        """The running task waits for something."""
        self.k.current.state = TASK_INTERRUPTIBLE
        core.schedule(self.k)

    def wake(self, task: Task) -> bool:
        """It has come."""
        woken = core.try_to_wake_up(self.k, task)
        self.maybe_schedule()
        return woken

    def yield_(self) -> None:
        """sched_yield."""
        core.update_rq_clock(self.k)
        core.class_of(self.k, self.k.current).yield_task(self.k)
        core.resched_task(self.k, self.k.current)
        self.maybe_schedule()

    def renice(self, task: Task, nice: int) -> None:
        core.set_user_nice(self.k, task, nice)
        self.maybe_schedule()

    def runtime(self, task: Task) -> int:
        """ns, up to now."""
        core.update_curr(self.k)
        return task.se.sum_exec_runtime
