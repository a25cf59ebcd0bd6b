"""The tree that a machine boots with: devices, /tmp, and the files that the host gives."""

from __future__ import annotations

from dataclasses import field

from emu.record import dataclass
from toykernel.errno import ENOENT, Errno
from toykernel.fs.chrdev import (
    CONSOLE_DEV,
    FULL_DEV,
    NULL_DEV,
    PTMX_DEV,
    RANDOM_DEV,
    TTY_DEV,
    URANDOM_DEV,
    USERFAULTFD_DEV,
    ZERO_DEV,
)
from toykernel.fs.dcache import Dentry, d_add
from toykernel.fs.inode import S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG, Inode
from toykernel.fs.mount import Mount, Path, do_mount, traverse_mounts
from toykernel.fs.operations import SuperOperations
from toykernel.fs.proc.root import proc_fill_super
from toykernel.fs.ramfs import MAX_BYTES, MAX_INODES, RAMFS, new_inode, ramfs_fill_super
from toykernel.fs.super import PIPE_DEV, RAMFS_DEV, SHM_DEV, InodeNumbers, SuperBlock
from toykernel.tty.devpts import devpts_fill_super

#: In /dev: name, permissions, number.
_NODES = (
    ("console", 0o620, CONSOLE_DEV),
    ("null", 0o666, NULL_DEV),
    ("zero", 0o666, ZERO_DEV),
    ("full", 0o666, FULL_DEV),
    ("random", 0o666, RANDOM_DEV),
    ("urandom", 0o666, URANDOM_DEV),
    ("tty", 0o666, TTY_DEV),
    ("ptmx", 0o666, PTMX_DEV),
)
_LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nusers:x:100:\nnogroup:x:65534:\n"
    "nobody:x:65533:\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\ttoykernel\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
#: /sys: the one processor; that no pages are merged. Huge pages, which there are not, have no directory.
SYSFS = {
    "devices/system/cpu/online": "0\n",
    "devices/system/cpu/possible": "0\n",
    "devices/system/cpu/present": "0\n",
    "devices/system/cpu/kernel_max": "0\n",
    "devices/system/cpu/cpu0/topology/core_id": "0\n",
    "devices/system/node/online": "0\n",
    "devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "kernel/mm/ksm/run": "0\n",
    "kernel/mm/ksm/pages_shared": "0\n",
    "kernel/mm/ksm/pages_sharing": "0\n",
}
#: Types of which there is one file system.
SINGLE = ("devtmpfs", "sysfs")
PIPEFS = SuperOperations("toykernel.fs.rootfs:PIPEFS")


@dataclass(eq=False)
class FileSystems:
    """Every file system of a kernel: the tree below `root`, and what is mounted nowhere."""

    root: Path
    pipefs: SuperBlock
    shm: SuperBlock  # files in memory that have no name (shm_mnt)
    last_dev: int = SHM_DEV
    #: Roots of the types of which there is one file system, however often it is mounted.
    single: dict[str, Dentry] = field(default_factory=dict)

    def new_dev(self) -> int:
        """st_dev of a file system without a device (get_anon_bdev), counting up."""
        self.last_dev += 1
        return self.last_dev

    def super_blocks(self) -> list[SuperBlock]:
        """Every file system that is mounted, once."""
        found: list[SuperBlock] = []
        waiting = [self.root.mnt]
        while waiting:
            mnt = waiting.pop()
            if mnt.sb not in found:
                found.append(mnt.sb)
            waiting += mnt.mounts.values()
        return found

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


