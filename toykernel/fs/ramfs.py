"""The in-memory file system (fs/ramfs): made at boot from the files that the host gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EFBIG, EINVAL, EISDIR, ENOENT, ENOSPC, Errno
from toykernel.fs.file import O_APPEND, O_LARGEFILE, File, FileOperations
from toykernel.fs.inode import S_IFCHR, S_IFDIR, S_IFREG, Inode, put_write_access
from toykernel.kernel.signal_types import RLIMIT_FSIZE

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: All files together, in bytes: the host's memory is not the guest's to fill.
MAX_BYTES = 64 << 20
#: s_maxbytes where the page cache counts pages in 31 bits, and what open without O_LARGEFILE may write.
MAX_LFS_FILESIZE, MAX_NON_LFS = (4096 << 31) - 1, 0x7FFFFFFF
_CHUNK = 1 << 16


class RamFs:
    """A tree of inodes. Numbers count up from the root's 1."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._last_ino = 0
        self.root = self.new_inode(S_IFDIR | 0o755)
        self.root.parent = self.root
        self.root.nlink = 2
        for name in ("dev", "tmp"):
            self.mkdir(self.root, name, 0o1777 if name == "tmp" else 0o755)
        for name, mode in (("console", 0o620), ("null", 0o666), ("zero", 0o666)):
            node = self.new_inode(S_IFCHR | mode)
            node.device = name
            self.root.entries["dev"].entries[name] = node
        for path, data in sorted(files.items()):
            self._place(path, data)

    def new_inode(self, mode: int, uid: int = 0, gid: int = 0) -> Inode:
        """An inode that has no name yet."""
        self._last_ino += 1
        return Inode(self._last_ino, mode, uid, gid)

    def mkdir(self, parent: Inode, name: str, mode: int, uid: int = 0, gid: int = 0) -> Inode:
        """A directory in another."""
        inode = self.new_inode(S_IFDIR | mode, uid, gid)
        inode.parent, inode.name, inode.nlink = parent, name, 2
        parent.entries[name] = inode
        parent.nlink += 1
        return inode

    def _place(self, path: str, data: bytes) -> None:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        at = self.root
        for part in parts[:-1]:
            at = at.entries[part] if part in at.entries else self.mkdir(at, part, 0o755)
        inode = self.new_inode(S_IFREG | 0o755)
        inode.data += data
        at.entries[parts[-1]] = inode

    def read(self, path: str) -> bytes:
        """Contents of a file by its absolute path. Raises Errno(ENOENT)."""
        at = self.root
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if part not in at.entries:
                raise Errno(ENOENT)
            at = at.entries[part]
        return bytes(at.data)

    def total_bytes(self, inode: Inode | None = None) -> int:
        """What all files hold."""
        at = inode or self.root
        return len(at.data) + sum(self.total_bytes(child) for child in at.entries.values())


def ramfs_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """From the offset to the end of the file at most."""
    if file.inode.i_mapping is not None:
        file.inode.i_mapping.write_back(k)  # what was stored through a mapping
    done = 0
    while done < count:
        data = bytes(file.inode.data[file.pos : file.pos + min(count - done, _CHUNK)])
        if not data:
            break
        try:
            copy_to_user(k, buf + done, data)
        except Errno:
            if not done:
                raise
            break
        file.pos += len(data)
        done += len(data)
    return done


def ramfs_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """At the offset; a hole in front of it is zeros. Raises Errno(EFBIG), Errno(ENOSPC)."""
    if not count:
        return 0
    data = file.inode.data
    if file.flags & O_APPEND:
        file.pos = len(data)
    limit = k.current.signal.rlim[RLIMIT_FSIZE][0]
    limit = min(limit, MAX_LFS_FILESIZE if file.flags & O_LARGEFILE else MAX_NON_LFS)
    if file.pos >= limit:
        raise Errno(EFBIG)
    count = min(count, limit - file.pos)
    if file.inode.i_mapping is not None:
        file.inode.i_mapping.write_back(k)
    growth = file.pos + count - len(data)
    if growth > 0 and k.files.fs.total_bytes() + growth > MAX_BYTES:
        raise Errno(ENOSPC)
    done = 0
    while done < count:
        part = min(count - done, _CHUNK)
        try:
            chunk = copy_from_user(k, buf + done, part)
        except Errno:
            if not done:
                raise
            break
        if len(data) < file.pos:
            data.extend(bytes(file.pos - len(data)))
        data[file.pos : file.pos + part] = chunk
        if file.inode.i_mapping is not None:
            file.inode.i_mapping.wrote(k, file.pos, part)
        file.pos += part
        done += part
    return done


def ramfs_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """SEEK_SET, SEEK_CUR, SEEK_END. Raises Errno(EINVAL) for a negative result."""
    start = (0, file.pos, len(file.inode.data))[whence]
    if not 0 <= start + offset <= MAX_LFS_FILESIZE:
        raise Errno(EINVAL)
    file.pos = start + offset
    return file.pos


def ramfs_release(k: Kernel, file: File) -> None:
    """An inode without names and opens is garbage; only the right to write is given back."""
    if file.writable:
        put_write_access(file.inode)


def no_transfer(k: Kernel, file: File, buf: int, count: int) -> int:
    """A directory is not read by read."""
    raise Errno(EISDIR)


REGULAR = FileOperations(ramfs_read, ramfs_write, ramfs_llseek, ramfs_release)
DIRECTORY = FileOperations(no_transfer, no_transfer, ramfs_llseek, ramfs_release)
