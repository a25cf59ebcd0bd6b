"""Setting a file's times (fs/utimes.c): utimensat and the older calls."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user
from toykernel.errno import EBADF, EFAULT, EINVAL, Errno
from toykernel.fs.attr import Iattr, current_time, notify_change
from toykernel.fs.file import O_PATH, fget
from toykernel.fs.inode import Inode
from toykernel.fs.mount import mnt_want_write_file
from toykernel.fs.namei import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, inode_at
from toykernel.kernel.timekeeping import NSEC_PER_SEC, NSEC_PER_USEC
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2

#: Seconds and nanoseconds of the last access and of the last change; None: the current time for both.
Times = tuple[tuple[int, int], tuple[int, int]] | None


def do_utimes(k: Kernel, dirfd: int, pathname: int, times: Times, flags: int) -> int:
    """Set the times of what a path names, or with a null path of `dirfd` itself."""
    late = k.host.profile.utimes_looks_first
    if not late:
        _check(times)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    if not pathname and dirfd != AT_FDCWD:
        if flags:
            raise Errno(EINVAL)
        file = fget(k, dirfd)
        if file.flags & O_PATH:
            raise Errno(EBADF)
        mnt_want_write_file(file)
        inode = file.inode
    else:
        inode = inode_at(k, dirfd, pathname, flags, write=True)
    if late:
        _check(times)
    return utimes_common(k, inode, times)


def _check(times: Times) -> None:
    """Whether these are times. Raises Errno(EINVAL)."""
    for _, ns in times or ():
        if ns not in (UTIME_NOW, UTIME_OMIT) and not 0 <= ns < NSEC_PER_SEC:
            raise Errno(EINVAL)


def utimes_common(k: Kernel, inode: Inode, times: Times) -> int:
    """Whoever may write a file may set both times to now; other times only its owner.

    Raises Errno(EACCES), Errno(EPERM), Errno(EROFS).
    """
    now = current_time(k)
    if times is None or times == ((times[0][0], UTIME_NOW), (times[1][0], UTIME_NOW)):
        notify_change(k, inode, Iattr(atime=now, mtime=now, touch=True))
        return 0
    atime, mtime = (_chosen(now, *each) for each in times)
    if atime is None and mtime is None:
        return 0
    notify_change(k, inode, Iattr(atime=atime, mtime=mtime))
    return 0


def _chosen(now: int, seconds: int, ns: int) -> int | None:
    if ns == UTIME_OMIT:
        return None
    return now if ns == UTIME_NOW else seconds * NSEC_PER_SEC + ns


@syscall(320, "dirfd:dirfd pathname:path times:address flags:at_flags")
def sys_utimensat(k: Kernel, dirfd: int, pathname: int, address: int, flags: int) -> int:
    """utimensat: last access and last change, in ns; UTIME_NOW, UTIME_OMIT. EACCES, EPERM, EINVAL."""
    times: Times = None
    if address:
        words = struct.unpack("<4i", copy_from_user(k, address, 16))
        times = ((words[0], words[1]), (words[2], words[3]))
        if times[0][1] == times[1][1] == UTIME_OMIT:
            return 0
    return do_utimes(k, dirfd, pathname, times, flags)


@syscall(412, "dirfd:dirfd pathname:path times:address flags:at_flags")
def sys_utimensat_time64(k: Kernel, dirfd: int, pathname: int, address: int, flags: int) -> int:
    """utimensat_time64: as utimensat, with seconds of 64 bits."""
    times: Times = None
    if address:
        words = struct.unpack("<qi4xqi4x", copy_from_user(k, address, 32))
        times = ((words[0], words[1]), (words[2], words[3]))
        if times[0][1] == times[1][1] == UTIME_OMIT:
            return 0
    return do_utimes(k, dirfd, pathname, times, flags)


def _timevals(k: Kernel, address: int) -> Times:
    if not address:
        return None
    words = struct.unpack("<4i", copy_from_user(k, address, 16))
    if not all(0 <= usec < 1_000_000 for usec in words[1::2]):
        raise Errno(EINVAL)
    return (
        (words[0], words[1] * NSEC_PER_USEC),
        (words[2], words[3] * NSEC_PER_USEC),
    )


@syscall(271, "filename:path times:address")
def sys_utimes(k: Kernel, pathname: int, address: int) -> int:
    """utimes: as utimensat, in microseconds."""
    times = _timevals(k, address)
    if not pathname:
        raise Errno(EFAULT)
    return do_utimes(k, AT_FDCWD, pathname, times, 0)


@syscall(299, "dirfd:dirfd pathname:path times:address")
def sys_futimesat(k: Kernel, dirfd: int, pathname: int, address: int) -> int:
    """futimesat: utimes from a directory on; a null path is `dirfd` itself."""
    return do_utimes(k, dirfd, pathname, _timevals(k, address), 0)


@syscall(30, "filename:path times:address")
def sys_utime(k: Kernel, pathname: int, address: int) -> int:
    """utime: as utimensat, in seconds."""
    times: Times = None
    if address:
        atime, mtime = struct.unpack("<2i", copy_from_user(k, address, 8))
        times = ((atime, 0), (mtime, 0))
    if not pathname:
        raise Errno(EFAULT)
    return do_utimes(k, AT_FDCWD, pathname, times, 0)
