"""Mounts (fs/namespace.c): where file systems hang in the tree of names, and the way up and down there.

A Mount knows what is mounted on its own directories, so a tree of mounts is reached from its root alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EBUSY, EINVAL, ENOENT, ENOTDIR, EROFS, Errno
from toykernel.fs.dcache import Dentry, is_ancestor

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.fs.super import SuperBlock
    from toykernel.kernel.nsproxy import MntNamespace

#: What a mount is to who looks through it (include/linux/mount.h).
MNT_NOSUID, MNT_NODEV, MNT_NOEXEC, MNT_NOATIME = 0x01, 0x02, 0x04, 0x08
MNT_NODIRATIME, MNT_RELATIME, MNT_READONLY, MNT_NOSYMFOLLOW = 0x10, 0x20, 0x40, 0x80
MNT_ATIME = MNT_NOATIME | MNT_NODIRATIME | MNT_RELATIME
#: Numbers that are given once (mnt_id_unique) begin here, so that nobody takes one for the other kind.
MNT_UNIQUE_ID_OFFSET = 1 << 31


@dataclass(eq=False, repr=False)
class PeerGroup:
    """Mounts that share what is mounted on them (shared subtrees): each event of one is an event of all,
    and of the slaves, from which nothing comes back."""

    ident: int
    members: list[Mount] = field(default_factory=list)
    slaves: list[Mount] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class Mount:
    """struct mount: a file system, or a part of it from `root` down, seen at a place."""

    sb: SuperBlock
    root: Dentry
    parent: Mount | None = None
    mountpoint: Dentry | None = None  # in the parent
    mounts: dict[Dentry, Mount] = field(default_factory=dict)  # by directory of this one

    expiring: bool = False  # umount2 with MNT_EXPIRE has marked it
    slab: int = 0  # address of the record; boot's are in no cache
    flags: int = MNT_RELATIME
    source: str = ""  # what was mounted (mnt_devname); "": the type's name
    mnt_id: int = 0  # used again when it is free
    unique_id: int = 0
    group: PeerGroup | None = None  # shared with these
    master: PeerGroup | None = None  # a slave of these
    unbindable: bool = False
    locked_flags: int = 0  # those that stay (MNT_LOCK_*)
    held: bool = False  # only goes with what it hangs on (MNT_LOCKED)
    mnt_ns: MntNamespace | None = (
        None  # of the mount at its root; the boot's and detached ones have none
    )

    def __post_init__(self) -> None:
        numbers = self.sb.numbers
        numbers.last_mount += 1
        self.unique_id = MNT_UNIQUE_ID_OFFSET + numbers.last_mount
        self.mnt_id = next(n for n in range(1, 1 << 31) if n not in numbers.mounts)
        numbers.mounts.add(self.mnt_id)

    def root_path(self) -> Path:
        """Its own root."""
        return Path(self, self.root)

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written through it."""
        return bool(self.flags & MNT_READONLY) or self.sb.read_only


def put_mount_id(mnt: Mount) -> None:
    """A mount is gone, and its number free."""
    mnt.sb.numbers.mounts.discard(mnt.mnt_id)


@dataclass(frozen=True)
class Path:
    """struct path: a dentry as it is seen through a mount. Equal when both are the same."""

    mnt: Mount
    dentry: Dentry

    def child(self, dentry: Dentry) -> Path:
        """A dentry below, and the root of what is mounted there, if anything is."""
        return traverse_mounts(Path(self.mnt, dentry))

    @property
    def noexec(self) -> bool:
        """Whether what is there must not be executed, whatever its mode (path_noexec)."""
        return bool(self.mnt.flags & MNT_NOEXEC)


def mnt_want_write(mnt: Mount) -> None:
    """Whether something may be changed through a mount. Raises Errno(EROFS)."""
    if mnt.read_only:
        raise Errno(EROFS)


def mnt_want_write_file(file: File) -> None:
    """The same for an open file; one that is open for writing was asked then."""
    if file.f_path is not None and not file.writable:
        mnt_want_write(file.f_path.mnt)


def traverse_mounts(path: Path) -> Path:
    """follow_down: the top of what is mounted on a directory, however often."""
    mnt, dentry = path.mnt, path.dentry
    while (mounted := mnt.mounts.get(dentry)) is not None:
        mnt, dentry = mounted, mounted.root
    return path if mnt is path.mnt else Path(mnt, dentry)


def path_connected(mnt: Mount, dentry: Dentry) -> bool:
    """Whether a directory is still below the root of its mount: a rename can take it out of a bind mount."""
    return mnt.root.is_root or is_ancestor(mnt.root, dentry)


