"""statfs (fs/statfs.c): what kind of file system a file is on, and how full it is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EINVAL, Errno
from toykernel.fs.file import fget
from toykernel.fs.inode import S_IFSOCK
from toykernel.fs.mount import (
    MNT_NOATIME,
    MNT_NODEV,
    MNT_NODIRATIME,
    MNT_NOEXEC,
    MNT_NOSUID,
    MNT_NOSYMFOLLOW,
    MNT_READONLY,
    MNT_RELATIME,
)
from toykernel.fs.namei import getname, path_lookup
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.mount import Mount
    from toykernel.fs.super import SuperBlock
    from toykernel.state import Kernel

BLOCK_SIZE = 4096
NAME_MAX = 255
ST_RDONLY, ST_VALID = 0x1, 0x20
#: f_flags by the mount's (flags_by_mnt).
_ST_FLAGS = {
    MNT_READONLY: ST_RDONLY,
    MNT_NOSUID: 0x2,
    MNT_NODEV: 0x4,
    MNT_NOEXEC: 0x8,
    MNT_NOATIME: 0x400,
    MNT_NODIRATIME: 0x800,
    MNT_RELATIME: 0x1000,
    MNT_NOSYMFOLLOW: 0x2000,
}
#: include/uapi/linux/magic.h, by the name of the type.
MAGIC = {
    "rootfs": 0x858458F6,
    "ramfs": 0x858458F6,
    "tmpfs": 0x01021994,
    "devtmpfs": 0x01021994,
    "proc": 0x9FA0,
    "sysfs": 0x62656572,
    "devpts": 0x1CD1,
    "anon_inodefs": 0x09041934,
    "pipefs": 0x50495045,
    "sockfs": 0x534F434B,
    "nsfs": 0x6E736673,
    "mqueue": 0x19800202,
    "hostfs": 0x00C0FFEE,
}

#: Those that keep nothing of their own count nothing (simple_statfs).
UNCOUNTED = ("proc", "sysfs", "devpts", "pipefs", "sockfs", "nsfs", "anon_inodefs")


def _flags(sb: SuperBlock, mnt: Mount | None) -> int:
    seen = mnt.flags if mnt is not None else 0
    flags = sum(bit for mine, bit in _ST_FLAGS.items() if seen & mine)
    return flags | ST_VALID | (ST_RDONLY if sb.read_only else 0)


def _numbers(sb: SuperBlock, name: str, mnt: Mount | None = None) -> tuple[int, ...]:
    """Type, block size, blocks, free ones, those for everybody, inodes, free ones, id, name length,
    fragment size, flags."""
    blocks, inodes = sb.max_bytes // BLOCK_SIZE, sb.max_inodes
    free = max(sb.max_bytes - sb.s_bytes, 0) // BLOCK_SIZE
    left = max(inodes - sb.s_inodes, 0)
    if name in UNCOUNTED:
        blocks = free = inodes = left = 0
    magic = MAGIC.get(name, 0x858458F6)
    return (
        magic,
        BLOCK_SIZE,
        blocks,
        free,
        free,
        inodes,
        left,
        sb.s_dev,
        0,
        NAME_MAX,
        BLOCK_SIZE,
        _flags(sb, mnt),
    )


def _statfs(sb: SuperBlock, name: str, mnt: Mount | None) -> bytes:
    """struct statfs of i386: 64 bytes."""
    return struct.pack("<16I", *_numbers(sb, name, mnt), 0, 0, 0, 0)


def _statfs64(sb: SuperBlock, name: str, mnt: Mount | None) -> bytes:
    """struct statfs64 of i386: 84 bytes; counts have 64 bits."""
    n = _numbers(sb, name, mnt)
    return struct.pack("<2I5Q", *n[:7]) + struct.pack("<9I", *n[7:], 0, 0, 0, 0)


def _of_open(k: Kernel, fd: int) -> tuple[SuperBlock, str, Mount | None]:
    """What an open file is on, its type, and the mount: sockets and files without a name are on pipefs."""
    file = fget(k, fd)
    inode, mnt = file.inode, file.f_path.mnt if file.f_path is not None else None
    if inode is k.files.anon_inode:
        return inode.i_sb, "anon_inodefs", mnt
    socket = inode.i_sb is k.files.fs.pipefs and inode.type == S_IFSOCK
    return inode.i_sb, "sockfs" if socket else inode.i_sb.s_type, mnt


@syscall(99, "pathname:path buf:address")
def sys_statfs(k: Kernel, pathname: int, buf: int) -> int:
    """statfs: of the file system that a path leads to. EFAULT, or what the walk answers."""
    path = path_lookup(k, getname(k, pathname)).found()
    sb = path.dentry.inode.i_sb
    copy_to_user(k, buf, _statfs(sb, sb.s_type, path.mnt))
    return 0


@syscall(100, "fd:fd buf:address")
def sys_fstatfs(k: Kernel, fd: int, buf: int) -> int:
    """fstatfs: of the one that an open file is on. EBADF, EFAULT."""
    copy_to_user(k, buf, _statfs(*_of_open(k, fd)))
    return 0


@syscall(268, "pathname:path size:size buf:address")
def sys_statfs64(k: Kernel, pathname: int, size: int, buf: int) -> int:
    """statfs64: as statfs, with counts of 64 bits. EINVAL unless `size` is the record's, 84."""
    if size != 84:
        raise Errno(EINVAL)
    path = path_lookup(k, getname(k, pathname)).found()
    sb = path.dentry.inode.i_sb
    copy_to_user(k, buf, _statfs64(sb, sb.s_type, path.mnt))
    return 0


@syscall(269, "fd:fd size:size buf:address")
def sys_fstatfs64(k: Kernel, fd: int, size: int, buf: int) -> int:
    """fstatfs64: as fstatfs, with counts of 64 bits. EINVAL unless `size` is the record's, 84."""
    if size != 84:
        raise Errno(EINVAL)
    copy_to_user(k, buf, _statfs64(*_of_open(k, fd)))
    return 0


@syscall(62, "dev:hex ubuf:address")
def sys_ustat(k: Kernel, dev: int, ubuf: int) -> int:
    """ustat: free blocks and inodes of the file system with a device's number. EINVAL for none, EFAULT."""
    found = next((sb for sb in k.files.fs.super_blocks() if sb.s_dev == dev), None)
    if found is None:
        raise Errno(EINVAL)
    numbers = _numbers(found, found.s_type)
    copy_to_user(k, ubuf, struct.pack("<II12x", numbers[3] & 0xFFFFFFFF, numbers[6] & 0xFFFFFFFF))
    return 0
