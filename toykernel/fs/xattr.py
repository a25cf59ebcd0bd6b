"""Extended attributes (fs/xattr.c), as a tmpfs keeps them (simple_xattr, mm/shmem.c): names and values of
an inode, in the name spaces `user`, `trusted` and `security`.

Without POSIX access control lists: `system.posix_acl_access` and its like are EOPNOTSUPP.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, strncpy_from_user
from toykernel.errno import (
    E2BIG,
    EEXIST,
    EFAULT,
    EINVAL,
    ENAMETOOLONG,
    ENODATA,
    ENOSPC,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    EROFS,
    Errno,
)
from toykernel.fs.attr import inode_owner_or_capable, touch_ctime
from toykernel.fs.file import fget_open
from toykernel.fs.fsnotify import ATTRIB, fsnotify_dentry
from toykernel.fs.inode import (
    FS_APPEND_FL,
    FS_IMMUTABLE_FL,
    MAY_READ,
    MAY_WRITE,
    S_IFDIR,
    S_IFREG,
    S_ISVTX,
    Inode,
    inode_permission,
)
from toykernel.fs.mount import mnt_want_write_file
from toykernel.fs.namei import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, inode_at
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.kernel.cred import CAP_SETFCAP, CAP_SYS_ADMIN, capable
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX = 255, 65536, 65536
XATTR_CREATE, XATTR_REPLACE = 1, 2
SECURITY, TRUSTED, USER = "security.", "trusted.", "user."
_CAPABILITY = "security.capability"
#: What a file system in memory reckons for an inode, and so for attributes (BOGO_INODE_SIZE, mm/shmem.c).
_BOGO_INODE_SIZE = 1024
#: Types of file systems that keep attributes.
_KEEPERS = ("tmpfs", "devtmpfs", "rootfs", "ramfs")
_ARGS_SIZE = 16  # struct xattr_args: value, size, flags


# -- names and rights ------------------------------------------------------------------------------


def _import_name(k: Kernel, name: int) -> str:
    """The attribute's name. Raises Errno(ERANGE) for an empty or too long one, Errno(EFAULT)."""
    try:
        text = strncpy_from_user(k, name, XATTR_NAME_MAX + 1)
    except Errno as error:
        raise Errno(ERANGE if error.number == ENAMETOOLONG else error.number) from None
    if not text:
        raise Errno(ERANGE)
    return text.decode(errors="surrogateescape")


def _permission(k: Kernel, inode: Inode, name: str, mask: int) -> None:
    """xattr_permission: EPERM or, to who only reads, ENODATA; or what the file's own rights say."""
    refused = Errno(EPERM if mask & MAY_WRITE else ENODATA)
    if mask & MAY_WRITE and inode.fsflags & (FS_IMMUTABLE_FL | FS_APPEND_FL):
        raise refused
    if name.startswith((SECURITY, "system.")):
        return
    if name.startswith(TRUSTED):
        if not capable(k, CAP_SYS_ADMIN):
            raise refused
        return
    if name.startswith(USER):
        if inode.type not in (S_IFREG, S_IFDIR):
            raise refused
        sticky = inode.is_dir and inode.mode & S_ISVTX and mask & MAY_WRITE
        if sticky and not inode_owner_or_capable(k, inode):
            raise Errno(EPERM)
    inode_permission(k, inode, mask)


def _security(k: Kernel, name: str) -> None:
    """cap_inode_setxattr: who may change what modules of security keep. Raises Errno(EPERM)."""
    if not name.startswith(SECURITY):
        return
    if not capable(k, CAP_SETFCAP if name == _CAPABILITY else CAP_SYS_ADMIN):
        raise Errno(EPERM)


def _resolve(inode: Inode, name: str) -> None:
    """xattr_resolve_name. Raises Errno(EOPNOTSUPP) for what keeps no such attribute, Errno(EINVAL) for a
    name space alone.
    """
    space = next((each for each in (SECURITY, TRUSTED, USER) if name.startswith(each)), None)
    if inode.i_sb.s_type not in _KEEPERS or space is None:
        raise Errno(EOPNOTSUPP)
    if name == space:
        raise Errno(EINVAL)


