"""vmsplice (fs/splice.c): a program's pages in a pipe, without a copy.

Until somebody reads it, such a piece of a pipe is a frame that the kernel holds: what the reader gets are
the bytes that are in the frame then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import get_user
from toykernel.errno import EAGAIN, EBADF, EINVAL, EPIPE, ERESTARTSYS, Errno
from toykernel.fs.file import File, fget
from toykernel.fs.operations import POLLIN, POLLRDNORM
from toykernel.fs.pipe_fs_i import Pipe, PipeBuffer
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, wake_up
from toykernel.mm.gup import get_user_page
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SPLICE_F_MOVE, SPLICE_F_NONBLOCK, SPLICE_F_MORE, SPLICE_F_GIFT = 1, 2, 4, 8
UIO_MAXIOV = 1024


@syscall(316, "fd:fd iov:address nr_segs:size flags:hex")
def sys_vmsplice(k: Kernel, fd: int, iov: int, nr_segs: int, flags: int) -> Result:
    """vmsplice: bytes that are in the pipe now; on the reading end, bytes taken out.

    EBADF for what is no pipe, EINVAL.
    """
    if flags & ~0xF:
        raise Errno(EINVAL)
    file = fget(k, fd)
    if not isinstance(file.inode.private, Pipe):
        raise Errno(EBADF)
    if nr_segs > UIO_MAXIOV:
        raise Errno(EINVAL)
    segments = [(get_user(k, iov + 8 * n), get_user(k, iov + 8 * n + 4)) for n in range(nr_segs)]
    segments = [(base, length) for base, length in segments if length]
    if not segments:
        return 0
    if file.readable:
        return file.op.read(k, file, *segments[0])  # a short read, as any read may be
    return _splice(k, file, tuple(segments), bool(flags & SPLICE_F_NONBLOCK))


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
