"""ioctl (fs/ioctl.c): what every file answers, and what only its kind does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import get_user, put_user
from toykernel.errno import EBADF, ENOTTY, Errno
from toykernel.fs.fasync import can_listen, set_async
from toykernel.fs.file import O_ASYNC, O_NONBLOCK, O_PATH, current_files, fget
from toykernel.fs.file_attr import REQUESTS, fileattr_ioctl
from toykernel.fs.inode import S_IFDIR, S_IFREG
from toykernel.fs.landlock import landlock_file_ioctl
from toykernel.fs.statfs import BLOCK_SIZE
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

FIGETBSZ = 2
FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC = 0x541B, 0x5421, 0x5450, 0x5451, 0x5452


@syscall(54, "fd:fd request:hex argp:address")
def sys_ioctl(k: Kernel, fd: int, request: int, argp: int) -> Result:
    """ioctl: flags of the descriptor and of the open file, how much there is to read, or what the
    file makes of it; Errno(ENOTTY) where it has none, Errno(EBADF).
    """
    file = fget(k, fd)
    if file.flags & O_PATH:
        raise Errno(EBADF)
    landlock_file_ioctl(file, request)
    if request == FIOCLEX:
        current_files(k).close_on_exec.add(fd)
    elif request == FIONCLEX:
        current_files(k).close_on_exec.discard(fd)
    elif request in (FIONBIO, FIOASYNC):
        flag, on = O_NONBLOCK if request == FIONBIO else O_ASYNC, bool(get_user(k, argp))
        if flag == O_ASYNC and on != bool(file.flags & O_ASYNC):
            if not can_listen(file):
                raise Errno(ENOTTY)
            set_async(k, file, fd, on)
        file.flags = file.flags | flag if on else file.flags & ~flag
    elif request == FIGETBSZ:
        put_user(k, BLOCK_SIZE, argp)
    elif request == FIONREAD and file.inode.type == S_IFREG:
        put_user(k, file.inode.size - file.pos, argp)
    elif request in REQUESTS and file.inode.type in (S_IFREG, S_IFDIR):
        return fileattr_ioctl(k, file, request, argp)
    else:
        return file.op.ioctl(k, file, request, argp)
    return 0
