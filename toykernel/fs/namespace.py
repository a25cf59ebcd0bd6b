"""mount and umount (fs/namespace.c): file systems in memory, /proc, and parts of the tree seen twice.

There are no disks: a type that needs one is not known (ENODEV). Whether a file system can be written to is
its own flag, the same through all of its mounts.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import strncpy_from_user
from toykernel.errno import EAGAIN, EBUSY, EINVAL, ENODEV, ENOTDIR, EPERM, Errno
from toykernel.fs.dcache import Dentry
from toykernel.fs.fsnotify import fsnotify_unmount
from toykernel.fs.mount import Mount, Path, do_mount, do_umount
from toykernel.fs.namei import getname, path_lookup
from toykernel.fs.proc.root import proc_fill_super
from toykernel.fs.ramfs import ramfs_fill_super
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.wait_queue import wake_up
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.super import SuperBlock
    from toykernel.state import Kernel

MS_RDONLY, MS_REMOUNT, MS_NOATIME, MS_BIND, MS_MOVE = 1, 32, 1024, 4096, 8192
MS_MGC_VAL, MS_MGC_MSK = 0xC0ED0000, 0xFFFF0000
#: MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED: there is one namespace, so nothing spreads.
MS_PROPAGATION = 0xF << 17
MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW = 1, 2, 4, 8
_SIZES = {"k": 10, "m": 20, "g": 30}


def _number(text: str) -> int:
    """A size with k, m or g behind it. Raises Errno(EINVAL)."""
    shift = _SIZES.get(text[-1:].lower(), 0)
    try:
        return int(text[:-1] if shift else text, 0) << shift
    except ValueError:
        raise Errno(EINVAL) from None


def _new_tmpfs(k: Kernel, kind: str, data: str) -> Mount:
    fs = k.files.fs
    mode, size, inodes = 0o1777 if kind == "tmpfs" else 0o755, 0, 0
    for option in data.split(","):
        name, _, value = option.partition("=")
        if name == "size":
            size = _number(value)
        elif name == "nr_inodes":
            inodes = _number(value)
        elif name == "mode":
            try:
                mode = int(value, 8)
            except ValueError:
                raise Errno(EINVAL) from None
        elif name not in ("", "uid", "gid", "nr_blocks", "huge"):
            raise Errno(EINVAL)
    sb, inode = ramfs_fill_super(fs.new_dev(), fs.pipefs.numbers, kind, mode & 0o7777)
    sb.max_bytes = min(size, sb.max_bytes) if size else sb.max_bytes
    sb.max_inodes = min(inodes, sb.max_inodes) if inodes else sb.max_inodes
    return Mount(sb, Dentry("/", inode))


def _new(k: Kernel, kind: str, data: str) -> Mount:
    """A file system of a type. Raises Errno(ENODEV), Errno(EINVAL) for an option."""
    if kind in ("tmpfs", "ramfs"):
        return _new_tmpfs(k, kind, data)
    if kind == "proc":
        sb, inode = proc_fill_super(k.files.fs.new_dev(), k.files.fs.pipefs.numbers)
        return Mount(sb, Dentry("/", inode))
    raise Errno(ENODEV)


def _text(k: Kernel, address: int) -> str:
    return strncpy_from_user(k, address, 4096).decode(errors="surrogateescape") if address else ""


@syscall(21, "source:path target:path filesystemtype:path mountflags:mount_flags data:path")
def sys_mount(k: Kernel, source: int, target: int, kind: int, flags: int, data: int) -> int:
    """mount: a tmpfs, ramfs or /proc on a directory, with MS_BIND a part of the tree a second time, with
    MS_REMOUNT other flags. EPERM without CAP_SYS_ADMIN, ENODEV for another type, ENOTDIR, EINVAL.
    """
    kind_text, _, data_text = _text(k, kind), _text(k, source), _text(k, data)
    path = path_lookup(k, getname(k, target)).found()
    if not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    if flags & MS_REMOUNT:
        return _remount(k, path, flags)
    if flags & MS_BIND:
        found = path_lookup(k, getname(k, source)).found()
        return _attach(k, path, found.mnt.sb, found.dentry)
    if flags & MS_PROPAGATION:
        if path.dentry is not path.mnt.root:
            raise Errno(EINVAL)
        return 0
    if flags & MS_MOVE:
        return _move(k, path_lookup(k, getname(k, source)).found(), path)
    if not kind_text:
        raise Errno(EINVAL)
    if not path.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    made = _new(k, kind_text, data_text)
    made.sb.read_only = bool(flags & MS_RDONLY)
    made.sb.noatime = bool(flags & MS_NOATIME)
    return _attach(k, path, made.sb, made.root)


def _attach(k: Kernel, path: Path, sb: SuperBlock, root: Dentry) -> int:
    """A new mount hangs there. Raises Errno(ENOMEM), Errno(ENOTDIR)."""
    with ExitStack() as undo:
        slab = k.memory.slabs.mnt.alloc(k)
        undo.callback(k.memory.slabs.mnt.free, k, slab)
        do_mount(path, sb, root).slab = slab
        undo.pop_all()
    touch_mnt_namespace(k)
    return 0


def touch_mnt_namespace(k: Kernel) -> None:
    """What is mounted has changed: those who poll for it hear."""
    ns = k.current.nsproxy.mnt_ns
    ns.event += 1
    wake_up(k, ns.poll)


def _free(k: Kernel, mnt: Mount) -> None:
    """What hangs nowhere any more, with all that hangs on it."""
    for below in mnt.mounts.values():
        _free(k, below)
    mnt.mounts.clear()
    if mnt.slab:
        k.memory.slabs.mnt.free(k, mnt.slab)
        mnt.slab = 0


def _remount(k: Kernel, path: Path, flags: int) -> int:
    """Other flags. Raises Errno(EINVAL) for what is no mount, Errno(EBUSY) while something writes."""
    if path.dentry is not path.mnt.root:
        raise Errno(EINVAL)
    sb = path.mnt.sb
    if flags & MS_RDONLY and not sb.read_only and _writing(k, path.mnt):
        raise Errno(EBUSY)
    sb.read_only, sb.noatime = bool(flags & MS_RDONLY), bool(flags & MS_NOATIME)
    touch_mnt_namespace(k)
    return 0


def _writing(k: Kernel, mnt: Mount) -> bool:
    return any(
        file.writable and file.inode.i_sb is mnt.sb
        for task in k.processes.tasks
        if task.files is not None
        for file in task.files.fd.values()
    )


def _move(k: Kernel, source: Path, target: Path) -> int:
    """MS_MOVE: a mount hangs elsewhere. Raises Errno(EINVAL)."""
    mnt = source.mnt
    if source.dentry is not mnt.root or mnt.parent is None or mnt.mountpoint is None:
        raise Errno(EINVAL)
    above: Mount | None = target.mnt
    while above is not None:
        if above is mnt:
            raise Errno(EINVAL)
        above = above.parent
    if mnt.root.inode.is_dir != target.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    del mnt.parent.mounts[mnt.mountpoint]
    mnt.parent, mnt.mountpoint = target.mnt, target.dentry
    target.mnt.mounts[target.dentry] = mnt
    touch_mnt_namespace(k)
    return 0


def _busy(k: Kernel, mnt: Mount) -> bool:
    """Whether somebody is in it, has something of it open or executes it."""
    for task in k.processes.tasks:
        paths = [task.mm.exe_path if task.mm is not None else None]
        if task.fs is not None:
            paths += [task.fs.pwd, task.fs.root]
        if task.files is not None:
            paths += [file.f_path for file in task.files.fd.values()]
        if any(path is not None and path.mnt is mnt for path in paths):
            return True
    return False


def do_umount2(k: Kernel, pathname: int, flags: int) -> int:
    """Take a mount away; with MNT_DETACH at once, and those who are in it stay."""
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise Errno(EINVAL)
    path = path_lookup(k, getname(k, pathname), follow=not flags & UMOUNT_NOFOLLOW).found()
    if path.dentry is not path.mnt.root or path.mnt.parent is None:
        raise Errno(EINVAL)
    if not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if flags & MNT_EXPIRE:  # the first call only marks it
        if flags & (MNT_FORCE | MNT_DETACH):
            raise Errno(EINVAL)
        if _busy(k, path.mnt):
            raise Errno(EBUSY)
        if not path.mnt.expiring:
            path.mnt.expiring = True
            raise Errno(EAGAIN)
    if not flags & MNT_DETACH and (path.mnt.mounts or _busy(k, path.mnt)):
        raise Errno(EBUSY)
    if flags & MNT_DETACH:
        for below in path.mnt.mounts.values():
            _free(k, below)
        path.mnt.mounts.clear()
    do_umount(path.mnt)
    _free(k, path.mnt)
    fsnotify_unmount(k, path.mnt.sb)
    touch_mnt_namespace(k)
    return 0


@syscall(22, "target:path")
def sys_umount(k: Kernel, pathname: int) -> int:
    """umount: as umount2 without flags."""
    return do_umount2(k, pathname, 0)


@syscall(52, "target:path flags:umount_flags")
def sys_umount2(k: Kernel, pathname: int, flags: int) -> int:
    """umount2: take a mount away. EBUSY while it is used, EINVAL for what is no mount, EPERM."""
    return do_umount2(k, pathname, flags)
