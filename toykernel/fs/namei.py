"""Paths (fs/namei.c): from a name to an inode, and the names of directories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import strncpy_from_user
from toykernel.errno import (
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EPERM,
    Errno,
)
from toykernel.fs.file import fget
from toykernel.fs.fs_types import FsStruct
from toykernel.fs.inode import MAY_EXEC, MAY_WRITE, Inode, inode_permission

if TYPE_CHECKING:
    from toykernel.state import Kernel

PATH_MAX = 4096
NAME_MAX = 255
AT_FDCWD = -100


@dataclass(frozen=True)
class Nameidata:
    """Where a path leads: the directory, the last name in it, and its inode if there is one."""

    parent: Inode
    name: str
    inode: Inode | None
    trailing_slash: bool = False

    def found(self) -> Inode:
        """The inode. Raises Errno(ENOENT), Errno(ENOTDIR) for `file/`."""
        if self.inode is None:
            raise Errno(ENOENT)
        if self.trailing_slash and not self.inode.is_dir:
            raise Errno(ENOTDIR)
        return self.inode


def current_fs(k: Kernel) -> FsStruct:
    """Root and working directory of the task that makes a system call."""
    fs = k.current.fs
    assert fs is not None
    return fs


def getname(k: Kernel, address: int) -> str:
    """A path from user memory. Raises Errno(EFAULT), Errno(ENAMETOOLONG), Errno(ENOENT) for ""."""
    text = strncpy_from_user(k, address, PATH_MAX).decode(errors="surrogateescape")
    if not text:
        raise Errno(ENOENT)
    return text


def path_lookup(k: Kernel, path: str, dirfd: int = AT_FDCWD) -> Nameidata:
    """Walk a path. Raises Errno for everything but a missing last name."""
    fs = current_fs(k)
    at = fs.pwd
    if path.startswith("/"):
        at = fs.root
    elif dirfd != AT_FDCWD:
        at = fget(k, dirfd).inode
        if not at.is_dir:
            raise Errno(ENOTDIR)
    parts = [part for part in path.split("/") if part]
    name, parent = "", at
    for position, part in enumerate(parts):
        if len(part.encode(errors="surrogateescape")) > NAME_MAX:
            raise Errno(ENAMETOOLONG)
        if not at.is_dir:
            raise Errno(ENOTDIR)
        inode_permission(k, at, MAY_EXEC)
        parent, name = at, part
        following = _step(at, part, fs.root)
        if following is None:
            if position + 1 < len(parts):
                raise Errno(ENOENT)
            return Nameidata(parent, name, None, path.endswith("/"))
        at = following
    return Nameidata(parent, name, at, path.endswith("/"))


def _step(at: Inode, part: str, root: Inode) -> Inode | None:
    if part == ".":
        return at
    if part == "..":
        return at if at is root or at.parent is None else at.parent  # a removed one's, too
    return at.entries.get(part)


def d_path(root: Inode, at: Inode) -> str | None:
    """The path of a directory below a root; None when it has been removed."""
    names = []
    while at is not root:
        if not at.nlink or at.parent is None or at.parent is at:
            return None
        names.append(at.name)
        at = at.parent
    return "/" + "/".join(reversed(names))


def sys_mkdir(k: Kernel, pathname: int, mode: int) -> int:
    """mkdir."""
    nd = path_lookup(k, getname(k, pathname))
    if nd.inode is not None:
        raise Errno(EEXIST)
    may_create(k, nd.parent)
    cred = k.current.cred
    bits = mode & 0o1777 & ~current_fs(k).umask
    k.files.fs.mkdir(nd.parent, nd.name, bits, cred.fsuid, cred.fsgid)
    return 0


def may_create(k: Kernel, parent: Inode) -> None:
    """Raises Errno(EACCES), or Errno(ENOENT) in a directory that has been removed."""
    if not parent.nlink:
        raise Errno(ENOENT)
    inode_permission(k, parent, MAY_WRITE | MAY_EXEC)


def _may_delete(k: Kernel, nd: Nameidata) -> Inode:
    inode = nd.found()
    inode_permission(k, nd.parent, MAY_WRITE | MAY_EXEC)
    cred = k.current.cred
    sticky = nd.parent.mode & 0o1000 and cred.fsuid not in (inode.uid, nd.parent.uid, 0)
    if sticky:
        raise Errno(EPERM)
    return inode


def sys_rmdir(k: Kernel, pathname: int) -> int:
    """rmdir: an empty directory."""
    nd = path_lookup(k, getname(k, pathname))
    refused = {".": EINVAL, "..": ENOTEMPTY, "": EBUSY}.get(nd.name)
    if refused is not None:
        raise Errno(refused)
    inode = _may_delete(k, nd)
    if not inode.is_dir:
        raise Errno(ENOTDIR)
    if inode.entries:
        raise Errno(ENOTEMPTY)
    del nd.parent.entries[nd.name]
    nd.parent.nlink -= 1
    inode.nlink = 0  # whoever is in it still finds the way out
    return 0


def sys_unlink(k: Kernel, pathname: int) -> int:
    """unlink: take a name away; whoever has the file open keeps it."""
    nd = path_lookup(k, getname(k, pathname))
    inode = _may_delete(k, nd)
    if inode.is_dir:
        raise Errno(EISDIR)
    del nd.parent.entries[nd.name]
    inode.nlink -= 1
    return 0
