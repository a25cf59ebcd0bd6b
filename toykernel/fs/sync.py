"""fsync and its kin (fs/sync.c, mm/fadvise.c, mm/readahead.c): memory is all the storage there is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.errno import EBADF, EINVAL, ESPIPE, Errno
from toykernel.fs.file import O_PATH, File, fget
from toykernel.fs.inode import S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_ADVICE = range(6)  # POSIX_FADV_NORMAL to NOREUSE


def _opened(k: Kernel, fd: int) -> File:
    file = fget(k, fd)
    if file.flags & O_PATH:
        raise Errno(EBADF)
    return file


@syscall(118, "fd:fd")
def sys_fsync(k: Kernel, fd: int) -> int:
    """fsync: what has been written is safe. EBADF, EINVAL for what cannot be synchronised."""
    file = _opened(k, fd)
    return file.op.fsync(k, file)


@syscall(148, "fd:fd")
def sys_fdatasync(k: Kernel, fd: int) -> int:
    """fdatasync: as fsync."""
    file = _opened(k, fd)
    return file.op.fsync(k, file)


@syscall(36)
def sys_sync(k: Kernel) -> int:
    """sync: nothing is ever waiting to be stored."""
    return 0


@syscall(344, "fd:fd")
def sys_syncfs(k: Kernel, fd: int) -> int:
    """syncfs: sync of one file system. EBADF."""
    _opened(k, fd)
    return 0


def _signed64(low: int, high: int) -> int:
    (value,) = struct.unpack("<q", struct.pack("<II", low, high))
    return int(value)


@syscall(314, "fd:fd offset_low:hex offset_high:hex len_low:hex len_high:hex flags:hex")
def sys_sync_file_range(
    k: Kernel, fd: int, low: int, high: int, llow: int, lhigh: int, flags: int
) -> int:
    """sync_file_range: of a part of a file. EINVAL for a flag or range, ESPIPE for a pipe or device."""
    file = _opened(k, fd)
    offset, length = _signed64(low, high), _signed64(llow, lhigh)
    if flags & ~7 or not 0 <= offset <= offset + length < 1 << 63:
        raise Errno(EINVAL)
    if file.inode.type not in (S_IFREG, S_IFBLK, S_IFDIR, S_IFLNK):
        raise Errno(ESPIPE)
    return 0


def _fadvise(k: Kernel, fd: int, length: int, advice: int) -> int:
    file = _opened(k, fd)
    if file.inode.type == S_IFIFO:
        raise Errno(ESPIPE)
    if advice not in _ADVICE or length < 0:
        raise Errno(EINVAL)
    return 0


@syscall(250, "fd:fd offset_low:hex offset_high:hex len:int advice:int")
def sys_fadvise64(k: Kernel, fd: int, low: int, high: int, length: int, advice: int) -> int:
    """fadvise64: advice that changes nothing here. EBADF, EINVAL, ESPIPE for a pipe."""
    return _fadvise(k, fd, length, advice)


@syscall(272, "fd:fd offset_low:hex offset_high:hex len_low:hex len_high:hex advice:int")
def sys_fadvise64_64(
    k: Kernel, fd: int, low: int, high: int, llow: int, lhigh: int, advice: int
) -> int:
    """fadvise64_64: as fadvise64, the length in two words."""
    return _fadvise(k, fd, _signed64(llow, lhigh), advice)


@syscall(225, "fd:fd offset_low:hex offset_high:hex count:size")
def sys_readahead(k: Kernel, fd: int, low: int, high: int, count: int) -> int:
    """readahead: everything is in memory already. EBADF, EINVAL for what is no regular file."""
    file = _opened(k, fd)
    if not file.readable:
        raise Errno(EBADF)
    if file.inode.type not in (S_IFREG, S_IFBLK):
        raise Errno(EINVAL)
    return 0
