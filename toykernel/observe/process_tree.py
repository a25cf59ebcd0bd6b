"""`--process-tree FILE`: what a picture of a run's processes is made of: who forked whom and when, until when
each lived, when it had the CPU or waited for it, its faults, what it exec'd, how it ended and when its parent
looked.

Times are cycles of the machine's clock, as in the report and the summary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.collector import Collector
from toykernel.kernel.siginfo import signal_name
from toykernel.look.program import PROGRAM_PID
from toykernel.observe.process_life import Life
from toykernel.observe.process_picture import svg
from toykernel.task import TASK_RUNNING

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


class ProcessTree(Collector):
    """Listens from now on, before the program's birth; `svg` draws what has been."""

    collected = ("lives", "_alive", "_turn")

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.lives: list[Life] = []
        self._alive: dict[int, Life] = {}
        self._turn: tuple[int, int] | None = None  # pid, since
        trace = k.host.trace
        trace.process_fork.append(self._on_fork)
        trace.process_exec.append(self._on_exec)
        trace.process_exit.append(self._on_exit)
        trace.release_task.append(self._on_release)
        trace.sched_switch.append(self._on_switch)
        trace.sched_wakeup.append(self._on_wakeup)
        trace.fault.append(self._on_fault)

    def _now(self) -> int:
        return self._k.machine.clock.cycles

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        if child.pid >= PROGRAM_PID:
            above = self._alive.get(parent.pid)
            life = Life(
                len(self.lives),
                *(child.pid, child.tgid),
                above.number if above is not None else None,
                *(child.comm, self._now()),
            )
            life.ready_since = life.born
            self.lives.append(life)
            self._alive[child.pid] = life

    def _on_exec(self, task: Task, path: str) -> None:
        life = self._alive.get(task.pid)
        if life is not None:
            life.comm = task.comm
            life.execs.append((self._now(), path))

    def _on_exit(self, task: Task) -> None:
        life = self._alive.get(task.pid)
        if life is not None:
            life.died = self._now()
            number = task.exit_code & 0x7F
            life.end = signal_name(number) if number else f"exit {task.exit_code >> 8}"

    def _on_release(self, task: Task) -> None:
        life = self._alive.pop(task.pid, None)
        if life is not None:
            if self._turn is not None and self._turn[0] == task.pid:
                self._goes_without_a_switch(task, life)
            life.released = self._now()

    def _goes_without_a_switch(self, task: Task, life: Life) -> None:
        """Nobody is to wait for the task that runs; or a thread that execs gives up its number."""
        assert self._turn is not None
        life.turns.append((self._turn[1], self._now()))
        current = self._k.current
        self._turn = (current.pid, self._now()) if current is not task else None

    def _on_switch(self, prev: Task, chosen: Task) -> None:
        self._end_turn()
        now = self._now()
        self._turn = (chosen.pid, now)
        before, after = self._alive.get(prev.pid), self._alive.get(chosen.pid)
        if before is not None and prev.state == TASK_RUNNING and not prev.exit_state:
            before.ready_since = now
        if after is not None:
            after.end_wait(now)

    def _on_wakeup(self, task: Task) -> None:
        life = self._alive.get(task.pid)
        if life is not None and life.ready_since is None and task is not self._k.current:
            life.ready_since = self._now()

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        life = self._alive.get(task.pid)
        if life is not None:
            life.faults.append((self._now(), kind, address & 0xFFFFFFFF))

    def _end_turn(self) -> None:
        if self._turn is not None:
            pid, since = self._turn
            life = self._alive.get(pid)
            if life is not None:
                life.turns.append((since, self._now()))
        self._turn = None

    # -- the picture -------------------------------------------------------------------------------

    def ordered(self) -> list[tuple[int, Life]]:
        """(depth, task) in the order of the rows: each above its children, these by birth."""
        children: dict[int | None, list[Life]] = {}
        for life in self.lives:
            children.setdefault(life.parent, []).append(life)
        rows: list[tuple[int, Life]] = []
        stack = [(0, life) for life in reversed(children.get(None, []))]
        while stack:
            depth, life = stack.pop()
            rows.append((depth, life))
            stack += [(depth + 1, child) for child in reversed(children.get(life.number, []))]
        return rows

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """The picture; a run without a program gives an empty one."""
        self._end_turn()
        for life in self.lives:
            life.end_wait(life.died if life.died is not None else self._now())
        clock = self._k.machine.clock
        return svg(self.ordered(), clock.cycles, clock.instructions)
