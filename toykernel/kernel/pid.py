"""Process numbers (kernel/pid.c, kernel/pid_namespace.c; fork-path L1).

A struct pid is one identity with a number in its own namespace and one in each namespace above it. It is
held by the task that runs under it and by every group and session that is named after it; its numbers
are free again when the last holder lets go.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EAGAIN, EEXIST, EINVAL, ENOMEM, EPERM, Errno
from toykernel.kernel.clone_flags import CLONE_THREAD
from toykernel.kernel.cred import CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, capable, put_user_ns

if TYPE_CHECKING:
    from toykernel.kernel.acct import BsdAcct
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.kernel.cred import UserNamespace
    from toykernel.kernel.signal_types import SignalStruct
    from toykernel.kernel.wait_queue import WaitQueue
    from toykernel.state import Kernel
    from toykernel.task import Task

PID_MAX_DEFAULT = 32768
PID_MAX_LIMIT = 32768  # of a 32-bit kernel
RESERVED_PIDS = 300
PID_MAX_MIN = RESERVED_PIDS + 1
MAX_PID_NS_LEVEL = 32


class PidMap:
    """The numbers of one namespace: those in use, the last one given, and the task of each."""

    def __init__(self, pid_max: int = PID_MAX_DEFAULT, reserved: int = RESERVED_PIDS) -> None:
        self.pid_max = pid_max
        self.reserved = reserved
        self.last = 0
        self._used: dict[int, int] = {}  # number -> how many use it
        self.tasks: dict[int, Task] = {}

    def alloc(self) -> int:
        """The next number; wraps at pid_max to `reserved`, skipping those in use. Errno(EAGAIN)."""
        pid = self.last + 1
        for _ in range(self.pid_max):
            if pid >= self.pid_max:
                pid = min(self.reserved, self.pid_max - 1)
            if pid not in self._used:
                self.last = pid
                self._used[pid] = 1
                return pid
            pid += 1
        raise Errno(EAGAIN)

    def take(self, pid: int) -> int:
        """A chosen number. Raises Errno(EEXIST) for one in use."""
        if pid in self._used:
            raise Errno(EEXIST)
        self._used[pid] = 1
        return pid

    def free(self, pid: int) -> None:
        """Give one use of a number back; the last one makes it free for another task."""
        self._used[pid] -= 1
        if not self._used[pid]:
            del self._used[pid]

    def in_use(self) -> int:
        """How many numbers are taken."""
        return len(self._used)


@dataclass(eq=False)
class PidNamespace:
    """struct pid_namespace: `level` 0 is the first one, which sees everybody."""

    slab: int
    map: PidMap
    level: int = 0
    parent: PidNamespace | None = None
    child_reaper: Task | None = None
    ending: bool = False  # its init goes, or is gone: nobody gets a number (no PIDNS_ADDING)
    count: int = 1
    pids: dict[int, Pid] = field(default_factory=dict)  # struct pid by number here
    user_ns: UserNamespace | None = None  # that owns it; None: the first
    bacct: BsdAcct | None = None  # where its processes are written down (kernel/acct.py)


@dataclass(eq=False)
class Pid:
    """struct pid: the number in each namespace from the first one down to its own."""

    slab: int
    numbers: tuple[tuple[PidNamespace, int], ...]
    count: int = 1
    wait_pidfd: WaitQueue | None = None  # who waits for the task's end by a pidfd
    exit_code: int | None = None  # pidfs_exit_info: how the task ended, once it is reaped

    @property
    def nr(self) -> int:
        """The number in the first pid namespace, which everybody is in."""
        return self.numbers[0][1]

    @property
    def ns(self) -> PidNamespace:
        """The namespace that it was made in."""
        return self.numbers[-1][0]


def pid_task(k: Kernel, pid: Pid) -> Task | None:
    """The task that runs under a pid; None once it is released."""
    task = k.processes.init_pid_ns.map.tasks.get(pid.nr)
    return task if task is not None and task.pid_struct is pid else None


def pid_nr_ns(pid: Pid, ns: PidNamespace) -> int:
    """The number that a namespace knows the pid by; 0 when it cannot see it."""
    if ns.level < len(pid.numbers) and pid.numbers[ns.level][0] is ns:
        return pid.numbers[ns.level][1]
    return 0


def alloc_pid(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D11, L1: a number in the task's namespace and in all above it, and what follows from it
    (D15). Whatever is wrong, it is Errno(ENOMEM); a number that was asked for is Errno(EINVAL),
    Errno(EPERM) or Errno(EEXIST)."""
    p.pid_struct = _new_pid(k, p.nsproxy.pid_ns, args.set_tid)
    p.pid = p.pid_struct.nr
    p.tgid = k.current.tgid if args.flags & CLONE_THREAD else p.pid


def free_pid(k: Kernel, p: Task) -> None:
    """Let go of a task's pid: when the task is released, and after a failed fork."""
    put_pid(k, p.pid_struct)


