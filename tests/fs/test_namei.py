"""The path walk: symbolic links, slashes at the end, removing and renaming; as Linux answers."""

import pickle
from copy import deepcopy
from pathlib import Path

import pytest
from trees import Here, Step, walk

from toykernel.errno import Errno
from toykernel.fs import chrdev, libfs, pipe, ramfs, rootfs
from toykernel.fs.file import fput
from toykernel.fs.operations import Operations, find_operations
from toykernel.state import Kernel

EPERM, ENOENT, EBUSY, EEXIST, EXDEV = -1, -2, -16, -17, -18
ENOTDIR, EISDIR, EINVAL, ENAMETOOLONG, ENOTEMPTY, ELOOP = -20, -21, -22, -36, -39, -40
O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW = 0o100, 0o200, 0o1000, 0o200000, 0o400000
RDONLY, WRONLY, RDWR = 0, 1, 2


def test_links_on_the_way_and_at_the_end(k: Kernel, tmp_path: Path) -> None:
    steps: list[Step] = [
        (None, "mkdir", "d"),
        (None, "make", "d/f"),
        (None, "symlink", "d", "to_d"),
        (None, "symlink", "f", "d/to_f"),  # relative to where the link is
        (None, "symlink", "nowhere", "broken"),
        ("file", "kind", "to_d/f"),
        ("file", "kind", "to_d/to_f"),
        ("link", "lkind", "to_d/to_f"),
        ("link", "lkind", "to_d"),
        ("directory", "lkind", "to_d/"),  # a slash follows
        ("directory", "kind", "to_d/../d"),
        (ENOENT, "kind", "broken"),
        ("link", "lkind", "broken"),
        (ENOENT, "lkind", "broken/"),
        (ENOENT, "kind", "broken/x"),
        (ENOTDIR, "kind", "d/to_f/x"),
        (ENOTDIR, "kind", "d/f/"),
        (ENOTDIR, "lkind", "d/to_f/"),
        (ENOTDIR, "kind", "d/f/."),
        (ENOTDIR, "kind", "d/f/.."),
        (None, "symlink", "d/f/", "slash"),
        (ENOTDIR, "kind", "slash"),
        ("link", "lkind", "slash"),
        (None, "symlink", "/", "to_root"),
        ("directory", "kind", "to_root"),
        ("directory", "kind", "to_root/tmp"),
        (None, "chdir", "to_d"),
        ("/d", "cwd"),
        (None, "symlink", "../d/", "up"),
        ("file", "kind", "up/f"),
        (None, "chdir", "up/.."),
        ("", "cwd"),
    ]
    walk(k, tmp_path / "home", steps)


def test_so_many_links_and_no_more(k: Kernel, tmp_path: Path) -> None:
    steps: list[Step] = [(None, "make", "l0")]
    steps += [(None, "symlink", f"l{n}", f"l{n + 1}") for n in range(41)]
    steps += [
        ("file", "kind", "l40"),
        (ELOOP, "kind", "l41"),
        ("link", "lkind", "l41"),
        (None, "symlink", "self", "self"),
        (ELOOP, "kind", "self"),
        (ELOOP, "kind", "self/x"),
        (ELOOP, "make", "self", RDWR | O_CREAT),
        (None, "symlink", "there", "here"),
        (None, "symlink", "here", "there"),
        (ELOOP, "kind", "here"),
        (None, "mkdir", "d"),
        (None, "symlink", "../d", "d/again"),
        ("directory", "kind", "/".join(["d", *["again"] * 40])),
        (ELOOP, "kind", "/".join(["d", *["again"] * 41])),  # counted over the whole path
    ]
    walk(k, tmp_path / "home", steps)


