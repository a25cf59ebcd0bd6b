"""open_tree, move_mount and mount_setattr (fs/namespace.c): trees of mounts by descriptors.

A tree that hangs nowhere belongs to the descriptor that it was made for, and goes with it unless it has been
moved somewhere.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.errno import E2BIG, EBADF, EBUSY, EINVAL, EPERM, Errno
from toykernel.fs.dcache import is_ancestor
from toykernel.fs.file import O_CLOEXEC, O_PATH, fd_install, fget, get_empty_filp, get_unused_fd
from toykernel.fs.fs_context import writers
from toykernel.fs.landlock import landlock_mounts
from toykernel.fs.libfs import NO_FILE
from toykernel.fs.locked_mounts import has_locked_children, may_change_flags
from toykernel.fs.mount import (
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
)
from toykernel.fs.namei import AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, getname_flags, path_at
from toykernel.fs.namespace import (
    MS_PROPAGATION,
    check_mnt,
    copied,
    may_mount,
    move_tree,
    path_mounted,
    touch_mnt_namespace,
    umount_tree,
)
from toykernel.fs.operations import FileOperations
from toykernel.fs.pnode import change_propagation
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.kernel.cred import CAP_SYS_ADMIN, ns_capable
from toykernel.kernel.nsproxy import claim_tree, mount_owner
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel

OPEN_TREE_CLONE, AT_NO_AUTOMOUNT, AT_RECURSIVE = 1, 0x800, 0x8000
_OPEN_TREE = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE
_OPEN_TREE |= AT_SYMLINK_NOFOLLOW
MOVE_MOUNT_F_SYMLINKS, MOVE_MOUNT_F_EMPTY_PATH = 1, 4
MOVE_MOUNT_T_SYMLINKS, MOVE_MOUNT_T_EMPTY_PATH = 0x10, 0x40
MOVE_MOUNT_SET_GROUP, MOVE_MOUNT_BENEATH, _MOVE_MOUNT = 0x100, 0x200, 0x377
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_STRICTATIME = 0x70, 0x10, 0x20
MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_IDMAP, MOUNT_ATTR_NOSYMFOLLOW = 0x80, 0x100000, 0x200000
_ATTRIBUTES = {
    MOUNT_ATTR_RDONLY: MNT_READONLY,
    MOUNT_ATTR_NOSUID: MNT_NOSUID,
    MOUNT_ATTR_NODEV: MNT_NODEV,
    MOUNT_ATTR_NOEXEC: MNT_NOEXEC,
    MOUNT_ATTR_NODIRATIME: MNT_NODIRATIME,
    MOUNT_ATTR_NOSYMFOLLOW: MNT_NOSYMFOLLOW,
}
VALID_ATTRIBUTES = sum(_ATTRIBUTES) | MOUNT_ATTR__ATIME
_ATIME_FLAGS = {0: MNT_RELATIME, MOUNT_ATTR_NOATIME: MNT_NOATIME, MOUNT_ATTR_STRICTATIME: 0}
_ATTR_SIZE = 32  # struct mount_attr of its first version


def attributes_of(mnt: Mount) -> int:
    """A mount's MOUNT_ATTR_ bits."""
    bits = sum(bit for bit, flag in _ATTRIBUTES.items() if mnt.flags & flag)
    if mnt.flags & MNT_NOATIME:
        return bits | MOUNT_ATTR_NOATIME
    return bits if mnt.flags & MNT_RELATIME else bits | MOUNT_ATTR_STRICTATIME


def plain_flags(attributes: int) -> int:
    """A mount's flags by MOUNT_ATTR_ bits, without those of access times."""
    return sum(flag for bit, flag in _ATTRIBUTES.items() if attributes & bit)


def atime_flags(attributes: int) -> int:
    """The flags of access times that MOUNT_ATTR_ bits ask for. Raises Errno(EINVAL)."""
    flags = _ATIME_FLAGS.get(attributes & MOUNT_ATTR__ATIME)
    if flags is None:
        raise Errno(EINVAL)
    return flags


# -- a tree of a descriptor ------------------------------------------------------------------------


def detached_release(k: Kernel, file: File) -> None:
    """dissolve_on_fput: a tree that still hangs nowhere goes."""
    assert file.f_path is not None
    mnt = file.f_path.mnt
    if mnt.parent is None and mnt.slab:
        umount_tree(k, mnt)


DETACHED = FileOperations("toykernel.fs.mount_calls:DETACHED", release=detached_release)


