"""What a task's signals are kept in: the handler table and the thread group's record.

Both are shared by count (include/linux/sched.h): sighand_struct with CLONE_SIGHAND, signal_struct with
CLONE_THREAD.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass, twin
from toykernel.kernel.clone_flags import CLONE_CLEAR_SIGHAND, CLONE_SIGHAND, CLONE_THREAD
from toykernel.kernel.ptrace_flags import JOBCTL_PENDING_MASK

if TYPE_CHECKING:
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.kernel.wait_queue import WaitQueue
    from toykernel.state import Kernel
    from toykernel.task import Task
    from toykernel.tty.termios import TtyStruct

SIG_DFL, SIG_IGN = 0, 1

RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS = range(6)
RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_LOCKS = range(6, 11)
RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME = range(11, 16)
RLIM_NLIMITS = 16
RLIM_INFINITY = 0xFFFFFFFF

SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO = 0x00000001, 0x00000002, 0x00000004
SA_RESTORER, SA_ONSTACK, SA_RESTART = 0x04000000, 0x08000000, 0x10000000
SA_NODEFER, SA_RESETHAND = 0x40000000, 0x80000000
SA_IMMUTABLE = 0x00800000  # the kernel's own: no handler takes its place, no tracer hears of it

#: Raised signals by number, each with the siginfo of every time it was queued.
Pending = dict[int, list[dict[str, Any]]]

#: By resource: soft and hard limit.
Rlimits = dict[int, tuple[int, int]]


def default_rlimits(stack: int, processes: int, memlock: int) -> Rlimits:
    """INIT_RLIMITS, with fork_init's share of processes; `stack` and `memlock` in bytes."""
    limits = dict.fromkeys(range(RLIM_NLIMITS), (RLIM_INFINITY, RLIM_INFINITY))
    return limits | {
        RLIMIT_STACK: (stack, RLIM_INFINITY),
        RLIMIT_CORE: (0, RLIM_INFINITY),
        RLIMIT_NPROC: (processes, processes),
        RLIMIT_NOFILE: (1024, 4096),
        RLIMIT_MEMLOCK: (memlock, memlock),
        RLIMIT_SIGPENDING: (processes, processes),
        RLIMIT_MSGQUEUE: (819200, 819200),
        RLIMIT_NICE: (0, 0),
        RLIMIT_RTPRIO: (0, 0),
    }


