"""The calls that change how much is in a file (fs/open.c): truncate, ftruncate, fallocate."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.errno import (
    EBADF,
    EFBIG,
    EINVAL,
    EISDIR,
    ENODEV,
    EOPNOTSUPP,
    EPERM,
    EROFS,
    ESPIPE,
    ETXTBSY,
    Errno,
)
from toykernel.fs.attr import file_remove_privs, touch_mtime
from toykernel.fs.file import O_LARGEFILE, O_PATH, O_WRONLY, fget, fget_open
from toykernel.fs.fsnotify import MODIFY, fsnotify_dentry, fsnotify_file
from toykernel.fs.inode import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FS_APPEND_FL,
    FS_IMMUTABLE_FL,
    MAY_WRITE,
    S_IFIFO,
    S_IFREG,
    Inode,
    get_write_access,
    inode_permission,
    put_write_access,
)
from toykernel.fs.landlock import TRUNCATE, landlock_file_truncate, landlock_path
from toykernel.fs.leases import LeaseInTheWay, break_lease, wait_for_leases
from toykernel.fs.libfs import MAX_LFS_FILESIZE
from toykernel.fs.mount import mnt_want_write
from toykernel.fs.namei import getname, path_lookup
from toykernel.kernel.siginfo import SIGXFSZ
from toykernel.kernel.signal import send_sig
from toykernel.kernel.signal_types import RLIM_INFINITY, RLIMIT_FSIZE
from toykernel.mm.truncate import punch_hole, truncate_setsize
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

MAX_NON_LFS = 0x7FFFFFFF
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_ZERO_RANGE = 8, 16
FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE = 32, 64


def _signed64(low: int, high: int) -> int:
    (value,) = struct.unpack("<q", struct.pack("<II", low, high))
    return int(value)


def inode_newsize_ok(k: Kernel, inode: Inode, size: int) -> None:
    """Whether a file may get that size. Raises Errno(EFBIG), after SIGXFSZ at RLIMIT_FSIZE."""
    limit = k.current.signal.rlim[RLIMIT_FSIZE][0]
    if size > inode.size and size > limit != RLIM_INFINITY:
        send_sig(k, SIGXFSZ, k.current)
        raise Errno(EFBIG)
    if size > MAX_LFS_FILESIZE:
        raise Errno(EFBIG)


def do_truncate(k: Kernel, inode: Inode, size: int) -> None:
    """Another size, with what follows: seals, set-id bits, times. Raises Errno(EPERM), Errno(EFBIG)."""
    if (inode.seals & F_SEAL_SHRINK and size < inode.size) or (
        inode.seals & F_SEAL_GROW and size > inode.size
    ):
        raise Errno(EPERM)
    inode_newsize_ok(k, inode, size)
    file_remove_privs(k, inode)
    inode.i_op.truncate(k, inode, size)
    fsnotify_dentry(k, inode, MODIFY)


def _truncate(k: Kernel, pathname: int, size: int) -> Result:
    if size < 0:
        raise Errno(EINVAL)
    path = path_lookup(k, getname(k, pathname)).found()
    if path.dentry.inode.type == S_IFREG:
        mnt_want_write(path.mnt)
        inode_permission(k, path.dentry.inode, MAY_WRITE)
        landlock_path(k, path, TRUNCATE)
    return truncate_inode(k, path.dentry.inode, size)


def truncate_inode(k: Kernel, inode: Inode, size: int) -> Result:
    """truncate of what a path names; whoever has a lease on it is told first."""
    if inode.is_dir:
        raise Errno(EISDIR)
    if inode.type != S_IFREG:
        raise Errno(EINVAL)
    inode_permission(k, inode, MAY_WRITE)
    if inode.fsflags & FS_APPEND_FL:
        raise Errno(EPERM)
    try:
        get_write_access(inode)
    except Errno:
        raise Errno(ETXTBSY) from None
    try:
        break_lease(k, inode, O_WRONLY)
        do_truncate(k, inode, size)
    except LeaseInTheWay:
        return wait_for_leases(k, inode, truncate_inode, (inode, size))
    finally:
        put_write_access(inode)
    return 0


def _ftruncate(k: Kernel, fd: int, size: int, *, small: bool) -> int:
    if size < 0:
        raise Errno(EINVAL)
    file = fget(k, fd)
    if file.flags & O_PATH:
        raise Errno(EBADF)
    if file.flags & O_LARGEFILE:
        small = False
    inode = file.inode
    if inode.type != S_IFREG or not file.writable or (small and size > MAX_NON_LFS):
        raise Errno(EINVAL)
    if inode.fsflags & FS_APPEND_FL:
        raise Errno(EPERM)
    landlock_file_truncate(file)
    do_truncate(k, inode, size)
    return 0


@syscall(92, "path:path length:int")
def sys_truncate(k: Kernel, pathname: int, length: int) -> Result:
    """truncate: another size; what is added is zeros. EINVAL below 0, EISDIR, EACCES, ETXTBSY, EFBIG."""
    return _truncate(k, pathname, length)


@syscall(193, "path:path length_low:hex length_high:hex")
def sys_truncate64(k: Kernel, pathname: int, low: int, high: int) -> Result:
    """truncate64: as truncate, the size in two words."""
    return _truncate(k, pathname, _signed64(low, high))


@syscall(93, "fd:fd length:int")
def sys_ftruncate(k: Kernel, fd: int, length: int) -> int:
    """ftruncate: of a file that is open for writing (EINVAL). EBADF, EFBIG, EPERM by a seal."""
    return _ftruncate(k, fd, length, small=True)


@syscall(194, "fd:fd length_low:hex length_high:hex")
def sys_ftruncate64(k: Kernel, fd: int, low: int, high: int) -> int:
    """ftruncate64: as ftruncate, the size in two words."""
    return _ftruncate(k, fd, _signed64(low, high), small=False)


@syscall(324, "fd:fd mode:hex offset_low:hex offset_high:hex len_low:hex len_high:hex")
def sys_fallocate(k: Kernel, fd: int, mode: int, low: int, high: int, llow: int, lhigh: int) -> int:
    """fallocate: room for a part of a file, or with PUNCH_HOLE and KEEP_SIZE a hole. EOPNOTSUPP for
    other modes, EINVAL, EBADF, ESPIPE, EISDIR, ENODEV, EFBIG, ENOSPC, EPERM by a seal.
    """
    offset, length = _signed64(low, high), _signed64(llow, lhigh)
    file = fget_open(k, fd)
    if offset < 0 or length <= 0:
        raise Errno(EINVAL)
    known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE
    known |= FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE
    if mode & ~known or (mode & FALLOC_FL_PUNCH_HOLE and not mode & FALLOC_FL_KEEP_SIZE):
        raise Errno(EOPNOTSUPP)
    if not file.writable:
        raise Errno(EBADF)
    inode = file.inode
    appends = inode.fsflags & FS_APPEND_FL and mode & ~FALLOC_FL_KEEP_SIZE
    if appends or inode.fsflags & FS_IMMUTABLE_FL:
        raise Errno(EPERM)
    if inode.type != S_IFREG:
        raise Errno({S_IFIFO: ESPIPE}.get(inode.type, EISDIR if inode.is_dir else ENODEV))
    if offset + length > MAX_LFS_FILESIZE:
        raise Errno(EFBIG)
    if inode.i_sb.read_only:
        raise Errno(EROFS)
    if mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE):
        raise Errno(EOPNOTSUPP)
    _allocate(k, inode, mode, offset, length)
    fsnotify_file(k, file, MODIFY)
    return 0


def _allocate(k: Kernel, inode: Inode, mode: int, offset: int, length: int) -> None:
    mapping = inode.i_mapping
    if mapping is None or mapping.contents is None:
        raise Errno(EOPNOTSUPP)
    contents, sb, end = mapping.contents, inode.i_sb, offset + length
    if mode & FALLOC_FL_PUNCH_HOLE:
        if inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
            raise Errno(EPERM)
        before = inode.blocks
        punch_hole(k, mapping, offset, end)
        sb.s_bytes -= (before - inode.blocks) * 512
        touch_mtime(k, inode)
        return
    if not mode & FALLOC_FL_KEEP_SIZE and end > inode.size:
        if inode.seals & F_SEAL_GROW:
            raise Errno(EPERM)
        inode_newsize_ok(k, inode, end)
    if sb.max_bytes and length > sb.max_bytes:
        sb.take_bytes(length)
    sb.take_bytes(contents.missing(offset, length) * PAGE_SIZE)
    contents.allocate(offset, length)
    if not mode & FALLOC_FL_KEEP_SIZE and end > inode.size:
        truncate_setsize(k, mapping, end)
    touch_mtime(k, inode)