# -- what the calls do -----------------------------------------------------------------------------


def vfs_setxattr(k: Kernel, inode: Inode, name: str, value: bytes, flags: int) -> None:
    """Give an attribute a value; XATTR_CREATE and XATTR_REPLACE say whether it may be there.

    Raises Errno(EEXIST), Errno(ENODATA), Errno(ENOSPC), Errno(EROFS), or what the rights answer.
    """
    if inode.i_sb.read_only:
        raise Errno(EROFS)
    if name.startswith("system.posix_acl_"):
        raise Errno(EOPNOTSUPP)
    if name == _CAPABILITY:
        _valid_capability(k, value)
    _permission(k, inode, name, MAY_WRITE)
    _security(k, name)
    _resolve(inode, name)
    there = inode.xattrs.get(name)
    if there is not None and flags & XATTR_CREATE:
        raise Errno(EEXIST)
    if there is None and flags & XATTR_REPLACE:
        raise Errno(ENODATA)
    sb, before, old = inode.i_sb, inode.xattr_bytes, inode.xattrs
    inode.xattrs = dict(sorted({**old, name: value}.items(), reverse=True))
    more = inode.xattr_bytes - before
    limit = (sb.max_inodes - sb.s_inodes) * _BOGO_INODE_SIZE
    if sb.max_inodes and more > 0 and sb.s_xattr_bytes + more > limit:
        inode.xattrs = old
        raise Errno(ENOSPC)
    sb.s_xattr_bytes += more
    touch_ctime(k, inode)
    fsnotify_dentry(k, inode, ATTRIB)


def _valid_capability(k: Kernel, value: bytes) -> None:
    """cap_convert_nscap: struct vfs_cap_data of its second or third version. EINVAL, EPERM."""
    sizes = {0x02000000: 20, 0x03000000: 24}
    magic = int.from_bytes(value[:4], "little") & 0xFF000000
    if not value or len(value) != sizes.get(magic):
        raise Errno(EINVAL)
    if not capable(k, CAP_SETFCAP):
        raise Errno(EPERM)


def vfs_getxattr(k: Kernel, inode: Inode, name: str) -> bytes:
    """An attribute's value. Raises Errno(ENODATA), or what the rights answer."""
    if name.startswith("system.posix_acl_"):
        raise Errno(EOPNOTSUPP)
    _permission(k, inode, name, MAY_READ)
    _resolve(inode, name)
    if name not in inode.xattrs:
        raise Errno(ENODATA)
    return inode.xattrs[name]


def vfs_removexattr(k: Kernel, inode: Inode, name: str) -> None:
    """Take an attribute away. Raises Errno(ENODATA), Errno(EROFS), or what the rights answer."""
    if inode.i_sb.read_only:
        raise Errno(EROFS)
    if name.startswith("system.posix_acl_"):
        raise Errno(EOPNOTSUPP)
    _permission(k, inode, name, MAY_WRITE)
    _security(k, name)
    _resolve(inode, name)
    if name not in inode.xattrs:
        raise Errno(ENODATA)
    before = inode.xattr_bytes
    inode.xattrs = {each: value for each, value in inode.xattrs.items() if each != name}
    inode.i_sb.s_xattr_bytes -= before - inode.xattr_bytes
    touch_ctime(k, inode)
    fsnotify_dentry(k, inode, ATTRIB)


def vfs_listxattr(k: Kernel, inode: Inode) -> bytes:
    """The names, each with its NUL, last of the alphabet first; trusted ones only to who may read them."""
    names = [
        name.encode(errors="surrogateescape") + b"\0"
        for name in inode.xattrs
        if not name.startswith(TRUSTED) or capable(k, CAP_SYS_ADMIN)
    ]
    return b"".join(names)


