"""Files are plain data: they can be copied, and a copy is as good as the original."""

import pickle
from copy import deepcopy

import pytest
from trees import Here, booted

from toykernel.fs.file import fput
from toykernel.fs.pipe import READ_END, do_pipe
from toykernel.fs.rootfs import FileSystems
from toykernel.mm.mmap import sys_mmap2
from toykernel.state import Kernel
from toykernel.statehash import state_hash


def by_pickle(fs: FileSystems) -> FileSystems:
    copy = pickle.loads(pickle.dumps(fs))
    assert isinstance(copy, FileSystems)
    return copy


@pytest.mark.parametrize("copied", [deepcopy, by_pickle])
def test_a_tree_can_be_copied(k: Kernel, copied: type) -> None:
    here = Here(k)
    here.mkdir("d")
    here.make("d/f")
    here.symlink("d/f", "s")
    inode = k.files.fs.find("/home/d/f").dentry.inode
    inode.i_op.truncate(k, inode, 5)
    tables = (inode.i_op, inode.i_fop)
    k.files.fs = copied(k.files.fs)
    here.fs.root = k.files.fs.root
    here.fs.pwd = k.files.fs.find("/home")
    assert here.kind("s") == "file"
    assert k.files.fs.read("/home/d/f") == bytes(5)
    there = k.files.fs.find("/home/d/f").dentry.inode
    assert there is not inode
    assert (there.i_op, there.i_fop) == tables
    assert there.i_op is tables[0]
    there.i_op.truncate(k, there, 9)
    assert (there.size, inode.size) == (9, 5)


def test_what_the_hash_sees() -> None:
    """A name, a byte, a mount's flag."""
    hashes = []
    for change in range(4):
        k = booted().kernel
        here = Here(k)
        here.make("f" if change != 1 else "g")
        mapping = (
            k.files.fs.find("/home").dentry.children["f" if change != 1 else "g"].inode.i_mapping
        )
        assert mapping is not None
        assert mapping.contents is not None
        mapping.contents.write(0, b"x" if change != 2 else b"y")
        k.files.fs.root.mnt.sb.read_only = change == 3
        hashes.append(state_hash(k))
    assert len(set(hashes)) == 4


def test_an_open_file_knows_its_kind(k: Kernel) -> None:
    files = k.current.files
    assert files is not None
    at = sys_mmap2(k, 0, 4096, 3, 0x22, -1, 0)
    do_pipe(k, at, 0)
    assert deepcopy(files.fd[3].op) is READ_END
    file = Here(k).open("/dev/null", 2)
    assert file.op is not file.inode.i_fop  # the device took over
    assert deepcopy(file.op) is file.op
    fput(k, file)


def test_the_directories_that_programs_expect(k: Kernel) -> None:
    here = Here(k)
    for path in (
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/proc",
        "/root",
        "/sys",
        "/tmp",
        "/usr/bin",
        "/var/tmp",
    ):
        assert here.kind(path) == "directory"
