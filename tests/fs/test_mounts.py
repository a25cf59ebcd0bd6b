"""Mounts: the way down, the way up, and what may not be done to a mount point (mount(2), rmdir(2))."""

from trees import Here, outcome

from toykernel.arch.x86.uaccess import copy_to_user, get_user
from toykernel.fs.dcache import Dentry
from toykernel.fs.file import fput
from toykernel.fs.inode import S_IFDIR, S_IFREG, Inode
from toykernel.fs.libfs import NO_FILE, SIMPLE_DIR, SPECIAL
from toykernel.fs.mount import Mount, do_mount, do_umount
from toykernel.fs.namei import path_lookup
from toykernel.fs.operations import InodeOperations, SuperOperations
from toykernel.fs.ramfs import MAX_INODES, ramfs_fill_super
from toykernel.fs.stat import stat64, sys_lstat64, sys_stat64
from toykernel.fs.super import SuperBlock
from toykernel.mm.mmap import sys_mmap2
from toykernel.state import Kernel

EPERM, EACCES = -1, -13
EBUSY, EXDEV, EINVAL, ENOTDIR, EROFS, ENOENT, ENOSPC = -16, -18, -22, -20, -30, -2, -28
O_RDONLY, O_RDWR, O_CREAT = 0, 2, 0o100


def mounted(k: Kernel, path: str) -> Mount:
    """An empty ramfs on a directory."""
    sb, inode = ramfs_fill_super(k.files.fs.new_dev(), k.files.fs.pipefs.numbers)
    return do_mount(path_lookup(k, path).found(), sb, Dentry("/", inode))


def test_up_and_down(k: Kernel) -> None:
    here = Here(k)
    for path in ("a", "a/m", "a/m/below", "a/beside"):
        here.mkdir(path)
    mounted(k, "a/m")
    assert outcome(here.kind, "a/m/below") == ENOENT  # it is covered
    here.mkdir("a/m/sub")
    here.chdir("a/m/sub")
    assert here.cwd() == "/a/m/sub"
    assert (
        here.kind("../../beside") == "directory"
    )  # from the mount's root to the parent of its place
    assert here.kind("../sub") == "directory"
    assert here.kind("../../m/sub") == "directory"  # and down again
    here.symlink("../../beside", "out")
    assert here.kind("out/../m/sub/out") == "directory"
    here.chdir("..")
    assert here.cwd() == "/a/m"
    here.chdir("..")
    assert here.cwd() == "/a"


