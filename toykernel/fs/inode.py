"""Inodes: what a file is, whatever names or descriptors it has (fs/inode.c); who may do what with it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from emu.record import dataclass
from toykernel.errno import EACCES, EPERM, EROFS, ETXTBSY, Errno
from toykernel.kernel.cred import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, capable

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.fs.operations import FileOperations, InodeOperations
    from toykernel.fs.super import SuperBlock
    from toykernel.mm.filemap import AddressSpace
    from toykernel.state import Kernel

S_IFMT = 0o170000
S_IFREG, S_IFDIR, S_IFCHR, S_IFIFO = 0o100000, 0o040000, 0o020000, 0o010000
S_IFLNK, S_IFSOCK, S_IFBLK = 0o120000, 0o140000, 0o060000
S_ISUID, S_ISGID, S_ISVTX = 0o4000, 0o2000, 0o1000
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE = 1, 2, 4, 8
F_SEAL_FUTURE_WRITE, F_SEAL_EXEC = 16, 32
#: Flags of an inode (include/uapi/linux/fs.h), which FS_IOC_SETFLAGS sets.
FS_IMMUTABLE_FL, FS_APPEND_FL, FS_NODUMP_FL, FS_NOATIME_FL = 0x10, 0x20, 0x40, 0x80


@dataclass(eq=False)
class Inode:
    """struct inode. `private` belongs to its file system: a pipe's bytes, a link's target.

    `i_count` counts what holds it besides its names: open files, a mapped page cache, address spaces that
    execute it.
    """

    ino: int
    mode: int
    i_sb: SuperBlock
    i_op: InodeOperations
    i_fop: FileOperations
    uid: int = 0
    gid: int = 0
    nlink: int = 1
    rdev: int = 0  # a device's number: major << 8 | minor
    i_mapping: AddressSpace | None = None  # a regular file's bytes
    private: object = None
    xattrs: dict[str, bytes] = field(default_factory=dict)  # by name, in order
    i_dentry: Dentry | None = None  # the name that it was last reached by
    i_marks: list[Any] | None = None  # who watches it (fs/fsnotify.py)
    i_flctx: Any = None  # locks (fs/locks.py), once there has been one
    seals: int = 0  # F_SEAL_ bits; those of a file that cannot have any are never set
    sealable: bool = False
    fsflags: int = 0  # FS_IMMUTABLE_FL and its like
    write_hint: int = 0  # RWH_WRITE_LIFE_
    linkable: bool = False  # O_TMPFILE made it: it may get a first name
    atime: int = 0  # CLOCK_REALTIME, in ns
    mtime: int = 0
    ctime: int = 0
    i_count: int = 0
    i_writecount: int = 0  # opens for writing; below zero: address spaces that execute it

    @property
    def type(self) -> int:
        """The S_IF bits of the mode: what kind of file it is."""
        return self.mode & S_IFMT

    @property
    def is_dir(self) -> bool:
        return self.mode & S_IFMT == S_IFDIR

    @property
    def is_link(self) -> bool:
        return self.mode & S_IFMT == S_IFLNK

    @property
    def size(self) -> int:
        """i_size, in bytes: of a file's contents, of a link's target."""
        if self.i_mapping is not None:
            return self.i_mapping.size
        return len(self.private) if isinstance(self.private, bytes) else 0

    @property
    def blocks(self) -> int:
        """What it takes, in units of 512 bytes (st_blocks)."""
        contents = self.i_mapping.contents if self.i_mapping is not None else None
        return 8 * len(contents.pages) if contents is not None else 0

    @property
    def xattr_bytes(self) -> int:
        """What its extended attributes take: their names, with a NUL, and values."""
        names = sum(len(name.encode(errors="surrogateescape")) + 1 for name in self.xattrs)
        return names + sum(map(len, self.xattrs.values()))


MAY_EXEC, MAY_WRITE, MAY_READ = 1, 2, 4


def igrab(inode: Inode) -> Inode:
    """One more user of an inode, which keeps its contents without a name; the inode."""
    inode.i_count += 1
    return inode


def iput(k: Kernel, inode: Inode) -> None:
    """One user less; the last one of an inode without names ends it."""
    inode.i_count -= 1
    if not inode.i_count and not inode.nlink:
        if inode.i_marks and k.files.fsnotify is not None:
            k.files.fsnotify.removed(k, inode)
        inode.i_sb.s_op.evict_inode(k, inode)


def drop_nlink(k: Kernel, inode: Inode, names: int = 1) -> None:
    """It has lost a name (a directory: the one in its parent and its own `.`)."""
    inode.nlink -= names
    if inode.nlink:
        return
    mapping = inode.i_mapping
    if mapping is not None and k.memory.kept.pop(mapping.ident, None) is not None:
        mapping.unmap_area(k)  # nobody can run it again; if nobody else has it this ends it
    elif not inode.i_count:
        if inode.i_marks and k.files.fsnotify is not None:
            k.files.fsnotify.removed(k, inode)
        inode.i_sb.s_op.evict_inode(k, inode)


def get_write_access(inode: Inode) -> None:
    """One more open for writing. Raises Errno(ETXTBSY) for a program that is being executed."""
    if inode.i_writecount < 0:
        raise Errno(ETXTBSY)
    inode.i_writecount += 1


def put_write_access(inode: Inode) -> None:
    """An open for writing has been closed."""
    inode.i_writecount -= 1


def deny_write_access(inode: Inode) -> None:
    """One more address space executes it. Raises Errno(ETXTBSY) for a file that is open for writing."""
    if inode.i_writecount > 0:
        raise Errno(ETXTBSY)
    inode.i_writecount -= 1


def allow_write_access(inode: Inode) -> None:
    """An address space that executes the file is gone."""
    inode.i_writecount += 1


def inode_permission(k: Kernel, inode: Inode, mask: int) -> None:
    """Whether the current task may read, write, execute (or search).

    Raises Errno(EACCES), Errno(EROFS), Errno(EPERM) for what is immutable, or what the file system says.
    """
    stored = inode.mode & S_IFMT in (S_IFREG, S_IFDIR, S_IFLNK)
    if mask & MAY_WRITE and inode.i_sb.read_only and stored:
        raise Errno(EROFS)
    if mask & MAY_WRITE and inode.fsflags & FS_IMMUTABLE_FL:
        raise Errno(EPERM)
    inode.i_op.permission(k, inode, mask)


def generic_permission(k: Kernel, inode: Inode, mask: int) -> None:
    """By the permission bits and the capabilities. Raises Errno(EACCES)."""
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
