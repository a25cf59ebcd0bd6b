"""What a task sees of the files: its descriptor table and its place in the tree.

files_struct is shared with CLONE_FILES, fs_struct with CLONE_FS; an open file (struct file, with the
offset) is shared by every descriptor that dup or fork made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.fs.mount import Path


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
