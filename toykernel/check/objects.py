"""What must hold of objects that are no memory: descriptors and what they stand for, locks, mounts, timers,
numbers, traces. And what there is of them, for a call that failed and must have changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from toykernel.fs.eventpoll import EventPoll
from toykernel.fs.file import File
from toykernel.fs.fs_context import FsContext
from toykernel.fs.mount import all_mounts
from toykernel.fs.timerfd import TimerfdCtx
from toykernel.kernel.landlock import LandlockRuleset
from toykernel.kernel.nsproxy import mount_roots
from toykernel.kernel.pid import Pid
from toykernel.kernel.posix_timers import PosixTimer
from toykernel.look.open_files import open_files, sockets
from toykernel.mm.userfaultfd import UserfaultfdCtx
from toykernel.task import Task

if TYPE_CHECKING:
    from toykernel.check.whole import Whole
    from toykernel.kernel.nsproxy import IpcNamespace
    from toykernel.state import Kernel


def traces_go_both_ways(whole: Whole) -> Iterator[str]:
    """Who is traced stands in its tracer's list, and the other way round; both are alive."""
    k = whole.k
    alive = dict.fromkeys(k.processes.tasks)
    for task in alive:
        if task.ptrace and (task.parent not in alive or task not in task.parent.ptraced):
            yield f"pid {task.pid} is traced, and pid {task.parent.pid} does not know of it"
        for child in task.ptraced:
            if child not in alive:
                yield f"pid {task.pid} traces pid {child.pid}, which is gone"
            elif not child.ptrace or child.parent is not task:
                yield f"pid {task.pid} traces pid {child.pid}, which does not know of it"


def watches_go_both_ways(whole: Whole) -> Iterator[str]:
    """What an epoll file watches is open and knows of it; nothing is ready that is not watched."""
    files = whole.files
    for file in files:
        for item in file.f_ep:
            if item not in item.ep.items or item.file is not file:
                yield f"{file.path} is watched by an epoll file that does not know of it"
        if not isinstance(file.private, EventPoll):
            continue
        for item in file.private.items:
            if item.file not in files or item not in item.file.f_ep:
                yield f"descriptor {item.fd} is watched, and not open or not told"
        for item in file.private.rdllist:
            if item not in file.private.items:
                yield f"descriptor {item.fd} is ready, and not watched"


def timers_belong_to_the_living(whole: Whole) -> Iterator[str]:
    """A timer that runs is somebody's: of a task, of an open timerfd, of a POSIX timer that exists."""
    k = whole.k
    alive = dict.fromkeys(k.processes.tasks)
    timerfds = [file.private for file in whole.files if isinstance(file.private, TimerfdCtx)]
    for key, timer in k.time.timers.items():
        where = f"the timer for {key[0]} ns ({timer.function.__name__})"
        if timer.key != key:
            yield f"{where} says that it is due at {timer.key}"
        match timer.data:
            case Task() as task if task not in alive:
                yield f"{where} is of pid {task.pid}, which is gone"
            case TimerfdCtx() as ctx if ctx not in timerfds:
                yield f"{where} is of a timerfd that nobody has open"
            case PosixTimer() as posix if posix not in posix.target.signal.posix_timers.values():
                yield f"{where} is of POSIX timer {posix.ident}, which was deleted"


def locks_belong_to_the_living(whole: Whole) -> Iterator[str]:
    """A lock is held by an open file or a table of descriptors, and no two that conflict are held at once."""
    k = whole.k
    files = whole.files
    tables = [task.files for task in k.processes.tasks]
    for context in {file.inode.i_flctx: None for file in files if file.inode.i_flctx is not None}:
        held = [*context.posix, *context.flock]
        if len(held) != len(context.slabs):
            yield f"{context.wait.name}: {len(held)}, with {len(context.slabs)} records"
        for lock in held:
            there = files if isinstance(lock.owner, File) else tables
            if not any(lock.owner is one for one in there):
                yield f"{context.wait.name}: bytes {lock.start} to {lock.end} are held by nobody"
        for kind in (context.posix, context.flock):
            for n, lock in enumerate(kind):
                if any(lock.conflicts(other) for other in kind[:n]):
                    yield f"{context.wait.name}: two conflict at byte {lock.start}"


