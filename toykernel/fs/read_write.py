"""write to the console (fs/read_write.c). Descriptors 0 to 2 are the console; there are no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import access_ok, read_some
from toykernel.errno import EBADF, EFAULT, EINVAL, Errno

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

#: What one call transfers at most, as Linux: INT_MAX rounded down to a page.
MAX_RW_COUNT = 0x7FFFF000
#: A terminal takes pieces of this size (tty_write): each is written whole or, when it cannot be read
#: to its end, not at all.
TTY_CHUNK = 2048
_CHUNK = 32 * TTY_CHUNK


def sys_write(k: Kernel, fd: int, buf: int, count: int) -> int:
    """Write to the console: how much was written before the first piece that cannot be read."""
    if fd not in (0, 1, 2):
        raise Errno(EBADF)
    if not access_ok(buf, count):
        raise Errno(EFAULT)
    if count > 0x7FFFFFFF:
        raise Errno(EINVAL)
    left, written = min(count, MAX_RW_COUNT), 0
    while left:
        part = min(left, _CHUNK)
        data = read_some(k, buf + written, part)
        if len(data) < part:
            data = data[: len(data) // TTY_CHUNK * TTY_CHUNK]
        if data:
            k.console_write(fd, data)
        written += len(data)
        left -= len(data)
        if len(data) < part:
            break
    if count and not written:
        raise Errno(EFAULT)
    return written
