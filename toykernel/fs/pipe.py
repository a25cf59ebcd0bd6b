"""Pipes (fs/pipe.c): 16 buffers of a page between whoever writes and whoever reads."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import (
    copy_to_user,
    put_user,
)
from toykernel.errno import (
    EAGAIN,
    EBADF,
    EBUSY,
    EFAULT,
    EINVAL,
    ENFILE,
    ENOMEM,
    ENOTTY,
    ENXIO,
    EPERM,
    EPIPE,
    ERESTARTSYS,
    Errno,
)
from toykernel.fs.attr import current_time
from toykernel.fs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    File,
    fd_install,
    get_empty_filp,
    get_unused_fd,
)
from toykernel.fs.inode import S_IFIFO, Inode
from toykernel.fs.libfs import SPECIAL
from toykernel.fs.operations import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    FileOperations,
)
from toykernel.fs.pieces import Pieces, behind, length_of, load_some, store_some
from toykernel.fs.pipe_fs_i import (
    PIPE_DEF_BUFFERS,
    PIPE_MIN_DEF_BUFFERS,
    Pipe,
    PipeBuffer,
    consume,
    peek,
    release_buffer,
)
from toykernel.kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE, capable, free_uid
from toykernel.kernel.siginfo import SIGPIPE
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait, WaitQueue, wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

PIPE_BUFFER_BYTES = 24  # struct pipe_buffer: one for each page
KMALLOC_MAX_SIZE = 4 << 20
FIONREAD = 0x541B


def _pipe(file: File) -> Pipe:
    pipe = file.inode.private
    assert isinstance(pipe, Pipe)
    return pipe


def pipe_read(k: Kernel, file: File, buf: int, count: int) -> Result:
    """What there is, up to `count` bytes; sleeps while there is nothing and somebody can write. 0
    at the end; EAGAIN with O_NONBLOCK.
    """
    return pipe_iter(k, file, ((buf, count),), False)


def pipe_write(k: Kernel, file: File, buf: int, count: int) -> Result:
    """All of it, sleeping while the pipe is full; up to a page (PIPE_BUF) stays together in a buffer."""
    return pipe_iter(k, file, ((buf, count),), True)


def pipe_iter(k: Kernel, file: File, pieces: Pieces, write: bool) -> Result:
    """The same with pieces of memory, which make no difference for what a buffer of the pipe is."""
    if not write:
        return pipe_read_pieces(k, file, pieces)
    merged = 0 if file.flags & O_DIRECT else _merge(k, _pipe(file), pieces)
    return pipe_write_more(k, file, pieces, merged)


def pipe_read_pieces(k: Kernel, file: File, pieces: Pieces) -> Result:
    """Read, the first time and after every sleep."""
    pipe = _pipe(file)
    if not length_of(pieces):
        return 0
    if pipe.bufs:
        was_full = pipe.full
        done = _read_buffers(k, pipe, pieces)
        wake_up(k, pipe.wait, key=POLLOUT | POLLWRNORM if was_full and not pipe.full else 0)
        return done
    if not pipe.writers:
        return 0
    if file.flags & O_NONBLOCK:
        raise Errno(EAGAIN)
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    reason = f"read of the empty {pipe.wait.name}"
    return Wait((pipe.wait,), pipe_read_pieces, (file, pieces), reason, holds=(file,))


def _read_buffers(k: Kernel, pipe: Pipe, pieces: Pieces) -> int:
    """Buffer by buffer; one that does not fit into what the reader has mapped stays as it is.

    Raises Errno(EFAULT) when not even the first did.
    """
    done, count = 0, length_of(pieces)
    while pipe.bufs and done < count:
        first = pipe.bufs[0]
        data = peek(k, first, min(first.length, count - done))
        buf_is_packet, rest = first.packet, first.length - len(data)
        if store_some(k, behind(pieces, done), data) != len(data):
            if not done:
                raise Errno(EFAULT)
            break
        consume(k, pipe, len(data))
        done += len(data)
        if buf_is_packet:
            if rest:
                consume(k, pipe, rest)
            break
    return done


def _merge(k: Kernel, pipe: Pipe, pieces: Pieces) -> int:
    """What does not fill a page goes behind the bytes of the last buffer, if all of it fits there."""
    part = length_of(pieces) & (PAGE_SIZE - 1)
    if not part or not pipe.readers or not pipe.bufs or not pipe.bufs[-1].can_merge(part):
        return 0
    data = load_some(k, pieces, part)
    if len(data) != part:
        raise Errno(EFAULT)
    pipe.bufs[-1].data += data
    pipe.bufs[-1].length += part
    wake_up(k, pipe.wait, key=POLLIN | POLLRDNORM)
    return part


def pipe_write_more(k: Kernel, file: File, pieces: Pieces, written: int) -> Result:
    """Write on after `written` bytes: the first go, and every one after a sleep. SIGPIPE and EPIPE
    without readers, EAGAIN with O_NONBLOCK.
    """
    pipe, count = _pipe(file), length_of(pieces)
    packet = bool(file.flags & O_DIRECT)
    while written < count:
        if not pipe.readers:
            send_sig(k, SIGPIPE, k.current)
            if written:
                return written
            raise Errno(EPIPE)
        if not pipe.full:
            part = min(count - written, PAGE_SIZE)
            data = load_some(k, behind(pieces, written), part)
            if len(data) != part:
                if written:
                    return written
                raise Errno(EFAULT)
            pipe.bufs.append(PipeBuffer(0, part, bytearray(data), packet=packet))
            written += part
            wake_up(k, pipe.wait, key=POLLIN | POLLRDNORM)
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
        args = (file, pieces, written)
        return Wait((pipe.wait,), pipe_write_more, args, reason, holds=(file,))
    return written


def pipe_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """FIONREAD: bytes that can be read. Raises Errno(ENOTTY) for another request, Errno(EFAULT)."""
    if request != FIONREAD:
        raise Errno(ENOTTY)
    put_user(k, sum(buf.length for buf in _pipe(file).bufs), argp)
    return 0


def poll_reader(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLL bits of the reading end: something to read, or POLLHUP when nobody writes any more."""
    pipe = _pipe(file)
    pt.append(pipe.wait)
    mask = POLLIN | POLLRDNORM if pipe.bufs else 0
    return mask if pipe.writers else mask | POLLHUP


