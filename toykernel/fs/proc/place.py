"""Where links of /proc lead that no path names: a deleted file, a pipe, a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.fs.dcache import Dentry
from toykernel.fs.mount import Mount, Path, d_path

if TYPE_CHECKING:
    from toykernel.fs.file import File


def deleted_path(root: Path, at: Path) -> str:
    """Where it was, when its name is gone."""
    above = d_path(root, Path(at.mnt, at.dentry.parent)) or ""
    return f"{above.rstrip('/')}/{at.dentry.name}"


def nowhere(file: File) -> Path:
    """A place for what has none: a pipe, a socket."""
    dentry = Dentry(file.path, file.inode)
    return Path(Mount(file.inode.i_sb, dentry), dentry)
