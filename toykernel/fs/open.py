"""open, close, and where a task is (fs/open.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import (
    EACCES,
    EBADF,
    EEXIST,
    EINVAL,
    EISDIR,
    ENOENT,
    ENOTDIR,
    ERANGE,
    Errno,
)
from toykernel.fs.chrdev import DEVICES
from toykernel.fs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_RDONLY,
    O_TRUNC,
    O_WRONLY,
    File,
    FileOperations,
    current_files,
    fd_install,
    fget,
    filp_close,
    get_empty_filp,
    get_unused_fd,
)
from toykernel.fs.inode import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    S_IFCHR,
    S_IFDIR,
    S_IFREG,
    Inode,
    get_write_access,
    inode_permission,
    put_write_access,
)
from toykernel.fs.namei import AT_FDCWD, current_fs, d_path, getname, may_create, path_lookup
from toykernel.fs.ramfs import DIRECTORY, REGULAR
from toykernel.security import security_file_open

if TYPE_CHECKING:
    from toykernel.state import Kernel

_KEPT_FLAGS = ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | 0o400)  # and O_NOCTTY
F_OK = 0


def operations(inode: Inode) -> FileOperations:
    """f_op by the type of an inode."""
    if inode.type == S_IFDIR:
        return DIRECTORY
    return DEVICES[inode.device] if inode.type == S_IFCHR else REGULAR


def filp_open(k: Kernel, path: str, flags: int, mode: int, dirfd: int = AT_FDCWD) -> File:
    """Open, and with O_CREAT make, a file. Raises Errno, leaving nothing."""
    security_file_open(k, path, flags)
    nd = path_lookup(k, path, dirfd)
    access = flags & O_ACCMODE
    cred = k.current.cred
    inode = nd.inode
    created = False
    if inode is None:
        if not flags & O_CREAT:
            raise Errno(ENOENT)
        if nd.trailing_slash:
            raise Errno(EISDIR)
        may_create(k, nd.parent)
        bits = mode & 0o7777 & ~current_fs(k).umask
        inode = k.files.fs.new_inode(S_IFREG | bits, cred.fsuid, cred.fsgid)
        created = True
    else:
        if flags & O_CREAT and flags & O_EXCL:
            raise Errno(EEXIST)
        nd.found()
        if flags & O_DIRECTORY and not inode.is_dir:
            raise Errno(ENOTDIR)
        if inode.is_dir and (access != O_RDONLY or flags & O_CREAT):
            raise Errno(EISDIR)
        wanted = {0: MAY_READ, 1: MAY_WRITE}.get(access, MAY_READ | MAY_WRITE)
        inode_permission(k, inode, wanted | (MAY_WRITE if flags & O_TRUNC else 0))
    file = get_empty_filp(k, inode, operations(inode), flags & _KEPT_FLAGS, path)
    try:
        _claim(inode, file, truncate=bool(flags & O_TRUNC))
    except Errno:
        k.memory.slabs.filp.free(k, file.slab)
        raise
    if created:
        nd.parent.entries[nd.name] = inode
    return file


def _claim(inode: Inode, file: File, *, truncate: bool) -> None:
    """The right to write to a regular file, and O_TRUNC. Raises Errno(ETXTBSY)."""
    if inode.type != S_IFREG:
        return
    if file.writable or truncate:
        get_write_access(inode)
    if truncate:
        inode.data.clear()
        if not file.writable:
            put_write_access(inode)


def do_sys_open(k: Kernel, dirfd: int, pathname: int, flags: int, mode: int) -> int:
    """A descriptor for a path. Raises Errno."""
    path = getname(k, pathname)
    fd = get_unused_fd(k)
    file = filp_open(k, path, flags, mode, dirfd)
    return fd_install(k, fd, file, cloexec=bool(flags & O_CLOEXEC))


def sys_open(k: Kernel, pathname: int, flags: int, mode: int) -> int:
    """open."""
    return do_sys_open(k, AT_FDCWD, pathname, flags, mode)


def sys_openat(k: Kernel, dirfd: int, pathname: int, flags: int, mode: int) -> int:
    """openat: relative to an open directory."""
    return do_sys_open(k, dirfd, pathname, flags, mode)


def sys_creat(k: Kernel, pathname: int, mode: int) -> int:
    """creat."""
    return do_sys_open(k, AT_FDCWD, pathname, O_CREAT | O_WRONLY | O_TRUNC, mode)


def sys_close(k: Kernel, fd: int) -> int:
    """close."""
    files = current_files(k)
    if fd not in files.fd:
        raise Errno(EBADF)
    filp_close(k, files, fd)
    return 0


def sys_access(k: Kernel, pathname: int, mode: int) -> int:
    """access: what the real user may do, whoever the effective one is."""
    if mode & ~7:
        raise Errno(EINVAL)
    inode = path_lookup(k, getname(k, pathname)).found()
    if mode == F_OK:
        return 0
    cred = k.current.cred
    if cred.uid == 0:
        if mode & 1 and not inode.is_dir and not inode.mode & 0o111:
            raise Errno(EACCES)
        return 0
    shift = 6 if cred.uid == inode.uid else 3 if cred.gid == inode.gid else 0
    if mode & ~(inode.mode >> shift):
        raise Errno(EACCES)
    return 0


def sys_umask(k: Kernel, mask: int) -> int:
    """umask: the old one."""
    fs = current_fs(k)
    old, fs.umask = fs.umask, mask & 0o777
    return old


def _set_pwd(k: Kernel, inode: Inode) -> int:
    if not inode.is_dir:
        raise Errno(ENOTDIR)
    inode_permission(k, inode, MAY_EXEC)
    current_fs(k).pwd = inode
    return 0


def sys_chdir(k: Kernel, pathname: int) -> int:
    """chdir."""
    return _set_pwd(k, path_lookup(k, getname(k, pathname)).found())


def sys_fchdir(k: Kernel, fd: int) -> int:
    """fchdir."""
    return _set_pwd(k, fget(k, fd).inode)


def sys_getcwd(k: Kernel, buf: int, size: int) -> int:
    """getcwd: the length, with the NUL. Raises Errno(ERANGE), Errno(ENOENT) when it was removed."""
    fs = current_fs(k)
    path = d_path(fs.root, fs.pwd)
    if path is None:
        raise Errno(ENOENT)
    data = path.encode(errors="surrogateescape") + b"\0"
    if len(data) > size:
        raise Errno(ERANGE)
    copy_to_user(k, buf, data)
    return len(data)
