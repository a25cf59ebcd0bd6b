"""dup and fcntl (fs/fcntl.c): more descriptors for one open file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EBADF, EINVAL, EMFILE, Errno
from toykernel.fs.file import (
    O_APPEND,
    O_CLOEXEC,
    O_NONBLOCK,
    current_files,
    fd_install,
    fget,
    fget_open,
    filp_close,
    get_file,
    get_unused_fd,
)
from toykernel.fs.pipe import pipe_fcntl
from toykernel.kernel.signal_types import RLIMIT_NOFILE
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL = range(5)
F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ = 1030, 1031, 1032
FD_CLOEXEC = 1
_SETFL_MASK = O_APPEND | O_NONBLOCK


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
    file = get_file(fget(k, oldfd))
    files = current_files(k)
    if newfd in files.fd:
        filp_close(k, files, newfd)
    return fd_install(k, newfd, file, cloexec=cloexec)


@syscall(55, "fd:fd cmd:fcntl_cmd arg:hex")
@syscall(221, "fd:fd cmd:fcntl_cmd arg:hex", name="fcntl64")
def sys_fcntl(k: Kernel, fd: int, cmd: int, arg: int) -> int:
    """fcntl: duplicate, flags of the descriptor and of the open file, size of a pipe.

    EINVAL for another command.
    """
    file = fget(k, fd)
    files = current_files(k)
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        if arg >= k.current.signal.rlim[RLIMIT_NOFILE][0]:
            raise Errno(EINVAL)
        try:
            new = get_unused_fd(k, arg)
        except Errno:
            raise Errno(EMFILE) from None
        return fd_install(k, new, get_file(file), cloexec=cmd == F_DUPFD_CLOEXEC)
    if cmd == F_GETFD:
        return FD_CLOEXEC if fd in files.close_on_exec else 0
    if cmd == F_SETFD:
        if arg & FD_CLOEXEC:
            files.close_on_exec.add(fd)
        else:
            files.close_on_exec.discard(fd)
        return 0
    if cmd == F_GETFL:
        return file.flags
    if cmd == F_SETFL:
        file.flags = file.flags & ~_SETFL_MASK | arg & _SETFL_MASK
        return 0
    if cmd == F_SETPIPE_SZ:
        return pipe_fcntl(k, file, arg)
    if cmd == F_GETPIPE_SZ:
        return pipe_fcntl(k, file, None)
    raise Errno(EINVAL)


@syscall(54, "fd:fd request:hex argp:address")
def sys_ioctl(k: Kernel, fd: int, request: int, argp: int) -> int:
    """ioctl: what the file makes of it; Errno(ENOTTY) where it has none, Errno(EBADF)."""
    file = fget_open(k, fd)
    return file.op.ioctl(k, file, request, argp)
