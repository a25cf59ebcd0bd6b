"""Copies between two open files without the program's memory (fs/read_write.c): sendfile and
copy_file_range, and what they share with splice.

The bytes go through a page of the kernel's own (`copy_bytes`): what has been read and does not fit is put
back by its offset, or never taken out of a pipe.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import (
    EAGAIN,
    EBADF,
    EINVAL,
    EISDIR,
    EOVERFLOW,
    EPIPE,
    ERESTARTSYS,
    ESPIPE,
    ETXTBSY,
    Errno,
)
from toykernel.fs.attr import file_accessed, file_remove_privs, touch_mtime
from toykernel.fs.file import O_APPEND, O_NONBLOCK, File, fget_open
from toykernel.fs.fsnotify import fsnotify_both
from toykernel.fs.inode import F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_WRITE, S_IFREG
from toykernel.fs.operations import POLLIN, POLLRDNORM
from toykernel.fs.pipe_fs_i import PIPE_DEF_BUFFERS, Pipe, PipeBuffer
from toykernel.fs.read_write import MAX_RW_COUNT
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.mm.file_bytes import FileBytes
    from toykernel.state import Kernel

#: Where a copy stands: the file's own position, or an offset of the caller's.
Offset = int | None


def _contents(file: File) -> FileBytes:
    """The bytes of a regular file. Raises Errno(EINVAL) for another kind."""
    mapping = file.inode.i_mapping
    if file.inode.type != S_IFREG or mapping is None or mapping.contents is None:
        raise Errno(EINVAL)
    return mapping.contents


def read_file(k: Kernel, file: File, pos: int, count: int) -> bytes | None:
    """Bytes of a regular file, those stored through a mapping included, or of what gives its bytes itself;
    None when it has none yet."""
    if file.op.splice_read is not None:
        return file.op.splice_read(k, file, pos, count)
    contents = _contents(file)
    assert file.inode.i_mapping is not None
    file.inode.i_mapping.write_back(k, pos, count)
    file_accessed(k, file)
    return contents.read(pos, count)


def write_file(k: Kernel, file: File, pos: int, data: bytes) -> int:
    """Store bytes in a regular file. Raises Errno(ENOSPC), Errno(EINVAL), Errno(EPERM) by a seal."""
    contents, inode = _contents(file), file.inode
    grows = inode.seals & F_SEAL_GROW and pos + len(data) > inode.size
    if inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) or grows:
        raise Errno(EINVAL)
    assert inode.i_mapping is not None
    inode.i_mapping.write_back(k)
    inode.i_sb.take_bytes(contents.missing(pos, len(data)) * PAGE_SIZE)
    contents.write(pos, data)
    inode.i_mapping.wrote(k, pos, len(data))
    file_remove_privs(k, inode)
    touch_mtime(k, inode)
    return len(data)


def is_cached(file: File) -> bool:
    """Whether its bytes are a page cache's; what is written to any other file is its own affair."""
    return file.inode.type == S_IFREG and file.inode.i_mapping is not None


def pipe_of(file: File) -> Pipe | None:
    return file.inode.private if isinstance(file.inode.private, Pipe) else None


# -- into a pipe -----------------------------------------------------------------------------------


def room_in(k: Kernel, pipe: Pipe) -> bool:
    """Whether a page fits. Raises Errno(EPIPE), after SIGPIPE, when nobody reads."""
    if not pipe.readers:
        send_sig(k, SIGPIPE, k.current)
        raise Errno(EPIPE)
    return not pipe.full


def fill_pipe(k: Kernel, pipe: Pipe, data: bytes, *, packet: bool = False) -> None:
    """One more buffer. A packet of another pipe is one here, too."""
    pipe.bufs.append(PipeBuffer(0, len(data), bytearray(data), packet=packet))
    wake_up(k, pipe.wait, key=POLLIN | POLLRDNORM)


def wait_for_pipe(
    k: Kernel, pipe: Pipe, nonblock: bool, resume: object, args: tuple[object, ...], what: str
) -> Wait:
    """Sleep until the pipe has changed. Raises Errno(EAGAIN), Errno(ERESTARTSYS)."""
    if nonblock:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    assert callable(resume)
    holds = tuple(each for each in args if isinstance(each, File))
    return Wait((pipe.wait,), resume, args, f"{what} of {pipe.wait.name}", holds=holds)


