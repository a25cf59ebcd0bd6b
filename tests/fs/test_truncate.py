"""Sizes of a file that is mapped: the end in the middle of a page, then a later end (ftruncate(2))."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from trees import Here

from toykernel.arch.x86.uaccess import copy_from_user, put_user
from toykernel.errno import EFAULT, ENOSPC, Errno
from toykernel.fs.file import fd_install, fput, get_file, get_unused_fd
from toykernel.fs.open import sys_close
from toykernel.fs.ramfs import MAX_BYTES
from toykernel.fs.resize import sys_fallocate
from toykernel.mm.mmap import sys_mmap2, sys_munmap
from toykernel.state import Kernel

PAGE = 4096
O_RDWR_CREAT = 0o102
STEPS = (PAGE + 100, 3 * PAGE, 2 * PAGE, 50, 2 * PAGE)


def seen(truncate: Callable[[int], None], look: Callable[[int], int]) -> list[int]:
    """After each step: the bytes just before and after the places where ends were."""
    found = []
    for size in STEPS:
        truncate(size)
        ends = [
            at for at in (0, 49, 50, 99, PAGE, PAGE + 99, PAGE + 100, 2 * PAGE - 1) if at < size
        ]
        found += [look(at) for at in ends]
    return found


def natively(path: Path) -> list[int]:
    path.write_bytes(b"A" * 2 * PAGE)
    fd = os.open(path, os.O_RDWR)
    with mmap.mmap(fd, 2 * PAGE) as memory:
        memory[PAGE + 200] = 66
        result = seen(lambda size: os.ftruncate(fd, size), lambda at: memory[at])
    os.close(fd)
    return result


@pytest.mark.parametrize("touched", [True, False])
def test_what_was_cut_off_comes_back_as_zeros(k: Kernel, tmp_path: Path, touched: bool) -> None:
    file = Here(k).open("f", O_RDWR_CREAT)
    fd = fd_install(k, get_unused_fd(k), file)
    inode = file.inode
    assert inode.i_mapping is not None
    assert inode.i_mapping.contents is not None
    inode.i_op.truncate(k, inode, 2 * PAGE)
    inode.i_mapping.contents.write(0, b"A" * 2 * PAGE)
    at = sys_mmap2(k, 0, 2 * PAGE, 3, 1, fd, 0)
    if touched:
        copy_from_user(k, at, 1)
        put_user(k, 66, at + PAGE + 200)
    here = seen(
        lambda size: inode.i_op.truncate(k, inode, size),
        lambda where: copy_from_user(k, at + where, 1)[0],
    )
    assert here == natively(tmp_path / "f")
    assert 65 in here
    inode.i_op.truncate(k, inode, 1)
    with pytest.raises(Errno) as caught:
        copy_from_user(k, at + PAGE, 1)
    assert caught.value.number == EFAULT
    sys_munmap(k, at, 2 * PAGE)


def test_a_size_takes_and_gives_room(k: Kernel) -> None:
    file = Here(k).open("f", O_RDWR_CREAT)
    inode, sb = file.inode, file.inode.i_sb
    before = sb.s_bytes
    inode.i_op.truncate(k, inode, 2 * MAX_BYTES)
    assert (inode.size, inode.blocks, sb.s_bytes) == (2 * MAX_BYTES, 0, before)  # a hole
    fd = fd_install(k, get_unused_fd(k), get_file(file))
    sys_fallocate(k, fd, 0, PAGE - 1, 0, 2, 0)
    assert (inode.blocks, sb.s_bytes) == (16, before + 2 * PAGE)
    inode.i_op.truncate(k, inode, 70)
    assert (inode.blocks, sb.s_bytes) == (8, before + PAGE)
    with pytest.raises(Errno) as caught:
        sys_fallocate(k, fd, 0, 0, 0, MAX_BYTES, 0)
    assert caught.value.number == ENOSPC
    assert (inode.size, sb.s_bytes) == (70, before + PAGE)
    sys_close(k, fd)
    fput(k, file)
