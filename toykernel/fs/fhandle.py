"""File handles (fs/fhandle.c): a file by its number instead of a path, and opened by it.

A handle of a file system in memory is the inode's number (shmem_encode_fh): there are no generations, for
no number is given twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EINVAL, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE, Errno
from toykernel.fs.file import O_CLOEXEC, O_LARGEFILE, fd_install, fget, get_unused_fd
from toykernel.fs.mount import Path
from toykernel.fs.namei import AT_FDCWD, current_fs, getname_flags, path_at
from toykernel.fs.open import open_path
from toykernel.kernel.cred import CAP_DAC_READ_SEARCH, capable
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = 0x1000, 0x400
MAX_HANDLE_SZ = 128
_BYTES, _TYPE = 12, 1  # generation and the two halves of the number; FILEID_INO32_GEN
_INVALID_TYPE = 0xFF  # FILEID_INVALID
_HEADER = 8  # struct file_handle without what is in it
#: Types of file systems whose files have handles.
_EXPORTED = ("tmpfs", "devtmpfs", "rootfs", "ramfs")
AT_HANDLE_FID, AT_HANDLE_MNT_ID_UNIQUE = 0x200, 0x1
_FLAGS = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE


@syscall(341, "dirfd:dirfd pathname:path handle:address mount_id:address flags:at_flags")
def sys_name_to_handle_at(
    k: Kernel, dirfd: int, pathname: int, handle: int, mount_id: int, flags: int
) -> int:
    """name_to_handle_at: the handle of what a path names, and its mount's number. EOVERFLOW, telling the
    size, where there is no room; EOPNOTSUPP for a file system without handles, EINVAL, EFAULT, or the walk's.
    """
    if flags & ~_FLAGS:
        raise Errno(EINVAL)
    name = getname_flags(k, pathname, empty=bool(flags & AT_EMPTY_PATH))
    if not name and dirfd != AT_FDCWD:
        path = fget(k, dirfd).f_path
        if path is None:
            raise Errno(EOPNOTSUPP)
    else:
        path = path_at(k, name, dirfd, follow=bool(flags & AT_SYMLINK_FOLLOW))
    inode = path.dentry.inode
    if inode.i_sb.s_type not in _EXPORTED:
        raise Errno(EOPNOTSUPP)
    (room,) = struct.unpack("<I4x", copy_from_user(k, handle, _HEADER))
    if room > MAX_HANDLE_SZ:
        raise Errno(EINVAL)
    record = struct.pack("<3I", 0, inode.ino & 0xFFFFFFFF, inode.ino >> 32)
    if flags & AT_HANDLE_MNT_ID_UNIQUE:
        copy_to_user(k, mount_id, path.mnt.unique_id.to_bytes(8, "little"))
    else:
        put_user(k, path.mnt.mnt_id, mount_id)
    if room < _BYTES:
        copy_to_user(k, handle, struct.pack("<Ii", _BYTES, _INVALID_TYPE))
        raise Errno(EOVERFLOW)
    copy_to_user(k, handle, struct.pack("<Ii", _BYTES, _TYPE) + record)
    return 0


def _below(dentry: Dentry) -> Iterator[Dentry]:
    yield dentry
    for child in dentry.children.values():
        yield from _below(child)


@syscall(342, "mount_fd:fd handle:address flags:open_flags")
def sys_open_by_handle_at(k: Kernel, mount_fd: int, handle: int, flags: int) -> Result:
    """open_by_handle_at: open what a handle stands for, on the file system of a descriptor. EPERM without
    CAP_DAC_READ_SEARCH, ESTALE for what is there no more, EINVAL, EBADF, EFAULT, or open's.
    """
    if not capable(k, CAP_DAC_READ_SEARCH):
        raise Errno(EPERM)
    size, kind = struct.unpack("<Ii", copy_from_user(k, handle, _HEADER))
    if not 0 < size <= MAX_HANDLE_SZ:
        raise Errno(EINVAL)
    at = current_fs(k).pwd if mount_fd == AT_FDCWD else fget(k, mount_fd).f_path
    data = copy_from_user(k, handle + _HEADER, size)
    if at is None or at.mnt.sb.s_type not in _EXPORTED or size < _BYTES or kind != _TYPE:
        raise Errno(ESTALE)
    _, low, high = struct.unpack("<3I", data[:_BYTES])
    number = low | high << 32
    top = at.mnt.root
    while top.parent is not top:
        top = top.parent
    found = next((d for d in _below(top) if d.inode.ino == number), None)
    if found is None:
        raise Errno(ESTALE)
    fd = get_unused_fd(k)
    file = open_path(k, Path(at.mnt, found), "", flags | O_LARGEFILE)
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))
