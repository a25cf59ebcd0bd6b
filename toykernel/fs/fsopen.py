"""fsopen, fsconfig, fsmount and fspick (fs/fsopen.c): a file system in steps, by a descriptor."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, strncpy_from_user
from toykernel.errno import (
    EBUSY,
    EINVAL,
    EMSGSIZE,
    ENODATA,
    EOPNOTSUPP,
    Errno,
)
from toykernel.fs.anon_inodes import anon_inode_getfile
from toykernel.fs.file import O_RDWR, File, fd_install, fget_open, get_unused_fd
from toykernel.fs.fs_context import (
    FsContext,
    Phase,
    get_tree,
    new_context,
    parse_param,
    reconfigure,
)
from toykernel.fs.mount import Mount
from toykernel.fs.mount_calls import VALID_ATTRIBUTES, atime_flags, open_detached, plain_flags
from toykernel.fs.namei import AT_FDCWD, getname_flags, path_at
from toykernel.fs.namespace import may_mount, path_mounted, touch_mnt_namespace
from toykernel.fs.operations import FileOperations
from toykernel.fs.rootfs import SINGLE
from toykernel.kernel.nsproxy import claim_tree
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

FSOPEN_CLOEXEC = FSMOUNT_CLOEXEC = FSPICK_CLOEXEC = 1
FSPICK_SYMLINK_NOFOLLOW, FSPICK_NO_AUTOMOUNT, FSPICK_EMPTY_PATH = 2, 4, 8
SET_FLAG, SET_STRING, SET_BINARY, SET_PATH, SET_PATH_EMPTY, SET_FD = range(6)
CMD_CREATE, CMD_RECONFIGURE, CMD_CREATE_EXCL = 6, 7, 8
_KEY_MAX = 256


def fscontext_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """The next line of the log. Raises Errno(ENODATA) for none, Errno(EMSGSIZE) for no room."""
    fc: FsContext = file.private
    if not fc.log:
        raise Errno(ENODATA)
    text, *fc.log = fc.log
    data = f"{text}\n".encode(errors="surrogateescape")
    if len(data) > count:
        raise Errno(EMSGSIZE)
    copy_to_user(k, buf, data)
    return len(data)


def fscontext_release(k: Kernel, file: File) -> None:
    """The parameters go."""
    k.memory.slabs.fs_context.free(k, file.private.slab)


FSCONTEXT = FileOperations(
    "toykernel.fs.fsopen:FSCONTEXT", read=fscontext_read, release=fscontext_release
)


def _word(k: Kernel, address: int) -> str:
    """strndup_user. Raises Errno(EINVAL) for more than 255 bytes, Errno(EFAULT)."""
    text = strncpy_from_user(k, address, _KEY_MAX + 1).decode(errors="surrogateescape")
    if len(text) >= _KEY_MAX:
        raise Errno(EINVAL)
    return text


def _descriptor(k: Kernel, fc_of: str, flags: int, undo: ExitStack) -> tuple[int, FsContext]:
    slab = k.memory.slabs.fs_context.alloc(k)
    undo.callback(k.memory.slabs.fs_context.free, k, slab)
    fc = new_context(slab, fc_of)
    fd = get_unused_fd(k)
    file = anon_inode_getfile(k, "[fscontext]", FSCONTEXT, fc, O_RDWR)
    undo.pop_all()
    return fd_install(k, fd, file, cloexec=bool(flags & FSOPEN_CLOEXEC)), fc


@syscall(430, "fsname:path flags:hex")
def sys_fsopen(k: Kernel, fsname: int, flags: int) -> int:
    """fsopen: a descriptor for the parameters of a new file system. EPERM, EINVAL for a flag or too long a
    name, ENODEV for a type that is not there, EMFILE, ENOMEM, EFAULT.
    """
    may_mount(k)
    if flags & ~FSOPEN_CLOEXEC:
        raise Errno(EINVAL)
    name = _word(k, fsname)
    with ExitStack() as undo:
        return _descriptor(k, name, flags, undo)[0]


@syscall(433, "dirfd:dirfd pathname:path flags:hex")
def sys_fspick(k: Kernel, dirfd: int, pathname: int, flags: int) -> int:
    """fspick: a descriptor for other parameters of a file system that is mounted. EPERM, EINVAL for a flag or
    what is no mount, EMFILE, ENOMEM, or the walk's.
    """
    may_mount(k)
    known = FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT | FSPICK_EMPTY_PATH
    if flags & ~known:
        raise Errno(EINVAL)
    name = getname_flags(k, pathname, empty=bool(flags & FSPICK_EMPTY_PATH))
    path = path_at(k, name, dirfd, follow=not flags & FSPICK_SYMLINK_NOFOLLOW)
    if not path_mounted(path):
        raise Errno(EINVAL)
    with ExitStack() as undo:
        fd, fc = _descriptor(k, path.mnt.sb.s_type, flags, undo)
    fc.phase, fc.mnt, fc.root = Phase.RECONF_PARAMS, path.mnt, path.dentry
    return fd


def _check_arguments(cmd: int, key: int, value: int, aux: int) -> None:
    """Which of its arguments a command takes. Raises Errno(EINVAL), Errno(EOPNOTSUPP)."""
    at = aux == AT_FDCWD or aux >= 0
    fits = {
        SET_FLAG: key and not value and not aux,
        SET_STRING: key and value and not aux,
        SET_BINARY: key and value and 0 < aux <= 1 << 20,
        SET_PATH: key and value and at,
        SET_PATH_EMPTY: key and value and at,
        SET_FD: key and not value and aux >= 0,
        CMD_CREATE: not key and not value and not aux,
        CMD_RECONFIGURE: not key and not value and not aux,
        CMD_CREATE_EXCL: not key and not value and not aux,
    }
    if cmd not in fits:
        raise Errno(EOPNOTSUPP)
    if not fits[cmd]:
        raise Errno(EINVAL)


@syscall(431, "fd:fd cmd:uint key:path value:address aux:int")
def sys_fsconfig(k: Kernel, fd: int, cmd: int, key: int, value: int, aux: int) -> int:
    """fsconfig: a parameter, or the file system itself (CMD_CREATE, CMD_RECONFIGURE). EBADF, EINVAL, EBUSY at
    the wrong time, EOPNOTSUPP, EFAULT, EPERM.
    """
    if fd < 0:
        raise Errno(EINVAL)
    _check_arguments(cmd, key, value, aux)
    file = fget_open(k, fd)
    fc = file.private
    if not isinstance(fc, FsContext):
        raise Errno(EINVAL)
    if cmd in (CMD_CREATE, CMD_CREATE_EXCL):
        _create(k, fc, exclusive=cmd == CMD_CREATE_EXCL)
    elif cmd == CMD_RECONFIGURE:
        _reconfigure(k, fc)
    else:
        _parameter(k, fc, cmd, _word(k, key), value, aux)
    return 0


def _create(k: Kernel, fc: FsContext, *, exclusive: bool) -> None:
    if fc.phase is not Phase.CREATE_PARAMS:
        raise Errno(EBUSY)
    may_mount(k)
    fc.phase = Phase.FAILED
    if exclusive and fc.kind in SINGLE:
        raise Errno(EBUSY)
    get_tree(k, fc)
    fc.phase = Phase.AWAITING_MOUNT


def _reconfigure(k: Kernel, fc: FsContext) -> None:
    _wake(fc)
    if fc.phase is not Phase.RECONF_PARAMS or fc.mnt is None:
        raise Errno(EBUSY)
    may_mount(k)
    fc.phase = Phase.FAILED
    reconfigure(k, fc, fc.mnt)
    touch_mnt_namespace(k)
    fc.clean()


def _wake(fc: FsContext) -> None:
    """finish_clean_context: after a mount or a change, what comes next is another change."""
    if fc.phase is Phase.AWAITING_RECONF:
        fc.phase = Phase.RECONF_PARAMS


def _parameter(k: Kernel, fc: FsContext, cmd: int, key: str, value: int, aux: int) -> None:
    text = _word(k, value) if cmd == SET_STRING else None
    if cmd == SET_FD:
        fget_open(k, aux)
    elif cmd in (SET_PATH, SET_PATH_EMPTY):
        getname_flags(k, value, empty=cmd == SET_PATH_EMPTY)
    elif cmd == SET_BINARY:
        copy_from_user(k, value, aux)
    _wake(fc)
    if fc.phase not in (Phase.CREATE_PARAMS, Phase.RECONF_PARAMS):
        raise Errno(EBUSY)
    parse_param(k, fc, key, text)


@syscall(432, "fs_fd:fd flags:hex attr_flags:hex")
def sys_fsmount(k: Kernel, fs_fd: int, flags: int, attributes: int) -> int:
    """fsmount: a mount of what was created, which hangs nowhere yet, by a descriptor. EPERM, EINVAL, EBADF,
    EBUSY at the wrong time, EMFILE, ENOMEM.
    """
    may_mount(k)
    if flags & ~FSMOUNT_CLOEXEC or attributes & ~VALID_ATTRIBUTES:
        raise Errno(EINVAL)
    wanted = plain_flags(attributes) | atime_flags(attributes)
    fc = fget_open(k, fs_fd).private
    if not isinstance(fc, FsContext) or fc.root is None:
        raise Errno(EINVAL)
    if fc.phase is not Phase.AWAITING_MOUNT:
        raise Errno(EBUSY)
    fd = get_unused_fd(k)
    with ExitStack() as undo:
        mnt = Mount(fc.root.inode.i_sb, fc.root, flags=wanted, source=fc.source or "none")
        claim_tree(k, mnt, undo)
        open_detached(k, fd, mnt, cloexec=bool(flags & FSMOUNT_CLOEXEC))
        undo.pop_all()
    fc.mnt = mnt
    fc.clean()
    return fd
