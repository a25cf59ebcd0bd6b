"""stat and its relatives (fs/stat.c): struct stat (64 bytes) and struct stat64 (96 bytes) of i386."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EINVAL, ENOENT, EOVERFLOW, Errno
from toykernel.fs.attr import touch_atime
from toykernel.fs.file import fget
from toykernel.fs.inode import FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL, Inode
from toykernel.fs.namei import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    getname,
    getname_flags,
    inode_and_path,
    inode_at,
    path_at,
    path_lookup,
)
from toykernel.kernel.timekeeping import NSEC_PER_SEC
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.mount import Path
    from toykernel.state import Kernel

BLOCK_SIZE = 4096
AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE = 0x200, 0x400, 0x800, 0x6000
AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC = 0x2000, 0x4000
STATX_BASIC_STATS, STATX__RESERVED = 0x7FF, 0x80000000
STATX_MNT_ID, STATX_MNT_ID_UNIQUE = 0x1000, 0x4000
STATX_ATTR_MOUNT_ROOT = 0x2000
#: STATX_ATTR_IMMUTABLE and its like are the inode's own bits.
_SHOWN = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL


def _timespec(ns: int) -> tuple[int, int]:
    seconds, rest = divmod(ns, NSEC_PER_SEC)
    return seconds & 0xFFFFFFFF, rest


def _times(inode: Inode) -> tuple[int, ...]:
    """Last access, change of contents, change of the inode: seconds and ns of each."""
    return (*_timespec(inode.atime), *_timespec(inode.mtime), *_timespec(inode.ctime))


def new_stat(inode: Inode) -> bytes:
    """struct stat, the 64 bytes of i386's sys_newstat; sizes in bytes, blocks of 512.

    Raises Errno(EOVERFLOW) for what does not fit its fields.
    """
    if inode.size > 0x7FFFFFFF or inode.nlink > 0xFFFF:
        raise Errno(EOVERFLOW)
    head = struct.pack(
        "<IIHHHH",
        inode.i_sb.s_dev,
        inode.ino,
        inode.mode,
        inode.nlink,
        _low_id(inode.uid),
        _low_id(inode.gid),
    )
    tail = (inode.rdev, inode.size, BLOCK_SIZE, inode.blocks, *_times(inode), 0, 0)
    return head + struct.pack("<12I", *tail)


def _low_id(number: int) -> int:
    """high2lowuid: an id in 16 bits, the overflow id when it does not fit."""
    return number if number <= 0xFFFF else 65534


def old_stat(inode: Inode) -> bytes:
    """struct __old_kernel_stat, the 32 bytes of the first Linux; all but the times and the size have 16 bits.

    Raises Errno(EOVERFLOW) for a number, links or a size that do not fit; a device's number is cut.
    """
    if inode.ino > 0xFFFF or inode.nlink > 0xFFFF or inode.size > 0x7FFFFFFF:
        raise Errno(EOVERFLOW)
    ids = (_low_id(inode.uid), _low_id(inode.gid))
    head = (inode.i_sb.s_dev & 0xFFFF, inode.ino, inode.mode, inode.nlink, *ids)
    return struct.pack("<7H2x4I", *head, inode.rdev & 0xFFFF, inode.size, *_times(inode)[::2])


def stat64(inode: Inode) -> bytes:
    """96 bytes; the inode's number stands twice (arch/x86/include/asm/stat.h)."""
    head = struct.pack(
        "<QIIIIII",
        inode.i_sb.s_dev,
        0,
        inode.ino & 0xFFFFFFFF,
        inode.mode,
        inode.nlink,
        inode.uid,
        inode.gid,
    )
    middle = struct.pack("<QIqIQ", inode.rdev, 0, inode.size, BLOCK_SIZE, inode.blocks)
    return head + middle + struct.pack("<6IQ", *_times(inode), inode.ino)


def statx(inode: Inode, path: Path | None = None, mask: int = 0) -> bytes:
    """struct statx: 256 bytes; which fields are there is in its first word (include/uapi/linux/stat.h).
    `path` is where it was found, `mask` which number of the mount is asked for."""
    unique = mask & STATX_MNT_ID_UNIQUE
    root = path is not None and path.dentry is path.mnt.root
    attributes = STATX_ATTR_MOUNT_ROOT if root else 0
    attributes |= inode.fsflags & _SHOWN
    there, mount = STATX_BASIC_STATS, 0
    if path is not None:
        there |= STATX_MNT_ID_UNIQUE if unique else STATX_MNT_ID
        mount = path.mnt.unique_id if unique else path.mnt.mnt_id
    head = struct.pack(
        "<IIQIIIHHQQQQ",
        there,
        BLOCK_SIZE,
        attributes,
        inode.nlink,
        inode.uid,
        inode.gid,
        inode.mode,
        0,
        inode.ino,
        inode.size,
        inode.blocks,
        STATX_ATTR_MOUNT_ROOT | (_SHOWN if inode.i_sb.s_type == "tmpfs" else 0),
    )
    times = b"".join(
        struct.pack("<qII", *divmod(ns, NSEC_PER_SEC), 0)
        for ns in (inode.atime, 0, inode.ctime, inode.mtime)
    )
    s_dev = inode.i_sb.s_dev
    devices = struct.pack("<4I", inode.rdev >> 8, inode.rdev & 0xFF, s_dev >> 8, s_dev & 0xFF)
    return (head + times + devices + struct.pack("<Q", mount)).ljust(256, b"\0")


