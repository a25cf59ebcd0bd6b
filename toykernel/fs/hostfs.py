"""A directory of the host in the guest's tree (--mount): read-only, or copied when it is written.

What the guest changes stays in its memory; the host's files are never written. An inode is made when its name
is looked up, and a file's bytes are fetched when it is opened.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from emu.record import dataclass
from toykernel.errno import EIO, ENOTEMPTY, Errno
from toykernel.fs.dcache import Dentry, d_add
from toykernel.fs.file import File
from toykernel.fs.inode import Inode
from toykernel.fs.libfs import (
    SIMPLE_DIR,
    dcache_readdir,
    simple_exchange,
    simple_rename,
    simple_rmdir,
    simple_unlink,
)
from toykernel.fs.mount import do_mount
from toykernel.fs.operations import DirEntry, InodeOperations
from toykernel.fs.ramfs import DIR_INODE, FILE_INODE, RAMFS, new_inode, ramfs_truncate
from toykernel.fs.rootfs import make_directory
from toykernel.fs.super import InodeNumbers, SuperBlock
from toykernel.mm.file_bytes import FileBytes

if TYPE_CHECKING:
    from toykernel.host_mount import HostEntry
    from toykernel.state import Kernel


@dataclass(eq=False)
class HostNode:
    """Where on the host an inode is: the mount's number and the path below it; of a directory, the names that
    the guest has taken away or has given to something else.
    """

    mount: int
    path: str
    gone: set[str] = field(default_factory=set)
    filled: bool = False  # a file's bytes are here


def _node(inode: Inode) -> HostNode | None:
    return inode.private if isinstance(inode.private, HostNode) else None


def host_inode(k: Kernel, sb: SuperBlock, node: HostNode, entry: HostEntry) -> Inode:
    """An inode for what is on the host."""
    inode = new_inode(sb, entry.mode, entry.uid, entry.gid, now=entry.mtime)
    if inode.is_link:
        inode.private = k.host.mounts[node.mount].link(node.path).encode(errors="surrogateescape")
        return inode
    inode.private = node
    if inode.is_dir:
        inode.i_op, inode.i_fop = HOST_DIR_INODE, HOST_DIR
    else:
        inode.i_op = HOST_FILE_INODE
        assert inode.i_mapping is not None
        assert inode.i_mapping.contents is not None
        inode.i_mapping.contents.size = entry.size
    return inode


def hostfs_lookup(k: Kernel, parent: Inode, name: str) -> Inode | None:
    """A name that the guest has not changed is the host's."""
    node = _node(parent)
    if node is None or name in node.gone:
        return None
    path = f"{node.path}/{name}" if node.path else name
    entry = k.host.mounts[node.mount].entry(path)
    if entry is None:
        return None
    inode = host_inode(k, parent.i_sb, HostNode(node.mount, path), entry)
    if inode.is_dir:
        parent.nlink += 1
    return inode


def hostfs_fill(k: Kernel, inode: Inode) -> None:
    """Fetch a file's bytes, once. Raises Errno(EIO) when the host does not give them."""
    node = _node(inode)
    if node is None or node.filled:
        return
    data = k.host.mounts[node.mount].contents(node.path)
    if data is None:
        raise Errno(EIO)
    assert inode.i_mapping is not None
    inode.i_mapping.contents = FileBytes(data)
    inode.i_sb.s_bytes += len(inode.i_mapping.contents.pages) * PAGE_SIZE
    node.filled = True


def hostfs_truncate(k: Kernel, inode: Inode, size: int) -> None:
    """What is cut off is forgotten; what stays has to be here first."""
    hostfs_fill(k, inode)
    ramfs_truncate(k, inode, size)


def _all(k: Kernel, dentry: Dentry) -> None:
    """Give every name of a directory its dentry."""
    node = _node(dentry.inode)
    if node is None:
        return
    for name in k.host.mounts[node.mount].names(node.path):
        if name not in dentry.children:
            inode = hostfs_lookup(k, dentry.inode, name)
            if inode is not None:
                d_add(dentry, name, inode)


def hostfs_readdir(k: Kernel, file: File) -> list[DirEntry]:
    """The host's names and the guest's."""
    assert file.f_path is not None
    _all(k, file.f_path.dentry)
    return dcache_readdir(k, file)


def _forget(parent: Inode, name: str) -> None:
    node = _node(parent)
    if node is not None:
        node.gone.add(name)


def hostfs_unlink(k: Kernel, parent: Inode, dentry: Dentry) -> None:
    """The host's file stays; the guest does not see it any more."""
    simple_unlink(k, parent, dentry)
    _forget(parent, dentry.name)


def hostfs_rmdir(k: Kernel, parent: Inode, dentry: Dentry) -> None:
    """The same. Raises Errno(ENOTEMPTY), with what the host has in it, too."""
    _all(k, dentry)
    if dentry.children:
        raise Errno(ENOTEMPTY)
    simple_rmdir(k, parent, dentry)
    _forget(parent, dentry.name)


def hostfs_rename(
    k: Kernel, old_dir: Inode, dentry: Dentry, new_dir: Inode, target: Dentry | None
) -> None:
    """Another name, for the guest alone. Raises Errno(ENOTEMPTY)."""
    if target is not None and target.inode.is_dir:
        _all(k, target)
    simple_rename(k, old_dir, dentry, new_dir, target)
    _forget(old_dir, dentry.name)
    if target is not None:
        _forget(new_dir, target.name)


HOST_DIR = replace(SIMPLE_DIR, name="toykernel.fs.hostfs:HOST_DIR", iterate=hostfs_readdir)
HOST_DIR_INODE: InodeOperations = replace(
    DIR_INODE,
    name="toykernel.fs.hostfs:HOST_DIR_INODE",
    lookup=hostfs_lookup,
    unlink=hostfs_unlink,
    rmdir=hostfs_rmdir,
    rename=hostfs_rename,
    exchange=simple_exchange,
)
HOST_FILE_INODE: InodeOperations = replace(
    FILE_INODE,
    name="toykernel.fs.hostfs:HOST_FILE_INODE",
    truncate=hostfs_truncate,
    fill=hostfs_fill,
)


def host_fill_super(
    k: Kernel, s_dev: int, numbers: InodeNumbers, mount: int, *, read_only: bool
) -> tuple[SuperBlock, Inode]:
    """The file system of a mounted directory, and the inode of its root."""
    sb = SuperBlock(s_dev, "hostfs", RAMFS, numbers)
    entry = k.host.mounts[mount].entry("")
    assert entry is not None
    root = host_inode(k, sb, HostNode(mount, ""), entry)
    sb.read_only = read_only
    return sb, root


def mount_host(k: Kernel, mount: int, guest: str, *, read_only: bool) -> None:
    """Hang a mounted directory at a path of the guest's, whose directories are made where they are missing.

    Raises ValueError where a file is in the way.
    """
    fs = k.files.fs
    sb, root = host_fill_super(k, fs.new_dev(), fs.pipefs.numbers, mount, read_only=read_only)
    place = make_directory(fs, guest)
    if not place.dentry.inode.is_dir:
        raise ValueError(f"{guest} is a file")
    do_mount(place, sb, Dentry("/", root))
