"""stat and its relatives (fs/stat.c): struct stat (64 bytes) and struct stat64 (96 bytes) of i386."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.fs.file import fget
from toykernel.fs.inode import S_IFREG, Inode
from toykernel.fs.namei import getname, path_lookup

if TYPE_CHECKING:
    from toykernel.state import Kernel

BLOCK_SIZE = 4096
RAMFS_DEV, PIPE_DEV = 1, 2
_RDEV = {"console": 5 << 8 | 1, "null": 1 << 8 | 3, "zero": 1 << 8 | 5}


def _fields(inode: Inode) -> tuple[int, int, int, int, int]:
    size = len(inode.data) if inode.type == S_IFREG else 0
    device = PIPE_DEV if inode.pipe is not None else RAMFS_DEV
    return device, _RDEV.get(inode.device, 0), size, (size + 511) // 512, inode.mtime


def new_stat(inode: Inode) -> bytes:
    """struct stat."""
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
    """struct stat64."""
    device, rdev, size, blocks, time = _fields(inode)
    head = struct.pack(
        *("<QIIIIII", device, 0, inode.ino, inode.mode, inode.nlink, inode.uid, inode.gid)
    )
    middle = struct.pack("<QIqIQ", rdev, 0, size, BLOCK_SIZE, blocks)
    return head + middle + struct.pack("<6IQ", time, 0, time, 0, time, 0, inode.ino)


def sys_stat(k: Kernel, pathname: int, statbuf: int) -> int:
    """stat."""
    copy_to_user(k, statbuf, new_stat(path_lookup(k, getname(k, pathname)).found()))
    return 0


def sys_fstat(k: Kernel, fd: int, statbuf: int) -> int:
    """fstat."""
    copy_to_user(k, statbuf, new_stat(fget(k, fd).inode))
    return 0


def sys_stat64(k: Kernel, pathname: int, statbuf: int) -> int:
    """stat64."""
    copy_to_user(k, statbuf, stat64(path_lookup(k, getname(k, pathname)).found()))
    return 0


def sys_fstat64(k: Kernel, fd: int, statbuf: int) -> int:
    """fstat64."""
    copy_to_user(k, statbuf, stat64(fget(k, fd).inode))
    return 0
