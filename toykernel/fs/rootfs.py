"""The tree that a machine boots with: devices, /tmp, and the files that the host gives."""

from __future__ import annotations

from dataclasses import dataclass

from toykernel.errno import ENOENT, Errno
from toykernel.fs.chrdev import CONSOLE_DEV, NULL_DEV, ZERO_DEV
from toykernel.fs.dcache import Dentry, d_add
from toykernel.fs.inode import S_IFCHR, S_IFDIR, S_IFREG
from toykernel.fs.mount import Mount, Path, traverse_mounts
from toykernel.fs.operations import SuperOperations
from toykernel.fs.ramfs import new_inode, ramfs_fill_super
from toykernel.fs.super import InodeNumbers, SuperBlock
from toykernel.tty.pty import PTMX_DEV, TTY_DEV

RAMFS_DEV, PIPE_DEV = 1, 2
PIPEFS = SuperOperations("toykernel.fs.rootfs:PIPEFS")


@dataclass(eq=False)
class FileSystems:
    """Every file system of a kernel: the tree below `root`, and what is mounted nowhere."""

    root: Path
    pipefs: SuperBlock
    last_dev: int = PIPE_DEV

    def new_dev(self) -> int:
        """st_dev of a file system without a device (get_anon_bdev), counting up."""
        self.last_dev += 1
        return self.last_dev

    def find(self, path: str) -> Path:
        """The host's look at an absolute path, without links and rights. Raises Errno(ENOENT)."""
        at = self.root
        for part in path.split("/"):
            if part not in ("", "."):
                if part not in at.dentry.children:
                    raise Errno(ENOENT)
                at = at.child(at.dentry.children[part])
        return at

    def read(self, path: str) -> bytes:
        """Contents of a file by its absolute path, empty for what is no regular file.

        Raises Errno(ENOENT).
        """
        mapping = self.find(path).dentry.inode.i_mapping
        return bytes(mapping.contents or b"") if mapping is not None else b""


def _mkdir(sb: SuperBlock, parent: Dentry, name: str, mode: int) -> Dentry:
    parent.inode.nlink += 1
    return d_add(parent, name, new_inode(sb, S_IFDIR | mode))


def mount_root(files: dict[str, bytes]) -> FileSystems:
    """/, /dev, /tmp and files by path, in order of their paths."""
    numbers = InodeNumbers()
    sb, inode = ramfs_fill_super(RAMFS_DEV, numbers)
    root = Dentry("/", inode)
    dev = _mkdir(sb, root, "dev", 0o755)
    _mkdir(sb, root, "tmp", 0o1777)
    nodes = (("console", 0o620, CONSOLE_DEV), ("null", 0o666, NULL_DEV), ("zero", 0o666, ZERO_DEV))
    _mkdir(sb, dev, "pts", 0o755)
    for name, rdev in (("tty", TTY_DEV), ("ptmx", PTMX_DEV)):
        d_add(dev, name, new_inode(sb, S_IFCHR | 0o666, rdev=rdev))
    for name, mode, rdev in nodes:
        d_add(dev, name, new_inode(sb, S_IFCHR | mode, rdev=rdev))
    for path, data in sorted(files.items()):
        _place(sb, root, path, data)
    top = traverse_mounts(Path(Mount(sb, root), root))
    return FileSystems(top, SuperBlock(PIPE_DEV, "pipefs", PIPEFS, numbers))


def _place(sb: SuperBlock, root: Dentry, path: str, data: bytes) -> None:
    *parts, name = [part for part in path.split("/") if part not in ("", ".")]
    at = root
    for part in parts:
        at = at.children[part] if part in at.children else _mkdir(sb, at, part, 0o755)
    inode = new_inode(sb, S_IFREG | 0o755)
    assert inode.i_mapping is not None
    assert inode.i_mapping.contents is not None
    inode.i_mapping.contents += data
    sb.s_bytes += len(data)
    d_add(at, name, inode)
