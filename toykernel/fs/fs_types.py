"""What a task sees of the files: its descriptor table and its place in the tree.

files_struct is shared with CLONE_FILES, fs_struct with CLONE_FS; an open file (struct file, with the
offset) is shared by every descriptor that dup or fork made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toykernel.errno import EAGAIN, Errno
from toykernel.kernel.clone_flags import CLONE_FS

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.fs.mount import Path
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(eq=False)
class FilesStruct:
    """struct files_struct: open files by descriptor, and the descriptors that exec closes."""

    slab: int
    count: int = 1
    fd: dict[int, File] = field(default_factory=dict)
    close_on_exec: set[int] = field(default_factory=set)


@dataclass(eq=False)
class FsStruct:
    """struct fs_struct: root, working directory, umask. `in_exec` as Linux: nobody may join then."""

    slab: int
    root: Path
    pwd: Path
    umask: int = 0o022
    users: int = 1
    in_exec: bool = False


def copy_fs(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path G: root, working directory, umask. Errno(ENOMEM); Errno(EAGAIN) while a thread execs."""
    old = k.current.fs
    assert old is not None
    if args.flags & CLONE_FS:
        if old.in_exec:
            raise Errno(EAGAIN)
        old.users += 1
        p.fs = old
    else:
        p.fs = FsStruct(k.memory.slabs.fs.alloc(k), old.root, old.pwd, old.umask)


def exit_fs(k: Kernel, p: Task) -> None:
    """One user less."""
    fs, p.fs = p.fs, None
    if fs is not None:
        put_fs(k, fs)


def put_fs(k: Kernel, fs: FsStruct) -> None:
    """Give a place back."""
    fs.users -= 1
    if not fs.users:
        k.memory.slabs.fs.free(k, fs.slab)
