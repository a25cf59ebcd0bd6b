"""Which processes are the client's, and what it is told of them: forks, execs, system calls, exits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

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
        #: Deaf while the guest runs a stretch again only to get to a place.
        self.deaf = False
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

    def tell_unborn(self, before: set[int]) -> None:
        """Of those that were attached, who is no more, now that the guest is at another moment: an exit,
        at the next resumption. A client that does not hear of it does not believe the next fork."""
        for tgid in sorted(before - self.attached):
            self.pending.append(Stop(tgid, tgid, code=0))

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
