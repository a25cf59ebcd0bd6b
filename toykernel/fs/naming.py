"""Names that come, go and change, and who watches is told (the ends of vfs_mkdir, vfs_unlink, vfs_rename)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.dcache import d_add, d_drop, d_exchange, d_move
from toykernel.fs.fsnotify import (
    CREATE,
    DELETE,
    fsnotify_dirent,
    fsnotify_link_count,
    fsnotify_move,
)
from toykernel.fs.inode import igrab, iput

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry
    from toykernel.fs.inode import Inode
    from toykernel.state import Kernel


def name_new(k: Kernel, directory: Dentry, name: str, inode: Inode) -> None:
    """A name for what has just been made."""
    d_add(directory, name, inode)
    fsnotify_dirent(k, directory.inode, name, CREATE, inode)


def name_link(k: Kernel, directory: Dentry, name: str, inode: Inode) -> None:
    """One more name for a file."""
    fsnotify_link_count(k, inode)
    name_new(k, directory, name, inode)


def unname(k: Kernel, directory: Inode, victim: Dentry) -> None:
    """A file loses a name; what the file system answers."""
    inode = igrab(victim.inode)
    try:
        directory.i_op.unlink(k, directory, victim)
        d_drop(victim)
        fsnotify_link_count(k, inode)
    finally:
        iput(k, inode)
    fsnotify_dirent(k, directory, victim.name, DELETE, inode)


def unname_dir(k: Kernel, directory: Inode, victim: Dentry) -> None:
    """A directory loses its name; what the file system answers."""
    directory.i_op.rmdir(k, directory, victim)
    d_drop(victim)
    fsnotify_dirent(k, directory, victim.name, DELETE, victim.inode)


def rename(k: Kernel, dentry: Dentry, directory: Dentry, name: str, there: Dentry | None) -> None:
    """A file gets another name, in place of what had it; what the file system answers."""
    old, new = (dentry.parent.inode, dentry.name), (directory.inode, name)
    replaced = igrab(there.inode) if there is not None else None
    try:
        old[0].i_op.rename(k, old[0], dentry, new[0], there)
        d_move(dentry, directory, name)
        fsnotify_move(k, dentry.inode, old, new, replaced)
    finally:
        if replaced is not None:
            iput(k, replaced)


def exchange(k: Kernel, one: Dentry, other: Dentry) -> None:
    """Two files change their names."""
    here, there = (one.parent.inode, one.name), (other.parent.inode, other.name)
    here[0].i_op.exchange(k, here[0], one, there[0], other)
    d_exchange(one, other)
    fsnotify_move(k, one.inode, here, there, None)
    fsnotify_move(k, other.inode, there, here, None)
