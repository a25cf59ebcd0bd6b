"""Pipes (fs/pipe.c): 16 pages of bytes between whoever writes and whoever reads."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    EAGAIN,
    EBADF,
    EBUSY,
    EINVAL,
    ENOMEM,
    EPERM,
    EPIPE,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.chrdev import no_llseek
from toykernel.fs.file import (
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
    File,
    FileOperations,
    fd_install,
    get_empty_filp,
    get_unused_fd,
)
from toykernel.fs.inode import S_IFIFO
from toykernel.fs.splice import PipeBuffer, consume, peek
from toykernel.kernel.cred import CAP_SYS_RESOURCE, capable
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_signal, signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up

if TYPE_CHECKING:
    from toykernel.state import Kernel

PIPE_BUF = 4096
PIPE_SIZE = 16 * 4096
PIPE_BUFFER_BYTES = 24  # struct pipe_buffer: one for each page
KMALLOC_MAX_SIZE = 4 << 20


@dataclass(eq=False)
class Pipe:
    """struct pipe_inode_info: the bytes on their way, and how many opens there are of each end."""

    slab: int
    wait: WaitQueue
    data: bytearray = field(default_factory=bytearray)
    pages: list[PipeBuffer] = field(default_factory=list)  # parts of `data` that are user pages
    readers: int = 1
    writers: int = 1
    capacity: int = PIPE_SIZE


def _pipe(file: File) -> Pipe:
    pipe = file.inode.pipe
    assert pipe is not None
    return pipe


def pipe_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """What there is, up to `count` bytes; sleeps while there is nothing and somebody can write."""
    pipe = _pipe(file)
    if not count:
        return 0
    if pipe.data:
        data = peek(k, pipe, count)
        copy_to_user(k, buf, data)
        consume(k, pipe, len(data))
        wake_up(k, pipe.wait)
        return len(data)
    if not pipe.writers:
        return 0
    if file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    reason = f"read of the empty {pipe.wait.name}"
    return Wait(pipe.wait, pipe_read, (file, buf, count), reason)


def pipe_write(k: Kernel, file: File, buf: int, count: int) -> Result:
    """All of it, sleeping while the pipe is full; up to PIPE_BUF bytes stay together."""
    return pipe_write_more(k, file, buf, count, 0)


def pipe_write_more(k: Kernel, file: File, buf: int, count: int, written: int) -> Result:
    """One go; also how a writer goes on."""
    pipe = _pipe(file)
    while written < count:
        if not pipe.readers:
            send_signal(k, k.current, SIGPIPE, {"si_code": 0})
            if written:
                return written
            raise Errno(EPIPE)
        room, left = pipe.capacity - len(pipe.data), count - written
        part = min(room, left, PIPE_BUF)
        if part and (count > PIPE_BUF or room >= left):
            try:
                pipe.data += copy_from_user(k, buf + written, part)
            except Errno:
                if written:
                    return written
                raise
            written += part
            wake_up(k, pipe.wait)
            continue
        if file.flags & O_NONBLOCK:
            if written:
                return written
            raise Errno(EAGAIN)
        if signal_pending(k.current):
            if written:
                return written
            raise Errno(ERESTARTSYS)
        reason = f"write to the full {pipe.wait.name}"
        return Wait(pipe.wait, pipe_write_more, (file, buf, count, written), reason)
    return written


def bad_transfer(k: Kernel, file: File, buf: int, count: int) -> Result:
    """The wrong end; descriptors are checked before, so nobody gets here."""
    raise Errno(EINVAL)


def release_reader(k: Kernel, file: File) -> None:
    """An end for reading is closed; a writer that sleeps learns of it."""
    pipe = _pipe(file)
    pipe.readers -= 1
    _release(k, file, pipe)


def release_writer(k: Kernel, file: File) -> None:
    """An end for writing is closed: the end of the file for the last reader."""
    pipe = _pipe(file)
    pipe.writers -= 1
    _release(k, file, pipe)


def _release(k: Kernel, file: File, pipe: Pipe) -> None:
    wake_up(k, pipe.wait)
    if not pipe.readers and not pipe.writers:
        consume(k, pipe, len(pipe.data))
        file.inode.pipe = None
        k.memory.slabs.pipe.free(k, pipe.slab)


READ_END = FileOperations(pipe_read, bad_transfer, no_llseek, release_reader)
WRITE_END = FileOperations(bad_transfer, pipe_write, no_llseek, release_writer)


def do_pipe(k: Kernel, fildes: int, flags: int) -> int:
    """Two descriptors, stored at `fildes`. Raises Errno, leaving nothing."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(EINVAL)
    cred = k.current.cred
    with ExitStack() as undo:
        slab = k.memory.slabs.pipe.alloc(k)
        inode = k.files.fs.new_inode(S_IFIFO | 0o600, cred.fsuid, cred.fsgid)
        inode.pipe = Pipe(slab, WaitQueue(f"pipe {inode.ino}"), readers=0, writers=0)
        undo.callback(k.memory.slabs.pipe.free, k, slab)
        status, path = flags & O_NONBLOCK, f"pipe:[{inode.ino}]"
        reader = get_empty_filp(k, inode, READ_END, O_RDONLY | status, path)
        undo.callback(k.memory.slabs.filp.free, k, reader.slab)
        writer = get_empty_filp(k, inode, WRITE_END, O_WRONLY | status, path)
        undo.callback(k.memory.slabs.filp.free, k, writer.slab)
        first = get_unused_fd(k)
        second = get_unused_fd(k, first + 1)
        copy_to_user(k, fildes, struct.pack("<2i", first, second))
        undo.pop_all()
    inode.pipe.readers = inode.pipe.writers = 1
    cloexec = bool(flags & O_CLOEXEC)
    fd_install(k, first, reader, cloexec=cloexec)
    fd_install(k, second, writer, cloexec=cloexec)
    return 0


def pipe_fcntl(k: Kernel, file: File, size: int | None) -> int:
    """F_GETPIPE_SZ, or F_SETPIPE_SZ with a size: how many bytes fit. Raises Errno.

    A power of two of pages, at least one. No page that is in use is taken away (EBUSY), only a privileged
    caller goes over pipe-max-size (EPERM), and the array of pages must be one that kmalloc has (ENOMEM).
    """
    pipe = file.inode.pipe
    if pipe is None:
        raise Errno(EBADF)
    if size is None:
        return pipe.capacity
    if size > 1 << 31:
        raise Errno(EINVAL)
    pages = 1 << max(-(-size // PAGE_SIZE) - 1, 0).bit_length()
    if pages * PAGE_SIZE > k.files.pipe_max_size and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EPERM)
    if pages * PAGE_SIZE < len(pipe.data):
        raise Errno(EBUSY)
    if pages * PIPE_BUFFER_BYTES > KMALLOC_MAX_SIZE:
        raise Errno(ENOMEM)
    pipe.capacity = pages * PAGE_SIZE
    wake_up(k, pipe.wait)  # there may be room now
    return pipe.capacity


def sys_pipe(k: Kernel, fildes: int) -> int:
    """pipe."""
    return do_pipe(k, fildes, 0)


def sys_pipe2(k: Kernel, fildes: int, flags: int) -> int:
    """pipe2: with O_CLOEXEC and O_NONBLOCK."""
    return do_pipe(k, fildes, flags)