def open_detached(k: Kernel, fd: int, mnt: Mount, *, cloexec: bool) -> int:
    """A descriptor (O_PATH) that has a tree. Raises Errno(ENOMEM)."""
    file = get_empty_filp(k, mnt.root.inode, DETACHED, O_PATH, mnt.root.name)
    file.f_path = mnt.root_path()
    return fd_install(k, fd, file, cloexec=cloexec)


def _place(k: Kernel, dirfd: int, pathname: int, *, empty: bool, follow: bool) -> Path:
    return path_at(k, getname_flags(k, pathname, empty=empty), dirfd, follow=follow)


@syscall(428, "dirfd:dirfd pathname:path flags:hex")
def sys_open_tree(k: Kernel, dirfd: int, pathname: int, flags: int) -> int:
    """open_tree: a descriptor of a place, with OPEN_TREE_CLONE of a copy of the mount there, with
    AT_RECURSIVE of all below it, too. EINVAL for a flag or what is unbindable, EPERM, EMFILE, ENOMEM.
    """
    return _open_tree(k, dirfd, pathname, flags)


def _open_tree(k: Kernel, dirfd: int, pathname: int, flags: int) -> int:
    if flags & ~_OPEN_TREE or flags & (AT_RECURSIVE | OPEN_TREE_CLONE) == AT_RECURSIVE:
        raise Errno(EINVAL)
    if flags & OPEN_TREE_CLONE:
        may_mount(k)
    fd, cloexec = get_unused_fd(k), bool(flags & O_CLOEXEC)
    empty, follow = bool(flags & AT_EMPTY_PATH), not flags & AT_SYMLINK_NOFOLLOW
    path = _place(k, dirfd, pathname, empty=empty, follow=follow)
    if not flags & OPEN_TREE_CLONE:
        file = get_empty_filp(k, path.dentry.inode, NO_FILE, O_PATH, path.dentry.name)
        file.f_path = path
        return fd_install(k, fd, file, cloexec=cloexec)
    if path.mnt.unbindable or not check_mnt(k, path.mnt):
        raise Errno(EINVAL)
    with ExitStack() as undo:
        tree = copied(path, recursive=bool(flags & AT_RECURSIVE))
        claim_tree(k, tree, undo)
        open_detached(k, fd, tree, cloexec=cloexec)
        undo.pop_all()
    return fd


@syscall(429, "from_dirfd:dirfd from_path:path to_dirfd:dirfd to_path:path flags:hex")
def sys_move_mount(
    k: Kernel, from_dirfd: int, from_path: int, to_dirfd: int, to_path: int, flags: int
) -> int:
    """move_mount: a mount, or a tree that hangs nowhere, hangs at another place; MOVE_MOUNT_BENEATH what is
    mounted there. MOVE_MOUNT_SET_GROUP: the second mount gets the company of the first.

    EPERM, EINVAL, ELOOP, ENOMEM, or what the walks answer.
    """
    may_mount(k)
    if flags & ~_MOVE_MOUNT:
        raise Errno(EINVAL)
    both = MOVE_MOUNT_BENEATH | MOVE_MOUNT_SET_GROUP
    if flags & both == both:
        raise Errno(EINVAL)
    source = _place(
        *(k, from_dirfd, from_path),
        empty=bool(flags & MOVE_MOUNT_F_EMPTY_PATH),
        follow=bool(flags & MOVE_MOUNT_F_SYMLINKS),
    )
    target = _place(
        *(k, to_dirfd, to_path),
        empty=bool(flags & MOVE_MOUNT_T_EMPTY_PATH),
        follow=bool(flags & MOVE_MOUNT_T_SYMLINKS),
    )
    landlock_mounts(k)
    if flags & MOVE_MOUNT_SET_GROUP:
        _set_group(k, source, target)
    else:
        move_tree(k, source, target, beneath=bool(flags & MOVE_MOUNT_BENEATH))
    return 0


def _set_group(k: Kernel, source: Path, target: Path) -> None:
    """do_set_group: of mounts in any namespaces that the caller may change. Raises Errno(EINVAL),
    Errno(EPERM)."""
    old, new = source.mnt, target.mnt
    owners = [mount_owner(k, mnt) for mnt in (old, new)]
    if None in owners:
        raise Errno(EINVAL)
    if not all(ns is not None and ns_capable(k, ns, CAP_SYS_ADMIN) for ns in owners):
        raise Errno(EPERM)
    if not path_mounted(source) or not path_mounted(target):
        raise Errno(EINVAL)
    if new.group is not None or new.master is not None or old.sb is not new.sb:
        raise Errno(EINVAL)
    if not is_ancestor(old.root, new.root) or has_locked_children(old, new.root):
        raise Errno(EINVAL)
    if old.group is None and old.master is None:
        raise Errno(EINVAL)
    if old.master is not None:
        new.master = old.master
        new.master.slaves.append(new)
    if old.group is not None:
        new.group = old.group
        new.group.members.append(new)
    touch_mnt_namespace(k)