def test_open_and_links(k: Kernel, tmp_path: Path) -> None:
    steps: list[Step] = [
        (None, "symlink", "made", "broken"),
        (EEXIST, "make", "broken", RDWR | O_CREAT | O_EXCL),
        (ELOOP, "make", "broken", RDWR | O_CREAT | O_NOFOLLOW),
        (None, "make", "broken", RDWR | O_CREAT),  # makes what the link names
        ("file", "kind", "made"),
        (ELOOP, "make", "broken", RDONLY | O_NOFOLLOW),
        (ENOTDIR, "make", "broken", RDONLY | O_NOFOLLOW | O_DIRECTORY),
        (ENOTDIR, "make", "broken", RDONLY | O_DIRECTORY),
        (None, "make", "made", RDONLY | O_NOFOLLOW),
        (None, "mkdir", "d"),
        (None, "symlink", "d", "to_d"),
        (None, "make", "to_d", RDONLY | O_DIRECTORY),
        (ELOOP, "make", "to_d", RDONLY | O_NOFOLLOW),
        (None, "make", "to_d/", RDONLY | O_NOFOLLOW | O_DIRECTORY),
        (EISDIR, "make", "to_d", WRONLY),
        (EISDIR, "make", "to_d", RDONLY | O_CREAT),
        (EISDIR, "make", "new/", RDWR | O_CREAT),
        (ENOENT, "make", "new/", RDONLY),
        (ENOENT, "make", "gone/new", RDWR | O_CREAT),
        (ENOTDIR, "make", "made/new", RDWR | O_CREAT),
        (ENAMETOOLONG, "make", "n" * 256, RDWR | O_CREAT),
        (None, "make", "n" * 255, RDWR | O_CREAT),
    ]
    walk(k, tmp_path / "home", steps)


def test_what_makes_and_removes_names_takes_a_link_as_it_is(k: Kernel, tmp_path: Path) -> None:
    steps: list[Step] = [
        (None, "mkdir", "d"),
        (None, "make", "f"),
        (None, "symlink", "d", "to_d"),
        (None, "symlink", "nowhere", "broken"),
        (EEXIST, "mkdir", "to_d"),
        (EEXIST, "mkdir", "broken"),
        (EEXIST, "mkdir", "f"),
        (EEXIST, "symlink", "x", "broken"),
        (ENOENT, "symlink", "x", "new/"),
        (None, "mkdir", "new/"),
        (ENOTDIR, "rmdir", "to_d"),
        (ENOTDIR, "rmdir", "to_d/"),
        (ENOTDIR, "unlink", "to_d/"),
        (ENOTDIR, "unlink", "f/"),
        (EISDIR, "unlink", "d"),
        (EISDIR, "unlink", "d/"),
        (EISDIR, "unlink", "d/."),
        (ENOENT, "unlink", "gone"),
        (EINVAL, "rmdir", "d/."),
        (ENOTEMPTY, "rmdir", "d/.."),
        (None, "unlink", "to_d"),
        ("directory", "kind", "d"),
        (None, "unlink", "broken"),
        (None, "rmdir", "d/"),
        (ENOENT, "kind", "d"),
    ]
    walk(k, tmp_path / "home", steps)


def test_names_for_one_file(k: Kernel, tmp_path: Path) -> None:
    steps: list[Step] = [
        (None, "make", "f"),
        (None, "link", "f", "g"),
        (2, "nlink", "f"),
        (EEXIST, "link", "f", "g"),
        (None, "symlink", "f", "s"),
        (None, "link", "s", "t"),  # the link, not what it leads to
        ("link", "lkind", "t"),
        (2, "nlink", "t"),
        (None, "mkdir", "d"),
        (EPERM, "link", "d", "e"),
        (ENOENT, "link", "gone", "e"),
        (None, "rename", "f", "g"),  # the same file: nothing happens
        (2, "nlink", "f"),
        (None, "unlink", "f"),
        (1, "nlink", "g"),
        ("file", "kind", "g"),
    ]
    walk(k, tmp_path / "home", steps)


