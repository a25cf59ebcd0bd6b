"""Inodes of the in-memory file system (fs/ramfs): what a file is, whatever names or descriptors it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toykernel.errno import EACCES, ETXTBSY, Errno
from toykernel.kernel.cred import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, capable

if TYPE_CHECKING:
    from toykernel.fs.pipe import Pipe
    from toykernel.mm.filemap import AddressSpace
    from toykernel.state import Kernel

S_IFMT = 0o170000
S_IFREG, S_IFDIR, S_IFCHR, S_IFIFO = 0o100000, 0o040000, 0o020000, 0o010000
S_ISUID, S_ISGID, S_ISVTX = 0o4000, 0o2000, 0o1000


@dataclass(eq=False)
class Inode:
    """struct inode. One of `data`, `entries`, `device`, `pipe` is used, by type."""

    ino: int
    mode: int
    uid: int = 0
    gid: int = 0
    nlink: int = 1
    data: bytearray = field(default_factory=bytearray)
    entries: dict[str, Inode] = field(default_factory=dict)  # a directory's, without . and ..
    parent: Inode | None = None  # a directory's ..
    name: str = ""  # a directory's name in its parent
    device: str = ""  # console, null, zero
    pipe: Pipe | None = None
    i_mapping: AddressSpace | None = None  # made when the file is first mapped
    mtime: int = 0  # seconds since boot
    i_writecount: int = 0  # opens for writing; below zero: address spaces that execute it

    @property
    def type(self) -> int:
        """The S_IF bits."""
        return self.mode & S_IFMT

    @property
    def is_dir(self) -> bool:
        """S_ISDIR."""
        return self.mode & S_IFMT == S_IFDIR


MAY_EXEC, MAY_WRITE, MAY_READ = 1, 2, 4


def get_write_access(inode: Inode) -> None:
    """One more open for writing. Raises Errno(ETXTBSY) for a program that is being executed."""
    if inode.i_writecount < 0:
        raise Errno(ETXTBSY)
    inode.i_writecount += 1


def put_write_access(inode: Inode) -> None:
    """It has been closed."""
    inode.i_writecount -= 1


def deny_write_access(inode: Inode) -> None:
    """One more address space executes it. Raises Errno(ETXTBSY) for a file that is open for writing."""
    if inode.i_writecount > 0:
        raise Errno(ETXTBSY)
    inode.i_writecount -= 1


def allow_write_access(inode: Inode) -> None:
    """The address space is gone."""
    inode.i_writecount += 1


def inode_permission(k: Kernel, inode: Inode, mask: int) -> None:
    """Whether the current task may read, write, execute (or search). Raises Errno(EACCES)."""
    cred = k.current.cred
    mode = inode.mode
    if cred.fsuid == inode.uid:
        mode >>= 6
    elif cred.fsgid == inode.gid or inode.gid in cred.groups:
        mode >>= 3
    if not mask & ~mode:
        return
    executable = inode.is_dir or inode.mode & 0o111
    if (not mask & MAY_EXEC or executable) and capable(k, CAP_DAC_OVERRIDE):
        return
    searching = mask == MAY_READ or (inode.is_dir and not mask & MAY_WRITE)
    if searching and capable(k, CAP_DAC_READ_SEARCH):
        return
    raise Errno(EACCES)