def _inode(k: Kernel, dirfd: int, pathname: int, flags: int = 0, *, write: bool = False) -> Inode:
    """What a path names. Raises Errno(EINVAL) for a flag, or what the walk answers."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    return inode_at(k, dirfd, pathname, flags, write=write, null=True)


def _open_inode(k: Kernel, fd: int) -> Inode:
    """What an open file is of, to be changed. Raises Errno(EBADF), Errno(EROFS)."""
    file = fget_open(k, fd)
    mnt_want_write_file(file)
    return file.inode


def _new_value(k: Kernel, name: int, value: int, size: int, flags: int) -> tuple[str, bytes, int]:
    """setxattr_copy. Raises Errno(EINVAL) for a flag, Errno(ERANGE), Errno(E2BIG), Errno(EFAULT)."""
    if flags & ~(XATTR_CREATE | XATTR_REPLACE):
        raise Errno(EINVAL)
    text = _import_name(k, name)
    if size > XATTR_SIZE_MAX:
        raise Errno(E2BIG)
    return text, copy_from_user(k, value, size) if size else b"", flags


def _give(k: Kernel, data: bytes, buf: int, size: int, most: int) -> int:
    """Into a buffer of `size` bytes, 0 asks for the length only. ERANGE for too small a buffer, EFAULT."""
    if size:
        if len(data) > min(size, most):
            raise Errno(E2BIG if size >= most else ERANGE)
        copy_to_user(k, buf, data)
    return len(data)


# -- system calls ----------------------------------------------------------------------------------


@syscall(226, "pathname:path name:path value:buffer_in size:size flags:xattr_flags")
def sys_setxattr(k: Kernel, pathname: int, name: int, value: int, size: int, flags: int) -> int:
    """setxattr: EEXIST with XATTR_CREATE, ENODATA with XATTR_REPLACE; ERANGE for a name, E2BIG above 64 KiB,
    EOPNOTSUPP where there are no such attributes, EPERM, EROFS, EFAULT.
    """
    new = _new_value(k, name, value, size, flags)
    vfs_setxattr(k, _inode(k, AT_FDCWD, pathname, write=True), *new)
    return 0


@syscall(227, "pathname:path name:path value:buffer_in size:size flags:xattr_flags")
def sys_lsetxattr(k: Kernel, pathname: int, name: int, value: int, size: int, flags: int) -> int:
    """lsetxattr: of a symbolic link itself, which has no `user.` attributes."""
    new = _new_value(k, name, value, size, flags)
    vfs_setxattr(k, _inode(k, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW, write=True), *new)
    return 0


@syscall(228, "fd:fd name:path value:buffer_in size:size flags:xattr_flags")
def sys_fsetxattr(k: Kernel, fd: int, name: int, value: int, size: int, flags: int) -> int:
    """fsetxattr: of an open file. EBADF, or as setxattr."""
    new = _new_value(k, name, value, size, flags)
    vfs_setxattr(k, _open_inode(k, fd), *new)
    return 0


@syscall(229, "pathname:path name:path value:address size:size")
def sys_getxattr(k: Kernel, pathname: int, name: int, value: int, size: int) -> int:
    """getxattr: the value's length, and with a size the value. ENODATA, ERANGE, EOPNOTSUPP, EFAULT."""
    text = _import_name(k, name)
    data = vfs_getxattr(k, _inode(k, AT_FDCWD, pathname), text)
    return _give(k, data, value, size, XATTR_SIZE_MAX)


@syscall(230, "pathname:path name:path value:address size:size")
def sys_lgetxattr(k: Kernel, pathname: int, name: int, value: int, size: int) -> int:
    """lgetxattr: of a symbolic link itself."""
    text = _import_name(k, name)
    data = vfs_getxattr(k, _inode(k, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW), text)
    return _give(k, data, value, size, XATTR_SIZE_MAX)


@syscall(231, "fd:fd name:path value:address size:size")
def sys_fgetxattr(k: Kernel, fd: int, name: int, value: int, size: int) -> int:
    """fgetxattr: of an open file. EBADF, or as getxattr."""
    text = _import_name(k, name)
    data = vfs_getxattr(k, fget_open(k, fd).inode, text)
    return _give(k, data, value, size, XATTR_SIZE_MAX)


@syscall(232, "pathname:path list:address size:size")
def sys_listxattr(k: Kernel, pathname: int, names: int, size: int) -> int:
    """listxattr: the length of all names, each with a NUL, and with a size the names. ERANGE, EFAULT."""
    data = vfs_listxattr(k, _inode(k, AT_FDCWD, pathname))
    return _give(k, data, names, size, XATTR_LIST_MAX)


