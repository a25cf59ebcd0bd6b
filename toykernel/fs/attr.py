"""What a file's inode says of it, and who may change that (fs/attr.c): mode, owner, group, times.

Times are virtual: CLOCK_REALTIME of the machine. The calls that only change mode and owner (in Linux in
fs/open.c) are here, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EACCES, EINVAL, EOPNOTSUPP, EPERM, EROFS, Errno
from toykernel.fs.file import O_NOATIME, File, fget_open
from toykernel.fs.fsnotify import ACCESS, ATTRIB, MODIFY, fsnotify_dentry
from toykernel.fs.inode import (
    FS_APPEND_FL,
    FS_IMMUTABLE_FL,
    FS_NOATIME_FL,
    MAY_WRITE,
    S_IFREG,
    S_ISGID,
    S_ISUID,
    Inode,
    inode_permission,
)
from toykernel.fs.mount import (
    MNT_NOATIME,
    MNT_NODIRATIME,
    MNT_READONLY,
    MNT_RELATIME,
    mnt_want_write_file,
)
from toykernel.fs.namei import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, inode_at
from toykernel.kernel.cred import CAP_CHOWN, CAP_FOWNER, CAP_FSETID, capable
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get_real
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.mount import Path
    from toykernel.state import Kernel

_S_IXGRP = 0o010
_KEEP = 0xFFFFFFFF  # of an id: leave it as it is
_RELATIME_NS = 24 * 60 * 60 * NSEC_PER_SEC


@dataclass(frozen=True)
class Iattr:
    """struct iattr: what is to be changed; None is left as it is. Times in ns.

    `touch` says that the times are the current one, which whoever may write the file may set.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    atime: int | None = None
    mtime: int | None = None
    touch: bool = False
    #: ATTR_KILL_SUID and ATTR_KILL_SGID: a change of owner takes the set-id bits of what is no directory.
    kill: bool = False


def current_time(k: Kernel) -> int:
    """What a file's time becomes when it changes now: CLOCK_REALTIME in ns."""
    return ktime_get_real(k)


def touch_atime(k: Kernel, inode: Inode, path: Path | None) -> None:
    """It has been read: as with `relatime`, noted only after a change or once a day. `path` is where it was
    read, or None for what is nowhere."""
    flags = path.mnt.flags if path is not None else MNT_RELATIME
    if inode.i_sb.read_only or flags & (MNT_NOATIME | MNT_READONLY):
        return
    if inode.fsflags & FS_NOATIME_FL:
        return
    if flags & MNT_NODIRATIME and inode.is_dir:
        return
    now = current_time(k)
    stale = inode.atime <= max(inode.mtime, inode.ctime) or now - inode.atime >= _RELATIME_NS
    if stale or not flags & MNT_RELATIME:
        inode.atime = now


def file_accessed(k: Kernel, file: File) -> None:
    """It has been read through an open file, which may have been opened not to leave a trace (O_NOATIME)."""
    if not file.flags & O_NOATIME:
        touch_atime(k, file.inode, file.f_path)


def touch_mtime(k: Kernel, inode: Inode) -> None:
    """Its contents (a directory: its names) have changed."""
    inode.mtime = inode.ctime = current_time(k)


def touch_ctime(k: Kernel, inode: Inode) -> None:
    """What its inode says has changed: links, mode, owner."""
    inode.ctime = current_time(k)


def in_group(k: Kernel, gid: int) -> bool:
    """in_group_p: whether a group is one of the current task's."""
    cred = k.current.cred
    return gid == cred.fsgid or gid in cred.groups


def inode_owner_or_capable(k: Kernel, inode: Inode) -> bool:
    """Whether the current task owns a file, or may act as if it did."""
    return k.current.cred.fsuid == inode.uid or capable(k, CAP_FOWNER)


def file_remove_privs(k: Kernel, inode: Inode) -> None:
    """A write or truncation takes the set-id bits away, but not when it is CAP_FSETID's owner's."""
    if inode.type == S_IFREG and not capable(k, CAP_FSETID):
        inode.mode &= ~_killed(k, inode)


