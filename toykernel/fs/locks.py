"""Locks on files (fs/locks.c): POSIX ones by process, OFD and flock ones by open file.

A POSIX lock belongs to a table of descriptors and goes when that closes any descriptor of the file; the
others belong to the open file and go with it. Whoever waits sleeps on the file's queue, and looks again when
a lock goes.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    EAGAIN,
    EBADF,
    EDEADLK,
    EINVAL,
    ENOLCK,
    EOVERFLOW,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.file import File, FilesStruct, current_files, fget_open
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.signal_types import RLIMIT_LOCKS, signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.fs.leases import Lease
    from toykernel.state import Kernel

F_RDLCK, F_WRLCK, F_UNLCK = range(3)
LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN = 1, 2, 4, 8
OFFSET_MAX = (1 << 63) - 1
_FLOCK, _FLOCK64 = struct.Struct("<hhiii"), struct.Struct("<hhqqi")


@dataclass(frozen=True)
class FileLock:
    """struct file_lock: from `start` to `end`, both included. `pid` is the process's, -1 of an OFD lock."""

    owner: FilesStruct | File
    kind: int
    start: int
    end: int
    pid: int

    def overlaps(self, other: FileLock) -> bool:
        """Whether the two have a byte in common."""
        return self.start <= other.end and other.start <= self.end

    def conflicts(self, other: FileLock) -> bool:
        """Whether the two cannot be held at once."""
        return (
            self.owner is not other.owner
            and self.overlaps(other)
            and F_WRLCK in (self.kind, other.kind)
        )


@dataclass(eq=False)
class FileLockContext:
    """struct file_lock_context: the locks on one file, in order of their start; who waits for one.
    `slabs` are the addresses of the records, one for each lock."""

    wait: WaitQueue
    posix: list[FileLock] = field(default_factory=list)
    flock: list[FileLock] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    slabs: list[int] = field(default_factory=list)

    def hold(self, k: Kernel, posix: list[FileLock], flock: list[FileLock]) -> None:
        """These are the locks from now on. Raises Errno(ENOLCK) without memory for one more."""
        cache, missing = k.memory.slabs.file_lock, len(posix) + len(flock) - len(self.slabs)
        with ExitStack() as undo:
            made = []
            for _ in range(missing):
                try:
                    slab = cache.alloc(k)
                except Errno:
                    raise Errno(ENOLCK) from None
                undo.callback(cache.free, k, slab)
                made.append(slab)
            undo.pop_all()
        self.slabs += made
        for _ in range(-missing):
            cache.free(k, self.slabs.pop())
        self.posix, self.flock = posix, flock

    def closing(self, k: Kernel, file: File, files: FilesStruct) -> None:
        """locks_remove_posix: a descriptor of the file is closed."""
        kept = [lock for lock in self.posix if lock.owner is not files]
        if len(kept) != len(self.posix):
            self.hold(k, kept, self.flock)
            wake_up(k, self.wait)

    def released(self, k: Kernel, file: File) -> None:
        """locks_remove_file: the open file is gone."""
        held, leases = len(self.slabs), len(self.leases)
        for lease in [lease for lease in self.leases if lease.file is file]:
            self.leases.remove(lease)
            k.memory.slabs.file_lease.free(k, lease.slab)
        self.hold(
            k,
            [lock for lock in self.posix if lock.owner is not file],
            [lock for lock in self.flock if lock.owner is not file],
        )
        if len(self.slabs) != held or len(self.leases) != leases:
            wake_up(k, self.wait)


def lock_context(inode: Inode) -> FileLockContext:
    """The file's locks; the record is made when the first is asked for."""
    context = inode.i_flctx
    if context is None:
        context = inode.i_flctx = FileLockContext(WaitQueue(f"locks of inode {inode.ino}"))
    assert isinstance(context, FileLockContext)
    return context


# -- ranges ----------------------------------------------------------------------------------------


def posix_lock(held: list[FileLock], new: FileLock) -> list[FileLock]:
    """The locks after an owner has set (or F_UNLCK: taken away) a range: its own ones are cut, and joined
    with those of the same kind that touch it.
    """
    kept = []
    for lock in held:
        if lock.owner is not new.owner:
            kept.append(lock)
            continue
        touches = lock.kind == new.kind and lock.start <= new.end + 1 and new.start <= lock.end + 1
        if touches:
            new = replace(new, start=min(lock.start, new.start), end=max(lock.end, new.end))
            continue
        if not lock.overlaps(new):
            kept.append(lock)
            continue
        if lock.start < new.start:
            kept.append(replace(lock, end=new.start - 1))
        if lock.end > new.end:
            kept.append(replace(lock, start=new.end + 1))
    if new.kind != F_UNLCK:
        kept.append(new)
    return sorted(kept, key=lambda lock: lock.start)


def _range(file: File, whence: int, start: int, length: int) -> tuple[int, int]:
    """flock_to_posix_lock: first and last byte. Raises Errno(EINVAL), Errno(EOVERFLOW)."""
    if whence not in (0, 1, 2):
        raise Errno(EINVAL)
    start += (0, file.pos, file.inode.size)[whence]
    if start > OFFSET_MAX:
        raise Errno(EOVERFLOW)
    if start < 0:
        raise Errno(EINVAL)
    if length > 0:
        if length - 1 > OFFSET_MAX - start:
            raise Errno(EOVERFLOW)
        return start, start + length - 1
    if length < 0:
        if start + length < 0:
            raise Errno(EINVAL)
        return start + length, start - 1
    return start, OFFSET_MAX


# -- fcntl -----------------------------------------------------------------------------------------