def numbers_are_held(whole: Whole) -> Iterator[str]:
    """References to a struct pid: the task's, its group's and session's (by their leader), open pidfds."""
    k = whole.k
    counts: dict[Pid, int] = {}
    first = k.processes.init_pid_ns.pids
    for task in k.processes.tasks:
        holds = [task.pid_struct]
        if task.is_group_leader and task is not k.sched.idle:
            holds += [first[n] for n in (task.signal.pgrp, task.signal.session) if n in first]
        for pid in holds:
            counts[pid] = counts.get(pid, 0) + 1
    for file in whole.files:
        if isinstance(file.private, Pid):
            counts[file.private] = counts.get(file.private, 0) + 1
    for number, pid in first.items():
        if pid.count != counts.get(pid, 0):
            yield f"number {number} has {pid.count} references, held by {counts.get(pid, 0)}"


def mounts_hang_together(whole: Whole) -> Iterator[str]:
    """A mount hangs where it says, and its peers know it."""
    k = whole.k
    for mnt in chain.from_iterable(map(all_mounts, mount_roots(k))):
        for place, below in mnt.mounts.items():
            if below.parent is not mnt or below.mountpoint is not place:
                yield f"the {below.sb.s_type} on {place.name} says that it hangs elsewhere"
        if mnt.group is not None and mnt not in mnt.group.members:
            yield f"mount {mnt.mnt_id} is not a member of the group that it names"
        if mnt.master is not None and mnt not in mnt.master.slaves:
            yield f"mount {mnt.mnt_id} is not a slave of the group that it names"


def sockets_know_each_other(whole: Whole) -> Iterator[str]:
    """A connected socket's peer is there, or has told it that it is not; so is who waits to be accepted."""
    k = whole.k
    there = sockets(k)
    for number, sock in enumerate(there):
        if sock.dead:
            yield f"socket {number} is closed, and still in the table"
        if sock.peer is not None and not sock.peer.dead and sock.peer not in there:
            yield f"socket {number} has a peer that is in no table"
        for waiting in sock.pending:
            if waiting not in there:
                yield f"socket {number} has a connection waiting that is in no table"


def sleepers_sleep_on_words(whole: Whole) -> Iterator[str]:
    """Who is in a futex's queue has not been woken, and lives."""
    for q in whole.k.processes.futexes:
        if q.key is None or q.task.exit_state:
            yield f"futex: pid {q.task.pid} ({q.task.comm}) is still queued"


OBJECT_CHECKS = (
    traces_go_both_ways,
    watches_go_both_ways,
    timers_belong_to_the_living,
    locks_belong_to_the_living,
    numbers_are_held,
    mounts_hang_together,
    sockets_know_each_other,
    sleepers_sleep_on_words,
)


# -- what there is ---------------------------------------------------------------------------------


def _of_task(task: Task) -> Iterator[tuple[str, object]]:
    files = task.files
    if files is not None:
        closing = sorted(files.close_on_exec)
        table = {fd: (f.slab, f.count, f.flags, f.pos) for fd, f in files.fd.items()}
        yield f"descriptors of pid {task.pid}", (table, closing)
    judges, judge = [], task.seccomp_filter
    while judge is not None:
        judges.append((judge.slab, judge.count, judge.listener is not None))
        judge = judge.prev
    yield f"filters of pid {task.pid}", (task.seccomp_mode, task.no_new_privs, judges)
    traced = [child.pid for child in task.ptraced]
    yield f"traces of pid {task.pid}", (task.ptrace, task.parent.pid, traced)
    blocked = (task.blocked, task.real_blocked, task.saved_sigmask)
    yield f"signals of pid {task.pid}", (blocked, sorted(task.pending), task.sighand.slab)
    signal = task.signal
    yield (
        f"group of pid {task.pid}",
        (sorted(signal.shared_pending), sorted(signal.posix_timers), sorted(signal.itimers)),
    )
    yield f"credentials of pid {task.pid}", task.cred.slab
    domain = task.cred.landlock
    layers = domain.layers if domain is not None else ()
    yield f"layers of pid {task.pid}", [(layer.slab, layer.count) for layer in layers]
    yield (
        f"root and directory of pid {task.pid}",
        ((task.fs.slab, task.fs.users, task.fs.root, task.fs.pwd) if task.fs is not None else None),
    )


