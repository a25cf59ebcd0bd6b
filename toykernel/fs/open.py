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
    ELOOP,
    ENOENT,
    ENOTDIR,
    EPERM,
    ERANGE,
    Errno,
)
from toykernel.fs.attr import file_remove_privs, inode_owner_or_capable
from toykernel.fs.dcache import Dentry, d_add
from toykernel.fs.fifo import wait_for_partner
from toykernel.fs.file import (
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_PATH,
    O_RDONLY,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    File,
    current_files,
    fd_install,
    fget,
    filp_close,
    get_empty_filp,
    get_unused_fd,
    put_filp,
)
from toykernel.fs.fsnotify import CREATE, MODIFY, OPEN, fsnotify_dirent, fsnotify_file
from toykernel.fs.inode import (
    F_SEAL_SHRINK,
    FS_APPEND_FL,
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    S_IFBLK,
    S_IFCHR,
    S_IFIFO,
    S_IFREG,
    Inode,
    drop_nlink,
    get_write_access,
    inode_permission,
    put_write_access,
)
from toykernel.fs.landlock import TRUNCATE, landlock_make, landlock_open, landlock_path
from toykernel.fs.leases import LeaseInTheWay, break_lease, wait_for_leases
from toykernel.fs.libfs import NO_FILE
from toykernel.fs.mount import MNT_NODEV, Path, d_path, mnt_want_write
from toykernel.fs.namei import (
    AT_FDCWD,
    Nameidata,
    current_fs,
    getname,
    may_create,
    path_lookup,
)
from toykernel.security import security_file_open
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

_KEPT_FLAGS = ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | 0o400)  # and O_NOCTTY
_O_TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY


def filp_open(
    k: Kernel, path: str, flags: int, mode: int, dirfd: int = AT_FDCWD, resolve: int = 0
) -> File:
    """Open, and with O_CREAT make, a file; `resolve` limits the walk (openat2).

    Raises Errno, leaving nothing: EEXIST with O_EXCL, or what _may_open and the walk answer.
    """
    security_file_open(k, path, flags)
    if flags & _O_TMPFILE_BIT:
        return _tmpfile(k, path, flags, mode, dirfd, resolve)
    exclusive = flags & O_CREAT and flags & O_EXCL
    follow = not exclusive and not flags & O_NOFOLLOW
    nd = path_lookup(k, path, dirfd, follow=follow, resolve=resolve)
    if flags & O_CREAT and nd.trailing_slash:
        raise Errno(EISDIR)
    if nd.path is None:
        return _create(k, nd, path, flags, mode)
    if exclusive:
        raise Errno(EEXIST)
    return open_path(k, nd.found(), path, flags)


def open_path(k: Kernel, path: Path, name: str, flags: int) -> File:
    """do_open of what has been found. Raises Errno, leaving nothing."""
    inode = path.dentry.inode
    if flags & O_PATH:
        return _open_o_path(k, path, name, flags)
    _may_open(k, path, flags)
    break_lease(k, inode, flags)
    inode.i_op.fill(k, inode)
    file = get_empty_filp(k, inode, inode.i_fop, flags & (_KEPT_FLAGS | O_NOCTTY), name)
    file.f_path = path
    try:
        landlock_open(k, file)
        if flags & O_TRUNC and inode.type == S_IFREG:
            landlock_path(k, path, TRUNCATE)
        file.op.open(k, file)
        file.flags &= ~O_NOCTTY
        _claim(k, inode, file, truncate=bool(flags & O_TRUNC))
    except Errno:
        put_filp(k, file)
        raise
    fsnotify_file(k, file, OPEN)
    if flags & O_TRUNC and inode.type == S_IFREG:
        fsnotify_file(k, file, MODIFY)
    return file


def _open_o_path(k: Kernel, path: Path, name: str, flags: int) -> File:
    """O_PATH: a place in the tree, and nothing that can be done with what is there."""
    inode = path.dentry.inode
    if flags & O_DIRECTORY and not inode.is_dir:
        raise Errno(ENOTDIR)
    kept = O_PATH | flags & (O_DIRECTORY | O_NOFOLLOW)
    file = get_empty_filp(k, inode, NO_FILE, kept, name)
    file.f_path = path
    return file