def _request(k: Kernel, file: File, arg: int, *, wide: bool, ofd: bool) -> FileLock:
    form = _FLOCK64 if wide else _FLOCK
    kind, whence, start, length, pid = form.unpack(copy_from_user(k, arg, form.size))
    if ofd and pid:
        raise Errno(EINVAL)
    if kind not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise Errno(EINVAL)
    first, last = _range(file, whence, start, length)
    owner: FilesStruct | File = file if ofd else current_files(k)
    return FileLock(owner, kind, first, last, -1 if ofd else k.current.tgid)


def fcntl_getlk(k: Kernel, file: File, arg: int, *, wide: bool, ofd: bool) -> int:
    """F_GETLK: the first lock that is in the way, or F_UNLCK. EINVAL, EFAULT, EOVERFLOW."""
    asked = _request(k, file, arg, wide=wide, ofd=ofd)
    if asked.kind == F_UNLCK and not ofd:
        raise Errno(EINVAL)
    form = _FLOCK64 if wide else _FLOCK
    context = lock_context(file.inode)
    if asked.kind == F_UNLCK:  # which asks for one's own locks (6.3)
        own = (lock for lock in context.posix if lock.owner is asked.owner)
        found = next((lock for lock in own if lock.overlaps(asked)), None)
    else:
        found = next((lock for lock in context.posix if lock.conflicts(asked)), None)
    if found is None:
        copy_to_user(k, arg, struct.pack("<h", F_UNLCK))
        return 0
    length = 0 if found.end == OFFSET_MAX else found.end - found.start + 1
    if not wide and max(found.start, length) > 0x7FFFFFFF:
        raise Errno(EOVERFLOW)
    task = k.processes.pids.tasks.get(found.pid)
    pid = found.pid
    if task is not None:
        pid = task_pid_vnr(k, task)
    copy_to_user(k, arg, form.pack(found.kind, 0, found.start, length, pid))
    return 0


def fcntl_setlk(k: Kernel, file: File, arg: int, *, wide: bool, ofd: bool, wait: bool) -> Result:
    """F_SETLK and F_SETLKW: set or take away. EAGAIN, EBADF, EDEADLK, EINVAL, ENOLCK, EFAULT."""
    asked = _request(k, file, arg, wide=wide, ofd=ofd)
    if (asked.kind == F_RDLCK and not file.readable) or (
        asked.kind == F_WRLCK and not file.writable
    ):
        raise Errno(EBADF)
    return _set_posix(k, file, asked, wait)


def _set_posix(k: Kernel, file: File, asked: FileLock, wait: bool) -> Result:
    context = lock_context(file.inode)
    if asked.kind != F_UNLCK:
        blocker = next((lock for lock in context.posix if lock.conflicts(asked)), None)
        if blocker is not None:
            if not wait:
                raise Errno(EAGAIN)
            if asked.pid != -1 and _deadlock(k, asked, blocker):
                raise Errno(EDEADLK)
            if signal_pending(k.current):
                raise Errno(ERESTARTSYS)
            k.files.lock_waits[k.current.pid] = (asked.owner, blocker.owner)
            reason = f"a lock on inode {file.inode.ino}"
            return Wait((context.wait,), lock_again, (file, asked), reason, holds=(file,))
        if len(context.posix) >= k.current.signal.rlim[RLIMIT_LOCKS][0]:
            raise Errno(ENOLCK)
    before = context.posix
    context.hold(k, posix_lock(before, asked), context.flock)
    if context.posix != before:
        wake_up(k, context.wait)
    return 0


def lock_again(k: Kernel, file: File, asked: FileLock) -> Result:
    """A lock has gone, or a signal has come."""
    k.files.lock_waits.pop(k.current.pid, None)
    return _set_posix(k, file, asked, True)


def _deadlock(k: Kernel, asked: FileLock, blocker: FileLock) -> bool:
    """posix_locks_deadlock: whether the one in the way waits, over however many, for who asks."""
    owner = blocker.owner
    for _ in range(10):  # MAX_DEADLK_ITERATIONS
        waits = k.files.lock_waits.values()
        following = next((whom for who, whom in waits if who is owner), None)
        if following is None:
            return False
        if following is asked.owner:
            return True
        owner = following
    return False


# -- flock -----------------------------------------------------------------------------------------


@syscall(143, "fd:fd operation:flock_operation")
def sys_flock(k: Kernel, fd: int, operation: int) -> Result:
    """flock: a lock on the whole file by open file, shared or not. EAGAIN, EINVAL, EBADF."""
    kind = {LOCK_SH: F_RDLCK, LOCK_EX: F_WRLCK, LOCK_UN: F_UNLCK}.get(operation & ~LOCK_NB)
    if kind is None:
        raise Errno(EINVAL)
    file = fget_open(k, fd)
    if kind != F_UNLCK and not (file.readable or file.writable):
        raise Errno(EBADF)
    asked = FileLock(file, kind, 0, OFFSET_MAX, k.current.tgid)
    return flock_lock(k, file, asked, not operation & LOCK_NB)


def flock_lock(k: Kernel, file: File, asked: FileLock, wait: bool) -> Result:
    """Set it; the one that the open file has goes first, whether or not there will be another."""
    context = lock_context(file.inode)
    own = next((lock for lock in context.flock if lock.owner is file), None)
    if own is not None and own.kind == asked.kind:
        return 0
    if own is not None:
        others = [lock for lock in context.flock if lock is not own]
        context.hold(k, context.posix, others)
        wake_up(k, context.wait)
    if asked.kind == F_UNLCK:
        return 0
    if any(lock.conflicts(asked) for lock in context.flock):
        if not wait:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        reason = f"flock on inode {file.inode.ino}"
        return Wait((context.wait,), flock_lock, (file, asked, True), reason, holds=(file,))
    context.hold(k, context.posix, [*context.flock, asked])
    return 0
