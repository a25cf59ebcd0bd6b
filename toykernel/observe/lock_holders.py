"""Who holds the lock that a sleeping task waits for, as far as there is evidence (fork-path L5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT
from emu.record import dataclass
from toykernel.collector import Collector
from toykernel.kernel.clone_flags import CLONE_VM
from toykernel.kernel.futex import FUTEX_TID_MASK
from toykernel.kernel.sched.idle import describe_sleepers
from toykernel.mm.memory import follow_page
from toykernel.observe.waited_for import waited_for

if TYPE_CHECKING:
    from toykernel.kernel.futex import FutexQ
    from toykernel.state import Kernel
    from toykernel.task import Task

#: Locked, and locked with sleepers, where the word is no tid.
_LOCK_STATES = (1, 2)


@dataclass(frozen=True)
class ForkOrigin:
    """Where a copied address space comes from: the threads there were, by their own numbers.

    The value is (pid, name). `caller` is the only one of them that went on in the copy.
    """

    tgid: int
    caller: int
    threads: dict[int, tuple[int, str]]


def own_number(task: Task) -> int:
    """What gettid answers to a task, and what it writes into a lock."""
    return task.pid_struct.numbers[-1][1]


class LockHolders(Collector):
    """Listens to forks, to know who had the memory that an address space is a copy of."""

    collected = ("_origins",)

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self._origins: dict[int, tuple[ForkOrigin, ...]] = {}  # by the number of an address space
        k.host.trace.process_fork.append(self._on_fork)

    def close(self) -> None:
        """Take the listener out of the kernel."""
        self._k.host.trace.process_fork.remove(self._on_fork)

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        if child.mm is None or flags & CLONE_VM:
            return
        alive = self._k.memory.mms
        if len(self._origins) > 2 * len(alive):
            self._origins = {mm: told for mm, told in self._origins.items() if mm in alive}
        threads = {own_number(t): (t.pid, t.comm) for t in parent.signal.threads}
        above = self._origins.get(parent.mm.ident, ()) if parent.mm is not None else ()
        origin = ForkOrigin(parent.tgid, own_number(parent), threads)
        self._origins[child.mm.ident] = (origin, *above)

    def describe_deadlock(self) -> str:
        """What everybody sleeps on, and for whom."""
        k = self._k
        known = {task: text for task in k.processes.tasks if (text := waited_for(k, task))}
        holders = {q.task: text for q in k.processes.futexes if (text := self.holder_of(q))}
        return describe_sleepers(k, known | holders)

    def holder_of(self, q: FutexQ) -> str:
        """For people: who holds a lock whose word is its holder's tid; empty when nobody does.

        The word must name somebody who can have stored it: a task with this memory, or a thread that had
        it when fork copied it, and was not copied. 1 and 2 are the states of the simplest locks as well:
        they name nobody. Everything else is said to be unknown.
        """
        k = self._k
        word = _word(k, q)
        tid = word & FUTEX_TID_MASK
        if not tid:
            return ""
        if word in _LOCK_STATES:
            return f"holder unknown: {word} may be a state of the lock"
        for task in k.processes.tasks:
            if task.mm is not None and own_number(task) == tid and _has_word(task, q):
                return f"held by {task.pid} ({task.comm})"
        mm = q.task.mm
        origins = self._origins.get(mm.ident, ()) if mm is not None else ()
        for origin in origins if q.key is not None and q.key[0] == "private" else ():
            if tid not in origin.threads:
                continue
            pid, comm = origin.threads[tid]
            if tid == origin.caller:
                return f"held by {pid} ({comm}) when it forked: its copy here has another number"
            there = any(t.pid == pid and t.tgid == origin.tgid for t in k.processes.tasks)
            gone = "" if there else ", gone now"
            who = f"held by {pid} ({comm}), a thread of process {origin.tgid}{gone}"
            return f"{who}: fork left it locked here"
        return f"holder unknown: {tid} is no thread that had this memory"


def _has_word(task: Task, q: FutexQ) -> bool:
    if task.mm is q.task.mm:
        return True
    if q.key is None or q.key[0] != "shared" or task.mm is None:
        return False
    pfn = q.key[2] >> PAGE_SHIFT
    return any(a.mapping is not None and pfn in a.mapping.pages.values() for a in task.mm)


def _word(k: Kernel, q: FutexQ) -> int:
    mm = q.task.mm
    if q.key is None or mm is None:
        return 0
    kind, _, at = q.key
    physical = at if kind == "shared" else follow_page(k, mm, at)
    return k.machine.ram.read32(physical) if physical is not None else 0
