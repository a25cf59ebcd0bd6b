"""Files that are nothing but an object of the kernel (fs/anon_inodes.c): they all share one inode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toykernel.fs.file import File, get_empty_filp
from toykernel.fs.inode import Inode
from toykernel.fs.libfs import NO_FILE, SPECIAL

if TYPE_CHECKING:
    from toykernel.fs.operations import FileOperations
    from toykernel.state import Kernel


def anon_inode(k: Kernel) -> Inode:
    """The one inode; it is made when it is first asked for, and stays. Raises Errno(ENOSPC)."""
    inode = k.files.anon_inode
    if inode is None:
        sb = k.files.fs.pipefs
        inode = k.files.anon_inode = Inode(sb.next_ino(), 0o600, sb, SPECIAL, NO_FILE)
    return inode


def noop_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """It has no position, and says that it is where it was."""
    return file.pos


def anon_inode_getfile(k: Kernel, name: str, op: FileOperations, private: Any, flags: int) -> File:
    """An open file for an object; `name` as in `[eventfd]`. Raises Errno(ENOMEM)."""
    file = get_empty_filp(k, anon_inode(k), op, flags, f"anon_inode:{name}")
    file.private = private
    return file
