"""What file systems are asked to do, and what Linux answers where they do not (include/linux/fs.h).

A table of operations is a constant with a name, `module:CONSTANT`: copies and pickles of a kernel's data
refer to it by that name, so that a table stays the one object that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from emu.record import dataclass
from toykernel.errno import (
    EACCES,
    EINVAL,
    ENODEV,
    ENOTDIR,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    ESPIPE,
    Errno,
)
from toykernel.fs.inode import Inode, generic_permission

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.fs.file import File
    from toykernel.fs.mount import Path
    from toykernel.kernel.wait import Result, WaitQueue
    from toykernel.mm.filemap import AddressSpace
    from toykernel.state import Kernel

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 0x001, 0x002, 0x004, 0x008, 0x010, 0x020
POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND = 0x040, 0x080, 0x100, 0x200
POLLMSG, POLLRDHUP = 0x400, 0x2000
DEFAULT_POLLMASK = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM


def find_operations(name: str) -> Operations:
    """The table that a name, `module:CONSTANT`, stands for; snapshots keep the name."""
    module, constant = name.split(":")
    table: Operations = getattr(import_module(module), constant)
    return table


@dataclass(frozen=True)
class Operations:
    """A table of operations, known by its name."""

    name: str

    def __reduce__(self) -> tuple[Callable[[str], Operations], tuple[str]]:
        return find_operations, (self.name,)


class UnloadedOperations(Operations):
    """Stands for the table of that name until one of its operations is asked for: only then is its module
    loaded. Copies are the table itself.
    """

    def __getattr__(self, operation: str) -> Any:
        if operation.startswith("__"):
            raise AttributeError(operation)
        return getattr(find_operations(self.name), operation)


# -- of an open file -------------------------------------------------------------------------------


def bad_transfer(k: Kernel, file: File, buf: int, count: int) -> Result:
    """No f_op->read, or no write (vfs_read, vfs_write). Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


def no_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """It has no position. Raises Errno(ESPIPE)."""
    raise Errno(ESPIPE)