def wait_for_source(
    k: Kernel, source: File, nonblock: bool, resume: object, args: tuple[object, ...]
) -> Wait:
    """Sleep until what has no bytes yet has some: a socket. Raises Errno(EAGAIN), Errno(ERESTARTSYS)."""
    if nonblock or source.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    queues: list[WaitQueue] = []
    source.op.poll(k, source, queues)
    assert callable(resume)
    holds = tuple(each for each in args if isinstance(each, File))
    return Wait(tuple(queues), resume, args, "splice from an empty socket", holds=holds)


def moves(file: File) -> bool:
    """Whether what is taken out of it moves a position; a device's stays where it is."""
    return file.inode.type == S_IFREG


# -- sendfile --------------------------------------------------------------------------------------


def do_sendfile(
    k: Kernel, out_fd: int, in_fd: int, offset: Offset, count: int, limit: int
) -> Result:
    """Bytes of a regular file into any open file, none from `limit` on. Raises Errno(EOVERFLOW) there."""
    source = fget_open(k, in_fd)
    if not source.readable:
        raise Errno(EBADF)
    if offset is not None and pipe_of(source) is not None:
        raise Errno(ESPIPE)
    pos = source.pos if offset is None else offset
    if pos < 0 or pos + count >= 1 << 63:
        raise Errno(EINVAL)
    target = fget_open(k, out_fd)
    if not target.writable:
        raise Errno(EBADF)
    if source.inode.is_dir:
        raise Errno(EINVAL)
    if source.op.splice_read is None:
        _contents(source)
    if target.flags & O_APPEND:
        raise Errno(EINVAL)
    if pos + count > limit and pos >= limit:
        raise Errno(EOVERFLOW)
    result = send_some(k, source, target, pos, min(count, limit - pos), 0)
    return fsnotify_both(k, source, target, result)


def send_some(k: Kernel, source: File, target: File, pos: int, count: int, done: int) -> Result:
    """As much as a pipe holds at a time, from `pos`; what has been sent when no more fits."""
    count = min(count, MAX_RW_COUNT)
    pipe = pipe_of(target)
    while done < count:
        piece = PAGE_SIZE if pipe is not None else PIPE_DEF_BUFFERS * PAGE_SIZE
        data = read_file(k, source, pos + done, min(count - done, piece))
        if data is None:
            if done and pipe is not None:
                break
            try:
                args = (source, target, pos, count, done)
                return wait_for_source(k, source, False, send_some, args)
            except Errno:
                if done:
                    break
                raise
        if not data:
            break
        if pipe is not None:
            if not room_in(k, pipe):
                if done:
                    break
                args = (source, target, pos, count, done)
                nonblock = bool(target.flags & O_NONBLOCK)
                return wait_for_pipe(k, pipe, nonblock, send_some, args, "sendfile to the end")
            fill_pipe(k, pipe, data)
        elif is_cached(target):
            write_file(k, target, target.pos, data)
            target.pos += len(data)
        else:
            sent = target.op.splice_write(k, target, data)
            if isinstance(sent, Wait):
                return _splice_wait(source, target, pos, count, done, sent)
        done += len(data)
    return done


def _splice_wait(source: File, target: File, pos: int, count: int, done: int, sent: Wait) -> Wait:
    args = (source, target, pos, count, done, sent.resume, sent.args)
    return Wait(sent.queues, splice_woken, args, sent.reason, holds=(source, target))


def splice_woken(
    k: Kernel,
    source: File,
    target: File,
    pos: int,
    count: int,
    done: int,
    resume: Callable[..., Result],
    args: tuple[object, ...],
) -> Result:
    """What takes the bytes had no room, and may have some now; an error counts less than what was sent."""
    try:
        sent = resume(k, *args)
    except Errno:
        if done:
            return done
        raise
    if isinstance(sent, Wait):
        return _splice_wait(source, target, pos, count, done, sent)
    return send_some(k, source, target, pos, count, done + sent)


def offset_at(k: Kernel, address: int, size: int) -> Offset:
    if not address:
        return None
    return int.from_bytes(copy_from_user(k, address, size), "little", signed=True)


