"""What file systems in memory have in common (fs/libfs.c): their names are the dentries themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, EISDIR, ENOTEMPTY, ENXIO, Errno
from toykernel.fs.attr import touch_ctime, touch_mtime
from toykernel.fs.file import File
from toykernel.fs.inode import S_IFDIR, Inode, drop_nlink
from toykernel.fs.operations import DirEntry, FileOperations, InodeOperations, noop_fsync

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.state import Kernel

#: s_maxbytes where the page cache counts pages in 31 bits.
MAX_LFS_FILESIZE = (4096 << 31) - 1
SEEK_DATA, SEEK_HOLE = 3, 4


def simple_lookup(k: Kernel, parent: Inode, name: str) -> None:
    """What has no dentry does not exist."""


def simple_link(k: Kernel, inode: Inode, parent: Inode, name: str) -> None:
    """One more name for an inode: its link count goes up by one."""
    inode.nlink += 1
    inode.linkable = False
    touch_ctime(k, inode)
    touch_mtime(k, parent)


def simple_unlink(k: Kernel, parent: Inode, dentry: Dentry) -> None:
    """A name less: the link count goes down; the last name of an unused inode ends it."""
    touch_ctime(k, dentry.inode)
    touch_mtime(k, parent)
    drop_nlink(k, dentry.inode)


def simple_rmdir(k: Kernel, parent: Inode, dentry: Dentry) -> None:
    """An empty directory goes; whoever is in it still finds the way out. Raises Errno(ENOTEMPTY)."""
    if dentry.children:
        raise Errno(ENOTEMPTY)
    parent.nlink -= 1
    touch_ctime(k, dentry.inode)
    touch_mtime(k, parent)
    drop_nlink(k, dentry.inode, dentry.inode.nlink)


def simple_rename(
    k: Kernel, old_dir: Inode, dentry: Dentry, new_dir: Inode, target: Dentry | None
) -> None:
    """The links that `..` makes follow; what had the new name loses it. Raises Errno(ENOTEMPTY)."""
    if target is not None:
        if target.inode.is_dir:
            simple_rmdir(k, new_dir, target)
        else:
            simple_unlink(k, new_dir, target)
    touch_ctime(k, dentry.inode)
    touch_mtime(k, old_dir)
    touch_mtime(k, new_dir)
    if dentry.inode.is_dir and old_dir is not new_dir:
        old_dir.nlink -= 1
        new_dir.nlink += 1


def simple_exchange(
    k: Kernel, old_dir: Inode, dentry: Dentry, new_dir: Inode, target: Dentry
) -> None:
    """RENAME_EXCHANGE: the links that `..` makes follow (simple_rename_exchange)."""
    if old_dir is not new_dir and dentry.inode.is_dir != target.inode.is_dir:
        gains, loses = (new_dir, old_dir) if dentry.inode.is_dir else (old_dir, new_dir)
        gains.nlink += 1
        loses.nlink -= 1
    for inode in (dentry.inode, target.inode):
        touch_ctime(k, inode)
    touch_mtime(k, old_dir)
    touch_mtime(k, new_dir)


def simple_get_link(k: Kernel, inode: Inode) -> str:
    """A link's target, which is kept as bytes."""
    assert isinstance(inode.private, bytes)
    return inode.private.decode(errors="surrogateescape")


def generic_file_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """SEEK_SET, SEEK_CUR, SEEK_END. Raises Errno(EINVAL) for a negative result."""
    if whence in (SEEK_DATA, SEEK_HOLE):
        return _seek_hole_data(file, offset, whence)
    start = (0, file.pos, file.inode.size)[whence]
    if not 0 <= start + offset <= MAX_LFS_FILESIZE:
        raise Errno(EINVAL)
    file.pos = start + offset
    return file.pos


def _seek_hole_data(file: File, offset: int, whence: int) -> int:
    """SEEK_DATA and SEEK_HOLE. Raises Errno(ENXIO) beyond the end, or where there is no data left."""
    size = file.inode.size
    if not 0 <= offset < size:
        raise Errno(ENXIO)
    mapping = file.inode.i_mapping
    contents = mapping.contents if mapping is not None else None
    if contents is None:  # all of it is data
        at: int | None = offset if whence == SEEK_DATA else size
    else:
        at = contents.next_data(offset) if whence == SEEK_DATA else contents.next_hole(offset)
    if at is None:
        raise Errno(ENXIO)
    file.pos = at
    return at


def generic_read_dir(k: Kernel, file: File, buf: int, count: int) -> int:
    """A directory is not read by read. Raises Errno(EISDIR)."""
    raise Errno(EISDIR)


def dot_entries(directory: Dentry) -> list[DirEntry]:
    """`.` and `..`: the first two entries of every directory."""
    kind = S_IFDIR >> 12
    return [
        DirEntry(0, ".", directory.inode.ino, kind),
        DirEntry(1, "..", directory.parent.inode.ino, kind),
    ]


def dcache_readdir(k: Kernel, file: File) -> list[DirEntry]:
    """The names that are dentries, in the order in which they were made (simple_offset, fs/libfs.c)."""
    assert file.f_path is not None
    directory = file.f_path.dentry
    found = [
        DirEntry(each.offset, each.name, each.inode.ino, each.inode.mode >> 12)
        for each in directory.children.values()
    ]
    return [*dot_entries(directory), *sorted(found, key=lambda entry: entry.pos)]


SIMPLE_DIR = FileOperations(
    "toykernel.fs.libfs:SIMPLE_DIR",
    iterate=dcache_readdir,
    read=generic_read_dir,
    llseek=generic_file_llseek,
    fsync=noop_fsync,
)
SIMPLE_SYMLINK = InodeOperations("toykernel.fs.libfs:SIMPLE_SYMLINK", get_link=simple_get_link)
#: Operations of an inode that has none of its own: a device, a pipe; and of a file nobody can open.
SPECIAL = InodeOperations("toykernel.fs.libfs:SPECIAL")
NO_FILE = FileOperations("toykernel.fs.libfs:NO_FILE")