def _tmpfile(k: Kernel, path: str, flags: int, mode: int, dirfd: int, resolve: int) -> File:
    """O_TMPFILE: a file without a name in a directory. Raises Errno(EOPNOTSUPP) where there are none."""
    nd = path_lookup(k, path, dirfd, follow=not flags & O_NOFOLLOW, resolve=resolve)
    at = nd.found()
    if not at.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    parent = may_create(k, at)
    mnt_want_write(at.mnt)
    bits = mode & 0o7777 & ~current_fs(k).umask
    inode = parent.i_op.tmpfile(k, parent, bits)
    inode.linkable = not flags & O_EXCL
    inode.nlink = 0
    kept = flags & _KEPT_FLAGS & ~O_TMPFILE
    try:
        file = get_empty_filp(k, inode, inode.i_fop, kept | flags & O_TMPFILE, path)
    except Errno:
        drop_nlink(k, inode, 0)
        raise
    get_write_access(inode)
    dentry = Dentry(f"#{inode.ino}", inode)
    dentry.parent, dentry.hashed = at.dentry, False
    file.f_path = Path(at.mnt, dentry)
    try:
        landlock_open(k, file)
    except Errno:
        put_write_access(inode)
        put_filp(k, file)
        raise
    fsnotify_file(k, file, OPEN)
    return file


def _may_open(k: Kernel, path: Path, flags: int) -> None:
    """may_open: whether what is there may be opened so.

    Raises Errno: ENOTDIR, EISDIR, ELOOP for a link, EACCES, EROFS, EPERM for O_NOATIME on another's file.
    """
    inode = path.dentry.inode
    access = flags & O_ACCMODE
    if flags & O_DIRECTORY and not inode.is_dir:
        raise Errno(ENOTDIR)
    if inode.is_link:
        raise Errno(ELOOP)  # only O_NOFOLLOW leads here
    if inode.is_dir and (access != O_RDONLY or flags & (O_CREAT | O_TRUNC)):
        raise Errno(EISDIR)
    if inode.type in (S_IFCHR, S_IFBLK) and path.mnt.flags & MNT_NODEV:
        raise Errno(EACCES)
    wanted = {0: MAY_READ, 1: MAY_WRITE}.get(access, MAY_READ | MAY_WRITE)
    wanted |= MAY_WRITE if flags & O_TRUNC else 0
    inode_permission(k, inode, wanted)
    if inode.fsflags & FS_APPEND_FL:
        overwrites = access != O_RDONLY and not flags & O_APPEND
        if overwrites or flags & O_TRUNC:
            raise Errno(EPERM)
    if wanted & MAY_WRITE and inode.type == S_IFREG:
        mnt_want_write(path.mnt)
    if flags & O_NOATIME and not inode_owner_or_capable(k, inode):
        raise Errno(EPERM)


def _create(k: Kernel, nd: Nameidata, path: str, flags: int, mode: int) -> File:
    """Make the file of a new name; its mode does not count for this open. Raises Errno(ENOENT)
    without O_CREAT, Errno(EISDIR).
    """
    if not flags & O_CREAT:
        raise Errno(ENOENT)
    landlock_make(k, nd.parent, S_IFREG)
    parent = may_create(k, nd.parent)
    mnt_want_write(nd.parent.mnt)
    bits = mode & 0o7777 & ~current_fs(k).umask
    inode = parent.i_op.create(k, parent, nd.name, bits)
    try:
        file = get_empty_filp(k, inode, inode.i_fop, flags & _KEPT_FLAGS, path)
    except Errno:
        drop_nlink(k, inode)
        raise
    dentry = d_add(nd.parent.dentry, nd.name, inode)
    file.f_path = Path(nd.parent.mnt, dentry)
    try:
        landlock_open(k, file)
    except Errno:
        put_filp(k, file)
        raise
    if file.writable:
        get_write_access(inode)
    file.created = True
    fsnotify_dirent(k, parent, nd.name, CREATE, inode)
    fsnotify_file(k, file, OPEN)
    return file


def _claim(k: Kernel, inode: Inode, file: File, *, truncate: bool) -> None:
    """The right to write to a regular file, and O_TRUNC. Raises Errno(ETXTBSY)."""
    if inode.type != S_IFREG:
        return
    if file.writable or truncate:
        get_write_access(inode)
    if truncate:
        if inode.seals & F_SEAL_SHRINK and inode.size:
            put_write_access(inode)
            raise Errno(EPERM)
        inode.i_op.truncate(k, inode, 0)
        file_remove_privs(k, inode)
        if not file.writable:
            put_write_access(inode)


