"""splice and tee (fs/splice.c): bytes from or to a pipe, without the program's memory. And vmsplice, which
puts a program's pages into a pipe.

Until somebody reads it, such a piece of a pipe is a frame that the kernel holds: what the reader gets are
the bytes that are in the frame then.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EAGAIN, EBADF, EINVAL, EPIPE, ERESTARTSYS, ESPIPE, Errno
from toykernel.fs.file import O_APPEND, O_NONBLOCK, File, fget, fget_open
from toykernel.fs.operations import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, no_llseek
from toykernel.fs.pipe_fs_i import Pipe, PipeBuffer, consume, peek
from toykernel.fs.sendfile import (
    fill_pipe,
    is_cached,
    moves,
    offset_at,
    pipe_of,
    read_file,
    room_in,
    wait_for_pipe,
    wait_for_source,
    write_file,
)
from toykernel.fs.uio import import_iovec, transfer
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, wake_up
from toykernel.mm.gup import get_user_page
from toykernel.net.af_unix import UnixSock
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.state import Kernel

SPLICE_FLAGS = 15
SPLICE_F_MOVE, SPLICE_F_NONBLOCK, SPLICE_F_MORE, SPLICE_F_GIFT = 1, 2, 4, 8


@syscall(316, "fd:fd iov:address nr_segs:size flags:hex")
def sys_vmsplice(k: Kernel, fd: int, iov: int, nr_segs: int, flags: int) -> Result:
    """vmsplice: bytes that are in the pipe now; on the reading end, bytes taken out.

    EBADF for what is no pipe, EINVAL.
    """
    if flags & ~SPLICE_FLAGS:
        raise Errno(EINVAL)
    file = fget(k, fd)
    if not isinstance(file.inode.private, Pipe):
        raise Errno(EBADF)
    segments = import_iovec(k, iov, nr_segs)
    if not segments:
        return 0
    if file.writable:
        return _splice(k, file, segments, bool(flags & SPLICE_F_NONBLOCK))
    return transfer(k, file, segments, write=False)


def _splice(k: Kernel, file: File, segments: tuple[tuple[int, int], ...], nonblock: bool) -> Result:
    pipe = file.inode.private
    assert isinstance(pipe, Pipe)
    if not pipe.readers:
        send_sig(k, SIGPIPE, k.current)
        raise Errno(EPIPE)
    done = 0
    for base, length in segments:
        while length and not pipe.full:
            offset = base & (PAGE_SIZE - 1)
            part = min(length, PAGE_SIZE - offset)
            try:
                pfn = get_user_page(k, base)
            except Errno:
                if done:
                    return done
                raise
            pipe.bufs.append(PipeBuffer(offset, part, pfn=pfn))
            done += part
            base += part
            length -= part
    if done:
        wake_up(k, pipe.wait, key=POLLIN | POLLRDNORM)
        return done
    if nonblock:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    reason = f"vmsplice to the full {pipe.wait.name}"
    return Wait((pipe.wait,), _splice, (file, segments, nonblock), reason, holds=(file,))


# -- splice and tee --------------------------------------------------------------------------------


@syscall(313, "fd_in:fd off_in:address fd_out:fd off_out:address len:size flags:splice_flags")
def sys_splice(
    k: Kernel, fd_in: int, off_in: int, fd_out: int, off_out: int, length: int, flags: int
) -> Result:
    """splice: bytes from or to a pipe. EBADF, EINVAL where neither is one, ESPIPE for an offset of a pipe."""
    if not length:
        return 0
    if flags & ~SPLICE_FLAGS:
        raise Errno(EINVAL)
    source, target = fget_open(k, fd_in), fget_open(k, fd_out)
    if not source.readable or not target.writable:
        raise Errno(EBADF)
    if (pipe_of(source) is not None and off_in) or (pipe_of(target) is not None and off_out):
        raise Errno(ESPIPE)
    nonblock = bool(flags & SPLICE_F_NONBLOCK)
    return splice_some(k, source, target, off_in, off_out, length, nonblock)


def splice_some(
    k: Kernel, source: File, target: File, off_in: int, off_out: int, length: int, nonblock: bool
) -> Result:
    """One go, and every one after a sleep."""
    pipe_in, pipe_out = pipe_of(source), pipe_of(target)
    args = (source, target, off_in, off_out, length, nonblock)
    if pipe_in is not None:
        if pipe_in is pipe_out:
            raise Errno(EINVAL)
        if target.flags & O_APPEND and pipe_out is None:
            raise Errno(EINVAL)
        if not pipe_in.bufs:
            if not pipe_in.writers:
                return 0
            block = nonblock or bool(source.flags & O_NONBLOCK)
            return wait_for_pipe(k, pipe_in, block, splice_some, args, "splice from the empty end")
        if pipe_out is not None and not room_in(k, pipe_out):
            block = nonblock or bool(target.flags & O_NONBLOCK)
            return wait_for_pipe(k, pipe_out, block, splice_some, args, "splice to the full end")
        return _drain(k, pipe_in, target, pipe_out, off_out, length)
    if pipe_out is None:
        raise Errno(EINVAL)
    start = offset_at(k, off_in, 8)
    if start is not None and (start < 0 or source.op.llseek is no_llseek):
        raise Errno(EINVAL)
    pos = source.pos if start is None else start
    if not room_in(k, pipe_out):
        block = nonblock or bool(target.flags & O_NONBLOCK)
        return wait_for_pipe(k, pipe_out, block, splice_some, args, "splice to the full end")
    done = 0
    while done < length and not pipe_out.full:
        data = read_file(k, source, pos + done, min(length - done, PAGE_SIZE))
        if data is None and not done:
            # Packets are copied as read would (copy_splice_read), which knows of O_NONBLOCK only.
            sock = source.inode.private
            flag = nonblock and isinstance(sock, UnixSock) and sock.is_stream
            return wait_for_source(k, source, flag, splice_some, args)
        if not data:
            break
        fill_pipe(k, pipe_out, data)
        done += len(data)
    moved = done if moves(source) else 0
    if start is None:
        source.pos += moved
    else:
        copy_to_user(k, off_in, struct.pack("<q", start + moved))
    return done


def _drain(
    k: Kernel, pipe: Pipe, target: File, pipe_out: Pipe | None, off_out: int, length: int
) -> Result:
    start = offset_at(k, off_out, 8)
    pos = target.pos if start is None else start
    if pos < 0:
        raise Errno(EINVAL)
    done = 0
    if pipe_out is None and not is_cached(target):
        return _drain_at_once(k, pipe, target, length)
    while done < length and pipe.bufs and not (pipe_out is not None and pipe_out.full):
        first = pipe.bufs[0]
        data = bytes(peek(k, first, min(first.length, length - done)))
        if pipe_out is not None:
            fill_pipe(k, pipe_out, data, packet=first.packet)
        else:
            write_file(k, target, pos + done, data)
        consume(k, pipe, len(data))
        done += len(data)
    wake_up(k, pipe.wait, key=POLLOUT | POLLWRNORM)
    if pipe_out is None:
        if start is None:
            target.pos += done
        else:
            copy_to_user(k, off_out, struct.pack("<q", start + done))
    return done


def _drain_at_once(k: Kernel, pipe: Pipe, target: File, length: int) -> Result:
    """What a socket takes is one message, of whatever buffers of the pipe (splice_to_socket)."""
    data = b"".join(peek(k, buf, buf.length) for buf in pipe.bufs)[:length]
    return _drained(k, pipe, target, target.op.splice_write(k, target, data))


def _drained(k: Kernel, pipe: Pipe, target: File, sent: Result) -> Result:
    if isinstance(sent, Wait):
        args = (pipe, target, sent.resume, sent.args)
        return Wait(sent.queues, drain_woken, args, sent.reason, holds=(target,))
    left = sent
    while left and pipe.bufs:
        part = min(left, pipe.bufs[0].length)
        consume(k, pipe, part)
        left -= part
    wake_up(k, pipe.wait, key=POLLOUT | POLLWRNORM)
    return sent


def drain_woken(
    k: Kernel, pipe: Pipe, target: File, resume: Callable[..., Result], args: tuple[object, ...]
) -> Result:
    """A socket had no room for what splice took out of a pipe, and may have some now."""
    return _drained(k, pipe, target, resume(k, *args))


@syscall(315, "fd_in:fd fd_out:fd len:size flags:splice_flags")
def sys_tee(k: Kernel, fd_in: int, fd_out: int, length: int, flags: int) -> Result:
    """tee: bytes of one pipe into another, which stay there. EBADF, EINVAL unless both are pipes."""
    if flags & ~SPLICE_FLAGS:
        raise Errno(EINVAL)
    if not length:
        return 0
    source, target = fget_open(k, fd_in), fget_open(k, fd_out)
    if not source.readable or not target.writable:
        raise Errno(EBADF)
    return tee_some(k, source, target, length, bool(flags & SPLICE_F_NONBLOCK))


def tee_some(k: Kernel, source: File, target: File, length: int, nonblock: bool) -> Result:
    """One go, and every one after a sleep."""
    pipe_in, pipe_out = pipe_of(source), pipe_of(target)
    if pipe_in is None or pipe_out is None or pipe_in is pipe_out:
        raise Errno(EINVAL)
    args = (source, target, length, nonblock)
    if not pipe_in.bufs:
        if not pipe_in.writers:
            return 0
        return wait_for_pipe(k, pipe_in, nonblock, tee_some, args, "tee from the empty end")
    if not room_in(k, pipe_out):
        return wait_for_pipe(k, pipe_out, nonblock, tee_some, args, "tee to the full end")
    done = 0
    for buf in list(pipe_in.bufs):
        if done >= length or pipe_out.full:
            break
        data = bytes(peek(k, buf, min(buf.length, length - done)))
        fill_pipe(k, pipe_out, data, packet=buf.packet)
        done += len(data)
    return done