def poll_writer(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLL bits of the writing end: a free buffer, or POLLERR when nobody reads any more."""
    pipe = _pipe(file)
    pt.append(pipe.wait)
    mask = 0 if pipe.full else POLLOUT | POLLWRNORM
    return mask if pipe.readers else mask | POLLERR


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


def release_both(k: Kernel, file: File) -> None:
    """An open of both ends is closed."""
    pipe = _pipe(file)
    pipe.readers -= 1
    pipe.writers -= 1
    _release(k, file, pipe)


def poll_both(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """POLL bits of an open of both ends."""
    return poll_reader(k, file, pt) | poll_writer(k, file, [])


def _release(k: Kernel, file: File, pipe: Pipe) -> None:
    wake_up(k, pipe.wait)
    if not pipe.readers and not pipe.writers:
        for buf in pipe.bufs:
            release_buffer(k, buf)
        pipe.bufs.clear()
        file.inode.private = None
        if file.inode.i_sb is k.files.fs.pipefs:  # a FIFO stays
            file.inode.i_sb.put_ino()
        free_pipe_info(k, pipe)


def alloc_pipe_info(k: Kernel, name: str) -> Pipe:
    """A pipe that nobody has open. Who may not go over the limits and is over fs.pipe-user-pages-soft gets
    a small one, over fs.pipe-user-pages-hard none. Raises Errno(ENOMEM), Errno(ENFILE).
    """
    user, size = k.current.cred.user, PIPE_DEF_BUFFERS
    if size * PAGE_SIZE > k.files.pipe_max_size and not capable(k, CAP_SYS_RESOURCE):
        size = k.files.pipe_max_size // PAGE_SIZE
    if _over(user.pipe_bufs + size, k.files.pipe_user_pages_soft) and _limited(k):
        size = PIPE_MIN_DEF_BUFFERS
    if _over(user.pipe_bufs + size, k.files.pipe_user_pages_hard) and _limited(k):
        raise Errno(ENFILE)
    pipe = Pipe(k.memory.slabs.pipe.alloc(k), WaitQueue(name), user, readers=0, writers=0)
    pipe.ring_size = size
    user.count += 1
    user.pipe_bufs += size
    return pipe


def free_pipe_info(k: Kernel, pipe: Pipe) -> None:
    """It has no end any more, and its user what it took."""
    pipe.user.pipe_bufs -= pipe.ring_size
    free_uid(k, pipe.user)
    k.memory.slabs.pipe.free(k, pipe.slab)


def _over(pages: int, limit: int) -> bool:
    return bool(limit) and pages > limit


def _limited(k: Kernel) -> bool:
    return not capable(k, CAP_SYS_RESOURCE) and not capable(k, CAP_SYS_ADMIN)


READ_END = FileOperations(
    "toykernel.fs.pipe:READ_END",
    read=pipe_read,
    poll=poll_reader,
    iter=pipe_iter,
    release=release_reader,
    ioctl=pipe_ioctl,
)
WRITE_END = FileOperations(
    "toykernel.fs.pipe:WRITE_END",
    write=pipe_write,
    poll=poll_writer,
    iter=pipe_iter,
    release=release_writer,
    ioctl=pipe_ioctl,
)
READ_WRITE_END = FileOperations(
    "toykernel.fs.pipe:READ_WRITE_END",
    read=pipe_read,
    write=pipe_write,
    poll=poll_both,
    iter=pipe_iter,
    release=release_both,
    ioctl=pipe_ioctl,
)


def is_fifo(k: Kernel, inode: Inode) -> bool:
    """Whether a pipe has a name, so that to open one end waits for the other; one without a name is opened by
    /proc/PID/fd only."""
    return inode.i_sb is not k.files.fs.pipefs


def fifo_open(k: Kernel, file: File) -> None:
    """This end is open; whoever waits for it goes on. Raises Errno(ENXIO) for a writer with O_NONBLOCK
    that has no reader, Errno(EINVAL) for neither end, Errno(ENOMEM).
    """
    inode, mode = file.inode, file.flags & O_ACCMODE
    if mode == O_ACCMODE:
        raise Errno(EINVAL)
    pipe = inode.private
    if not isinstance(pipe, Pipe):
        pipe = alloc_pipe_info(k, f"fifo {inode.ino}")
    if is_fifo(k, inode) and mode == O_WRONLY and file.flags & O_NONBLOCK and not pipe.readers:
        if not pipe.writers:
            free_pipe_info(k, pipe)
        raise Errno(ENXIO)
    inode.private = pipe
    if mode in (O_RDONLY, O_RDWR):
        pipe.readers += 1
        pipe.r_counter += 1
    if mode in (O_WRONLY, O_RDWR):
        pipe.writers += 1
        pipe.w_counter += 1
    file.op = {O_RDONLY: READ_END, O_WRONLY: WRITE_END}.get(mode, READ_WRITE_END)
    wake_up(k, pipe.wait)


FIFO = FileOperations("toykernel.fs.pipe:FIFO", open=fifo_open)


def do_pipe(k: Kernel, fildes: int, flags: int) -> int:
    """Two descriptors, stored at `fildes`. Raises Errno(EINVAL) for other flags, Errno(EMFILE),
    Errno(EFAULT), leaving nothing.
    """
    if flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT):
        raise Errno(EINVAL)
    cred = k.current.cred
    with ExitStack() as undo:
        pipe = alloc_pipe_info(k, "pipe")
        undo.callback(free_pipe_info, k, pipe)
        sb = k.files.fs.pipefs
        ino, mode = sb.next_ino(), S_IFIFO | 0o600
        undo.callback(sb.put_ino)
        pipe.wait.name = f"pipe {ino}"
        inode = Inode(ino, mode, sb, SPECIAL, FIFO, cred.fsuid, cred.fsgid, private=pipe)
        inode.atime = inode.mtime = inode.ctime = current_time(k)
        status, path = flags & O_NONBLOCK, f"pipe:[{inode.ino}]"
        reader = get_empty_filp(k, inode, READ_END, O_RDONLY | status, path)
        undo.callback(k.memory.slabs.filp.free, k, reader.slab)
        packets = flags & O_DIRECT
        writer = get_empty_filp(k, inode, WRITE_END, O_WRONLY | status | packets, path)
        undo.callback(k.memory.slabs.filp.free, k, writer.slab)
        first = get_unused_fd(k)
        second = get_unused_fd(k, first + 1)
        copy_to_user(k, fildes, struct.pack("<2i", first, second))
        undo.pop_all()
    pipe.readers = pipe.writers = 1
    cloexec = bool(flags & O_CLOEXEC)
    fd_install(k, first, reader, cloexec=cloexec)
    fd_install(k, second, writer, cloexec=cloexec)
    return 0


def pipe_fcntl(k: Kernel, file: File, size: int | None) -> int:
    """F_GETPIPE_SZ, or F_SETPIPE_SZ with a size: how many bytes fit. EBADF, EINVAL above 2 GiB.

    A power of two of pages, at least one. No page that is in use is taken away (EBUSY), only a privileged
    caller goes over pipe-max-size (EPERM), and the array of pages must be one that kmalloc has (ENOMEM).
    """
    pipe = file.inode.private
    if not isinstance(pipe, Pipe):
        raise Errno(EBADF)
    if size is None:
        return pipe.ring_size * PAGE_SIZE
    if size > 1 << 31:
        raise Errno(EINVAL)
    pages = 1 << max(-(-size // PAGE_SIZE) - 1, 0).bit_length()
    if size > k.files.pipe_max_size and pages > pipe.ring_size and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EPERM)
    held = pipe.user.pipe_bufs - pipe.ring_size + pages
    limits = (k.files.pipe_user_pages_soft, k.files.pipe_user_pages_hard)
    if pages > pipe.ring_size and any(_over(held, limit) for limit in limits) and _limited(k):
        raise Errno(EPERM)
    if pages < len(pipe.bufs):
        raise Errno(EBUSY)
    if pages * PIPE_BUFFER_BYTES > KMALLOC_MAX_SIZE:
        raise Errno(ENOMEM)
    pipe.user.pipe_bufs = held
    pipe.ring_size = pages
    wake_up(k, pipe.wait)  # there may be room now
    return pages * PAGE_SIZE


@syscall(42, "pipefd:fd_pair")
def sys_pipe(k: Kernel, fildes: int) -> int:
    """Two descriptors, reading end first, stored at `fildes`; neither is left when that faults."""
    return do_pipe(k, fildes, 0)


@syscall(331, "pipefd:fd_pair flags:open_flags")
def sys_pipe2(k: Kernel, fildes: int, flags: int) -> int:
    """pipe2: as pipe, with O_CLOEXEC, O_NONBLOCK and O_DIRECT, which makes packets of writes; EINVAL."""
    return do_pipe(k, fildes, flags)
