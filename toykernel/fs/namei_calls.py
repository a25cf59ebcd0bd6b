"""The system calls that make, remove and change names (the second half of fs/namei.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, ENOENT, EPERM, Errno
from toykernel.fs.namei import (
    AT_FDCWD,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    RENAME_WHITEOUT,
    do_mkdir,
    do_mknod,
    do_rename,
    do_rmdir,
    do_symlink,
    do_unlink,
    getname,
    getname_flags,
    link_path,
    may_make_whiteout,
    path_at,
    path_parent,
)
from toykernel.kernel.cred import CAP_DAC_READ_SEARCH, capable
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x200, 0x400, 0x1000


# -- making ----------------------------------------------------------------------------------------


@syscall(39, "pathname:path mode:mode")
def sys_mkdir(k: Kernel, pathname: int, mode: int) -> int:
    """Mode less the umask. Raises Errno(EEXIST) for any name that is there, even a dangling link."""
    do_mkdir(k, getname(k, pathname), mode)
    return 0


@syscall(296, "dirfd:dirfd pathname:path mode:mode")
def sys_mkdirat(k: Kernel, dirfd: int, pathname: int, mode: int) -> int:
    """mkdirat: mkdir from a directory on."""
    do_mkdir(k, getname(k, pathname), mode, dirfd)
    return 0


@syscall(14, "pathname:path mode:mode dev:hex")
def sys_mknod(k: Kernel, pathname: int, mode: int, dev: int) -> int:
    """mknod: a file, FIFO, socket or (with CAP_MKNOD) device. EPERM, EINVAL for another type, EEXIST."""
    do_mknod(k, getname(k, pathname), mode, dev)
    return 0


@syscall(297, "dirfd:dirfd pathname:path mode:mode dev:hex")
def sys_mknodat(k: Kernel, dirfd: int, pathname: int, mode: int, dev: int) -> int:
    """mknodat: mknod from a directory on."""
    do_mknod(k, getname(k, pathname), mode, dev, dirfd)
    return 0


@syscall(83, "target:path linkpath:path")
def sys_symlink(k: Kernel, target: int, linkpath: int) -> int:
    """symlink: a name that leads to another path, whether or not that exists. EEXIST, ENOENT."""
    do_symlink(k, getname(k, target), getname(k, linkpath))
    return 0


@syscall(304, "target:path newdirfd:dirfd linkpath:path")
def sys_symlinkat(k: Kernel, target: int, dirfd: int, linkpath: int) -> int:
    """symlinkat: symlink from a directory on."""
    do_symlink(k, getname(k, target), getname(k, linkpath), dirfd)
    return 0


@syscall(9, "oldpath:path newpath:path")
def sys_link(k: Kernel, oldpath: int, newpath: int) -> int:
    """link: one more name for a file, a symbolic link itself. EPERM for a directory, EXDEV, EEXIST."""
    return _link(k, AT_FDCWD, oldpath, AT_FDCWD, newpath, 0)


@syscall(303, "olddirfd:dirfd oldpath:path newdirfd:dirfd newpath:path flags:at_flags")
def sys_linkat(
    k: Kernel, olddirfd: int, oldpath: int, newdirfd: int, newpath: int, flags: int
) -> int:
    """linkat: with AT_SYMLINK_FOLLOW what a link leads to, with AT_EMPTY_PATH and CAP_DAC_READ_SEARCH what
    `olddirfd` has open. EINVAL for a flag, ENOENT, or as link.
    """
    return _link(k, olddirfd, oldpath, newdirfd, newpath, flags)


def _link(k: Kernel, olddirfd: int, oldpath: int, newdirfd: int, newpath: int, flags: int) -> int:
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    empty = bool(flags & AT_EMPTY_PATH)
    old = getname_flags(k, oldpath, empty=empty)
    if not old and not capable(k, CAP_DAC_READ_SEARCH):
        raise Errno(ENOENT)
    source = path_at(k, old, olddirfd, follow=bool(flags & AT_SYMLINK_FOLLOW))
    link_path(k, source, getname(k, newpath), newdirfd)
    return 0


# -- changing --------------------------------------------------------------------------------------


@syscall(38, "oldpath:path newpath:path")
def sys_rename(k: Kernel, oldpath: int, newpath: int) -> int:
    """rename: another name, taking the place of what has it. Errors are do_rename's."""
    do_rename(k, *_two_names(k, oldpath, AT_FDCWD, newpath))
    return 0


def _two_names(k: Kernel, oldpath: int, olddirfd: int, newpath: int) -> tuple[str, str]:
    """The paths of a rename. A first one that leads nowhere is answered before a second at a bad address."""
    old = getname(k, oldpath)
    try:
        return old, getname(k, newpath)
    except Errno:
        path_parent(k, old, olddirfd)
        raise


@syscall(302, "olddirfd:dirfd oldpath:path newdirfd:dirfd newpath:path")
def sys_renameat(k: Kernel, olddirfd: int, oldpath: int, newdirfd: int, newpath: int) -> int:
    """renameat: rename from directories on."""
    do_rename(k, *_two_names(k, oldpath, olddirfd, newpath), olddirfd, newdirfd)
    return 0


@syscall(353, "olddirfd:dirfd oldpath:path newdirfd:dirfd newpath:path flags:rename_flags")
def sys_renameat2(
    k: Kernel, olddirfd: int, oldpath: int, newdirfd: int, newpath: int, flags: int
) -> int:
    """renameat2: RENAME_NOREPLACE, RENAME_EXCHANGE, or RENAME_WHITEOUT, which leaves a character device 0:0
    where the file was. EINVAL for what does not go together, for another flag, and for that where it is no
    tmpfs; in profiles where a whiteout is a device, EPERM for it without CAP_MKNOD.
    """
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT):
        raise Errno(EINVAL)
    if flags & RENAME_EXCHANGE and flags & (RENAME_NOREPLACE | RENAME_WHITEOUT):
        raise Errno(EINVAL)
    if flags & RENAME_WHITEOUT and not may_make_whiteout(k):
        raise Errno(EPERM)
    do_rename(k, *_two_names(k, oldpath, olddirfd, newpath), olddirfd, newdirfd, flags)
    return 0


# -- removing --------------------------------------------------------------------------------------


@syscall(40, "pathname:path")
def sys_rmdir(k: Kernel, pathname: int) -> int:
    """Take an empty directory away. Errors are do_rmdir's, EFAULT, ENAMETOOLONG."""
    do_rmdir(k, getname(k, pathname))
    return 0


@syscall(10, "pathname:path")
def sys_unlink(k: Kernel, pathname: int) -> int:
    """Take a name away; who has the file open keeps it. Errors are do_unlink's and getname's."""
    do_unlink(k, getname(k, pathname))
    return 0


@syscall(301, "dirfd:dirfd pathname:path flags:at_flags")
def sys_unlinkat(k: Kernel, dirfd: int, pathname: int, flags: int) -> int:
    """unlinkat: unlink from a directory on, or with AT_REMOVEDIR rmdir. EINVAL for another flag."""
    if flags & ~AT_REMOVEDIR:
        raise Errno(EINVAL)
    remove = do_rmdir if flags & AT_REMOVEDIR else do_unlink
    remove(k, getname(k, pathname), dirfd)
    return 0
