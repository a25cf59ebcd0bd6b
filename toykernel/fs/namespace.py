"""mount, umount and pivot_root (fs/namespace.c): file systems in memory, /proc, and parts of the tree seen
twice. What is mounted on a shared mount is mounted on its peers and slaves, too (fs/pnode.py).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import strncpy_from_user
from toykernel.errno import EAGAIN, EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, EPERM, Errno
from toykernel.fs.dcache import Dentry, is_ancestor
from toykernel.fs.fs_context import (
    FsContext,
    get_tree,
    new_context,
    parse_monolithic,
    reconfigure,
    writers,
)
from toykernel.fs.fsnotify import fsnotify_unmount
from toykernel.fs.landlock import landlock_mounts
from toykernel.fs.locked_mounts import has_locked_children, lock_mnt_tree, may_change_flags
from toykernel.fs.mount import (
    MNT_ATIME,
    MNT_NOATIME,
    MNT_NODEV,
    MNT_NODIRATIME,
    MNT_NOEXEC,
    MNT_NOSUID,
    MNT_NOSYMFOLLOW,
    MNT_READONLY,
    MNT_RELATIME,
    Mount,
    Path,
    all_mounts,
    attach,
    clone_mnt,
    copy_tree,
    detach,
    mount_root,
    traverse_mounts,
)
from toykernel.fs.namei import getname, path_lookup
from toykernel.fs.pnode import (
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
    also_unmounted,
    change_propagation,
    copies_for,
    set_shared,
)
from toykernel.fs.super import SB_FLAGS
from toykernel.kernel.cred import CAP_SYS_ADMIN, ns_capable, owner_of
from toykernel.kernel.nsproxy import claim_tree, free_mnt, mnt_ns_root, mount_owner
from toykernel.kernel.wait_queue import wake_up
from toykernel.mm.filemap import forget_programs
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOSYMFOLLOW, MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_MOVE, MS_REC = (
    256,
    1024,
    2048,
    4096,
    8192,
    16384,
)
MS_SILENT, MS_RELATIME, MS_STRICTATIME = 32768, 1 << 21, 1 << 24
MS_MGC_VAL, MS_MGC_MSK = 0xC0ED0000, 0xFFFF0000
MS_PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED
MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW = 1, 2, 4, 8
_FLAGS = {
    MS_RDONLY: MNT_READONLY,
    MS_NOSUID: MNT_NOSUID,
    MS_NODEV: MNT_NODEV,
    MS_NOEXEC: MNT_NOEXEC,
    MS_NOATIME: MNT_NOATIME,
    MS_NODIRATIME: MNT_NODIRATIME,
    MS_NOSYMFOLLOW: MNT_NOSYMFOLLOW,
}
_ATIMES = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME


# -- what all of them ask --------------------------------------------------------------------------


def may_mount(k: Kernel) -> None:
    """The capability is over what owns the caller's mounts. Raises Errno(EPERM)."""
    if not ns_capable(k, owner_of(k, k.current.nsproxy.mnt_ns.user_ns), CAP_SYS_ADMIN):
        raise Errno(EPERM)


def check_mnt(k: Kernel, mnt: Mount) -> bool:
    """Whether a mount is in the caller's namespace."""
    return mount_root(mnt) is mnt_ns_root(k, k.current.nsproxy.mnt_ns)


def path_mounted(path: Path) -> bool:
    """Whether a path is the root of a mount."""
    return path.dentry is path.mnt.root


def touch_mnt_namespace(k: Kernel) -> None:
    """What is mounted has changed: those who poll for it hear."""
    ns = k.current.nsproxy.mnt_ns
    ns.event += 1
    wake_up(k, ns.poll)


def _text(k: Kernel, address: int) -> str:
    return strncpy_from_user(k, address, 4096).decode(errors="surrogateescape") if address else ""


# -- hanging ---------------------------------------------------------------------------------------