@syscall(233, "pathname:path list:address size:size")
def sys_llistxattr(k: Kernel, pathname: int, names: int, size: int) -> int:
    """llistxattr: of a symbolic link itself."""
    data = vfs_listxattr(k, _inode(k, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW))
    return _give(k, data, names, size, XATTR_LIST_MAX)


@syscall(234, "fd:fd list:address size:size")
def sys_flistxattr(k: Kernel, fd: int, names: int, size: int) -> int:
    """flistxattr: of an open file. EBADF, or as listxattr."""
    return _give(k, vfs_listxattr(k, fget_open(k, fd).inode), names, size, XATTR_LIST_MAX)


@syscall(235, "pathname:path name:path")
def sys_removexattr(k: Kernel, pathname: int, name: int) -> int:
    """removexattr: ENODATA, EOPNOTSUPP, ERANGE, EPERM, EROFS, EFAULT."""
    text = _import_name(k, name)
    vfs_removexattr(k, _inode(k, AT_FDCWD, pathname, write=True), text)
    return 0


@syscall(236, "pathname:path name:path")
def sys_lremovexattr(k: Kernel, pathname: int, name: int) -> int:
    """lremovexattr: of a symbolic link itself."""
    text = _import_name(k, name)
    vfs_removexattr(k, _inode(k, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW, write=True), text)
    return 0


@syscall(237, "fd:fd name:path")
def sys_fremovexattr(k: Kernel, fd: int, name: int) -> int:
    """fremovexattr: of an open file. EBADF, or as removexattr."""
    text = _import_name(k, name)
    vfs_removexattr(k, _open_inode(k, fd), text)
    return 0


def _xattr_args(k: Kernel, uargs: int, size: int) -> tuple[int, int, int]:
    """struct xattr_args: value, size, flags. Raises Errno(EINVAL), Errno(E2BIG), Errno(EFAULT)."""
    if size < _ARGS_SIZE:
        raise Errno(EINVAL)
    if size > 4096:
        raise Errno(E2BIG)
    value, length, flags = struct.unpack("<QII", copy_struct_from_user(k, uargs, size, _ARGS_SIZE))
    if value >> 32:
        raise Errno(EFAULT)
    return value, length, flags


@syscall(463, "dirfd:dirfd pathname:path flags:at_flags name:path uargs:address usize:size")
def sys_setxattrat(
    k: Kernel, dirfd: int, pathname: int, flags: int, name: int, uargs: int, usize: int
) -> int:
    """setxattrat: from a directory on, with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH; struct xattr_args."""
    value, size, how = _xattr_args(k, uargs, usize)
    new = _new_value(k, name, value, size, how)
    vfs_setxattr(k, _inode(k, dirfd, pathname, flags, write=True), *new)
    return 0


@syscall(464, "dirfd:dirfd pathname:path flags:at_flags name:path uargs:address usize:size")
def sys_getxattrat(
    k: Kernel, dirfd: int, pathname: int, flags: int, name: int, uargs: int, usize: int
) -> int:
    """getxattrat: as setxattrat; its record's flags are 0, or EINVAL."""
    value, size, how = _xattr_args(k, uargs, usize)
    if how:
        raise Errno(EINVAL)
    text = _import_name(k, name)
    data = vfs_getxattr(k, _inode(k, dirfd, pathname, flags), text)
    return _give(k, data, value, size, XATTR_SIZE_MAX)


@syscall(465, "dirfd:dirfd pathname:path flags:at_flags list:address size:size")
def sys_listxattrat(k: Kernel, dirfd: int, pathname: int, flags: int, names: int, size: int) -> int:
    """listxattrat: listxattr from a directory on."""
    data = vfs_listxattr(k, _inode(k, dirfd, pathname, flags))
    return _give(k, data, names, size, XATTR_LIST_MAX)


@syscall(466, "dirfd:dirfd pathname:path flags:at_flags name:path")
def sys_removexattrat(k: Kernel, dirfd: int, pathname: int, flags: int, name: int) -> int:
    """removexattrat: removexattr from a directory on."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    text = _import_name(k, name)
    vfs_removexattr(k, _inode(k, dirfd, pathname, flags, write=True), text)
    return 0
