"""What a step has touched: two steps of different tasks that have nothing in common can change places.

Everything that others can reach has a name here: the console, a pipe, the tree of files, the numbers of
processes, semaphores, a task (whoever wakes, signals, reaps or adopts it touches it), memory that is shared.
A step collects them while it runs, from the kernel's tracepoints. What cannot be judged has touched
everything: a look at /proc, which tells of others, a fork that fails at a limit that others move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from toykernel.explore.accesses import Accesses, shares_memory
from toykernel.fs.file import O_APPEND
from toykernel.fs.inode import S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, Inode
from toykernel.mm.mm_types import VM_SHARED
from toykernel.task import TASK_STOPPED, TASK_TRACED

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel
    from toykernel.task import Task

CONSOLE, PIDS, FILES, SEMAPHORES, FUTEXES = "console", "pids", "files", "semaphores", "futexes"
#: getpid, getuid, getgid, geteuid, getegid, getuid32 to getegid32, gettid, uname; pause, sched_yield.
_OWN = frozenset((20, 24, 47, 49, 50, 199, 200, 201, 202, 224, 122, 29, 158))
#: Of the address space or of the signals' handlers, which threads share: brk, munmap, mprotect; sigaction,
#: sgetmask, ssetmask, sigsuspend, sigreturn, sigprocmask, the same with rt_.
_OF_PROCESS = frozenset((45, 91, 125, 67, 68, 69, 72, 119, 126, 173, 174, 175, 179))
#: read, write, close, lseek, dup, dup2, readv, writev: of a descriptor; dup2 closes its second one.
_DESCRIPTORS = frozenset((3, 4, 6, 19, 41, 63, 145, 146))
_DUP2 = 63
#: read and readv; write and writev: what they do with a file that is mapped, others see in memory.
_READS, _WRITES = frozenset((3, 145)), frozenset((4, 146))
#: Bytes of a mapped file that are told word by word.
_TOLD = 1 << 16
_FORKS, _WAITS, _EXITS = frozenset((2, 120)), frozenset((7, 114)), frozenset((1, 252))
_MMAP2, _NO_FD = 192, 0xFFFFFFFF
_IPC, _SEMOP = 117, 1
#: FUTEX_WAIT without a time and FUTEX_WAKE, with or without FUTEX_PRIVATE_FLAG.
_FUTEX, _FUTEX_WAIT, _FUTEX_WAKE, _FUTEX_PRIVATE = 240, 0, 1, 128
#: open, creat, mkdir, rmdir, unlink, link, rename, symlink, readlink, access, stat64, lstat64, chmod.
_PATHS = frozenset((5, 8, 39, 40, 10, 9, 38, 83, 85, 33, 195, 196, 15))
_OPENS, _OPEN, _O_TRUNC = frozenset((5, 8)), 5, 0o1000
#: clone may share nothing but what it shares with fork.
_CSIGNAL = 0xFF


class Footprint(NamedTuple):
    """What one step has touched, and what of that it has written. `everything`: nobody knows."""

    touched: frozenset[Any]
    written: frozenset[Any]
    everything: bool = False

    def is_independent_of(self, other: Footprint) -> bool:
        """Whether the two can change places."""
        return (
            not (self.everything or other.everything)
            and self.written.isdisjoint(other.touched)
            and other.written.isdisjoint(self.touched)
        )


EVERYTHING = Footprint(frozenset(), frozenset(), everything=True)


@dataclass
class Footprints:
    """Listens to one kernel, from `begin` to `end` of each step."""

    k: Kernel
    accesses: Accesses | None  # who looks at memory that is shared; None: nobody
    _found: set[Any] = field(default_factory=set)
    looked: bool = False  # whether anybody has ever looked into /proc, which says who sleeps
    _everything: bool = False
    _time: int | None = None

    def listen(self) -> None:
        """From now on."""
        trace = self.k.host.trace
        listeners: tuple[tuple[list[Any], Callable[..., None]], ...] = (
            (trace.sys_enter, self._call),
            (trace.sys_exit, self._return),
            (trace.proc_look, self._look),
            (trace.sched_switch, self._switch),
            (trace.sched_wakeup, self._touch_task),
            (trace.process_fork, self._fork),
            (trace.process_exit, self._exit),
            (trace.release_task, self._touch_task),
            (trace.signal_generate, self._signal),
            (trace.signal_discard, self._signal),
            (trace.process_exec, self._exec),
        )
        for point, listener in listeners:
            if listener not in point:
                point.append(listener)

    def begin(self, task: Task | None) -> None:
        """A step of a task, as far as one is known; None: time passes."""
        self._found, self._everything, self._time = set(), False, self.k.time.stands
        if task is None:
            self._everything = True
        else:
            self._runs(task)

    def end(self) -> Footprint:
        """The step is over."""
        if self._everything or self.k.time.stands != self._time:
            return EVERYTHING
        touched = written = frozenset(self._found)
        if self.accesses is not None:
            touched |= self.accesses.touched.keys()
            written |= {word for word, write in self.accesses.touched.items() if write}
        return Footprint(touched, written)

    # -- what happens ------------------------------------------------------------------------------

    def _runs(self, task: Task) -> None:
        if task is self.k.sched.idle:
            return
        self._touch_task(task)
        unseen = self.accesses is None and shares_memory(task)
        if task.ptrace or task.ptraced or task.seccomp_mode or unseen:
            self._everything = True
        if task.syscall is not None:  # it goes on where it slept
            self._call(task, task.syscall, self.k.task_pt_regs(task).arguments())

    def _switch(self, _previous: Task, following: Task) -> None:
        self._runs(following)

    def _touch_task(self, task: Task) -> None:
        self._found.add(("task", task.pid))

    def _fork(self, _parent: Task, child: Task, flags: int) -> None:
        self._found.add(PIDS)
        self._touch_task(child)
        wrapped = any(task.pid > child.pid for task in self.k.processes.tasks)
        if flags & ~_CSIGNAL or wrapped:
            self._everything = True

    def _return(self, _task: Task, number: int, result: int) -> None:
        if number in _FORKS and result < 0:
            self._everything = True

    def _look(self) -> None:
        self.looked = self._everything = True

    def _signal(self, task: Task, _number: int, _info: dict[str, Any]) -> None:
        self._touch_task(task)

    def _exec(self, _task: Task, _path: str) -> None:
        self._everything = True

    def _exit(self, task: Task) -> None:
        """Its children find another parent, its own hears of it, and its files are closed."""
        for near in (task, task.parent, task.real_parent, *task.children):
            self._touch_task(near)
        if task.children:
            above = task.real_parent
            while above.pid:
                self._touch_task(above)
                above = above.real_parent
        stopped = TASK_STOPPED | TASK_TRACED
        if task.undo_list is not None or any(
            one.state & stopped for one in self.k.processes.tasks if not one.exit_state
        ):
            self._everything = True
        if len(task.signal.threads) > 1:
            self._found.add(("group", task.tgid))
        if task.signal.leader or task.signal.flags or task.files is None:
            self._everything = True
            return
        for file in task.files.fd.values():
            self._file(file)

    def _call(self, task: Task, number: int, args: list[int]) -> None:
        if number in _OWN or number in _FORKS or number in _EXITS:
            return
        alone = task.mm is not None and task.mm.mm_users == 1 and len(task.signal.threads) == 1
        if number in _OF_PROCESS or (number == _MMAP2 and args[4] == _NO_FD):
            self._everything |= not alone
        elif number in _WAITS:
            for thread in task.signal.threads:
                for child in thread.children:
                    self._touch_task(child)
        elif number in _DESCRIPTORS and task.files is not None and task.files.count == 1:
            for fd in args[: 2 if number == _DUP2 else 1]:
                file = task.files.fd.get(fd)
                if file is not None:
                    self._file(file)
                    self._bytes(task, file, number, args[2])
        elif number in _PATHS:
            self._found.add(FILES)
            if number in _OPENS and (number != _OPEN or args[1] & _O_TRUNC):
                self._everything |= any(map(_maps_file, self.k.processes.tasks))
        elif number == _IPC and args[0] & 0xFFFF == _SEMOP:
            self._found.add(SEMAPHORES)
        elif number == _FUTEX and (
            args[1] & ~_FUTEX_PRIVATE == _FUTEX_WAKE
            or (args[1] & ~_FUTEX_PRIVATE == _FUTEX_WAIT and not args[3])
        ):
            self._found.add(FUTEXES)
        else:
            self._everything = True

    def _bytes(self, task: Task, file: File, number: int, count: int) -> None:
        """Of a file that somebody maps: they are words of memory, and of private mappings nobody knows."""
        mapping = file.inode.i_mapping
        if mapping is None or not mapping.i_mmap or number not in _READS | _WRITES:
            return
        writes = number in _WRITES
        left = mapping.size if writes and file.flags & O_APPEND else file.pos
        end = left + (count if number in (3, 4) else _TOLD)
        if not writes:
            end = min(end, mapping.size)
        if self.accesses is not None and left < end <= left + _TOLD:
            self.accesses.by_call(task, mapping, left, end, writes)
        self._everything |= writes or end > left + _TOLD or number not in (3, 4)

    def _file(self, file: File) -> None:
        kind = file.inode.mode & S_IFMT
        if file.inode.i_flctx is not None or file.f_ep or file.f_owner[1]:
            self._everything = True
        elif kind == S_IFCHR:
            self._found.add(CONSOLE)
        elif kind == S_IFIFO:
            self._found.add(("pipe", _number(file.inode)))
            if file.inode.i_sb is not self.k.files.fs.pipefs:  # it has a name, which can be opened
                self._found.add(FILES)
        elif kind in (S_IFREG, S_IFDIR):
            self._found.add(FILES)
        else:
            self._everything = True


def _maps_file(task: Task) -> bool:
    """Whether it would see in memory that a file becomes shorter."""
    return task.mm is not None and any(
        area.vm_flags & VM_SHARED and area.mapping is not None and area.mapping.host is not None
        for area in task.mm
    )


def _number(inode: Inode) -> tuple[int, int]:
    return inode.i_sb.s_dev, inode.ino
