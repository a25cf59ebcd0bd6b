"""How much a file system in memory takes, and how numbers of struct stat are laid out."""

from __future__ import annotations

import struct

import pytest

from toykernel.errno import ENOSPC, Errno
from toykernel.fs.inode import S_IFREG, Inode
from toykernel.fs.libfs import SPECIAL
from toykernel.fs.ramfs import new_inode, ramfs_fill_super
from toykernel.fs.stat import new_stat, stat64
from toykernel.fs.xattr import vfs_removexattr, vfs_setxattr
from toykernel.state import Kernel


def test_so_many_files_and_bytes(k: Kernel) -> None:
    sb, _ = ramfs_fill_super(k.files.fs.new_dev(), k.files.fs.pipefs.numbers)
    assert (sb.max_bytes, sb.max_inodes) == (64 << 20, 65536)
    for _ in range(sb.max_inodes - sb.s_inodes):
        new_inode(sb, S_IFREG | 0o644)
    with pytest.raises(Errno) as caught:
        new_inode(sb, S_IFREG | 0o644)
    assert caught.value.number == ENOSPC


def test_the_bytes_of_struct_stat(k: Kernel) -> None:
    """Every word that stands nowhere else is 0 (arch/x86/include/asm/stat.h)."""
    sb, _ = ramfs_fill_super(k.files.fs.new_dev(), k.files.fs.pipefs.numbers)
    inode = new_inode(sb, S_IFREG | 0o644, 0x12345, 0x3456, 0)
    inode.i_fop = SPECIAL
    inode.nlink, inode.rdev = 3, 0x105
    inode.atime, inode.mtime, inode.ctime = 5_000_000_006, 7_000_000_008, 9_000_000_010
    inode.i_mapping.contents.write(0, bytes(4097))
    times = (5, 6, 7, 8, 9, 10)
    old = struct.unpack("<2I4H12I", new_stat(inode))
    assert old[:6] == (sb.s_dev, inode.ino, inode.mode, 3, 65534, 0x3456)
    assert old[6:] == (0x105, 4097, 4096, inode.blocks, *times, 0, 0)
    new = struct.unpack("<Q6IQIqIQ6IQ", stat64(inode))
    assert new[:7] == (sb.s_dev, 0, inode.ino, inode.mode, 3, 0x12345, 0x3456)
    assert new[7:] == (0x105, 0, 4097, 4096, inode.blocks, *times, inode.ino)


def test_what_attributes_take(k: Kernel) -> None:
    """As many bytes of names and values as there are inodes left, a kilobyte each (BOGO_INODE_SIZE)."""
    sb, _ = ramfs_fill_super(k.files.fs.new_dev(), k.files.fs.pipefs.numbers)
    sb.max_inodes = sb.s_inodes + 4
    one, other = (new_inode(sb, S_IFREG | 0o644) for _ in range(2))
    room = 2 * 1024
    name = "user.name"
    taken = len(name) + 1

    def refused(inode: Inode, name: str, size: int) -> bool:
        try:
            vfs_setxattr(k, inode, name, bytes(size), 0)
        except Errno as error:
            return error.number == ENOSPC
        return False

    for _ in range(2):
        assert refused(one, name, room - taken + 1)
        assert not refused(one, name, room - taken)
        assert refused(other, name, 0)
        assert refused(one, name, room - taken + 1)
        assert len(one.xattrs[name]) == room - taken
        assert not refused(one, name, 5)  # what there was makes room
        assert refused(other, name, room - 2 * taken - 4)
        assert not refused(other, name, room - 2 * taken - 5)
        vfs_removexattr(k, other, name)
        assert not refused(one, name, room - taken)
        vfs_removexattr(k, one, name)
    new_inode(sb, S_IFREG | 0o644)
    assert refused(one, name, 1024 - taken + 1)
    assert not refused(one, name, 1024 - taken)
