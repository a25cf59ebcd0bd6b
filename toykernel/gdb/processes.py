"""Which processes are the client's, and what it is told of them: forks, execs, system calls, exits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emu.events import Position
from toykernel.collector import Collector
from toykernel.gdb.errors import no_task
from toykernel.gdb.points import Points
from toykernel.gdb.stops import Stop
from toykernel.kernel.clone_flags import CLONE_THREAD, CLONE_VFORK
from toykernel.kernel.exit import exit_code_of
from toykernel.look.task import TaskView

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


class Processes(Collector):
    """The attached ones, by number of the thread group; `pending` are stops that are still to be told."""

    def __init__(self, k: Kernel, points: Points) -> None:
        self._k = k
        self.points = points
        self.attached: set[int] = set()
        #: Let go of; going back does not take that back.
        self.detached: set[int] = set()
        self.pending: deque[Stop] = deque()
        #: What the client has announced (qSupported, QThreadEvents).
        self.features: frozenset[str] = frozenset()
        self.thread_events = False
        #: Deaf while the guest runs again only to get to a place.
        self.deaf = False
        #: Those that the client knows and that are not born yet at this moment of the run.
        self.unborn: set[int] = set()
        #: By process: whose child it is, and when it was born.
        self._births: dict[int, tuple[int, Position]] = {}
        self._before: set[int] = set()  # whom the client knew when a journey began
        self._vforks: dict[int, int] = {}  # child -> parent thread that waits
        trace = k.host.trace
        trace.process_fork.append(self._on_fork)
        trace.process_exec.append(self._on_exec)
        trace.process_exit.append(self._on_exit)

    def close(self) -> None:
        """Hear nothing more."""
        trace = self._k.host.trace
        trace.process_fork.remove(self._on_fork)
        trace.process_exec.remove(self._on_exec)
        trace.process_exit.remove(self._on_exit)

    # -- looking -----------------------------------------------------------------------------------

    def tasks(self) -> list[Task]:
        """Every living thread of the attached processes, in the order in which they were made."""
        return [t for t in self._k.processes.tasks if t.tgid in self.attached and not t.exit_state]

    def task(self, pid: int) -> Task:
        """A living attached thread. Raises RemoteError(ESRCH)."""
        for task in self.tasks():
            if task.pid == pid:
                return task
        raise no_task()

    def parent_of_unborn(self, tgid: int) -> Task:
        """The living process that one which is not born yet will come from. Raises RemoteError(ESRCH)."""
        while tgid in self.unborn:
            tgid = self._births[tgid][0]
        return next((t for t in self.tasks() if t.tgid == tgid), None) or self._nobody()

    def _nobody(self) -> Task:
        raise no_task()

    def view(self, pid: int) -> TaskView:
        """The same, to be looked at."""
        return TaskView(self._k, self.task(pid))

    def attach(self, tgid: int) -> Task:
        """Take a process; its leader. Raises RemoteError(ESRCH)."""
        for task in self._k.processes.tasks:
            if task.tgid == tgid == task.pid and not task.exit_state and task.mm is not None:
                self.attached.add(tgid)
                self.detached.discard(tgid)
                return task
        raise no_task()

    def detach(self, tgid: int) -> None:
        """Let a process go, with its breakpoints and what was still to be told."""
        self.attached.discard(tgid)
        self.unborn.discard(tgid)
        self.detached.add(tgid)
        self.points.forget(tgid)
        self.pending = deque(stop for stop in self.pending if stop.tgid != tgid)

    def after_travel(self, known: frozenset[int]) -> None:
        """The guest is at another moment: what of `known` lives there is attached."""
        self.pending.clear()
        self._vforks.clear()
        alive = {t.tgid for t in self._k.processes.tasks if not t.exit_state}
        self.attached = set(known & alive) - self.detached
        if (
            not self.attached
        ):  # before the birth of all that were followed: back to whom they came from
            self.attached = set(known & alive)
            self.detached -= self.attached

    @contextmanager
    def journey(self) -> Iterator[None]:
        """The guest goes to another moment, and nothing is told on the way. Who of those that the client knew
        is not there then? One that is not born yet is still the client's; of one that has ended, it hears
        at the next resumption.
        """
        self._before, self.unborn, self.deaf = self.attached | self.unborn, set(), True
        try:
            yield
        finally:
            self.deaf = False
        here = self._k.machine.position
        absent = self._before - self.attached
        self.unborn = {
            tgid
            for tgid in absent
            if tgid in self._births
            and here < self._births[tgid][1]
            and self._before & self.attached
        }
        for tgid in sorted(absent - self.unborn):
            self.pending.append(Stop(tgid, tgid, code=0))

    def never_born(self) -> Stop | None:
        """At the end of the run: the exit of one that the client still waits for."""
        if not self.unborn:
            return None
        tgid = min(self.unborn)
        self.unborn.discard(tgid)
        return Stop(tgid, tgid, code=0)

    # -- listening ---------------------------------------------------------------------------------

    def _tell(self, stop: Stop) -> None:
        if not self.deaf:
            self.pending.append(stop)

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        if parent.tgid not in self.attached:
            return
        if flags & CLONE_THREAD:
            if self.thread_events:
                self._tell(Stop(child.pid, child.tgid, detail="create:;"))
            return
        kind = "vfork" if flags & CLONE_VFORK else "fork"
        if f"{kind}-events+" not in self.features:
            return
        self.attached.add(child.tgid)
        self._births[child.tgid] = parent.tgid, self._k.machine.position
        if self.deaf and child.tgid in self._before:
            return  # it has breakpoints of its own
        if child.tgid in self.unborn:  # and the client has it already
            self.unborn.discard(child.tgid)
            return
        if not self.deaf:
            self.detached.discard(child.tgid)
        self.points.fork(parent.tgid, child.tgid)
        detail = f"{kind}:p{child.tgid:x}.{child.pid:x};"
        self._tell(Stop(parent.pid, parent.tgid, detail=detail))
        if flags & CLONE_VFORK:
            self._vforks[child.pid] = parent.pid

    def _vfork_done(self, child: Task) -> None:
        parent = self._vforks.pop(child.pid, None)
        if parent is None:
            return
        for task in self.tasks():
            if task.pid == parent:
                self._tell(Stop(parent, task.tgid, detail="vforkdone:;"))

    def _on_exec(self, task: Task, path: str) -> None:
        if task.tgid in self.attached:
            self.points.forget(task.tgid)
            if "exec-events+" in self.features:
                name = path.encode(errors="surrogateescape").hex()
                self._tell(Stop(task.pid, task.tgid, detail=f"exec:{name};"))
        self._vfork_done(task)

    def _on_exit(self, task: Task) -> None:
        if task.tgid in self.attached:
            if not task.signal.live:
                code = exit_code_of(task.group_leader)
                self.attached.discard(task.tgid)
                self.points.forget(task.tgid)
                self._tell(Stop(task.pid, task.tgid, code=code))
            elif self.thread_events:
                self._tell(Stop(task.pid, task.tgid, code=task.exit_code, thread_only=True))
        self._vfork_done(task)
