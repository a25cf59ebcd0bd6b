"""The in-memory file system (fs/ramfs): made at boot from the files that the host gives."""

from __future__ import annotations

from toykernel.errno import ENOENT, Errno
from toykernel.fs.inode import S_IFCHR, S_IFDIR, Inode
from toykernel.fs.inode import S_IFREG as S_IFREG

ROOT_INO = 1


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