@syscall(187, "out_fd:fd in_fd:fd offset:address count:size")
def sys_sendfile(k: Kernel, out_fd: int, in_fd: int, offset: int, count: int) -> Result:
    """sendfile: bytes of a regular file into another file, from its position or from one in memory. EBADF,
    EINVAL, ESPIPE, EFAULT, EOVERFLOW beyond 31 bits.
    """
    return _sendfile(k, out_fd, in_fd, offset, count, 4)


@syscall(239, "out_fd:fd in_fd:fd offset:address count:size")
def sys_sendfile64(k: Kernel, out_fd: int, in_fd: int, offset: int, count: int) -> Result:
    """sendfile64: as sendfile, with a position of 64 bits."""
    return _sendfile(k, out_fd, in_fd, offset, count, 8)


def _sendfile(k: Kernel, out_fd: int, in_fd: int, offset: int, count: int, size: int) -> Result:
    start = offset_at(k, offset, size)
    limit = (1 << (8 * size - 1)) - 1 if start is not None else (1 << 63) - 1
    try:
        result = do_sendfile(k, out_fd, in_fd, start, count, limit)
    except Errno:
        if start is not None:  # it is written whatever has come of the call: EFAULT
            copy_to_user(k, offset, start.to_bytes(size, "little", signed=True))
        raise
    return _sent(k, in_fd, start, offset, size, result)


def _sent(k: Kernel, in_fd: int, start: Offset, address: int, size: int, result: Result) -> Result:
    """The position moves by what was sent."""
    if isinstance(result, Wait):
        args = (in_fd, start, address, size, result.resume, result.args)
        return Wait(result.queues, sent_later, args, result.reason, holds=result.holds)
    source = fget_open(k, in_fd)
    moved = result if moves(source) else 0
    if start is None:
        source.pos += moved
        return result
    copy_to_user(k, address, (start + moved).to_bytes(size, "little"))
    return result


def sent_later(
    k: Kernel,
    in_fd: int,
    start: Offset,
    address: int,
    size: int,
    resume: object,
    args: tuple[object, ...],
) -> Result:
    """The same after a sleep."""
    assert callable(resume)
    return _sent(k, in_fd, start, address, size, resume(k, *args))


# -- copy_file_range -------------------------------------------------------------------------------


@syscall(377, "fd_in:fd off_in:address fd_out:fd off_out:address len:size flags:hex")
def sys_copy_file_range(
    k: Kernel, fd_in: int, off_in: int, fd_out: int, off_out: int, length: int, flags: int
) -> int:
    """copy_file_range: bytes of one regular file into another, or into another part of itself. EBADF, EINVAL
    for a flag, an overlap or another kind of file, EISDIR, ETXTBSY, EOVERFLOW, EFAULT.
    """
    source, target = fget_open(k, fd_in), fget_open(k, fd_out)
    starts = (offset_at(k, off_in, 8), offset_at(k, off_out, 8))
    if flags:
        raise Errno(EINVAL)
    if source.inode.is_dir or target.inode.is_dir:
        raise Errno(EISDIR)
    if source.inode.type != S_IFREG or target.inode.type != S_IFREG:
        raise Errno(EINVAL)
    if not source.readable or not target.writable or target.flags & O_APPEND:
        raise Errno(EBADF)
    pos_in = source.pos if starts[0] is None else starts[0]
    pos_out = target.pos if starts[1] is None else starts[1]
    if target.inode.i_writecount < 0:
        raise Errno(ETXTBSY)
    if min(pos_in, pos_out) < 0:
        raise Errno(EINVAL)
    if pos_out + length > (1 << 63) - 1:
        raise Errno(EOVERFLOW)
    length = min(length, MAX_RW_COUNT, max(source.inode.size - pos_in, 0))
    if source.inode is target.inode and pos_in < pos_out + length and pos_out < pos_in + length:
        raise Errno(EINVAL)
    done = 0
    while done < length:
        data = read_file(k, source, pos_in + done, min(length - done, 16 * PAGE_SIZE))
        assert data is not None
        done += write_file(k, target, pos_out + done, data)
    for file, start, address in ((source, starts[0], off_in), (target, starts[1], off_out)):
        if start is None:
            file.pos += done
        else:
            copy_to_user(k, address, struct.pack("<q", start + done))
    return done