def test_rename(k: Kernel, tmp_path: Path) -> None:
    steps: list[Step] = [
        (None, "make", "f"),
        (None, "mkdir", "a"),
        (None, "mkdir", "b"),
        (None, "mkdir", "a/sub"),
        (3, "nlink", "a"),
        (None, "rename", "a/sub", "b/sub"),
        (2, "nlink", "a"),
        (3, "nlink", "b"),
        (None, "chdir", "b/sub"),
        ("/b/sub", "cwd"),
        (None, "rename", "../sub", "../other"),
        ("/b/other", "cwd"),  # whoever is in it goes along
        (None, "chdir", "../.."),
        (EINVAL, "rename", "b", "b/other/x"),
        (EINVAL, "rename", "b", "b/x"),
        (ENOTEMPTY, "rename", "b/other", "b"),
        (None, "make", "b/f"),
        (ENOTEMPTY, "rename", "b/f", "b"),
        (None, "unlink", "b/f"),
        (ENOTEMPTY, "rename", "a", "b"),
        (None, "rename", "b", "a"),
        (ENOENT, "kind", "b"),
        ("directory", "kind", "a/other"),
        (ENOTDIR, "rename", "a", "f"),
        (EISDIR, "rename", "f", "a"),
        (ENOTDIR, "rename", "f/", "g"),
        (ENOTDIR, "rename", "f", "g/"),
        (ENOENT, "rename", "gone", "g"),
        (ENOENT, "rename", "f", "gone/g"),
        (EBUSY, "rename", "a/.", "g"),
        (EBUSY, "rename", "f", "a/.."),
        (None, "make", "g"),
        (None, "rename", "f", "g"),
        (ENOENT, "kind", "f"),
        (1, "nlink", "g"),
        (None, "rename", "a/", "c/"),
        ("directory", "kind", "c/other"),
    ]
    walk(k, tmp_path / "home", steps)


def test_a_renamed_directorys_dot_dot_is_its_new_parent(k: Kernel) -> None:
    here = Here(k)
    for path in ("a", "a/sub", "b", "b/only_here"):
        here.mkdir(path)
    here.rename("a/sub", "b/sub")
    assert here.kind("b/sub/../only_here") == "directory"


@pytest.mark.parametrize("module", [chrdev, libfs, pipe, ramfs, rootfs])
def test_tables_of_operations_are_found_by_name(module: object) -> None:
    tables = [table for table in vars(module).values() if isinstance(table, Operations)]
    assert tables
    for table in tables:
        assert find_operations(table.name) is table
        assert deepcopy(table) is table
        assert pickle.loads(pickle.dumps(table)) is table


def test_the_missing_operations_answer_as_linux(k: Kernel) -> None:
    """vfs_read, vfs_ioctl, do_mmap, vfs_llseek; vfs_create, vfs_mkdir and their like (fs/namei.c)."""
    file, inode = Here(k).open("/dev/console", RDWR), k.files.fs.find("/dev/console").dentry.inode
    blank = libfs.NO_FILE
    table, parent = libfs.SPECIAL, k.files.fs.find("/dev").dentry
    cases = [
        (22, blank.read, file, 0, 1),
        (22, blank.write, file, 0, 1),
        (29, blank.llseek, file, 0, 0),
        (25, blank.ioctl, file, 0, 0),
        (19, blank.mmap, file),
        (22, blank.fsync, file),
        (20, table.lookup, inode, "x"),
        (13, table.create, inode, "x", 0o644),
        (1, table.link, inode, inode, "x"),
        (1, table.unlink, inode, parent),
        (1, table.symlink, inode, "x", "y"),
        (1, table.mkdir, inode, "x", 0o755),
        (1, table.rmdir, inode, parent),
        (1, table.mknod, inode, "x", 0, 0),
        (1, table.rename, inode, parent, inode, None),
        (22, table.get_link, inode),
        (22, table.truncate, inode, 0),
    ]
    for number, operation, *args in cases:
        with pytest.raises(Errno) as caught:
            operation(k, *args)  # type: ignore[operator]
        assert caught.value.number == number, operation
    assert blank.poll(k, file, []) == 0x145
    fput(k, file)