def mount_root(files: dict[str, bytes]) -> FileSystems:
    """/, /dev, /dev/shm, /tmp, /proc, a few files in /etc, and files by path, in order of their paths."""
    numbers = InodeNumbers()
    sb, inode = ramfs_fill_super(RAMFS_DEV, numbers, "rootfs")
    root = Dentry("/", inode)
    top = traverse_mounts(Path(Mount(sb, root), root))
    fs = FileSystems(top, SuperBlock(PIPE_DEV, "pipefs", PIPEFS, numbers), shm_fill_super(numbers))
    _mount(fs, "dev", "devtmpfs", 0o755)
    for name, mode, rdev in _NODES:
        _node(fs, f"dev/{name}", S_IFCHR | mode, rdev)
    for name, target in _LINKS.items():
        _node(fs, name, S_IFLNK | 0o777).private = target.encode()
    _mount(fs, "dev/shm", "tmpfs", 0o1777)
    pts = devpts_fill_super(fs.new_dev(), numbers, {"mode": 0o620})
    assert pts.root is not None
    do_mount(make_directory(fs, "dev/pts"), pts, pts.root)
    fs.single["devpts"] = pts.root
    _mount(fs, "tmp", "tmpfs", 0o1777)
    sb, inode = proc_fill_super(fs.new_dev(), numbers)
    do_mount(make_directory(fs, "proc", 0o555), sb, Dentry("/", inode))
    _mount(fs, "sys", "sysfs", 0o555)
    for name, text in SYSFS.items():
        place(fs, f"sys/{name}", text.encode(), 0o444)
    fs.find("/sys").mnt.sb.read_only = True
    for name in ("etc", "bin", "root", "var"):
        make_directory(fs, name)
    make_directory(fs, "var/tmp", 0o1777)
    make_directory(fs, "usr/bin")
    for name, text in _FILES.items():
        place(fs, name, text.encode(), 0o644)
    for path, data in sorted(files.items()):
        place(fs, path, data)
    _node(fs, "dev/userfaultfd", S_IFCHR | 0o600, USERFAULTFD_DEV)
    return fs


def shm_fill_super(numbers: InodeNumbers) -> SuperBlock:
    """The tmpfs that is mounted nowhere."""
    return SuperBlock(SHM_DEV, "tmpfs", RAMFS, numbers, max_bytes=MAX_BYTES, max_inodes=MAX_INODES)


def _at(fs: FileSystems, path: str) -> tuple[Path, str]:
    """The directory that a path's last name is in, made if it is not there, and that name."""
    *parts, name = [part for part in path.split("/") if part not in ("", ".")]
    at = fs.root
    for part in parts:
        if part not in at.dentry.children:
            _add(at, part, S_IFDIR | 0o755)
        at = at.child(at.dentry.children[part])
    return at, name


def _add(parent: Path, name: str, mode: int, rdev: int = 0) -> Dentry:
    inode = new_inode(parent.mnt.sb, mode, rdev=rdev)
    if inode.is_dir:
        parent.dentry.inode.nlink += 1
    return d_add(parent.dentry, name, inode)


def _node(fs: FileSystems, path: str, mode: int, rdev: int = 0) -> Inode:
    at, name = _at(fs, path)
    return _add(at, name, mode, rdev).inode


def make_directory(fs: FileSystems, path: str, mode: int = 0o755) -> Path:
    """The directory at a path, made where it is missing, with those above it."""
    at, name = _at(fs, path)
    if name not in at.dentry.children:
        _add(at, name, S_IFDIR | mode)
    return Path(at.mnt, at.dentry.children[name])


def _mount(fs: FileSystems, path: str, s_type: str, mode: int) -> None:
    """A file system in memory on a directory of its own."""
    sb, inode = ramfs_fill_super(fs.new_dev(), fs.pipefs.numbers, s_type, mode)
    root = Dentry("/", inode)
    do_mount(make_directory(fs, path), sb, root)
    if s_type in SINGLE:
        fs.single[s_type] = root


def place(fs: FileSystems, path: str, data: bytes, mode: int = 0o755) -> None:
    """A file with these contents; one that is there already gets them."""
    at, name = _at(fs, path)
    there = at.dentry.children.get(name)
    inode = _add(at, name, S_IFREG | mode).inode if there is None else there.inode
    if inode.i_mapping is None or inode.i_mapping.contents is None:
        raise ValueError(f"{path} is there already, and is no file")
    inode.i_mapping.contents.resize(0)
    inode.i_mapping.contents.write(0, data)
    at.mnt.sb.s_bytes += inode.blocks * 512
