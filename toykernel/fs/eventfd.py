"""eventfd (fs/eventfd.c): a counter of 64 bits that one side adds to and the other takes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EAGAIN, EINVAL, ERESTARTSYS, Errno
from toykernel.fs.anon_inodes import anon_inode_getfile, noop_llseek
from toykernel.fs.file import O_CLOEXEC, O_NONBLOCK, O_RDWR, File, fd_install, get_unused_fd
from toykernel.fs.operations import POLLERR, POLLIN, POLLOUT, FileOperations
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

EFD_SEMAPHORE, EFD_CLOEXEC, EFD_NONBLOCK = 1, O_CLOEXEC, O_NONBLOCK
ULLONG_MAX = (1 << 64) - 1


@dataclass(eq=False)
class EventfdCtx:
    """struct eventfd_ctx; with EFD_SEMAPHORE a read takes one."""

    slab: int
    wait: WaitQueue
    count: int
    semaphore: bool
    ident: int = 0  # for /proc/PID/fdinfo: the lowest that no other has


def _context(file: File) -> EventfdCtx:
    assert isinstance(file.private, EventfdCtx)
    return file.private


def eventfd_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """8 bytes: the count, which becomes 0, or 1 of a semaphore; waits while it is 0.

    EINVAL for a smaller buffer, EAGAIN with O_NONBLOCK.
    """
    ctx = _context(file)
    if count < 8:
        raise Errno(EINVAL)
    if not ctx.count:
        if file.flags & O_NONBLOCK:
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            raise Errno(ERESTARTSYS)
        args = (file, buf, count)
        return Wait((ctx.wait,), eventfd_read, args, "read of an eventfd that is 0", holds=(file,))
    taken = 1 if ctx.semaphore else ctx.count
    ctx.count -= taken
    wake_up(k, ctx.wait, key=POLLOUT)
    copy_to_user(k, buf, taken.to_bytes(8, "little"))
    return 8


def eventfd_write(k: Kernel, file: File, buf: int, count: int) -> Result:
    """Add 8 bytes to the count; waits while it would pass 2**64 - 2.

    EINVAL for less than 8 bytes or 2**64 - 1, EAGAIN with O_NONBLOCK.
    """
    ctx = _context(file)
    if count < 8:
        raise Errno(EINVAL)
    added = int.from_bytes(copy_from_user(k, buf, 8), "little")
    if added == ULLONG_MAX:
        raise Errno(EINVAL)
    if ULLONG_MAX - ctx.count > added:
        ctx.count += added
        wake_up(k, ctx.wait, key=POLLIN)
        return 8
    if file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    args = (file, buf, count)
    return Wait((ctx.wait,), eventfd_write, args, "write to a full eventfd", holds=(file,))


def eventfd_signal(k: Kernel, ctx: EventfdCtx) -> None:
    """The kernel adds one, and never waits: a full counter stays at 2**64 - 1."""
    ctx.count = min(ctx.count + 1, ULLONG_MAX)
    wake_up(k, ctx.wait, key=POLLIN)


def eventfd_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLLIN above 0, POLLOUT while 1 can be added."""
    ctx = _context(file)
    pt.append(ctx.wait)
    mask = POLLIN if ctx.count else 0
    if ctx.count == ULLONG_MAX:
        mask |= POLLERR
    return mask | POLLOUT if ctx.count < ULLONG_MAX - 1 else mask


def eventfd_release(k: Kernel, file: File) -> None:
    """The last open is gone, and the counter with it."""
    ctx = _context(file)
    k.files.eventfd_ids.discard(ctx.ident)
    k.memory.slabs.eventfd.free(k, ctx.slab)


def eventfd_fdinfo(k: Kernel, file: File) -> str:
    """The count, the counter's number, and whether it is a semaphore (6.1, 6.5)."""
    ctx = _context(file)
    return f"eventfd-count: {ctx.count:16x}\neventfd-id: {ctx.ident}\neventfd-semaphore: {ctx.semaphore:d}\n"


EVENTFD = FileOperations(
    "toykernel.fs.eventfd:EVENTFD",
    read=eventfd_read,
    llseek=noop_llseek,
    write=eventfd_write,
    poll=eventfd_poll,
    release=eventfd_release,
    show_fdinfo=eventfd_fdinfo,
)


@syscall(328, "initval:uint flags:hex")
def sys_eventfd2(k: Kernel, count: int, flags: int) -> int:
    """eventfd2: a descriptor of a new counter. EINVAL for another flag, EMFILE, ENOMEM."""
    if flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE):
        raise Errno(EINVAL)
    with ExitStack() as undo:
        slab = k.memory.slabs.eventfd.alloc(k)
        undo.callback(k.memory.slabs.eventfd.free, k, slab)
        fd = get_unused_fd(k)
        ctx = EventfdCtx(slab, WaitQueue("eventfd"), count, bool(flags & EFD_SEMAPHORE))
        file = anon_inode_getfile(k, "[eventfd]", EVENTFD, ctx, O_RDWR | flags & O_NONBLOCK)
        undo.pop_all()
    ids = k.files.eventfd_ids
    ctx.ident = next(n for n in range(len(ids) + 1) if n not in ids)
    ids.add(ctx.ident)
    return fd_install(k, fd, file, cloexec=bool(flags & EFD_CLOEXEC))


@syscall(323, "initval:uint")
def sys_eventfd(k: Kernel, count: int) -> int:
    """eventfd: eventfd2 without flags."""
    return sys_eventfd2(k, count, 0)
