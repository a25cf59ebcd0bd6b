"""The root of a /proc (fs/proc/root.c). What is below it is loaded when somebody looks there."""

from __future__ import annotations

from typing import Any

from toykernel.fs.inode import S_IFDIR, Inode
from toykernel.fs.operations import UnloadedOperations
from toykernel.fs.proc.node import ROOT_INO, ProcNode
from toykernel.fs.super import InodeNumbers, SuperBlock

_PROC_SUPER: Any = UnloadedOperations("toykernel.fs.proc.base:PROC_SUPER")
_PROC_INODE: Any = UnloadedOperations("toykernel.fs.proc.base:PROC_INODE")
_PROC_DIR: Any = UnloadedOperations("toykernel.fs.proc.base:PROC_DIR")


def proc_fill_super(s_dev: int, numbers: InodeNumbers) -> tuple[SuperBlock, Inode]:
    """A /proc, and the inode of its root."""
    sb = SuperBlock(s_dev, "proc", _PROC_SUPER, numbers)
    root = Inode(ROOT_INO, S_IFDIR | 0o555, sb, _PROC_INODE, _PROC_DIR, private=ProcNode(""))
    root.nlink = 2
    return sb, root
