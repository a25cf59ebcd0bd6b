"""What a task may do and where it stands (fs/open.c): access and its kin, chroot, close_range."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from toykernel.errno import EACCES, EINVAL, ENOTDIR, EPERM, EROFS, Errno
from toykernel.fs.file import (
    current_files,
    dup_fd,
    filp_close,
    put_files_struct,
)
from toykernel.fs.inode import (
    MAY_EXEC,
    MAY_WRITE,
    S_IFDIR,
    S_IFLNK,
    S_IFREG,
    Inode,
    inode_permission,
)
from toykernel.fs.mount import mnt_want_write
from toykernel.fs.namei import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    current_fs,
    getname,
    inode_and_path,
    path_lookup,
)
from toykernel.kernel.cred import CAP_SYS_CHROOT, capable
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.mount import Path
    from toykernel.state import Kernel

AT_EACCESS = 0x200
CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC = 2, 4


@contextmanager
def real_ids(k: Kernel) -> Iterator[None]:
    """access_override_creds: for a while the current task acts as who it really is."""
    task = k.current
    old = task.cred
    permitted = old.cap_permitted if old.uid == 0 else 0
    task.cred = replace(old, fsuid=old.uid, fsgid=old.gid, cap_effective=permitted)
    try:
        yield
    finally:
        task.cred = old


def do_faccessat(k: Kernel, dirfd: int, pathname: int, mode: int, flags: int) -> int:
    """Whether a file is there and may be used so, by the real ids or with AT_EACCESS by the effective ones.

    Raises Errno: EINVAL, EACCES, EROFS, or what the walk answers.
    """
    if mode & ~7 or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    if flags & AT_EACCESS:
        return _access(k, dirfd, pathname, mode, flags)
    with real_ids(k):
        return _access(k, dirfd, pathname, mode, flags)


def _access(k: Kernel, dirfd: int, pathname: int, mode: int, flags: int) -> int:
    inode, path = inode_and_path(k, dirfd, pathname, flags)
    if not mode:
        return 0
    return _permitted(k, inode, path, mode)


def _permitted(k: Kernel, inode: Inode, path: Path | None, mode: int) -> int:
    if mode & MAY_EXEC and inode.type == S_IFREG and not inode.mode & 0o111:
        raise Errno(EACCES)
    if mode & MAY_EXEC and inode.type == S_IFREG and path is not None and path.noexec:
        raise Errno(EACCES)
    try:
        inode_permission(k, inode, mode)
    except Errno as error:
        if error.number == EROFS and not mode & 2:
            return 0
        raise
    stored = inode.type in (S_IFREG, S_IFDIR, S_IFLNK)
    if mode & MAY_WRITE and stored and path is not None:
        mnt_want_write(path.mnt)
    return 0


@syscall(33, "pathname:path mode:access_mode")
def sys_access(k: Kernel, pathname: int, mode: int) -> int:
    """access: what the real user may do, whoever the effective one is.

    Raises Errno(EACCES), Errno(EINVAL), Errno(EROFS).
    """
    return do_faccessat(k, AT_FDCWD, pathname, mode, 0)


@syscall(307, "dirfd:dirfd pathname:path mode:access_mode")
def sys_faccessat(k: Kernel, dirfd: int, pathname: int, mode: int) -> int:
    """faccessat: access from a directory on."""
    return do_faccessat(k, dirfd, pathname, mode, 0)


@syscall(439, "dirfd:dirfd pathname:path mode:access_mode flags:at_flags")
def sys_faccessat2(k: Kernel, dirfd: int, pathname: int, mode: int, flags: int) -> int:
    """faccessat2: with AT_EACCESS the effective user, with AT_SYMLINK_NOFOLLOW a link itself. EINVAL."""
    return do_faccessat(k, dirfd, pathname, mode, flags)


@syscall(61, "path:path")
def sys_chroot(k: Kernel, pathname: int) -> int:
    """chroot: another root for paths, for who has CAP_SYS_CHROOT (EPERM). ENOTDIR, EACCES."""
    path = path_lookup(k, getname(k, pathname)).found()
    if not path.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    inode_permission(k, path.dentry.inode, MAY_EXEC)
    if not capable(k, CAP_SYS_CHROOT):
        raise Errno(EPERM)
    current_fs(k).root = path
    return 0


@syscall(436, "first:uint last:uint flags:hex")
def sys_close_range(k: Kernel, first: int, last: int, flags: int) -> int:
    """close_range: every descriptor from first to last, or their close-on-exec flags. EINVAL."""
    if flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) or first > last:
        raise Errno(EINVAL)
    files = current_files(k)
    if flags & CLOSE_RANGE_UNSHARE and files.count > 1:
        k.current.files = dup_fd(k, files)
        put_files_struct(k, files)
        files = current_files(k)
    for fd in [fd for fd in sorted(files.fd) if first <= fd <= last]:
        if flags & CLOSE_RANGE_CLOEXEC:
            files.close_on_exec.add(fd)
        else:
            filp_close(k, files, fd)
    return 0