def _of_ipc(ns: IpcNamespace) -> object:
    return (
        {ident: (list(sma.values), list(sma.pids)) for ident, sma in ns.sem_ids.sets.items()},
        {i: (q.mode, q.cbytes, [m.slab for m in q.messages]) for i, q in ns.msg_ids.queues.items()},
        {ident: (shp.mode, shp.nattch) for ident, shp in ns.shm_ids.segments.items()},
        {name: (d.inode.ino, d.inode.nlink) for name, d in ns.mq_ids.queues.items()},
    )


def there_is(k: Kernel) -> dict[str, object]:
    """By name: what a call that failed must leave as it was, besides memory."""
    state: dict[str, object] = {"timers": len(k.time.timers), "terminals": sorted(k.files.ptys)}
    for task in k.processes.tasks:
        state |= _of_task(task)
        accounts = task.pid_struct.ns.bacct
        state[f"accounts of pid {task.pid}"] = accounts.file.slab if accounts is not None else 0
        state[f"namespaces of pid {task.pid}"] = (task.nsproxy.slab, task.nsproxy.count)
        state["System V and POSIX objects"] = _of_ipc(task.nsproxy.ipc_ns)
    state["numbers"] = {n: pid.count for n, pid in k.processes.init_pid_ns.pids.items()}
    for sock in sockets(k):
        state[f"socket {sock.slab:#x}"] = (
            (sock.name, sock.connected, sock.listening, sock.shutdown, sock.wmem),
            sock.peer.slab if sock.peer is not None else 0,
            [skb.slab for skb in sock.queue],
            [waiting.slab for waiting in sock.pending],
        )
    for file in open_files(k):
        context = file.inode.i_flctx
        if context is not None and context.slabs:
            state[context.wait.name] = (list(context.posix), list(context.flock))
        if isinstance(file.private, UserfaultfdCtx):
            state[f"userfaultfd {file.private.slab:#x}"] = (
                file.private.features,
                [(one.task.pid, one.address, one.told) for one in file.private.faults],
            )
        if isinstance(file.private, LandlockRuleset):
            made = file.private
            rules = sorted((inode.ino, allowed) for inode, allowed in made.rules.items())
            state[f"landlock_ruleset {made.slab:#x}"] = (rules, dict(made.ports))
        if isinstance(file.private, FsContext):
            fc = file.private
            state[f"fs_context {fc.slab:#x}"] = (fc.phase.name, dict(fc.values), fc.source)
        if isinstance(file.private, EventPoll):
            state[f"epoll {file.private.slab:#x}"] = (
                [(item.fd, item.events, item.data) for item in file.private.items],
                [item.fd for item in file.private.rdllist],
            )
    state["mounts"] = [
        (mnt.slab, mnt.sb.s_dev, mnt.sb.read_only, mnt.flags, mnt.mountpoint.name)
        if mnt.mountpoint is not None
        else (mnt.slab, mnt.sb.s_dev, mnt.sb.read_only, mnt.flags, "")
        for mnt in chain.from_iterable(map(all_mounts, mount_roots(k)))
    ]
    fs = k.files.fs
    for sb in (*fs.super_blocks(), fs.pipefs, fs.shm):
        kept = sb is fs.pipefs and k.files.anon_inode is not None  # made once, for good
        state[f"{sb.s_type} {sb.s_dev}"] = (sb.s_inodes - kept, sb.s_bytes)
    return state
