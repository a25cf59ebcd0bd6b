"""Inodes of the in-memory file system (fs/ramfs): what a file is, whatever names or descriptors it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.fs.pipe import Pipe
    from toykernel.mm.filemap import AddressSpace

S_IFMT = 0o170000
S_IFSOCK, S_IFLNK, S_IFREG, S_IFBLK = 0o140000, 0o120000, 0o100000, 0o060000
S_IFDIR, S_IFCHR, S_IFIFO = 0o040000, 0o020000, 0o010000
S_ISUID, S_ISGID, S_ISVTX = 0o4000, 0o2000, 0o1000


@dataclass(eq=False)
class Inode:
    """struct inode. One of `data`, `entries`, `target`, `device`, `pipe` is used, by type."""

    ino: int
    mode: int
    uid: int = 0
    gid: int = 0
    nlink: int = 1
    data: bytearray = field(default_factory=bytearray)
    entries: dict[str, Inode] = field(default_factory=dict)  # a directory's, without . and ..
    parent: Inode | None = None  # a directory's ..
    name: str = ""  # a directory's name in its parent
    target: str = ""  # a symbolic link's
    device: str = ""  # console, null, zero
    pipe: Pipe | None = None
    i_mapping: AddressSpace | None = None  # made when the file is first mapped
    mtime: int = 0  # seconds since boot

    @property
    def type(self) -> int:
        """The S_IF bits."""
        return self.mode & S_IFMT

    @property
    def is_dir(self) -> bool:
        """S_ISDIR."""
        return self.mode & S_IFMT == S_IFDIR