def do_sys_open(k: Kernel, dirfd: int, pathname: int, flags: int, mode: int) -> Result:
    """The lowest free descriptor, for a path from `dirfd` on; a FIFO's, once its other end is open.

    Raises Errno(EMFILE), EINVAL for flags that exclude each other, or what filp_open answers.
    """
    if flags & O_PATH:
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    check_open_flags(flags)
    return open_name(k, getname(k, pathname), flags, mode, dirfd)


def check_open_flags(flags: int) -> None:
    """build_open_flags. Raises Errno(EINVAL): a directory is not made by open, and O_TMPFILE takes
    O_DIRECTORY and the right to write.
    """
    creates = flags & O_CREAT and flags & (O_DIRECTORY | _O_TMPFILE_BIT)
    readable = flags & O_ACCMODE == O_RDONLY
    if creates or (flags & _O_TMPFILE_BIT and (readable or not flags & O_DIRECTORY)):
        raise Errno(EINVAL)


def open_name(k: Kernel, path: str, flags: int, mode: int, dirfd: int, resolve: int = 0) -> Result:
    """The same for a path that the kernel has."""
    fd = get_unused_fd(k)
    try:
        file = filp_open(k, path, flags, mode, dirfd, resolve)
    except LeaseInTheWay as lease:
        args = (path, flags & ~(O_CREAT | O_EXCL), mode, dirfd, resolve)
        return wait_for_leases(k, lease.inode, open_name, args)
    cloexec = bool(flags & O_CLOEXEC)
    if file.inode.type == S_IFIFO and not flags & O_PATH:
        return wait_for_partner(k, file, fd, cloexec)
    return fd_install(k, fd, file, cloexec=cloexec)


@syscall(5, "pathname:path flags:open_flags mode:mode")
def sys_open(k: Kernel, pathname: int, flags: int, mode: int) -> Result:
    """The lowest free descriptor for a path. Raises EMFILE, or what the walk or the rights answer."""
    return do_sys_open(k, AT_FDCWD, pathname, flags, mode)


@syscall(295, "dirfd:dirfd pathname:path flags:open_flags mode:mode")
def sys_openat(k: Kernel, dirfd: int, pathname: int, flags: int, mode: int) -> Result:
    """openat: a path that is not absolute starts at an open directory.

    Raises Errno(ENOTDIR), Errno(EBADF), or as open.
    """
    return do_sys_open(k, dirfd, pathname, flags, mode)


@syscall(8, "pathname:path mode:mode")
def sys_creat(k: Kernel, pathname: int, mode: int) -> Result:
    """open with O_CREAT, O_WRONLY and O_TRUNC."""
    return do_sys_open(k, AT_FDCWD, pathname, O_CREAT | O_WRONLY | O_TRUNC, mode)


@syscall(6, "fd:fd")
def sys_close(k: Kernel, fd: int) -> int:
    """The descriptor is free at once, whatever the file's release does. Raises Errno(EBADF)."""
    files = current_files(k)
    if fd not in files.fd:
        raise Errno(EBADF)
    filp_close(k, files, fd)
    return 0


@syscall(60, "mask:mode")
def sys_umask(k: Kernel, mask: int) -> int:
    """Bits that new files do not get; answers with the mask before."""
    fs = current_fs(k)
    old, fs.umask = fs.umask, mask & 0o777
    return old


def _set_pwd(k: Kernel, path: Path | None) -> int:
    if path is None or not path.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    inode_permission(k, path.dentry.inode, MAY_EXEC)
    current_fs(k).pwd = path
    return 0


@syscall(12, "path:path")
def sys_chdir(k: Kernel, pathname: int) -> int:
    """Raises Errno(ENOTDIR), or Errno(EACCES) where the directory may not be searched."""
    return _set_pwd(k, path_lookup(k, getname(k, pathname)).found())


@syscall(133, "fd:fd")
def sys_fchdir(k: Kernel, fd: int) -> int:
    """By an open directory. Raises Errno(ENOTDIR), Errno(EACCES)."""
    return _set_pwd(k, fget(k, fd).f_path)


@syscall(183, "buf:buffer_out size:size")
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