def graft_tree(
    k: Kernel, tree: Mount, path: Path, undo: ExitStack, *, beneath: bool = False
) -> None:
    """attach_recursive_mnt: a tree that hangs nowhere hangs on the top of what is at a path, or `beneath`
    that, and copies of it where the mount there is shared. Raises Errno(ENOTDIR), Errno(ENOENT) for a place
    that is gone, Errno(ENOMEM); what `undo` has goes then.
    """
    if not beneath:
        path = traverse_mounts(path)
    parent, place = path.mnt, path.dentry
    gone = not place.is_root and not place.hashed
    if gone or place.inode.is_link:
        raise Errno(ENOENT)
    if place.inode.is_dir != tree.root.inode.is_dir:
        raise Errno(ENOTDIR)
    copies: list[tuple[Mount, Mount]] = []
    if parent.group is not None:
        for mnt in all_mounts(tree):
            set_shared(mnt)
        for other, copy in copies_for(parent, place, tree):
            claim_tree(k, copy, undo)
            copy.held = False
            if k.host.profile.locks_mounts and mount_owner(k, other) is not mount_owner(k, parent):
                lock_mnt_tree(copy)
            copies.append((other, copy))
    undo.pop_all()
    attach(tree, parent, place)
    for other, copy in copies:
        attach(copy, other, place)
    touch_mnt_namespace(k)


def add_mount(k: Kernel, path: Path, root: Dentry, flags: int, source: str) -> None:
    """do_add_mount: a new mount of a file system. EBUSY for the same one in the same place, EINVAL."""
    path = traverse_mounts(path)
    if not check_mnt(k, path.mnt):
        raise Errno(EINVAL)
    if path.mnt.sb is root.inode.i_sb and path_mounted(path) and path.dentry is root:
        raise Errno(EBUSY)
    with ExitStack() as undo:
        mnt = Mount(root.inode.i_sb, root, flags=flags, source=source)
        claim_tree(k, mnt, undo)
        graft_tree(k, mnt, path, undo)


def copied(old: Path, *, recursive: bool) -> Mount:
    """__do_loopback: one more mount of a place, with `recursive` of all that is mounted below, too. Raises
    Errno(EINVAL) where what hides something is not copied with it."""
    if recursive:
        new = copy_tree(old.mnt, old.dentry, keep=lambda mnt: not mnt.unbindable)
    elif has_locked_children(old.mnt, old.dentry):
        raise Errno(EINVAL)
    else:
        new = clone_mnt(old.mnt, old.dentry)
    new.held = False
    return new


def _bind(k: Kernel, path: Path, source: int, flags: int) -> int:
    name = _text(k, source)
    if not name:
        raise Errno(EINVAL)
    old = path_lookup(k, name).found()
    if old.mnt.unbindable or not check_mnt(k, path.mnt) or not check_mnt(k, old.mnt):
        raise Errno(EINVAL)
    with ExitStack() as undo:
        tree = copied(old, recursive=bool(flags & MS_REC))
        claim_tree(k, tree, undo)
        graft_tree(k, tree, path, undo)
    return 0


def move_tree(k: Kernel, source: Path, target: Path, *, beneath: bool = False) -> None:
    """do_move_mount: what hangs at `source`, or nowhere yet, hangs at `target` from now on, or `beneath` what
    is mounted there. Raises Errno(EINVAL) for what is no mount, is on a shared one or would get what is
    unbindable onto one; Errno(ELOOP) for a place on itself.
    """
    mnt = source.mnt
    target = traverse_mounts(target)
    if not path_mounted(source) or not check_mnt(k, target.mnt) or not mnt.slab:
        raise Errno(EINVAL)
    parent, place = mnt.parent, mnt.mountpoint
    ours = check_mnt(k, mnt)
    if (parent is None) == ours or mnt.root.inode.is_dir != target.dentry.inode.is_dir:
        raise Errno(EINVAL)
    if mnt.held or (parent is not None and parent.group is not None):
        raise Errno(EINVAL)
    hangs_on = target.mnt
    if beneath:
        target = _below(k, mnt, target)
    may_hang(mnt, hangs_on)
    with ExitStack() as undo:
        if parent is not None and place is not None:
            detach(mnt)
            undo.callback(attach, mnt, parent, place)
        graft_tree(k, mnt, target, undo, beneath=beneath)