def always_ready(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """A file without poll never keeps anybody waiting (vfs_poll)."""
    return DEFAULT_POLLMASK


def no_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """ioctl of a file without f_op->ioctl. Raises Errno(ENOTTY)."""
    raise Errno(ENOTTY)


def no_mmap(k: Kernel, file: File) -> NoReturn:
    """mmap of a file without f_op->mmap (do_mmap_pgoff). Raises Errno(ENODEV)."""
    raise Errno(ENODEV)


def nothing_to_open(k: Kernel, file: File) -> None:
    """The file is ready as it is."""


def nothing_to_flush(k: Kernel, file: File) -> None:
    """A descriptor is closed, and that is nothing to the file."""


def nothing_to_release(k: Kernel, file: File) -> None:
    """Nothing to give back."""


def no_fsync(k: Kernel, file: File) -> int:
    """fsync of a file without f_op->fsync (vfs_fsync). Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


def noop_fsync(k: Kernel, file: File) -> int:
    """Memory is all the storage there is (libfs.c)."""
    return 0


def no_splice_write(k: Kernel, file: File, data: bytes) -> Result:
    """sendfile or splice into what takes nothing so. Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


@dataclass(frozen=True)
class DirEntry:
    """A name in a directory as getdents shows it: `pos` grows from entry to entry, `kind` is the DT_ number
    (the type bits of the mode, shifted)."""

    pos: int
    name: str
    ino: int
    kind: int


def no_fdinfo(k: Kernel, file: File) -> str:
    """Nothing to add to /proc/PID/fdinfo."""
    return ""


def no_iterate(k: Kernel, file: File) -> list[DirEntry]:
    """Not a directory. Raises Errno(ENOTDIR)."""
    raise Errno(ENOTDIR)


@dataclass(frozen=True)
class FileOperations(Operations):
    """struct file_operations: what a kind of file does. Transfers take user addresses and bytes.

    `mmap` answers what is to be mapped: the page cache of the file, or None for anonymous memory. `open`
    may put another table into the file (a device's), and raises Errno when it refuses. `flush` is called when
    any descriptor is closed, `release` when the last one is. `poll` answers POLL
    bits, and adds to its last argument the wait queues that hear of a change (poll_wait).
    """

    read: Callable[[Kernel, File, int, int], Result] = bad_transfer
    write: Callable[[Kernel, File, int, int], Result] = bad_transfer
    llseek: Callable[[Kernel, File, int, int], int] = no_llseek
    poll: Callable[[Kernel, File, list[WaitQueue]], int] = always_ready
    ioctl: Callable[[Kernel, File, int, int], Result] = no_ioctl
    mmap: Callable[[Kernel, File], AddressSpace | None] = no_mmap
    open: Callable[[Kernel, File], None] = nothing_to_open
    flush: Callable[[Kernel, File], None] = nothing_to_flush
    release: Callable[[Kernel, File], None] = nothing_to_release
    fsync: Callable[[Kernel, File], int] = no_fsync
    splice_write: Callable[[Kernel, File, bytes], Result] = no_splice_write
    #: Bytes from a position, for sendfile and splice, of what is no regular file; None: there is no way.
    splice_read: Callable[[Kernel, File, int, int], bytes | None] | None = None
    iterate: Callable[[Kernel, File], list[DirEntry]] = no_iterate
    show_fdinfo: Callable[[Kernel, File], str] = no_fdinfo
    #: O_ASYNC means something, though the file is neither a pipe, a socket nor a device.
    fasync: bool = False
    #: readv and writev of a file to which pieces are one transfer: the pieces, and whether they are written.
    iter: Callable[[Kernel, File, tuple[tuple[int, int], ...], bool], Result] | None = None


# -- of an inode -----------------------------------------------------------------------------------


def no_lookup(k: Kernel, parent: Inode, name: str) -> Inode | None:
    """Not a directory. Raises Errno(ENOTDIR)."""
    raise Errno(ENOTDIR)


def no_create(k: Kernel, parent: Inode, name: str, mode: int) -> Inode:
    """vfs_create without i_op->create. Raises Errno(EACCES)."""
    raise Errno(EACCES)


def no_tmpfile(k: Kernel, parent: Inode, mode: int) -> Inode:
    """O_TMPFILE without i_op->tmpfile. Raises Errno(EOPNOTSUPP)."""
    raise Errno(EOPNOTSUPP)


def no_mkdir(k: Kernel, parent: Inode, name: str, mode: int) -> Inode:
    """vfs_mkdir without i_op->mkdir. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def no_mknod(k: Kernel, parent: Inode, name: str, mode: int, rdev: int) -> Inode:
    """vfs_mknod without i_op->mknod. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def no_symlink(k: Kernel, parent: Inode, name: str, target: str) -> Inode:
    """vfs_symlink without i_op->symlink. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def no_link(k: Kernel, inode: Inode, parent: Inode, name: str) -> None:
    """vfs_link without i_op->link. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def no_unlink(k: Kernel, parent: Inode, dentry: Dentry) -> None:
    """vfs_unlink or vfs_rmdir without the operation. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def no_rename(
    k: Kernel, old_dir: Inode, dentry: Dentry, new_dir: Inode, target: Dentry | None
) -> None:
    """vfs_rename without i_op->rename. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def no_exchange(k: Kernel, old_dir: Inode, dentry: Dentry, new_dir: Inode, target: Dentry) -> None:
    """RENAME_EXCHANGE where the file system does not have it. Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


def no_get_link(k: Kernel, inode: Inode) -> str:
    """Not a symbolic link. Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


def no_jump(k: Kernel, inode: Inode) -> Path | None:
    """A link whose text says where it leads."""
    return None


def no_truncate(k: Kernel, inode: Inode, size: int) -> None:
    """Its size is not to be set. Raises Errno(EINVAL)."""
    raise Errno(EINVAL)


def nothing_to_fill(k: Kernel, inode: Inode) -> None:
    """What is in the file is here."""


def simple_setattr(k: Kernel, inode: Inode) -> None:
    """Mode, owner and times are the inode's own: nothing else has to be told."""


@dataclass(frozen=True)
class InodeOperations(Operations):
    """struct inode_operations: what a kind of inode does. The path walk has checked rights and names.

    What makes an inode answers with it; the caller gives it its name (a dentry). What takes a name away
    gets the dentry, which the caller drops afterwards. `jump` is where a link leads that is no path;
    `fill` fetches a file's contents before they are used.
    """

    lookup: Callable[[Kernel, Inode, str], Inode | None] = no_lookup
    create: Callable[[Kernel, Inode, str, int], Inode] = no_create
    tmpfile: Callable[[Kernel, Inode, int], Inode] = no_tmpfile
    link: Callable[[Kernel, Inode, Inode, str], None] = no_link
    unlink: Callable[[Kernel, Inode, Dentry], None] = no_unlink
    symlink: Callable[[Kernel, Inode, str, str], Inode] = no_symlink
    mkdir: Callable[[Kernel, Inode, str, int], Inode] = no_mkdir
    rmdir: Callable[[Kernel, Inode, Dentry], None] = no_unlink
    mknod: Callable[[Kernel, Inode, str, int, int], Inode] = no_mknod
    rename: Callable[[Kernel, Inode, Dentry, Inode, Dentry | None], None] = no_rename
    exchange: Callable[[Kernel, Inode, Dentry, Inode, Dentry], None] = no_exchange
    get_link: Callable[[Kernel, Inode], str] = no_get_link
    jump: Callable[[Kernel, Inode], Path | None] = no_jump
    permission: Callable[[Kernel, Inode, int], None] = generic_permission
    truncate: Callable[[Kernel, Inode, int], None] = no_truncate
    fill: Callable[[Kernel, Inode], None] = nothing_to_fill
    setattr: Callable[[Kernel, Inode], None] = simple_setattr


# -- of a file system ------------------------------------------------------------------------------


def clear_inode(k: Kernel, inode: Inode) -> None:
    """The inode has no name and no user any more: its number is free for another."""
    inode.i_sb.put_ino()


def always_valid(k: Kernel, dentry: Dentry) -> bool:
    """A name stays what it is until it is removed here."""
    return True


def names_stay(k: Kernel, root: Dentry) -> None:
    """Nobody finds the names any more; what is behind them holds nothing but memory."""


@dataclass(frozen=True)
class SuperOperations(Operations):
    """struct super_operations, and d_revalidate, which all names of one file system share here.

    `evict_inode` takes what an inode held when its last reference goes. `d_revalidate` says whether a
    name that is known still stands for the same; if not, it is looked up again. `kill_sb` is called when
    the last mount has gone.
    """

    evict_inode: Callable[[Kernel, Inode], None] = clear_inode
    d_revalidate: Callable[[Kernel, Dentry], bool] = always_valid
    kill_sb: Callable[[Kernel, Dentry], None] = names_stay
