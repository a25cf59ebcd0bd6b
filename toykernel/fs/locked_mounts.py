"""Mounts that who entered a user namespace found there (lock_mnt_tree, fs/namespace.c): what they hide stays
hidden, and what they forbid stays forbidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EPERM, Errno
from toykernel.fs.dcache import is_ancestor
from toykernel.fs.mount import (
    MNT_ATIME,
    MNT_NODEV,
    MNT_NOEXEC,
    MNT_NOSUID,
    MNT_READONLY,
    Mount,
    all_mounts,
)
from toykernel.fs.pnode import leave_group

if TYPE_CHECKING:
    from toykernel.fs.dcache import Dentry

_FORBID = MNT_READONLY | MNT_NODEV | MNT_NOSUID | MNT_NOEXEC


def lock_mnt_tree(tree: Mount) -> None:
    """No flag of these that forbids can be taken back, no access time changed, and none but the first can be
    taken away alone."""
    for mnt in all_mounts(tree):
        mnt.locked_flags = mnt.flags & _FORBID | MNT_ATIME
        mnt.held = mnt is not tree


def part_from_above(tree: Mount) -> None:
    """A copy of a tree for another user namespace: locked, and what was shared is a slave now."""
    lock_mnt_tree(tree)
    for mnt in all_mounts(tree):
        leave_group(mnt)


def may_change_flags(mnt: Mount, wanted: int) -> None:
    """can_change_locked_flags. Raises Errno(EPERM)."""
    times = mnt.locked_flags & MNT_ATIME and (wanted ^ mnt.flags) & MNT_ATIME
    if times or mnt.locked_flags & _FORBID & ~wanted:
        raise Errno(EPERM)


def has_locked_children(mnt: Mount, below: Dentry) -> bool:
    """Whether a copy of this mount alone, from `below` down, would show what is hidden."""
    return any(
        child.held and is_ancestor(below, mountpoint) for mountpoint, child in mnt.mounts.items()
    )
