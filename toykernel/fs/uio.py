"""Transfers in several pieces or at an offset (lib/iov_iter.c, fs/read_write.c): readv and its family."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import access_ok, copy_from_user
from toykernel.errno import EBADF, EFAULT, EINVAL, EOPNOTSUPP, ESPIPE, Errno
from toykernel.fs.anon_inodes import noop_llseek
from toykernel.fs.file import O_APPEND, O_NONBLOCK, File, fget, fget_open
from toykernel.fs.fsnotify import ACCESS, MODIFY, fsnotify_transfer
from toykernel.fs.operations import POLLIN, bad_transfer, no_llseek
from toykernel.fs.read_write import MAX_RW_COUNT, transfer_size
from toykernel.kernel.wait import Result, Wait
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

UIO_MAXIOV = 1024
RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND = 1, 2, 4, 8, 16
RWF_SUPPORTED = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND

#: Pieces of user memory: address and length of each.
Iovec = tuple[tuple[int, int], ...]


def import_iovec(k: Kernel, address: int, count: int) -> Iovec:
    """The pieces that a struct iovec[] names, MAX_RW_COUNT bytes at most, without the empty ones.

    Raises Errno(EINVAL) for too many or a negative length, Errno(EFAULT).
    """
    if count > UIO_MAXIOV:
        raise Errno(EINVAL)
    words = struct.unpack(f"<{2 * count}I", copy_from_user(k, address, 8 * count))
    pieces, room = [], MAX_RW_COUNT
    for base, length in zip(words[::2], words[1::2], strict=True):
        if length > 0x7FFFFFFF:
            raise Errno(EINVAL)
        if not access_ok(base, length):
            raise Errno(EFAULT)
        length = min(length, room)
        room -= length
        if length:
            pieces.append((base, length))
    return tuple(pieces)


def transfer(k: Kernel, file: File, pieces: Iovec, *, write: bool, done: int = 0) -> Result:
    """Piece by piece, as one transfer: it ends where a piece is not filled. Once something has been
    transferred nobody waits for more, and an error does not count.
    """
    if not pieces:
        return done
    if file.op.iter is not None and not done:
        return file.op.iter(k, file, pieces, write)
    for index, (base, length) in enumerate(pieces):
        if done and not write and not file.op.poll(k, file, []) & POLLIN:
            return done
        try:
            result = (file.op.write if write else file.op.read)(k, file, base, length)
        except Errno:
            if done:
                return done
            raise
        if isinstance(result, Wait):
            return _waiting(result, file, pieces[index:], write, done)
        if result < 0:
            return done or result
        done += result
        if result < length:
            break
    return done


def _waiting(wait: Wait, file: File, pieces: Iovec, write: bool, done: int) -> Wait:
    """A piece waits: the transfer goes on with it where it does."""
    state = (wait.resume, wait.args, file, pieces, write, done)
    return replace(wait, resume=_go_on, args=state, wants=None)


def _go_on(
    k: Kernel,
    resume: object,
    args: tuple[object, ...],
    file: File,
    pieces: Iovec,
    write: bool,
    done: int,
    *late: bool,
) -> Result:
    assert callable(resume)
    try:
        result: Result = resume(k, *args, *late)
    except Errno:
        if done:
            return done
        raise
    if isinstance(result, Wait):
        return _waiting(result, file, pieces, write, done)
    if result < 0:
        return done or result
    if result < pieces[0][1]:
        return done + result
    return transfer(k, file, pieces[1:], write=write, done=done + result)


def _opened(k: Kernel, fd: int, *, write: bool) -> File:
    file = fget(k, fd)
    if not (file.writable if write else file.readable):
        raise Errno(EBADF)
    if (file.op.write if write else file.op.read) is bad_transfer:
        raise Errno(EINVAL)
    return file


def _placed(k: Kernel, fd: int, offset: int, *, write: bool) -> File:
    """As _opened; that the file has no offsets comes before that it is not open for this (FMODE_PREAD)."""
    if offset < 0:
        raise Errno(EINVAL)
    if fget_open(k, fd).op.llseek in (no_llseek, noop_llseek):
        raise Errno(ESPIPE)
    return _opened(k, fd, write=write)


def transfer_at(k: Kernel, file: File, pieces: Iovec, offset: int, *, write: bool) -> Result:
    """At an offset, which the file's own does not follow."""
    before, file.pos = file.pos, offset
    try:
        result = transfer(k, file, pieces, write=write)
    finally:
        file.pos = before
    assert not isinstance(result, Wait)  # what can be sought in never makes anybody wait
    return fsnotify_transfer(k, file, MODIFY if write else ACCESS, result)


def check_rwf(flags: int) -> None:
    """Raises Errno(EOPNOTSUPP) for an RWF_ flag that is none here."""
    if flags & ~RWF_SUPPORTED:
        raise Errno(EOPNOTSUPP)