def _killed(k: Kernel, inode: Inode) -> int:
    """setattr_should_drop_sgid and its like: the set-id bits that a change of owner or contents takes."""
    bits = inode.mode & S_ISUID
    if inode.mode & S_ISGID and (
        inode.mode & _S_IXGRP or (not in_group(k, inode.gid) and not capable(k, CAP_FSETID))
    ):
        bits |= S_ISGID
    return bits


def _may_change(k: Kernel, inode: Inode, attr: Iattr) -> None:
    owner = k.current.cred.fsuid == inode.uid
    if attr.uid is not None and not (owner and attr.uid == inode.uid):
        _need(k, CAP_CHOWN)
    if attr.gid is not None and not (owner and (attr.gid == inode.gid or in_group(k, attr.gid))):
        _need(k, CAP_CHOWN)
    times = attr.atime is not None or attr.mtime is not None
    kills = attr.kill and not inode.is_dir and bool(_killed(k, inode))
    if inode_owner_or_capable(k, inode):
        return
    if attr.touch:
        try:
            inode_permission(k, inode, MAY_WRITE)
        except Errno as error:
            raise Errno(EACCES if error.number != EROFS else EROFS) from None
    elif attr.mode is not None or times or kills:
        raise Errno(EPERM)


def _need(k: Kernel, cap: int) -> None:
    if not capable(k, cap):
        raise Errno(EPERM)


def notify_change(k: Kernel, inode: Inode, attr: Iattr) -> None:
    """Change what an inode says, if the current task may. Raises Errno(EROFS), Errno(EPERM), Errno(EACCES),
    or what the file system says.
    """
    if inode.i_sb.read_only:
        raise Errno(EROFS)
    fixed = FS_IMMUTABLE_FL | FS_APPEND_FL
    fixed = FS_IMMUTABLE_FL if attr.touch else fixed  # who appends may say that it was now
    if inode.fsflags & fixed:
        raise Errno(EPERM)
    _may_change(k, inode, attr)
    inode.i_op.setattr(k, inode)
    if attr.kill and not inode.is_dir:
        inode.mode &= ~_killed(k, inode)
    if attr.uid is not None or attr.gid is not None:
        inode.uid = inode.uid if attr.uid is None else attr.uid
        inode.gid = inode.gid if attr.gid is None else attr.gid
    if attr.mode is not None:
        mode = attr.mode & 0o7777
        if not in_group(k, inode.gid) and not capable(k, CAP_FSETID):
            mode &= ~S_ISGID
        inode.mode = inode.mode & ~0o7777 | mode
    inode.atime = inode.atime if attr.atime is None else attr.atime
    inode.mtime = inode.mtime if attr.mtime is None else attr.mtime
    touch_ctime(k, inode)
    if k.files.fsnotify is not None:
        fsnotify_dentry(k, inode, _event(attr))


def _event(attr: Iattr) -> int:
    """fsnotify_change: what who watches is told of a change."""
    one_time = (attr.atime is None) != (attr.mtime is None)
    if one_time and attr.mode is attr.uid is attr.gid is None:
        return MODIFY if attr.atime is None else ACCESS
    return ATTRIB


# -- mode ------------------------------------------------------------------------------------------


