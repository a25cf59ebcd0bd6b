"""devpts (fs/devpts/inode.c): the directory of slaves, /dev/pts, and those of other instances.

A mount is an instance of its own, with numbers from 0; where the profile knows one only, `newinstance` makes
another. Nothing has a name there but the slaves and `ptmx`, which makes pairs in its own instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import ENODEV, ENOENT, Errno
from toykernel.fs.attr import current_time
from toykernel.fs.chrdev import PTMX_DEV, PTS_MAJOR
from toykernel.fs.dcache import Dentry, d_add, d_drop
from toykernel.fs.inode import S_IFCHR, S_IFDIR, Inode, drop_nlink
from toykernel.fs.libfs import SIMPLE_DIR, simple_lookup
from toykernel.fs.mount import Path, traverse_mounts
from toykernel.fs.operations import InodeOperations, SuperOperations
from toykernel.fs.ramfs import MAX_INODES, new_inode
from toykernel.fs.super import InodeNumbers, SuperBlock

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: Parameters of an instance: permissions of new slaves and of ptmx, and who owns the slaves (-1: who opens).
DEFAULTS = {"mode": 0o600, "ptmxmode": 0, "uid": -1, "gid": -1}

DEVPTS_DIR = InodeOperations("toykernel.tty.devpts:DEVPTS_DIR", lookup=simple_lookup)
DEVPTS = SuperOperations("toykernel.tty.devpts:DEVPTS")


@dataclass(eq=False)
class DevPts(SuperBlock):
    """An instance: its root, and its parameters (struct pts_mount_opts)."""

    root: Dentry | None = None
    mode: int = 0o600
    ptmxmode: int = 0
    uid: int = -1
    gid: int = -1

    def set(self, values: dict[str, int]) -> None:
        """Other parameters; those that are not given are as by default. What is in /proc/mounts follows."""
        for name, value in DEFAULTS.items():
            setattr(self, name, values.get(name, value))
        assert self.root is not None
        ptmx = self.root.children["ptmx"].inode
        ptmx.mode = S_IFCHR | self.ptmxmode
        owner = [f"{name}={n}" for name, n in (("uid", self.uid), ("gid", self.gid)) if n >= 0]
        modes = [f"mode={self.mode:03o}", f"ptmxmode={self.ptmxmode:03o}"]
        self.options = ",".join([*owner, *modes])


def devpts_fill_super(s_dev: int, numbers: InodeNumbers, values: dict[str, int]) -> DevPts:
    """An instance with no slaves."""
    sb = DevPts(s_dev, "devpts", DEVPTS, numbers, max_inodes=MAX_INODES)
    inode = new_inode(sb, S_IFDIR | 0o755)
    inode.i_op, inode.i_fop = DEVPTS_DIR, SIMPLE_DIR
    sb.root = Dentry("/", inode)
    d_add(sb.root, "ptmx", new_inode(sb, S_IFCHR, rdev=PTMX_DEV))
    sb.set(values)
    return sb


def devpts_of(k: Kernel, ptmx: Path | None) -> DevPts:
    """The instance in which a ptmx makes pairs: its own, or, of a node elsewhere, what is mounted at `pts` in
    the same directory (devpts_acquire). Raises Errno(ENOENT), Errno(ENODEV).
    """
    if ptmx is not None and isinstance(ptmx.mnt.sb, DevPts):
        return ptmx.mnt.sb
    if not k.host.profile.devpts_instances or ptmx is None:
        first = k.files.fs.single["devpts"].inode.i_sb
        assert isinstance(first, DevPts)
        return first
    pts = ptmx.dentry.parent.children.get("pts")
    if pts is None:
        raise Errno(ENOENT)
    at = traverse_mounts(Path(ptmx.mnt, pts))
    if not isinstance(at.mnt.sb, DevPts) or at.mnt.root is not at.mnt.sb.root:
        raise Errno(ENODEV)
    return at.mnt.sb


def devpts_pty_new(k: Kernel, sb: DevPts, index: int) -> Dentry:
    """The node of a new slave. Raises Errno(ENOSPC)."""
    cred = k.current.cred
    uid, gid = (sb.uid if sb.uid >= 0 else cred.fsuid), (sb.gid if sb.gid >= 0 else cred.fsgid)
    assert sb.root is not None
    inode = new_inode(sb, S_IFCHR | sb.mode, uid, gid, PTS_MAJOR << 8 | index, now=current_time(k))
    return d_add(sb.root, str(index), inode)


def devpts_pty_kill(k: Kernel, dentry: Dentry) -> None:
    """The node of a slave goes."""
    inode: Inode = dentry.inode
    d_drop(dentry)
    drop_nlink(k, inode)