@contextmanager
def rwf_flags(file: File, flags: int) -> Iterator[None]:
    """The open file is as the RWF_ flags of one transfer want it."""
    before = file.flags
    file.flags |= O_NONBLOCK if flags & RWF_NOWAIT else 0
    file.flags |= O_APPEND if flags & RWF_APPEND else 0
    try:
        yield
    finally:
        file.flags = before


def _offset(low: int, high: int) -> int:
    (offset,) = struct.unpack("<q", struct.pack("<II", low, high))
    return int(offset)


@syscall(145, "fd:fd iov:iovec_out iovcnt:size")
def sys_readv(k: Kernel, fd: int, iov: int, count: int) -> Result:
    """readv: as read, into several pieces. EINVAL for more than 1024 or a negative length."""
    file = _opened(k, fd, write=False)
    result = transfer(k, file, import_iovec(k, iov, count), write=False)
    return fsnotify_transfer(k, file, ACCESS, result)


@syscall(146, "fd:fd iov:iovec_in iovcnt:size")
def sys_writev(k: Kernel, fd: int, iov: int, count: int) -> Result:
    """writev: as write, from several pieces. EINVAL for more than 1024 or a negative length."""
    file = _opened(k, fd, write=True)
    result = transfer(k, file, import_iovec(k, iov, count), write=True)
    return fsnotify_transfer(k, file, MODIFY, result)


@syscall(180, "fd:fd buf:buffer_out count:size offset_low:hex offset_high:hex", name="pread64")
def sys_pread64(k: Kernel, fd: int, buf: int, count: int, low: int, high: int) -> Result:
    """pread64: at an offset, which the file's own does not follow. EINVAL below 0, ESPIPE, or as read."""
    offset = _offset(low, high)
    file = _placed(k, fd, offset, write=False)
    return transfer_at(k, file, ((buf, transfer_size(buf, count)),), offset, write=False)


@syscall(181, "fd:fd buf:buffer_in count:size offset_low:hex offset_high:hex", name="pwrite64")
def sys_pwrite64(k: Kernel, fd: int, buf: int, count: int, low: int, high: int) -> Result:
    """pwrite64: at an offset (with O_APPEND at the end). EINVAL below 0, ESPIPE, or as write."""
    offset = _offset(low, high)
    file = _placed(k, fd, offset, write=True)
    return transfer_at(k, file, ((buf, transfer_size(buf, count)),), offset, write=True)


@syscall(333, "fd:fd iov:iovec_out iovcnt:size offset_low:hex offset_high:hex")
def sys_preadv(k: Kernel, fd: int, iov: int, count: int, low: int, high: int) -> Result:
    """preadv: readv at an offset. EINVAL below 0, ESPIPE, or as readv."""
    offset = _offset(low, high)
    file = _placed(k, fd, offset, write=False)
    return transfer_at(k, file, import_iovec(k, iov, count), offset, write=False)


@syscall(334, "fd:fd iov:iovec_in iovcnt:size offset_low:hex offset_high:hex")
def sys_pwritev(k: Kernel, fd: int, iov: int, count: int, low: int, high: int) -> Result:
    """pwritev: writev at an offset. EINVAL below 0, ESPIPE, or as writev."""
    offset = _offset(low, high)
    file = _placed(k, fd, offset, write=True)
    return transfer_at(k, file, import_iovec(k, iov, count), offset, write=True)


def _with_flags(
    k: Kernel, fd: int, iov: int, count: int, offset: int, flags: int, *, write: bool
) -> Result:
    """preadv2 and pwritev2: an offset of -1 is the file's own. EOPNOTSUPP for a flag that is none here."""
    file = _opened(k, fd, write=write) if offset == -1 else _placed(k, fd, offset, write=write)
    pieces = import_iovec(k, iov, count)
    if not pieces:
        return 0
    check_rwf(flags)
    if file.inode.is_dir and flags & ~RWF_HIPRI:  # without f_op->read_iter
        raise Errno(EOPNOTSUPP)
    with rwf_flags(file, flags):
        if offset == -1:
            result = transfer(k, file, pieces, write=write)
            return fsnotify_transfer(k, file, MODIFY if write else ACCESS, result)
        return transfer_at(k, file, pieces, offset, write=write)


@syscall(378, "fd:fd iov:iovec_out iovcnt:size offset_low:hex offset_high:hex flags:rwf_flags")
def sys_preadv2(
    k: Kernel, fd: int, iov: int, count: int, low: int, high: int, flags: int
) -> Result:
    """preadv2: preadv, or with offset -1 readv; RWF_NOWAIT never waits. EOPNOTSUPP for a flag."""
    return _with_flags(k, fd, iov, count, _offset(low, high), flags, write=False)


@syscall(379, "fd:fd iov:iovec_in iovcnt:size offset_low:hex offset_high:hex flags:rwf_flags")
def sys_pwritev2(
    k: Kernel, fd: int, iov: int, count: int, low: int, high: int, flags: int
) -> Result:
    """pwritev2: pwritev, or with offset -1 writev; RWF_APPEND is for this one write. EOPNOTSUPP."""
    return _with_flags(k, fd, iov, count, _offset(low, high), flags, write=True)