def _below(k: Kernel, mnt: Mount, target: Path) -> Path:
    """can_move_mount_beneath: where the mount at `target` hangs. Raises Errno(EINVAL)."""
    assert k.current.fs is not None
    over, place = target.mnt.parent, target.mnt.mountpoint
    if over is None or place is None or not path_mounted(target):
        raise Errno(EINVAL)
    if mnt.root in mnt.mounts or target.mnt is k.current.fs.root.mnt:
        raise Errno(EINVAL)
    above: Mount | None = mnt
    while above is not None:
        if above is target.mnt:
            raise Errno(EINVAL)
        above = above.parent
    return Path(over, place)


def may_hang(tree: Mount, parent: Mount) -> None:
    """Raises Errno(EINVAL) for something unbindable on a shared mount, Errno(ELOOP) for a mount on itself."""
    if parent.group is not None and any(mnt.unbindable for mnt in all_mounts(tree)):
        raise Errno(EINVAL)
    above: Mount | None = parent
    while above is not None:
        if above is tree:
            raise Errno(ELOOP)
        above = above.parent


# -- changing --------------------------------------------------------------------------------------


def _mount_flags(flags: int) -> int:
    """A mount's flags by those of mount(2)."""
    wanted = sum(mine for bit, mine in _FLAGS.items() if flags & bit)
    if not flags & (MS_NOATIME | MS_STRICTATIME):
        wanted |= MNT_RELATIME
    return wanted & ~MNT_NOATIME if flags & MS_STRICTATIME else wanted


def _new_flags(path: Path, flags: int) -> int:
    wanted = _mount_flags(flags)
    if not flags & _ATIMES:
        wanted = wanted & ~MNT_ATIME | path.mnt.flags & MNT_ATIME
    return wanted


def set_mount_flags(k: Kernel, mnt: Mount, wanted: int) -> None:
    """Raises Errno(EBUSY) for a read-only one through which something is written."""
    if wanted & MNT_READONLY and not mnt.flags & MNT_READONLY and writers(k, mnt=mnt):
        raise Errno(EBUSY)
    mnt.flags = wanted


def _remount(k: Kernel, path: Path, flags: int, data: str) -> int:
    """Other flags and parameters; with MS_BIND of this mount alone. Raises Errno(EINVAL) for what is no
    mount, Errno(EBUSY) while something writes, Errno(EPERM) where its flags are locked."""
    if not path_mounted(path) or not check_mnt(k, path.mnt):
        raise Errno(EINVAL)
    wanted = _new_flags(path, flags)
    may_change_flags(path.mnt, wanted)
    if not flags & MS_BIND:
        fc = FsContext(0, path.mnt.sb.s_type)
        parse_monolithic(k, fc, data)
        fc.read_only = bool(flags & MS_RDONLY)
        fc.words = {word: bool(flags & bit) for word, bit in SB_FLAGS.items()} | fc.words
        reconfigure(k, fc, path.mnt)
        path.mnt.flags = wanted
    else:
        set_mount_flags(k, path.mnt, wanted)
    touch_mnt_namespace(k)
    return 0


def _change_type(k: Kernel, path: Path, flags: int) -> int:
    """do_change_type: whose events a mount has, with MS_REC all below it, too. Raises Errno(EINVAL)."""
    kind = flags & ~(MS_REC | MS_SILENT)
    if kind not in (MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE) or not path_mounted(path):
        raise Errno(EINVAL)
    for mnt in list(all_mounts(path.mnt)) if flags & MS_REC else [path.mnt]:
        change_propagation(mnt, kind)
    touch_mnt_namespace(k)
    return 0


