"""FIFOs (fifo_open in fs/pipe.c): a pipe that has a name; opening it waits for the other end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import ERESTARTSYS, Errno
from toykernel.fs.file import (
    O_ACCMODE,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    File,
    fd_install,
    fput,
    get_unused_fd,
)
from toykernel.fs.pipe import is_fifo
from toykernel.fs.pipe_fs_i import Pipe
from toykernel.kernel.signal_types import signal_pending
from toykernel.kernel.wait import Result, Wait

if TYPE_CHECKING:
    from toykernel.state import Kernel


def wait_for_partner(k: Kernel, file: File, fd: int, cloexec: bool) -> Result:
    """The descriptor, once the other end is open, too; what is open for both never waits, nor does a pipe
    without a name (/proc/PID/fd)."""
    pipe, mode = file.inode.private, file.flags & O_ACCMODE
    assert isinstance(pipe, Pipe)
    if file.flags & O_NONBLOCK or mode == O_RDWR or not is_fifo(k, file.inode):
        return fd_install(k, fd, file, cloexec=cloexec)
    count = pipe.w_counter if mode == O_RDONLY else pipe.r_counter
    others = pipe.writers if mode == O_RDONLY else pipe.readers
    if others:
        return fd_install(k, fd, file, cloexec=cloexec)
    reason = f"open of {pipe.wait.name}, whose other end nobody has open"
    return Wait((pipe.wait,), _partner_came, (file, count, cloexec), reason, holds=(file,))


def _partner_came(k: Kernel, file: File, count: int, cloexec: bool) -> Result:
    """The first reference to the open file is ours until it has a descriptor."""
    pipe, mode = file.inode.private, file.flags & O_ACCMODE
    assert isinstance(pipe, Pipe)
    now = pipe.w_counter if mode == O_RDONLY else pipe.r_counter
    if now == count:
        if signal_pending(k.current):
            fput(k, file)
            raise Errno(ERESTARTSYS)
        reason = f"open of {pipe.wait.name}, whose other end nobody has open"
        return Wait((pipe.wait,), _partner_came, (file, count, cloexec), reason, holds=(file,))
    try:
        fd = get_unused_fd(k)
    except Errno:
        fput(k, file)
        raise
    return fd_install(k, fd, file, cloexec=cloexec)