def test_mounts_on_mounts(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    lower = mounted(k, "m")
    here.mkdir("m/lower")
    upper = mounted(k, "m")
    here.mkdir("m/upper")
    assert outcome(here.kind, "m/lower") == ENOENT
    assert here.kind("m/upper/../../m/upper") == "directory"
    assert outcome(do_umount, lower) == EBUSY
    do_umount(upper)
    assert here.kind("m/lower") == "directory"
    do_umount(lower)
    assert outcome(here.kind, "m/lower") == ENOENT
    assert outcome(do_umount, k.files.fs.root.mnt) == EINVAL


def test_one_file_system_at_two_places(k: Kernel) -> None:
    """A bind mount: names made at one place are there at the other; `..` is that of the way taken."""
    here = Here(k)
    for path in ("one", "one/sub", "two", "two/bind", "two/beside"):
        here.mkdir(path)
    source = path_lookup(k, "one/sub").found()
    do_mount(path_lookup(k, "two/bind").found(), source.mnt.sb, source.dentry)
    here.make("two/bind/f")
    assert here.kind("one/sub/f") == "file"
    assert here.kind("two/bind/../beside") == "directory"
    assert outcome(here.kind, "one/sub/../beside") == ENOENT
    assert outcome(here.link, "one/sub/f", "two/bind/g") == EXDEV  # though it is one file system
    assert outcome(here.rename, "one/sub/f", "two/bind/g") == EXDEV
    here.chdir("two/bind")
    assert here.cwd() == "/two/bind"


def test_a_mount_point_keeps_its_name(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    here.mkdir("e")
    here.make("f")
    mnt = mounted(k, "m")
    assert outcome(here.rmdir, "m") == EBUSY
    assert outcome(here.rename, "m", "n") == EBUSY
    assert outcome(here.rename, "e", "m") == EBUSY
    assert outcome(here.rename, "f", "m/f") == EXDEV
    assert outcome(here.mkdir, "m") == -17
    file = path_lookup(k, "f").found()
    assert outcome(do_mount, file, mnt.sb, mnt.root) == ENOTDIR
    do_umount(mnt)
    here.rmdir("m")


def test_the_root_of_a_task_is_the_end_of_the_way_up(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("jail")
    here.mkdir("jail/sub")
    here.chdir("jail")
    here.fs.root = here.fs.pwd
    assert here.kind("../../sub") == "directory"
    assert here.kind("/sub/../../sub") == "directory"
    here.symlink("/sub", "link")
    assert here.kind("/sub/../link") == "directory"
    here.fs.root = k.files.fs.root


def test_whoever_is_inside_stays_below(k: Kernel) -> None:
    here = Here(k)
    for path in ("m", "m/below"):
        here.mkdir(path)
    here.chdir("m")
    mounted(k, "../m")
    assert here.kind("below") == "directory"
    assert outcome(here.kind, "../m/below") == ENOENT


def test_device_numbers_tell_file_systems_apart(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    outside = stat64(path_lookup(k, "m").found().dentry.inode)
    mounted(k, "m")
    inside = stat64(path_lookup(k, "m").found().dentry.inode)
    assert outside[:8] != inside[:8]


def test_stat_and_lstat_of_a_link(k: Kernel) -> None:
    here = Here(k)
    here.make("f")
    here.symlink("f", "name")
    at = sys_mmap2(k, 0, 4096, 3, 0x22, -1, 0)
    copy_to_user(k, at, b"name\0")
    modes = []
    for call in (sys_stat64, sys_lstat64):
        assert call(k, at, at + 64) == 0
        modes.append(get_user(k, at + 64 + 16))  # st_mode
    assert modes == [0o100644, 0o120777]
    assert get_user(k, at + 64 + 44) == 1  # st_size of the link: its target's length


def test_a_read_only_file_system(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    mnt = mounted(k, "m")
    here.make("m/f")
    mnt.sb.read_only = True
    assert outcome(here.make, "m/f", O_RDWR) == EROFS
    assert outcome(here.make, "m/g", O_RDWR | O_CREAT) == EROFS
    assert outcome(here.unlink, "m/f") == EROFS
    assert outcome(here.symlink, "x", "m/s") == EROFS
    fput(k, here.open("m/f", O_RDONLY))


def test_inodes_count_until_the_last_reference_goes(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    sb = mounted(k, "m").sb
    assert (sb.max_inodes, sb.s_inodes) == (MAX_INODES, 1)
    sb.max_inodes = 3
    here.make("m/a")
    file = here.open("m/b", O_RDWR | O_CREAT)
    for make in (here.make, here.mkdir):
        assert outcome(make, "m/c") == ENOSPC
    assert outcome(here.symlink, "x", "m/c") == ENOSPC
    here.unlink("m/b")
    assert outcome(here.make, "m/c") == ENOSPC  # it is open
    fput(k, file)
    here.make("m/c")
    here.rename("m/c", "m/a")  # takes a's place
    here.mkdir("m/d")
    here.rmdir("m/d")
    assert sb.s_inodes == 2


def test_a_link_takes_room(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    sb = mounted(k, "m").sb
    sb.max_bytes = 10
    here.symlink("12345678", "m/s")
    assert outcome(here.symlink, "123", "m/t") == ENOSPC
    assert (sb.s_bytes, sb.s_inodes) == (8, 2)
    here.unlink("m/s")
    assert (sb.s_bytes, sb.s_inodes) == (0, 1)


# -- a file system that makes its names up, as /proc does -------------------------------------------


def made_up_lookup(k: Kernel, parent: Inode, name: str) -> Inode | None:
    """A number is there while the root's mtime is at least as much."""
    if not name.isdigit() or int(name) > parent.mtime:
        return None
    sb = parent.i_sb
    return Inode(sb.next_ino(), S_IFREG | 0o444, sb, SPECIAL, NO_FILE, private=int(name))


def made_up_revalidate(k: Kernel, dentry: Dentry) -> bool:
    number = dentry.inode.private
    assert isinstance(number, int)
    return number <= dentry.parent.inode.mtime


MADE_UP_DIR = InodeOperations("test_mounts:MADE_UP_DIR", lookup=made_up_lookup)
MADE_UP = SuperOperations("test_mounts:MADE_UP", d_revalidate=made_up_revalidate)


def test_names_that_come_and_go(k: Kernel) -> None:
    here = Here(k)
    here.mkdir("m")
    sb = SuperBlock(k.files.fs.new_dev(), "made up", MADE_UP, k.files.fs.pipefs.numbers)
    root = Inode(sb.next_ino(), S_IFDIR | 0o755, sb, MADE_UP_DIR, SIMPLE_DIR, nlink=2)
    do_mount(path_lookup(k, "m").found(), sb, Dentry("/", root))
    assert outcome(here.kind, "m/2") == ENOENT
    root.mtime = 2
    assert here.kind("m/2") == "file"
    found = path_lookup(k, "m/2").found()
    assert path_lookup(k, "m/../m/2").found() == found  # known by now
    root.mtime = 1
    assert outcome(here.kind, "m/2") == ENOENT
    root.mtime = 2
    assert path_lookup(k, "m/2").found() != found
    assert outcome(here.mkdir, "m/3") == EPERM
    assert outcome(here.make, "m/3") == EACCES
    assert outcome(here.unlink, "m/2") == EPERM
    assert outcome(here.link, "m/2", "m/x") == EPERM
    assert outcome(here.rename, "m/2", "m/x") == EPERM
    assert outcome(here.symlink, "m/2", "m/x") == EPERM