# -- attributes ------------------------------------------------------------------------------------


@syscall(442, "dirfd:dirfd pathname:path flags:hex uattr:address usize:size")
def sys_mount_setattr(
    k: Kernel, dirfd: int, pathname: int, flags: int, uattr: int, usize: int
) -> int:
    """mount_setattr: set and clear attributes and change the company of a mount, with AT_RECURSIVE of all
    below it, or of none. EINVAL, E2BIG, EFAULT, EPERM, EBUSY for read-only where something is written.
    """
    if flags & ~(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT):
        raise Errno(EINVAL)
    words = _attributes(k, uattr, usize)
    if not any(words[:3]):
        return 0
    change = _change(k, *words)
    empty, follow = bool(flags & AT_EMPTY_PATH), not flags & AT_SYMLINK_NOFOLLOW
    path = _place(k, dirfd, pathname, empty=empty, follow=follow)
    _set_attributes(k, path, change, recursive=bool(flags & AT_RECURSIVE))
    return 0


def _attributes(k: Kernel, uattr: int, usize: int) -> tuple[int, ...]:
    if usize > PAGE_SIZE:
        raise Errno(E2BIG)
    if usize < _ATTR_SIZE:
        raise Errno(EINVAL)
    may_mount(k)
    return struct.unpack("<4Q", copy_struct_from_user(k, uattr, usize, _ATTR_SIZE))


def _change(k: Kernel, to_set: int, to_clear: int, kind: int, userns: int) -> tuple[int, int, int]:
    """build_mount_kattr: flags to set, flags to clear, and MS_SHARED or its kin. Raises Errno(EINVAL)."""
    if kind & ~MS_PROPAGATION or kind & (kind - 1):
        raise Errno(EINVAL)
    if (to_set | to_clear) & ~(VALID_ATTRIBUTES | MOUNT_ATTR_IDMAP):
        raise Errno(EINVAL)
    wanted, unwanted = plain_flags(to_set), plain_flags(to_clear)
    if to_clear & MOUNT_ATTR__ATIME:
        if to_clear & MOUNT_ATTR__ATIME != MOUNT_ATTR__ATIME:
            raise Errno(EINVAL)
        wanted |= atime_flags(to_set)
        unwanted |= MNT_RELATIME | MNT_NOATIME
    elif to_set & MOUNT_ATTR__ATIME:
        raise Errno(EINVAL)
    if (to_set | to_clear) & MOUNT_ATTR_IDMAP:
        if userns > 0x7FFFFFFF:
            raise Errno(EINVAL)
        if fget(k, userns).flags & O_PATH:
            raise Errno(EBADF)
        raise Errno(EINVAL)  # no file system here lets ids be mapped
    return wanted, unwanted, kind


def _set_attributes(
    k: Kernel, path: Path, change: tuple[int, int, int], *, recursive: bool
) -> None:
    """do_mount_setattr. Raises Errno(EINVAL), Errno(EPERM), Errno(EBUSY), changing nothing."""
    wanted, unwanted, kind = change
    if not path_mounted(path) or not (check_mnt(k, path.mnt) or path.mnt.parent is None):
        raise Errno(EINVAL)
    mounts = list(all_mounts(path.mnt)) if recursive else [path.mnt]
    for mnt in mounts:
        may_change_flags(mnt, mnt.flags & ~unwanted | wanted)
        if wanted & ~mnt.flags & MNT_READONLY and writers(k, mnt=mnt):
            raise Errno(EBUSY)
    for mnt in mounts:
        mnt.flags = mnt.flags & ~unwanted | wanted
        if kind:
            change_propagation(mnt, kind)
    touch_mnt_namespace(k)


@syscall(467, "dirfd:dirfd pathname:path flags:hex uattr:address usize:size")
def sys_open_tree_attr(
    k: Kernel, dirfd: int, pathname: int, flags: int, uattr: int, usize: int
) -> int:
    """open_tree_attr: open_tree, and mount_setattr of what it has opened. EINVAL for attributes without
    OPEN_TREE_CLONE, or as both of them.
    """
    if not uattr and usize:
        raise Errno(EINVAL)
    fd = _open_tree(k, dirfd, pathname, flags)
    if uattr:
        words = _attributes(k, uattr, usize)
        if any(words[:3]):
            at = fget(k, fd).f_path
            assert at is not None
            change = _change(k, *words)
            _set_attributes(k, at, change, recursive=bool(flags & AT_RECURSIVE))
    return fd
