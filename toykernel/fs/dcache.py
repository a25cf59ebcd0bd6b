"""Names (fs/dcache.c): the tree of dentries that path walks have found, or file systems have made.

For a file system in memory the tree is where the names are kept, as in Linux: its lookup never finds
anything that is not here.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode


@dataclass(eq=False, repr=False)
class Dentry:
    """struct dentry: an inode under a name. A root is its own parent; a removed one keeps its parent."""

    name: str
    inode: Inode
    parent: Dentry = field(init=False)
    children: dict[str, Dentry] = field(default_factory=dict)  # of a directory, but . and ..
    hashed: bool = True
    offset: int = 0  # where getdents has it: grows with each new name of a directory
    last_offset: int = 1  # of the names in it

    def __post_init__(self) -> None:
        self.parent = self

    @property
    def is_root(self) -> bool:
        """IS_ROOT: the root of a file system, wherever that is mounted."""
        return self.parent is self


def d_add(parent: Dentry, name: str, inode: Inode) -> Dentry:
    """Give an inode a name in a directory; a name that was there is replaced."""
    dentry = Dentry(name, inode)
    dentry.parent = parent
    inode.i_dentry = dentry
    _give_place(dentry, parent)
    parent.children[name] = dentry
    return dentry


def _give_place(dentry: Dentry, parent: Dentry) -> None:
    parent.last_offset += 1
    dentry.offset = parent.last_offset


def d_drop(dentry: Dentry) -> None:
    """Nobody finds it by name any more."""
    if dentry.hashed:
        del dentry.parent.children[dentry.name]
        dentry.hashed = False


def d_move(dentry: Dentry, parent: Dentry, name: str) -> None:
    """Another name, in another directory; the entry that had it before is dropped."""
    target = parent.children.get(name)
    if target is not None:
        d_drop(target)
    del dentry.parent.children[dentry.name]
    dentry.parent, dentry.name = parent, name
    _give_place(dentry, parent)
    parent.children[name] = dentry


def d_exchange(one: Dentry, other: Dentry) -> None:
    """Two entries take each other's place."""
    places = (one.parent, one.name), (other.parent, other.name)
    (one.parent, one.name), (other.parent, other.name) = places[1], places[0]
    one.parent.children[one.name] = one
    other.parent.children[other.name] = other


def is_ancestor(dentry: Dentry, of: Dentry) -> bool:
    """Whether `of` lies in the tree below a dentry, or is it."""
    while of is not dentry:
        if of.is_root:
            return False
        of = of.parent
    return True
