"""The name of a file that only its inode is known of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.mount import Path

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.state import Kernel


def path_of(k: Kernel, inode: Inode) -> str:
    """Its absolute path, the first in the order of the tree; "" for one that has lost its name."""
    todo = [("", k.files.fs.root)]
    seen: set[Path] = set()
    while todo:
        name, at = todo.pop(0)
        if at in seen:
            continue
        seen.add(at)
        if at.dentry.inode is inode:
            return name or "/"
        todo += [
            (f"{name}/{child}", at.child(dentry)) for child, dentry in at.dentry.children.items()
        ]
    return ""