def follow_dotdot(path: Path, root: Path) -> Path:
    """`..`: not above `root`, and from the root of a mount to the parent of what it is mounted on. Raises
    Errno(ENOENT) where that is not below the mount any more."""
    while path != root:
        mnt, dentry = path.mnt, path.dentry
        if dentry is not mnt.root:
            if not path_connected(mnt, dentry.parent):
                raise Errno(ENOENT)
            return traverse_mounts(Path(mnt, dentry.parent))
        if mnt.parent is None or mnt.mountpoint is None:
            return path
        path = Path(mnt.parent, mnt.mountpoint)
    return traverse_mounts(path)


def all_mounts(mnt: Mount) -> Iterator[Mount]:
    """A mount and those below it, each before what is mounted on it."""
    yield mnt
    for child in mnt.mounts.values():
        yield from all_mounts(child)


def mount_root(mnt: Mount) -> Mount:
    """The mount at the root of the tree that a mount hangs in."""
    while mnt.parent is not None:
        mnt = mnt.parent
    return mnt


def clone_mnt(old: Mount, root: Dentry) -> Mount:
    """One more look at a file system, with the same flags and the same company (clone_mnt)."""
    new = Mount(old.sb, root, flags=old.flags, source=old.source, unbindable=old.unbindable)
    new.locked_flags, new.held = old.locked_flags, old.held
    if old.group is not None:
        new.group = old.group
        _behind(new.group.members, old, new)
    if old.master is not None:
        new.master = old.master
        _behind(new.master.slaves, old, new)
    return new


def _behind(mounts: list[Mount], old: Mount, new: Mount) -> None:
    mounts.insert(mounts.index(old) + 1, new)


def copy_tree(
    mnt: Mount, root: Dentry | None = None, *, keep: Callable[[Mount], bool] = lambda mnt: True
) -> Mount:
    """A mount with all below it (below `root`, if that is a part of it) that `keep` agrees to; the same file
    systems, in the same order."""
    new = clone_mnt(mnt, root or mnt.root)
    for mountpoint, child in mnt.mounts.items():
        if keep(child) and (root is None or is_ancestor(root, mountpoint)):
            attach(copy_tree(child, keep=keep), new, mountpoint)
    return new


def attach(mnt: Mount, parent: Mount, mountpoint: Dentry) -> None:
    """A mount hangs there; what hung there hangs on its root from now on."""
    over = parent.mounts.pop(mountpoint, None)
    mnt.parent, mnt.mountpoint = parent, mountpoint
    parent.mounts[mountpoint] = mnt
    if over is not None:
        over.parent, over.mountpoint = mnt, mnt.root
        mnt.mounts[mnt.root] = over


def detach(mnt: Mount) -> None:
    """A mount hangs nowhere; what hangs on it stays there."""
    if mnt.parent is not None and mnt.mountpoint is not None:
        del mnt.parent.mounts[mnt.mountpoint]
    mnt.parent = mnt.mountpoint = None


def do_mount(path: Path, sb: SuperBlock, root: Dentry) -> Mount:
    """Hang a file system on a directory, or a file on a file (a bind mount); else Errno(ENOTDIR).

    Whoever has the directory open, or works in it, stays below the new mount, as on Linux.
    """
    if path.dentry.inode.is_dir != root.inode.is_dir:
        raise Errno(ENOTDIR)
    path = traverse_mounts(path)
    mnt = Mount(sb, root)
    attach(mnt, path.mnt, path.dentry)
    return mnt


def do_umount(mnt: Mount) -> None:
    """Take a mount away. Raises Errno(EINVAL) for the first root, Errno(EBUSY) with mounts below it."""
    if mnt.parent is None or mnt.mountpoint is None:
        raise Errno(EINVAL)
    if mnt.mounts:
        raise Errno(EBUSY)
    detach(mnt)


def d_path(root: Path, at: Path) -> str | None:
    """The path of a directory below a root; None when it has been removed."""
    names = []
    mnt, dentry = at.mnt, at.dentry
    while (mnt, dentry) != (root.mnt, root.dentry):
        if dentry is mnt.root:
            if mnt.parent is None or mnt.mountpoint is None:
                return None
            dentry = mnt.mountpoint
            mnt = mnt.parent
            continue
        if not dentry.hashed:
            return None
        names.append(dentry.name)
        dentry = dentry.parent
    return "/" + "/".join(reversed(names))


def dentry_path(dentry: Dentry) -> str:
    """The path of a dentry in its own file system; a removed one says so."""
    names, at = [], dentry
    while not at.is_root:
        names.append(at.name)
        at = at.parent
    gone = "" if dentry.is_root or dentry.hashed else "//deleted"
    return "/" + "/".join(reversed(names)) + gone
