"""stat and its relatives (fs/stat.c): struct stat (64 bytes) and struct stat64 (96 bytes) of i386."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.fs.file import fget
from toykernel.fs.inode import Inode
from toykernel.fs.namei import getname, path_lookup
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

BLOCK_SIZE = 4096


def _fields(inode: Inode) -> tuple[int, int, int, int, int]:
    size = inode.size
    return inode.i_sb.s_dev, inode.rdev, size, (size + 511) // 512, inode.mtime


def new_stat(inode: Inode) -> bytes:
    """struct stat, the 64 bytes of i386's sys_newstat; sizes in bytes, blocks of 512."""
    device, rdev, size, blocks, time = _fields(inode)
    head = struct.pack(
        "<IIHHHH",
        device,
        inode.ino,
        inode.mode,
        inode.nlink,
        inode.uid & 0xFFFF,
        inode.gid & 0xFFFF,
    )
    tail = (rdev, size, BLOCK_SIZE, blocks, time, 0, time, 0, time, 0, 0, 0)
    return head + struct.pack("<12I", *tail)


def stat64(inode: Inode) -> bytes:
    """96 bytes; the inode's number stands twice (arch/x86/include/asm/stat.h)."""
    device, rdev, size, blocks, time = _fields(inode)
    head = struct.pack(
        *("<QIIIIII", device, 0, inode.ino, inode.mode, inode.nlink, inode.uid, inode.gid)
    )
    middle = struct.pack("<QIqIQ", rdev, 0, size, BLOCK_SIZE, blocks)
    return head + middle + struct.pack("<6IQ", time, 0, time, 0, time, 0, inode.ino)


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
