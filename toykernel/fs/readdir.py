"""getdents (fs/readdir.c): the names in a directory, from where the last call stopped."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import access_ok, copy_to_user
from toykernel.errno import EFAULT, EINVAL, ENOENT, ENOTDIR, EOVERFLOW, Errno
from toykernel.fs.attr import file_accessed
from toykernel.fs.file import fget_open
from toykernel.fs.fsnotify import ACCESS, fsnotify_file
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel


def linux_dirent(name: bytes, ino: int, kind: int, following: int) -> bytes:
    """struct linux_dirent: the type is the last byte."""
    size = (10 + len(name) + 2 + 3) & -4
    head = struct.pack("<IIH", ino & 0xFFFFFFFF, following & 0x7FFFFFFF, size) + name
    return head.ljust(size - 1, b"\0") + bytes((kind,))


def linux_dirent64(name: bytes, ino: int, kind: int, following: int) -> bytes:
    """struct linux_dirent64: the type stands before the name."""
    size = (19 + len(name) + 1 + 7) & -8
    head = struct.pack("<QqHB", ino, following, size, kind) + name
    return head.ljust(size, b"\0")


def _directory(k: Kernel, fd: int, buf: int = 0, count: int = 0) -> File:
    """What is open, and has entries. EBADF, ENOTDIR, ENOENT for one that is gone, EFAULT."""
    file = fget_open(k, fd)
    if not file.readable:
        raise Errno(ENOTDIR if not file.inode.is_dir else EFAULT)
    if not access_ok(buf, count):
        raise Errno(EFAULT)
    if not file.inode.is_dir:
        raise Errno(ENOTDIR)
    if not file.inode.nlink:
        raise Errno(ENOENT)
    return file


def iterate_dir(
    k: Kernel, fd: int, buf: int, count: int, pack: Callable[[bytes, int, int, int], bytes]
) -> int:
    """As many entries as fit into `count` bytes; the file's position is that of the next one."""
    file = _directory(k, fd, buf, count)
    data = bytearray()
    for entry in file.op.iterate(k, file):
        if entry.pos < file.pos:
            continue
        name = entry.name.encode(errors="surrogateescape")
        record = pack(name, entry.ino, entry.kind, entry.pos + 1)
        if len(data) + len(record) > count:
            if not data:
                raise Errno(EINVAL)
            break
        data += record
        file.pos = entry.pos + 1
    if data:
        copy_to_user(k, buf, bytes(data))
    file_accessed(k, file)
    fsnotify_file(k, file, ACCESS)
    return len(data)


@syscall(89, "fd:fd dirp:address count:size")
def sys_readdir(k: Kernel, fd: int, dirp: int, _count: int) -> int:
    """readdir: one entry, struct old_linux_dirent; 1, or 0 at the end. Errors as getdents, EOVERFLOW."""
    file = _directory(k, fd)
    entry = next((each for each in file.op.iterate(k, file) if each.pos >= file.pos), None)
    if entry is not None:
        if entry.ino > 0xFFFFFFFF:
            raise Errno(EOVERFLOW)
        name = entry.name.encode(errors="surrogateescape")
        copy_to_user(k, dirp, struct.pack("<IIH", entry.ino, entry.pos, len(name)) + name + b"\0")
        file.pos = entry.pos + 1
    file_accessed(k, file)
    fsnotify_file(k, file, ACCESS)
    return int(entry is not None)


@syscall(141, "fd:fd dirp:address count:size")
def sys_getdents(k: Kernel, fd: int, dirp: int, count: int) -> int:
    """getdents: bytes of entries stored, 0 at the end. ENOTDIR, EINVAL for no room, ENOENT, EFAULT."""
    return iterate_dir(k, fd, dirp, count, linux_dirent)


@syscall(220, "fd:fd dirp:address count:size")
def sys_getdents64(k: Kernel, fd: int, dirp: int, count: int) -> int:
    """getdents64: as getdents, with inode numbers and positions of 64 bits."""
    return iterate_dir(k, fd, dirp, count, linux_dirent64)