@syscall(21, "source:path target:path filesystemtype:path mountflags:mount_flags data:path")
def sys_mount(k: Kernel, source: int, target: int, kind: int, flags: int, data: int) -> int:
    """mount: a file system on a directory; with MS_BIND a part of the tree a second time, with MS_REMOUNT
    other flags, with MS_SHARED and its kin other company, with MS_MOVE elsewhere.

    EPERM without CAP_SYS_ADMIN, ENODEV for another type, ENOTDIR, EINVAL, EBUSY, ENOENT, ENOMEM.
    """
    kind_text, source_text, data_text = _text(k, kind), _text(k, source), _text(k, data)
    path = path_lookup(k, getname(k, target)).found()
    landlock_mounts(k)
    may_mount(k)
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    if flags & MS_REMOUNT:
        return _remount(k, path, flags, data_text)
    if flags & MS_BIND:
        return _bind(k, path, source, flags)
    if flags & MS_PROPAGATION:
        return _change_type(k, path, flags)
    if flags & MS_MOVE:
        if not source_text:
            raise Errno(EINVAL)
        move_tree(k, path_lookup(k, source_text).found(), path)
        return 0
    if not kind_text:
        raise Errno(EINVAL)
    fc = new_context(0, kind_text)
    if source:
        fc.source = source_text
    parse_monolithic(k, fc, data_text)
    fc.read_only = bool(flags & MS_RDONLY)
    fc.words |= {word: True for word, bit in SB_FLAGS.items() if flags & bit}
    add_mount(k, path, get_tree(k, fc), _mount_flags(flags), fc.source or "none")
    return 0


# -- taking away -----------------------------------------------------------------------------------


def users(k: Kernel, mnt: Mount) -> bool:
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


def _busy(k: Kernel, mnt: Mount) -> bool:
    """propagate_mount_busy: of what goes with it, too."""
    going = [mnt, *also_unmounted([mnt])]
    return bool(mnt.mounts) or any(users(k, each) for each in going)


def umount_tree(k: Kernel, mnt: Mount) -> None:
    """A mount with all below it goes, and what goes with that. On the root of what goes something may stay,
    which takes the place."""
    going = list(all_mounts(mnt))
    going += also_unmounted(going)
    for each in reversed(going):
        parent, hung = each.parent, each.mountpoint
        detach(each)
        over = each.mounts.get(each.root)
        if over is not None and parent is not None and hung is not None:
            detach(over)
            attach(over, parent, hung)
    _stop_accounting(k, going)
    for each in going:
        each.mounts.clear()
        free_mnt(k, each)
    left = [each.sb for root in {id(m): m for m in _trees(k)}.values() for each in all_mounts(root)]
    for sb in dict.fromkeys(each.sb for each in going):
        if all(sb is not other for other in left):
            fsnotify_unmount(k, sb)
    touch_mnt_namespace(k)


def _stop_accounting(k: Kernel, going: list[Mount]) -> None:
    """acct_auto_close_mnt: acct does not keep a mount, and ends with it."""
    for ns in dict.fromkeys(task.pid_struct.ns for task in k.processes.tasks):
        path = ns.bacct.file.f_path if ns.bacct is not None else None
        if ns.bacct is not None and path is not None and path.mnt in going:
            ns.bacct.close(k, ns)
            ns.bacct = None


def _trees(k: Kernel) -> list[Mount]:
    return [
        k.files.fs.root.mnt,
        *(mnt_ns_root(k, t.nsproxy.mnt_ns) for t in k.processes.tasks if not t.exit_state),
    ]


