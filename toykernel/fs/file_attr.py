"""Flags of inodes (fs/file_attr.c): immutable, append-only, no dump, no access times; of tmpfs only."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import E2BIG, EINVAL, ENOTTY, EOPNOTSUPP, EPERM, Errno
from toykernel.fs.attr import inode_owner_or_capable, touch_ctime
from toykernel.fs.inode import (
    FS_APPEND_FL,
    FS_IMMUTABLE_FL,
    FS_NOATIME_FL,
    FS_NODUMP_FL,
    S_IFDIR,
    S_IFREG,
    Inode,
)
from toykernel.fs.mount import mnt_want_write_file
from toykernel.fs.namei import AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, inode_at
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.kernel.cred import CAP_LINUX_IMMUTABLE, capable
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80046601, 0x40046602
FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR = 0x801C581F, 0x401C5820
REQUESTS = (FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR)
_MODIFIABLE = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL
#: FS_XFLAG_ bits by those flags; FS_XFLAG_SYNC is known, too, and not kept.
_XFLAGS = {0x8: FS_IMMUTABLE_FL, 0x10: FS_APPEND_FL, 0x40: FS_NOATIME_FL, 0x80: FS_NODUMP_FL}
_XFLAG_COMMON = 0xF8 | 0x8000 | 0x200
_XFLAG_VALID = 0x80000000 | 0x1FFFB
_FSXATTR = struct.Struct("<5I8x")
_FILE_ATTR = struct.Struct("<Q4I")


def _flags_of(inode: Inode) -> int:
    """vfs_fileattr_get. Raises Errno(ENOTTY) where there are none."""
    if inode.i_sb.s_type != "tmpfs" or inode.type not in (S_IFREG, S_IFDIR):
        raise Errno(ENOTTY)
    return inode.fsflags


def _set_flags(k: Kernel, inode: Inode, flags: int, *, more: bool = False) -> None:
    """vfs_fileattr_set. Raises Errno(EPERM), Errno(EOPNOTSUPP) for what tmpfs does not keep (`more`)."""
    old = _flags_of(inode)
    if not inode_owner_or_capable(k, inode):
        raise Errno(EPERM)
    changed = (flags ^ old) & (FS_IMMUTABLE_FL | FS_APPEND_FL)
    if changed and not capable(k, CAP_LINUX_IMMUTABLE):
        raise Errno(EPERM)
    if more or flags & ~_MODIFIABLE:
        raise Errno(EOPNOTSUPP)
    inode.fsflags = flags
    touch_ctime(k, inode)


def _xflags(flags: int) -> int:
    return sum(bit for bit, flag in _XFLAGS.items() if flags & flag)


def _from_xflags(xflags: int) -> int:
    return sum(flag for bit, flag in _XFLAGS.items() if xflags & bit)


def fileattr_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """FS_IOC_GETFLAGS and its three kin. ENOTTY, EPERM, EOPNOTSUPP, EROFS, EFAULT."""
    inode = file.inode
    flags = _flags_of(inode)
    if request == FS_IOC_GETFLAGS:
        put_user(k, flags, argp)
    elif request == FS_IOC_FSGETXATTR:
        copy_to_user(k, argp, _FSXATTR.pack(_xflags(flags), 0, 0, 0, 0))
    elif request == FS_IOC_SETFLAGS:
        wanted = get_user(k, argp)
        mnt_want_write_file(file)
        _set_flags(k, inode, wanted)
    else:
        xflags, *rest = _FSXATTR.unpack(copy_from_user(k, argp, _FSXATTR.size))
        mnt_want_write_file(file)
        more = bool(xflags & ~_XFLAG_COMMON or rest[0] or rest[2] or rest[3])
        _set_flags(k, inode, _from_xflags(xflags), more=more)
    return 0


def _check(size: int, flags: int) -> None:
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    if size > PAGE_SIZE:
        raise Errno(E2BIG)
    if size < _FILE_ATTR.size:
        raise Errno(EINVAL)


@syscall(468, "dirfd:dirfd pathname:path attr:address size:size at_flags:at_flags")
def sys_file_getattr(k: Kernel, dirfd: int, pathname: int, attr: int, size: int, flags: int) -> int:
    """file_getattr: flags of a file by its path. EINVAL, E2BIG, EOPNOTSUPP, EFAULT, or the walk's."""
    _check(size, flags)
    inode = inode_at(k, dirfd, pathname, flags, null=True)
    try:
        found = _flags_of(inode)
    except Errno:
        raise Errno(EOPNOTSUPP) from None
    copy_to_user(k, attr, _FILE_ATTR.pack(_xflags(found), 0, 0, 0, 0).ljust(size, b"\0"))
    return 0


@syscall(469, "dirfd:dirfd pathname:path attr:address size:size at_flags:at_flags")
def sys_file_setattr(k: Kernel, dirfd: int, pathname: int, attr: int, size: int, flags: int) -> int:
    """file_setattr: other flags. EINVAL, E2BIG, EPERM, EOPNOTSUPP, EROFS, EFAULT, or the walk's."""
    _check(size, flags)
    data = copy_struct_from_user(k, attr, size, _FILE_ATTR.size)
    xflags, extsize, _, project, cow = _FILE_ATTR.unpack(data)
    if xflags & ~_XFLAG_VALID:
        raise Errno(EINVAL)
    inode = inode_at(k, dirfd, pathname, flags, write=True, null=True)
    more = bool(xflags & ~_XFLAG_COMMON or extsize or project or cow)
    try:
        _set_flags(k, inode, _from_xflags(xflags), more=more)
    except Errno as error:
        raise Errno(EOPNOTSUPP if error.number == ENOTTY else error.number) from None
    return 0
