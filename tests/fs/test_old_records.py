"""struct __old_kernel_stat of an i386 kernel: what has no room in it is an error (fs/stat.c, cp_old_stat).
A kernel of 64 bits cuts the size instead, so that it is no oracle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toykernel.errno import EOVERFLOW, Errno
from toykernel.fs.inode import Inode
from toykernel.fs.namei import path_lookup
from toykernel.fs.stat import old_stat
from toykernel.state import Kernel


def _number(inode: Inode, value: int) -> None:
    inode.ino = value


def _links(inode: Inode, value: int) -> None:
    inode.nlink = value


def _size(inode: Inode, value: int) -> None:
    assert inode.i_mapping is not None
    assert inode.i_mapping.contents is not None
    inode.i_mapping.contents.resize(value)


@pytest.mark.parametrize(
    ("put", "most"), [(_number, 0xFFFF), (_links, 0xFFFF), (_size, 0x7FFFFFFF)]
)
def test_more_than_there_is_room_for(
    k: Kernel, put: Callable[[Inode, int], None], most: int
) -> None:
    inode = path_lookup(k, "/etc/passwd").found().dentry.inode
    put(inode, most)
    assert len(old_stat(inode)) == 32
    put(inode, most + 1)
    with pytest.raises(Errno) as raised:
        old_stat(inode)
    assert raised.value.number == EOVERFLOW