def _new_pid(k: Kernel, ns: PidNamespace, set_tid: tuple[int, ...] = ()) -> Pid:
    chain: list[PidNamespace] = []
    at: PidNamespace | None = ns
    while at is not None:
        chain.append(at)
        at = at.parent
    if len(set_tid) > len(chain):
        raise Errno(EINVAL)
    if ns.ending:
        raise Errno(ENOMEM)
    slab = k.memory.slabs.pid.alloc(k)
    given: list[tuple[PidNamespace, int]] = []
    try:
        for level, space in enumerate(chain):
            if level < len(set_tid):
                number = _chosen(k, space, set_tid[level])
            else:
                try:
                    number = space.map.alloc()
                except Errno:
                    raise Errno(ENOMEM) from None
            given.append((space, number))
    except Errno:
        for space, number in reversed(given):
            space.map.free(number)
        k.memory.slabs.pid.free(k, slab)
        raise
    pid = Pid(slab, tuple(reversed(given)))
    for space, number in pid.numbers:
        space.pids[number] = pid
    get_pid_ns(ns)
    return pid


def _chosen(k: Kernel, space: PidNamespace, number: int) -> int:
    """A number that was asked for."""
    if not 0 < number < space.map.pid_max:
        raise Errno(EINVAL)
    if number != 1 and space.child_reaper is None:
        raise Errno(EINVAL)  # a namespace's first task is its init
    if not capable(k, CAP_CHECKPOINT_RESTORE) and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    return space.map.take(number)


def get_pid(pid: Pid) -> Pid:
    """One more holder, who keeps the numbers from being given again; the pid."""
    pid.count += 1
    return pid


def put_pid(k: Kernel, pid: Pid) -> None:
    """One holder less; the last one frees the numbers."""
    pid.count -= 1
    if not pid.count:
        for ns, number in pid.numbers:
            del ns.pids[number]
            ns.map.free(number)
        k.memory.slabs.pid.free(k, pid.slab)
        put_pid_ns(k, pid.ns)


def join_group(k: Kernel, signal: SignalStruct, pgrp: Pid, session: Pid) -> None:
    """Attach a thread group to a process group and a session, which hold their numbers."""
    signal.pgrp, signal.session = get_pid(pgrp).nr, get_pid(session).nr


def leave_group(k: Kernel, signal: SignalStruct) -> None:
    """A thread group lets go of the numbers of its process group and its session."""
    for number in (signal.pgrp, signal.session):
        put_pid(k, k.processes.init_pid_ns.pids[number])


def attach_pid(task: Task, pid: Pid) -> None:
    """The task can be found by its numbers from now on."""
    for ns, number in pid.numbers:
        ns.map.tasks[number] = task


def detach_pid(task: Task, pid: Pid) -> None:
    """The task cannot be found by its numbers any more; who holds the pid keeps the numbers taken."""
    for ns, number in pid.numbers:
        if ns.map.tasks.get(number) is task:
            del ns.map.tasks[number]


def find_task_by_vpid(k: Kernel, number: int) -> Task | None:
    """The task that has a number in the pid namespace of the current one; None."""
    return task_active_pid_ns(k.current).map.tasks.get(number) if number else None


def task_active_pid_ns(task: Task) -> PidNamespace:
    """The pid namespace that a task was born in, which its own numbers are of."""
    return task.pid_struct.ns


def task_pid_vnr(k: Kernel, task: Task) -> int:
    """A task's number as the current task sees it; 0 when it cannot."""
    return pid_nr_ns(task.pid_struct, task_active_pid_ns(k.current))


def pid_vnr(k: Kernel, number: int) -> int:
    """A global number as the current task sees it; 0 when it cannot."""
    pid = k.processes.init_pid_ns.pids.get(number)
    return pid_nr_ns(pid, task_active_pid_ns(k.current)) if pid is not None else 0


def global_pid(k: Kernel, number: int) -> int:
    """The reverse: the global number of one that the current task uses; 0 when there is none."""
    pid = task_active_pid_ns(k.current).pids.get(number)
    return pid.nr if pid is not None else 0


def child_reaper(k: Kernel) -> Task:
    """init of the first pid namespace; asked for only once there is one."""
    assert k.processes.init_pid_ns.child_reaper is not None
    return k.processes.init_pid_ns.child_reaper


def create_pid_namespace(k: Kernel, parent: PidNamespace) -> PidNamespace:
    """A namespace below another, empty. Raises Errno(EINVAL) when nested too deep, Errno(ENOMEM)."""
    if parent.level >= MAX_PID_NS_LEVEL:
        raise Errno(EINVAL)
    slab = k.memory.slabs.pid_ns.alloc(k)
    ns_map = PidMap(parent.map.pid_max, parent.map.reserved)
    return PidNamespace(slab, ns_map, parent.level + 1, get_pid_ns(parent))


def put_owner(k: Kernel, ns: UserNamespace | None) -> None:
    """A namespace goes: it needs the user namespace that owned it no more."""
    if ns is not None:
        put_user_ns(k, ns)


def get_pid_ns(ns: PidNamespace) -> PidNamespace:
    """One more reference to a pid namespace; the namespace."""
    ns.count += 1
    return ns


def put_pid_ns(k: Kernel, ns: PidNamespace) -> None:
    """One less; the last frees it, and lets go of the one above."""
    ns.count -= 1
    if not ns.count:
        if ns.bacct is not None:
            ns.bacct.close(k, ns)
        k.memory.slabs.pid_ns.free(k, ns.slab)
        put_owner(k, ns.user_ns)
        if ns.parent is not None:
            put_pid_ns(k, ns.parent)