def do_umount2(k: Kernel, pathname: int, flags: int) -> int:
    """Take a mount away; with MNT_DETACH at once, and those who are in it stay."""
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise Errno(EINVAL)
    path = path_lookup(k, getname(k, pathname), follow=not flags & UMOUNT_NOFOLLOW).found()
    may_mount(k)
    mnt = path.mnt
    if not path_mounted(path) or mnt.parent is None or not check_mnt(k, mnt) or mnt.held:
        raise Errno(EINVAL)
    if flags & MNT_EXPIRE:  # the first call only marks it
        if flags & (MNT_FORCE | MNT_DETACH):
            raise Errno(EINVAL)
        if _busy(k, mnt):
            raise Errno(EBUSY)
        if not mnt.expiring:
            mnt.expiring = True
            raise Errno(EAGAIN)
    landlock_mounts(k)
    if not flags & MNT_DETACH and _busy(k, mnt):
        raise Errno(EBUSY)
    umount_tree(k, mnt)
    forget_programs(k, mnt.sb)
    return 0


@syscall(22, "target:path")
def sys_umount(k: Kernel, pathname: int) -> int:
    """umount: as umount2 without flags."""
    return do_umount2(k, pathname, 0)


@syscall(52, "target:path flags:umount_flags")
def sys_umount2(k: Kernel, pathname: int, flags: int) -> int:
    """umount2: take a mount away. EBUSY while it is used, EINVAL for what is no mount, EPERM."""
    return do_umount2(k, pathname, flags)


# -- another root ----------------------------------------------------------------------------------


def is_reachable(at: Path, root: Path) -> bool:
    """is_path_reachable: whether a path lies below another, through mounts."""
    while at.mnt is not root.mnt and at.mnt.parent is not None and at.mnt.mountpoint is not None:
        at = Path(at.mnt.parent, at.mnt.mountpoint)
    return at.mnt is root.mnt and is_ancestor(root.dentry, at.dentry)


@syscall(217, "new_root:path put_old:path")
def sys_pivot_root(k: Kernel, new_root: int, put_old: int) -> int:
    """pivot_root: the mount at `new_root` is the root from now on, the old one hangs at `put_old` below it.

    EPERM; EBUSY for places on the present root's mount, ENOTDIR, ENOENT; EINVAL where a mount is shared, the
    root is the first of all, `new_root` is no mount, or `put_old` is not below it.
    """
    may_mount(k)
    new = path_lookup(k, getname(k, new_root)).found()
    old = path_lookup(k, getname(k, put_old)).found()
    if not new.dentry.inode.is_dir or not old.dentry.inode.is_dir:
        raise Errno(ENOTDIR)
    landlock_mounts(k)
    assert k.current.fs is not None
    root = k.current.fs.root
    parent, above = new.mnt.parent, root.mnt.parent
    if any(mnt is not None and mnt.group is not None for mnt in (old.mnt, parent, above)):
        raise Errno(EINVAL)
    if not check_mnt(k, root.mnt) or not check_mnt(k, new.mnt):
        raise Errno(EINVAL)
    if not new.dentry.is_root and not new.dentry.hashed:
        raise Errno(ENOENT)
    if root.mnt in (new.mnt, old.mnt):
        raise Errno(EBUSY)
    place = root.mnt.mountpoint
    if not path_mounted(root) or above is None or place is None:
        raise Errno(EINVAL)
    if not path_mounted(new) or parent is None or new.mnt.held:
        raise Errno(EINVAL)
    if not is_reachable(old, new) or not is_reachable(new, root):
        raise Errno(EINVAL)
    new.mnt.held, root.mnt.held = root.mnt.held, False
    detach(new.mnt)
    detach(root.mnt)
    attach(root.mnt, old.mnt, old.dentry)
    attach(new.mnt, above, place)
    for task in k.processes.tasks:
        if task.fs is not None:
            task.fs.root = new if task.fs.root == root else task.fs.root
            task.fs.pwd = new if task.fs.pwd == root else task.fs.pwd
    touch_mnt_namespace(k)
    return 0