def _named(k: Kernel, pathname: int, *, follow: bool = True) -> Inode:
    return path_lookup(k, getname(k, pathname), follow=follow).found().dentry.inode


@syscall(106, "pathname:path statbuf:address")
def sys_stat(k: Kernel, pathname: int, statbuf: int) -> int:
    """Of what a link leads to. Raises Errno(EFAULT), or what the walk answers."""
    copy_to_user(k, statbuf, new_stat(_named(k, pathname)))
    return 0


@syscall(107, "pathname:path statbuf:address")
def sys_lstat(k: Kernel, pathname: int, statbuf: int) -> int:
    """lstat: of a link itself. Errors as stat."""
    copy_to_user(k, statbuf, new_stat(_named(k, pathname, follow=False)))
    return 0


@syscall(108, "fd:fd statbuf:address")
def sys_fstat(k: Kernel, fd: int, statbuf: int) -> int:
    """Of an open file. Raises Errno(EBADF), Errno(EFAULT)."""
    copy_to_user(k, statbuf, new_stat(fget(k, fd).inode))
    return 0


@syscall(18, "pathname:path statbuf:address")
def sys_oldstat(k: Kernel, pathname: int, statbuf: int) -> int:
    """oldstat: stat with numbers of 16 bits. EOVERFLOW, or as stat."""
    copy_to_user(k, statbuf, old_stat(_named(k, pathname)))
    return 0


@syscall(84, "pathname:path statbuf:address")
def sys_oldlstat(k: Kernel, pathname: int, statbuf: int) -> int:
    """oldlstat: of a link itself. Errors as oldstat."""
    copy_to_user(k, statbuf, old_stat(_named(k, pathname, follow=False)))
    return 0


@syscall(28, "fd:fd statbuf:address")
def sys_oldfstat(k: Kernel, fd: int, statbuf: int) -> int:
    """oldfstat: of an open file. EOVERFLOW, EBADF, EFAULT."""
    copy_to_user(k, statbuf, old_stat(fget(k, fd).inode))
    return 0


@syscall(195, "pathname:path statbuf:address")
def sys_stat64(k: Kernel, pathname: int, statbuf: int) -> int:
    copy_to_user(k, statbuf, stat64(_named(k, pathname)))
    return 0


@syscall(196, "pathname:path statbuf:address")
def sys_lstat64(k: Kernel, pathname: int, statbuf: int) -> int:
    """lstat64: of a link itself. Errors as stat."""
    copy_to_user(k, statbuf, stat64(_named(k, pathname, follow=False)))
    return 0


@syscall(197, "fd:fd statbuf:address")
def sys_fstat64(k: Kernel, fd: int, statbuf: int) -> int:
    copy_to_user(k, statbuf, stat64(fget(k, fd).inode))
    return 0


@syscall(300, "dirfd:dirfd pathname:path statbuf:address flags:at_flags")
def sys_fstatat64(k: Kernel, dirfd: int, pathname: int, statbuf: int, flags: int) -> int:
    """fstatat64: from a directory on; with AT_EMPTY_PATH and "" of `dirfd` itself. EINVAL for a flag."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    copy_to_user(k, statbuf, stat64(inode_at(k, dirfd, pathname, flags, null=True)))
    return 0


@syscall(383, "dirfd:dirfd pathname:path flags:at_flags mask:hex statxbuf:address")
def sys_statx(k: Kernel, dirfd: int, pathname: int, flags: int, mask: int, statxbuf: int) -> int:
    """statx: as fstatat64, with more fields. EINVAL for a flag, or both kinds of synchronisation."""
    known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE
    if mask & STATX__RESERVED or flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE:
        raise Errno(EINVAL)
    if flags & ~known:
        raise Errno(EINVAL)
    inode, path = inode_and_path(k, dirfd, pathname, flags, null=True)
    copy_to_user(k, statxbuf, statx(inode, path, mask))
    return 0


def do_readlinkat(k: Kernel, dirfd: int, pathname: int, buf: int, size: int) -> int:
    """What a symbolic link says, cut to `size` bytes, without a NUL. EINVAL for what is none, ENOENT for
    an empty path that names none.
    """
    if not 0 < size <= 0x7FFFFFFF:
        raise Errno(EINVAL)
    name = getname_flags(k, pathname, empty=True)
    path = path_at(k, name, dirfd, follow=False)
    inode = path.dentry.inode
    if not inode.is_link:
        raise Errno(EINVAL if name else ENOENT)
    touch_atime(k, inode, path)
    text = inode.i_op.get_link(k, inode).encode(errors="surrogateescape")[:size]
    copy_to_user(k, buf, text)
    return len(text)


@syscall(85, "pathname:path buf:buffer_out bufsiz:size")
def sys_readlink(k: Kernel, pathname: int, buf: int, size: int) -> int:
    """readlink: a symbolic link's text. EINVAL for what is none or for no room, EFAULT, or the walk's."""
    return do_readlinkat(k, AT_FDCWD, pathname, buf, size)


@syscall(305, "dirfd:dirfd pathname:path buf:buffer_out bufsiz:size")
def sys_readlinkat(k: Kernel, dirfd: int, pathname: int, buf: int, size: int) -> int:
    """readlinkat: as readlink, from a directory on; "" is the link that `dirfd` has open (O_PATH)."""
    return do_readlinkat(k, dirfd, pathname, buf, size)
