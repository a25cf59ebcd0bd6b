"""vmsplice (fs/splice.c): a program's pages in a pipe, without a copy.

Until somebody reads it, such a piece of a pipe is a frame that the kernel holds: what the reader gets are
the bytes that are in the frame then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.uaccess import get_user
from toykernel.errno import EAGAIN, EBADF, EINVAL, EPIPE, ERESTARTSYS, Errno
from toykernel.fs.file import File, fget
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_signal, signal_pending
from toykernel.kernel.wait import Result, Wait, wake_up
from toykernel.mm.gup import get_user_page, put_user_page

if TYPE_CHECKING:
    from toykernel.fs.pipe import Pipe
    from toykernel.state import Kernel

SPLICE_F_MOVE, SPLICE_F_NONBLOCK, SPLICE_F_MORE, SPLICE_F_GIFT = 1, 2, 4, 8
UIO_MAXIOV = 1024


@dataclass
class PipeBuffer:
    """struct pipe_buffer of a user page: where in the pipe's bytes it lies, and where they really are."""

    start: int
    length: int
    pfn: int
    offset: int


def peek(k: Kernel, pipe: Pipe, count: int) -> bytes:
    """The next bytes of a pipe, as they are now."""
    data = bytearray(pipe.data[:count])
    for page in pipe.pages:
        length = min(page.length, len(data) - page.start)
        if length > 0:
            at = (page.pfn << PAGE_SHIFT) + page.offset
            data[page.start : page.start + length] = k.machine.ram.read(at, length)
    return bytes(data)


def consume(k: Kernel, pipe: Pipe, count: int) -> None:
    """These bytes have been read: let go of pages that are done with."""
    del pipe.data[:count]
    kept = []
    for page in pipe.pages:
        end = page.start + page.length - count
        if end <= 0:
            put_user_page(k, page.pfn)
            continue
        cut = max(count - page.start, 0)
        kept.append(
            PipeBuffer(page.start - count + cut, page.length - cut, page.pfn, page.offset + cut)
        )
    pipe.pages = kept


def sys_vmsplice(k: Kernel, fd: int, iov: int, nr_segs: int, flags: int) -> Result:
    """vmsplice: bytes that are in the pipe now; on the reading end, bytes taken out."""
    file = fget(k, fd)
    if file.inode.pipe is None:
        raise Errno(EBADF)
    if nr_segs > UIO_MAXIOV or flags & ~0xF:
        raise Errno(EINVAL)
    segments = [(get_user(k, iov + 8 * n), get_user(k, iov + 8 * n + 4)) for n in range(nr_segs)]
    segments = [(base, length) for base, length in segments if length]
    if not segments:
        return 0
    if file.readable:
        return file.op.read(k, file, *segments[0])  # a short read, as any read may be
    return _splice(k, file, tuple(segments), bool(flags & SPLICE_F_NONBLOCK))


def _splice(k: Kernel, file: File, segments: tuple[tuple[int, int], ...], nonblock: bool) -> Result:
    pipe = file.inode.pipe
    assert pipe is not None
    if not pipe.readers:
        send_signal(k, k.current, SIGPIPE, {"si_code": 0})
        raise Errno(EPIPE)
    done = 0
    for base, length in segments:
        while length and len(pipe.data) < pipe.capacity:
            offset = base & (PAGE_SIZE - 1)
            part = min(length, PAGE_SIZE - offset, pipe.capacity - len(pipe.data))
            try:
                pfn = get_user_page(k, base)
            except Errno:
                if done:
                    return done
                raise
            pipe.pages.append(PipeBuffer(len(pipe.data), part, pfn, offset))
            pipe.data += bytes(part)
            done += part
            base += part
            length -= part
    if done:
        wake_up(k, pipe.wait)
        return done
    if nonblock:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    reason = f"vmsplice to the full {pipe.wait.name}"
    return Wait(pipe.wait, _splice, (file, segments, nonblock), reason)
