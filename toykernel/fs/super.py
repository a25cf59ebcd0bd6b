"""File systems as such (fs/super.c): what all inodes of one have in common."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import ENOSPC, Errno

if TYPE_CHECKING:
    from toykernel.fs.operations import SuperOperations

#: st_dev of the file systems that there always are.
RAMFS_DEV, PIPE_DEV, SHM_DEV = 1, 2, 3
#: SB_ flags, which are mount(2)'s MS_ flags, by their words, in the order of /proc/mounts.
SB_FLAGS = {"sync": 16, "dirsync": 128, "mand": 64, "lazytime": 1 << 25}


@dataclass(eq=False)
class InodeNumbers:
    """get_next_ino: one counter for all file systems in memory, from 1 up; and the numbers of mounts and of
    their peer groups that are taken."""

    last: int = 0
    last_mount: int = 0
    last_mnt_ns: int = 1
    mounts: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)


@dataclass(eq=False)
class SuperBlock:
    """struct super_block: one file system, mounted or not.

    `s_bytes` and `s_inodes` are what its inodes take, names or no names, until the last reference to each
    goes: an unlinked file that somebody has open still takes its room. 0 is no limit.
    """

    s_dev: int  # st_dev of everything in it
    s_type: str  # as in /proc/mounts
    s_op: SuperOperations
    numbers: InodeNumbers
    read_only: bool = False
    words: frozenset[str] = (
        frozenset()
    )  # of sync, dirsync, mand, lazytime, which change nothing in memory
    options: str = ""  # its own in /proc/mounts
    source: str = ""  # what was mounted; "": the type's name
    max_bytes: int = 0
    max_inodes: int = 0
    s_bytes: int = 0
    s_inodes: int = 0
    s_xattr_bytes: int = 0  # of extended attributes
    s_active: int = 0  # mounts of it, but those of boot

    def next_ino(self) -> int:
        """The number of a new inode. Raises Errno(ENOSPC)."""
        if self.max_inodes and self.s_inodes >= self.max_inodes:
            raise Errno(ENOSPC)
        self.s_inodes += 1
        self.numbers.last += 1
        return self.numbers.last

    def put_ino(self) -> None:
        """An inode is gone: its place is free for another one."""
        self.s_inodes -= 1

    def take_bytes(self, count: int) -> None:
        """Contents grow by so much. Raises Errno(ENOSPC), taking nothing."""
        if self.max_bytes and count > 0 and self.s_bytes + count > self.max_bytes:
            raise Errno(ENOSPC)
        self.s_bytes += count
