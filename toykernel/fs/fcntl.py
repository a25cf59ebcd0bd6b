"""dup and fcntl (fs/fcntl.c): more descriptors for one open file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EBADF, EINVAL, EMFILE, EPERM, ESRCH, Errno
from toykernel.fs.attr import inode_owner_or_capable
from toykernel.fs.dnotify import F_NOTIFY, fcntl_dirnotify
from toykernel.fs.fasync import F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID, can_listen, set_async
from toykernel.fs.file import (
    O_APPEND,
    O_ASYNC,
    O_CLOEXEC,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_PATH,
    File,
    current_files,
    fd_install,
    fget,
    fget_open,
    filp_close,
    get_file,
    get_unused_fd,
)
from toykernel.fs.inode import FS_APPEND_FL
from toykernel.fs.leases import fcntl_getlease, fcntl_setlease
from toykernel.fs.locks import fcntl_getlk, fcntl_setlk
from toykernel.fs.memfd import memfd_add_seals
from toykernel.fs.pipe import pipe_fcntl
from toykernel.kernel.pid import pid_vnr, task_active_pid_ns
from toykernel.kernel.siginfo import NSIG
from toykernel.kernel.signal_types import RLIMIT_NOFILE
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL = range(5)
F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG = range(5, 12)
F_SETOWN_EX, F_GETOWN_EX = 15, 16
F_SETLEASE, F_GETLEASE, F_DUPFD_QUERY, F_CREATED_QUERY = 1024, 1025, 1027, 1028
F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS = range(1030, 1035)
F_GET_RW_HINT, F_SET_RW_HINT = 1035, 1036
RWH_WRITE_LIFE_EXTREME = 5
_PATH_COMMANDS = (F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_QUERY)
#: F_GETLK64 and its like, F_OFD_GETLK and its like: the command of old, and whether it is of an open file.
_WIDE_LOCKS = {
    **{12 + n: (F_GETLK + n, False) for n in range(3)},
    **{36 + n: (F_GETLK + n, True) for n in range(3)},
}
FD_CLOEXEC = 1
_SETFL_MASK = O_APPEND | O_NONBLOCK | O_NOATIME | O_ASYNC | O_DIRECT


@syscall(41, "oldfd:fd")
def sys_dup(k: Kernel, fildes: int) -> int:
    """The lowest free descriptor for the same open file. Raises Errno(EBADF), Errno(EMFILE)."""
    file = fget(k, fildes)
    return fd_install(k, get_unused_fd(k), get_file(file))


@syscall(63, "oldfd:fd newfd:fd")
def sys_dup2(k: Kernel, oldfd: int, newfd: int) -> int:
    """dup2: a chosen descriptor, closed first if it is open; nothing happens when both are one.

    EBADF.
    """
    if oldfd == newfd:
        fget(k, oldfd)
        return newfd
    return _dup_to(k, oldfd, newfd, cloexec=False)


@syscall(330, "oldfd:fd newfd:fd flags:open_flags")
def sys_dup3(k: Kernel, oldfd: int, newfd: int, flags: int) -> int:
    """dup3: with O_CLOEXEC; EINVAL for one descriptor twice or another flag; EBADF."""
    if flags & ~O_CLOEXEC or oldfd == newfd:
        raise Errno(EINVAL)
    return _dup_to(k, oldfd, newfd, cloexec=bool(flags & O_CLOEXEC))


def _dup_to(k: Kernel, oldfd: int, newfd: int, *, cloexec: bool) -> int:
    if not 0 <= newfd < k.current.signal.rlim[RLIMIT_NOFILE][0]:
        raise Errno(EBADF)
    return replace_fd(k, fget(k, oldfd), newfd, cloexec=cloexec)


def replace_fd(k: Kernel, file: File, newfd: int, *, cloexec: bool) -> int:
    """Give an open file a chosen descriptor, too, which is closed first if it is open; answers with it.
    Raises Errno(EBADF) for one beyond RLIMIT_NOFILE."""
    if not 0 <= newfd < k.current.signal.rlim[RLIMIT_NOFILE][0]:
        raise Errno(EBADF)
    get_file(file)
    files = current_files(k)
    if newfd in files.fd:
        filp_close(k, files, newfd)
    return fd_install(k, newfd, file, cloexec=cloexec)


@syscall(55, "fd:fd cmd:fcntl_cmd arg:hex")
def sys_fcntl(k: Kernel, fd: int, cmd: int, arg: int) -> Result:
    """fcntl: duplicate, flags of the descriptor and of the open file, locks, owner, size of a pipe.

    EBADF, EINVAL for another command, or what the command answers.
    """
    return do_fcntl(k, fd, cmd, arg)


@syscall(221, "fd:fd cmd:fcntl_cmd arg:hex")
def sys_fcntl64(k: Kernel, fd: int, cmd: int, arg: int) -> Result:
    """fcntl64: as fcntl, and locks with offsets of 64 bits, those of open files as well."""
    if cmd in _WIDE_LOCKS:
        file = fget_open(k, fd)
        name, ofd = _WIDE_LOCKS[cmd]
        if name == F_GETLK:
            return fcntl_getlk(k, file, arg, wide=True, ofd=ofd)
        return fcntl_setlk(k, file, arg, wide=True, ofd=ofd, wait=name == F_SETLKW)
    return do_fcntl(k, fd, cmd, arg)


def do_fcntl(k: Kernel, fd: int, cmd: int, arg: int) -> Result:
    """What both have in common."""
    file = fget(k, fd)
    if file.flags & O_PATH and cmd not in _PATH_COMMANDS:
        raise Errno(EBADF)
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        if arg >= k.current.signal.rlim[RLIMIT_NOFILE][0]:
            raise Errno(EINVAL)
        try:
            new = get_unused_fd(k, arg)
        except Errno:
            raise Errno(EMFILE) from None
        return fd_install(k, new, get_file(file), cloexec=cmd == F_DUPFD_CLOEXEC)
    if cmd in (F_GETLK, F_SETLK, F_SETLKW):
        if cmd == F_GETLK:
            return fcntl_getlk(k, file, arg, wide=False, ofd=False)
        return fcntl_setlk(k, file, arg, wide=False, ofd=False, wait=cmd == F_SETLKW)
    return _small(k, fd, file, cmd, arg)


def _small(k: Kernel, fd: int, file: File, cmd: int, arg: int) -> int:
    files = current_files(k)
    match cmd:
        case c if c == F_GETFD:
            return FD_CLOEXEC if fd in files.close_on_exec else 0
        case c if c == F_SETFD:
            if arg & FD_CLOEXEC:
                files.close_on_exec.add(fd)
            else:
                files.close_on_exec.discard(fd)
            return 0
        case c if c == F_GETFL:
            return file.flags
        case c if c == F_SETFL:
            gains = arg & O_NOATIME and not file.flags & O_NOATIME
            if gains and not inode_owner_or_capable(k, file.inode):
                raise Errno(EPERM)
            if (file.flags ^ arg) & O_APPEND and file.inode.fsflags & FS_APPEND_FL:
                raise Errno(EPERM)
            if (file.flags ^ arg) & O_ASYNC:
                set_async(k, file, fd, bool(arg & O_ASYNC))
            mask = _SETFL_MASK if can_listen(file) else _SETFL_MASK & ~O_ASYNC
            file.flags = file.flags & ~mask | arg & mask
            return 0
        case c if c == F_SETLEASE:
            return fcntl_setlease(k, file, fd, arg)
        case c if c == F_NOTIFY:
            return fcntl_dirnotify(k, file, fd, arg)
        case c if c == F_GETLEASE:
            return fcntl_getlease(k, file)
        case c if c == F_SETPIPE_SZ:
            return pipe_fcntl(k, file, arg)
        case c if c == F_GETPIPE_SZ:
            return pipe_fcntl(k, file, None)
        case c if c == F_DUPFD_QUERY:
            return int(files.fd.get(arg) is file)
        case c if c == F_CREATED_QUERY:
            return int(file.created)
        case c if c == F_GET_SEALS:
            if not file.inode.sealable:
                raise Errno(EINVAL)
            return file.inode.seals
        case c if c == F_ADD_SEALS:
            return memfd_add_seals(k, file, arg)
        case c if c == F_GET_RW_HINT:
            copy_to_user(k, arg, file.inode.write_hint.to_bytes(8, "little"))
            return 0
        case c if c == F_SET_RW_HINT:
            return _set_rw_hint(k, file, arg)
        case _:
            return _owner(k, file, cmd, arg)


def _set_rw_hint(k: Kernel, file: File, arg: int) -> int:
    """How long what is written will live: kept, and told to who asks. EPERM, EFAULT, EINVAL."""
    if not inode_owner_or_capable(k, file.inode):
        raise Errno(EPERM)
    hint = int.from_bytes(copy_from_user(k, arg, 8), "little")
    if hint > RWH_WRITE_LIFE_EXTREME:
        raise Errno(EINVAL)
    file.inode.write_hint = hint
    return 0


def _owner(k: Kernel, file: File, cmd: int, arg: int) -> int:
    """Who gets SIGIO for the file, and which signal instead."""
    pids = task_active_pid_ns(k.current).pids
    match cmd:
        case c if c == F_SETOWN:
            who = arg - (1 << 32) if arg >> 31 else arg
            if who == -(1 << 31):
                raise Errno(EINVAL)
            if who and abs(who) not in pids:
                raise Errno(ESRCH)
            number = pids[abs(who)].nr if who else 0
            file.f_owner_ids = (k.current.cred.uid, k.current.cred.euid)
            file.f_owner = (F_OWNER_PGRP if who < 0 else F_OWNER_PID, number)
            return 0
        case c if c == F_GETOWN:
            kind, number = file.f_owner
            number = pid_vnr(k, number)
            return -number if kind == F_OWNER_PGRP else number
        case c if c == F_SETOWN_EX:
            kind, who = struct.unpack("<ii", copy_from_user(k, arg, 8))
            if kind not in (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP):
                raise Errno(EINVAL)
            if who and who not in pids:
                raise Errno(ESRCH)
            file.f_owner_ids = (k.current.cred.uid, k.current.cred.euid)
            file.f_owner = (kind, pids[who].nr if who else 0)
            return 0
        case c if c == F_GETOWN_EX:
            kind, number = file.f_owner
            copy_to_user(k, arg, struct.pack("<ii", kind, pid_vnr(k, number)))
            return 0
        case c if c == F_SETSIG:
            if arg > NSIG:
                raise Errno(EINVAL)
            file.f_signum = arg
            return 0
        case c if c == F_GETSIG:
            return file.f_signum
        case _:
            raise Errno(EINVAL)