@dataclass(frozen=True)
class SigAction:
    """struct k_sigaction: handler address (or SIG_DFL, SIG_IGN), SA_ flags, mask as a bit set."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


@dataclass(eq=False)
class SighandStruct:
    """struct sighand_struct: actions by signal number; a number without an entry has the default."""

    slab: int
    count: int = 1
    action: dict[int, SigAction] = field(default_factory=dict)
    signalfd_wqh: WaitQueue | None = None  # made when a thread first waits on a signalfd


@dataclass(eq=False)
class SignalStruct:
    """struct signal_struct: what a thread group shares. `pgrp` and `session` are global numbers."""

    slab: int
    flags: int = 0
    group_exit_code: int = 0
    pgrp: int = 0
    session: int = 0
    leader: bool = False  # of its session
    sigcnt: int = 1  # tasks that refer to the record
    live: int = 1  # threads that have not entered exit
    nr_threads: int = 1  # threads that have not been released
    threads: list[Task] = field(default_factory=list)  # thread group, in order of birth
    shared_pending: Pending = field(default_factory=dict)
    group_exit_task: Task | None = None  # the thread in exec that waits for the others
    notify_count: int = 0
    group_stop_count: int = 0
    wait_chldexit: WaitQueue | None = None  # made when a thread first waits for children
    dead_children: dict[Task, None] = field(default_factory=dict)  # that a wait can take
    rlim: Rlimits = field(default_factory=dict)
    oom_score_adj: int = 0
    oom_score_adj_min: int = 0
    is_child_subreaper: bool = False
    has_child_subreaper: bool = False
    tty: TtyStruct | None = None  # the controlling terminal
    tty_old_pgrp: int = 0  # a leader's: the foreground of the one that has hung up
    # Figures of threads that are gone (ticks), and of children that were waited for (ns).
    utime: int = 0
    stime: int = 0
    cutime: int = 0
    cstime: int = 0
    sum_sched_runtime: int = 0  # ns that threads which are gone have run
    prev_utime: int = 0  # ns of user and system time that were last told
    prev_stime: int = 0
    min_flt: int = 0
    cmin_flt: int = 0
    maxrss: int = 0  # pages, of address spaces that are gone
    cmaxrss: int = 0
    nvcsw: int = 0
    nivcsw: int = 0
    cnvcsw: int = 0
    cnivcsw: int = 0
    # Interval timers by which (ITIMER_*), and POSIX timers by id: off in a new group.
    itimers: dict[int, Any] = field(default_factory=dict)
    posix_timers: dict[int, Any] = field(default_factory=dict)
    cpu_timers: list[Any] = field(default_factory=list)  # POSIX ones on this group's time

    def fork(self, slab: int) -> SignalStruct:
        """copy_signal: limits, group and session are inherited, the terminal later (D18), nothing else."""
        return SignalStruct(
            slab,
            pgrp=self.pgrp,
            session=self.session,
            rlim=dict(self.rlim),
            oom_score_adj=self.oom_score_adj,
            oom_score_adj_min=self.oom_score_adj_min,
            has_child_subreaper=self.has_child_subreaper or self.is_child_subreaper,
        )


def copy_actions(sighand: SighandStruct, slab: int) -> SighandStruct:
    """A handler table of its own with the same actions."""
    return SighandStruct(slab, action={n: twin(a) for n, a in sighand.action.items()})


def copy_sighand(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path G: the handler table. Raises Errno(ENOMEM)."""
    old = k.current.sighand
    if args.flags & CLONE_SIGHAND:
        old.count += 1
        p.sighand = old
    else:
        p.sighand = copy_actions(old, k.memory.slabs.sighand.alloc(k))
        if args.flags & CLONE_CLEAR_SIGHAND:
            flush_signal_handlers(p.sighand)


def flush_signal_handlers(sighand: SighandStruct) -> None:
    """A handler is an address in the old program: only SIG_IGN survives exec and CLONE_CLEAR_SIGHAND."""
    actions = sighand.action
    for number in sorted(actions):
        if actions[number].handler == SIG_IGN:
            actions[number] = SigAction(SIG_IGN)
        else:
            del actions[number]


def cleanup_sighand(k: Kernel, p: Task) -> None:
    """After a failed fork: one user of the handler table less."""
    put_sighand(k, p.sighand)


def put_sighand(k: Kernel, sighand: SighandStruct) -> None:
    """One user of a handler table less; the last one frees it."""
    sighand.count -= 1
    if not sighand.count and sighand.slab:
        k.memory.slabs.sighand.free(k, sighand.slab)


def copy_signal(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path G: the thread group's record; a thread is counted in when it joins (D18).

    Raises Errno(ENOMEM).
    """
    if not args.flags & CLONE_THREAD:
        p.signal = k.current.signal.fork(k.memory.slabs.signal.alloc(k))


def cleanup_signal(k: Kernel, p: Task) -> None:
    """After a failed fork: a record that nobody else has."""
    if p.signal is not k.current.signal:
        free_signal_struct(k, p.signal)


def put_signal_struct(k: Kernel, signal: SignalStruct) -> None:
    """One task less that refers to a group's record."""
    signal.sigcnt -= 1
    if not signal.sigcnt:
        free_signal_struct(k, signal)


def free_signal_struct(k: Kernel, signal: SignalStruct) -> None:
    """Give the group's record back; boot's own is in no cache."""
    if signal.slab:
        k.memory.slabs.signal.free(k, signal.slab)


def signal_pending(task: Task) -> bool:
    """Whether something waits for the task to return to user mode."""
    if task.jobctl & JOBCTL_PENDING_MASK:
        return True
    own, shared = task.pending, task.signal.shared_pending
    if not own and not shared:
        return False
    return any(not task.blocked >> (sig - 1) & 1 for queue in (own, shared) for sig in queue)
