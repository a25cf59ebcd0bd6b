"""Mounts (fs/namespace.c): where file systems hang in the tree of names, and the way up and down there.

A Mount knows what is mounted on its own directories, so a tree of mounts is reached from its root alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EBUSY, EINVAL, ENOTDIR, Errno
from toykernel.fs.dcache import Dentry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toykernel.fs.super import SuperBlock


@dataclass(eq=False, repr=False)
class Mount:
    """struct mount: a file system, or a part of it from `root` down, seen at a place."""

    sb: SuperBlock
    root: Dentry
    parent: Mount | None = None
    mountpoint: Dentry | None = None  # in the parent
    mounts: dict[Dentry, Mount] = field(default_factory=dict)  # by directory of this one

    expiring: bool = False  # umount2 with MNT_EXPIRE has marked it
    slab: int = 0  # address of the record; boot's are in no cache

    def root_path(self) -> Path:
        """Its own root."""
        return Path(self, self.root)


@dataclass(frozen=True)
class Path:
    """struct path: a dentry as it is seen through a mount. Equal when both are the same."""

    mnt: Mount
    dentry: Dentry

    def child(self, dentry: Dentry) -> Path:
        """A dentry below, and the root of what is mounted there, if anything is."""
        return traverse_mounts(Path(self.mnt, dentry))


def traverse_mounts(path: Path) -> Path:
    """follow_down: the top of what is mounted on a directory, however often."""
    mnt, dentry = path.mnt, path.dentry
    while (mounted := mnt.mounts.get(dentry)) is not None:
        mnt, dentry = mounted, mounted.root
    return path if mnt is path.mnt else Path(mnt, dentry)


def follow_dotdot(path: Path, root: Path) -> Path:
    """`..`: not above `root`, and from the root of a mount to the parent of what it is mounted on."""
    while path != root:
        mnt, dentry = path.mnt, path.dentry
        if dentry is not mnt.root:
            return traverse_mounts(Path(mnt, dentry.parent))
        if mnt.parent is None or mnt.mountpoint is None:
            return path
        path = Path(mnt.parent, mnt.mountpoint)
    return traverse_mounts(path)


def all_mounts(mnt: Mount) -> Iterator[Mount]:
    """A mount and those below it, each before what is mounted on it."""
    yield mnt
    for child in mnt.mounts.values():
        yield from all_mounts(child)


def copy_tree(mnt: Mount) -> Mount:
    """A mount with all below it, for another namespace; the same file systems, in the same order."""
    new = Mount(mnt.sb, mnt.root)
    for mountpoint, child in mnt.mounts.items():
        copied = copy_tree(child)
        copied.parent, copied.mountpoint = new, mountpoint
        new.mounts[mountpoint] = copied
    return new


def do_mount(path: Path, sb: SuperBlock, root: Dentry) -> Mount:
    """Hang a file system on a directory, or a file on a file (a bind mount); else Errno(ENOTDIR).

    Whoever has the directory open, or works in it, stays below the new mount, as on Linux.
    """
    if path.dentry.inode.is_dir != root.inode.is_dir:
        raise Errno(ENOTDIR)
    path = traverse_mounts(path)
    mnt = Mount(sb, root, path.mnt, path.dentry)
    path.mnt.mounts[path.dentry] = mnt
    return mnt


def do_umount(mnt: Mount) -> None:
    """Take a mount away. Raises Errno(EINVAL) for the first root, Errno(EBUSY) with mounts below it."""
    if mnt.parent is None or mnt.mountpoint is None:
        raise Errno(EINVAL)
    if mnt.mounts:
        raise Errno(EBUSY)
    del mnt.parent.mounts[mnt.mountpoint]
    mnt.parent = mnt.mountpoint = None


def d_path(root: Path, at: Path) -> str | None:
    """The path of a directory below a root; None when it has been removed."""
    names = []
    mnt, dentry = at.mnt, at.dentry
    while (mnt, dentry) != (root.mnt, root.dentry):
        if dentry is mnt.root:
            if mnt.parent is None or mnt.mountpoint is None:
                return None
            dentry = mnt.mountpoint
            mnt = mnt.parent
            continue
        if not dentry.hashed:
            return None
        names.append(dentry.name)
        dentry = dentry.parent
    return "/" + "/".join(reversed(names))