def _inode_at(k: Kernel, dirfd: int, pathname: int, flags: int = 0) -> Inode:
    """What a path names, as AT_ flags say. Raises Errno(EINVAL) for another flag, or the walk's."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(EINVAL)
    return inode_at(k, dirfd, pathname, flags, write=True)


def _open_inode(k: Kernel, fd: int) -> Inode:
    """What an open file is of, to be changed. Raises Errno(EBADF), Errno(EROFS)."""
    file = fget_open(k, fd)
    mnt_want_write_file(file)
    return file.inode


def chmod_common(k: Kernel, inode: Inode, mode: int) -> int:
    """Set the permission bits. Raises Errno(EPERM), Errno(EROFS), Errno(EOPNOTSUPP) for a symbolic link."""
    if inode.is_link:
        raise Errno(EOPNOTSUPP)
    notify_change(k, inode, Iattr(mode=mode))
    return 0


@syscall(15, "pathname:path mode:mode")
def sys_chmod(k: Kernel, pathname: int, mode: int) -> int:
    """chmod: permission and set-id bits. EPERM for who neither owns it nor has CAP_FOWNER, EROFS."""
    return chmod_common(k, _inode_at(k, AT_FDCWD, pathname), mode)


@syscall(94, "fd:fd mode:mode")
def sys_fchmod(k: Kernel, fd: int, mode: int) -> int:
    """fchmod: of an open file. EBADF, or as chmod."""
    return chmod_common(k, _open_inode(k, fd), mode)


@syscall(306, "dirfd:dirfd pathname:path mode:mode")
def sys_fchmodat(k: Kernel, dirfd: int, pathname: int, mode: int) -> int:
    """fchmodat: chmod from a directory on."""
    return chmod_common(k, _inode_at(k, dirfd, pathname), mode)


@syscall(452, "dirfd:dirfd pathname:path mode:mode flags:at_flags")
def sys_fchmodat2(k: Kernel, dirfd: int, pathname: int, mode: int, flags: int) -> int:
    """fchmodat2: fchmodat with AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH; EOPNOTSUPP for a link itself."""
    return chmod_common(k, _inode_at(k, dirfd, pathname, flags), mode)


# -- owner -----------------------------------------------------------------------------------------


def chown_common(k: Kernel, inode: Inode, uid: int, gid: int) -> int:
    """Set owner and group; -1 leaves one. Raises Errno(EPERM), Errno(EROFS)."""
    attr = Iattr(uid=None if uid == _KEEP else uid, gid=None if gid == _KEEP else gid, kill=True)
    notify_change(k, inode, attr)
    return 0


def _wide(number: int) -> int:
    """low2highuid: an id of the old calls; 16 bits of ones are -1."""
    number &= 0xFFFF
    return _KEEP if number == 0xFFFF else number


@syscall(212, "pathname:path owner:id group:id", name="chown32")
def sys_chown(k: Kernel, pathname: int, uid: int, gid: int) -> int:
    """chown32: owner and group, -1 leaves one; set-id bits go. EPERM without CAP_CHOWN, EROFS."""
    return chown_common(k, _inode_at(k, AT_FDCWD, pathname), uid, gid)


@syscall(198, "pathname:path owner:id group:id", name="lchown32")
def sys_lchown(k: Kernel, pathname: int, uid: int, gid: int) -> int:
    """lchown32: of a symbolic link itself."""
    return chown_common(k, _inode_at(k, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW), uid, gid)


@syscall(207, "fd:fd owner:id group:id", name="fchown32")
def sys_fchown(k: Kernel, fd: int, uid: int, gid: int) -> int:
    """fchown32: of an open file. EBADF, or as chown32."""
    return chown_common(k, _open_inode(k, fd), uid, gid)


@syscall(298, "dirfd:dirfd pathname:path owner:id group:id flags:at_flags")
def sys_fchownat(k: Kernel, dirfd: int, pathname: int, uid: int, gid: int, flags: int) -> int:
    """fchownat: chown32 from a directory on. EINVAL for a flag, or as chown32."""
    return chown_common(k, _inode_at(k, dirfd, pathname, flags), uid, gid)


@syscall(182, "pathname:path owner:id group:id", name="chown")
def sys_chown16(k: Kernel, pathname: int, uid: int, gid: int) -> int:
    """chown of old, with ids of 16 bits."""
    return chown_common(k, _inode_at(k, AT_FDCWD, pathname), _wide(uid), _wide(gid))


@syscall(16, "pathname:path owner:id group:id", name="lchown")
def sys_lchown16(k: Kernel, pathname: int, uid: int, gid: int) -> int:
    """lchown of old, with ids of 16 bits."""
    inode = _inode_at(k, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW)
    return chown_common(k, inode, _wide(uid), _wide(gid))


@syscall(95, "fd:fd owner:id group:id", name="fchown")
def sys_fchown16(k: Kernel, fd: int, uid: int, gid: int) -> int:
    """fchown of old, with ids of 16 bits."""
    return chown_common(k, _open_inode(k, fd), _wide(uid), _wide(gid))
