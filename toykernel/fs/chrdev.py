"""The devices that have a name in /dev: the console, null, zero, full and random (drivers/char)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import (
    copy_from_user,
    copy_some_to_user,
    copy_to_user,
    get_user,
    put_user,
)
from toykernel.errno import EFAULT, EINVAL, ENOSPC, ENXIO, EPERM, Errno
from toykernel.fs.file import File
from toykernel.fs.inode import S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK, Inode
from toykernel.fs.operations import DEFAULT_POLLMASK, FileOperations, find_operations
from toykernel.fs.pipe import FIFO
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.random import get_random_bytes, get_random_bytes_user
from toykernel.tty.tty_ioctl import console_ioctl

if TYPE_CHECKING:
    from toykernel.kernel.wait import WaitQueue
    from toykernel.state import Kernel

_CHUNK = 1 << 16
RNDGETENTCNT, RNDADDTOENTCNT = 0x80045200, 0x40045201
RNDZAPENTCNT, RNDCLEARPOOL, RNDRESEEDCRNG = 0x5204, 0x5206, 0x5207
TTY_DEV, PTMX_DEV = 5 << 8, 5 << 8 | 2
PTS_MAJOR, _PTS = 136, "toykernel.tty.pty:PTS"
POOL_BITS = 256  # as kernel.random.poolsize says
#: A terminal takes pieces of this size (tty_write).
TTY_CHUNK = 2048


def null_llseek(k: Kernel, file: File, offset: int, whence: int) -> int:
    """lseek on null and zero: always at the start."""
    file.pos = 0
    return 0


def console_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """Takes pieces as tty_write does, each whole or not at all; how much was taken."""
    written = 0
    while written < count:
        part = min(count - written, TTY_CHUNK)
        try:
            data = copy_from_user(k, buf + written, part)
        except Errno:
            if written:
                break
            raise
        k.host.console_write(2 if file is k.files.console_error else 1, data)
        written += part
    return written


def console_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """The next bytes of standard input, those that are there; waits for some; 0 at its end."""
    if count and not k.files.console_input:
        k.files.console_input += k.host.console_read(k.files.console_reads, min(count, _CHUNK))
        k.files.console_reads += 1
    data = bytes(k.files.console_input[:count])
    copy_to_user(k, buf, data)
    del k.files.console_input[: len(data)]
    return len(data)


def null_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/null is empty."""
    return 0


def null_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/null takes everything."""
    return count


def zero_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/zero: as many zeros as were asked for and fit the buffer; EFAULT if none does."""
    done = 0
    while done < count:
        part = min(count - done, _CHUNK)
        copied = copy_some_to_user(k, buf + done, bytes(part))
        done += copied
        if copied < part:
            if not done:
                raise Errno(EFAULT)
            break
    return done


def full_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/full has no room. Raises Errno(ENOSPC)."""
    raise Errno(ENOSPC)


def random_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """/dev/random and /dev/urandom: the same generator; EFAULT if the buffer takes nothing."""
    return get_random_bytes_user(k, buf, min(count, 0x7FFFFFFF))


def zero_splice_read(k: Kernel, file: File, pos: int, count: int) -> bytes:
    """/dev/zero and /dev/full, for sendfile and splice."""
    return bytes(count)


def random_splice_read(k: Kernel, file: File, pos: int, count: int) -> bytes:
    """/dev/random and /dev/urandom, for sendfile and splice."""
    return get_random_bytes(k, count)


def console_splice_write(k: Kernel, file: File, data: bytes) -> int:
    """The console, for sendfile and splice."""
    k.host.console_write(2 if file is k.files.console_error else 1, data)
    return len(data)


def random_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """RNDGETENTCNT: how many bits of randomness there are, always all; others for CAP_SYS_ADMIN.

    Raises Errno(EFAULT), Errno(EPERM), Errno(EINVAL).
    """
    if request == RNDGETENTCNT:
        put_user(k, POOL_BITS, argp)
        return 0
    if request not in (RNDADDTOENTCNT, RNDZAPENTCNT, RNDCLEARPOOL, RNDRESEEDCRNG):
        raise Errno(EINVAL)
    if not capable(k, CAP_SYS_ADMIN):
        raise Errno(EPERM)
    if request == RNDADDTOENTCNT and get_user(k, argp) >> 31:
        raise Errno(EINVAL)
    return 0


def null_splice_write(k: Kernel, file: File, data: bytes) -> int:
    """/dev/null takes everything."""
    return len(data)


def zero_mmap(k: Kernel, file: File) -> None:
    """Mapping /dev/zero is mapping anonymous memory."""


def no_open(k: Kernel, file: File) -> None:
    """A socket is not opened by its name. Raises Errno(ENXIO)."""
    raise Errno(ENXIO)


def blkdev_open(k: Kernel, file: File) -> None:
    """There is no block device of any number. Raises Errno(ENXIO)."""
    raise Errno(ENXIO)


def chrdev_open(k: Kernel, file: File) -> None:
    """The device behind the node takes over. Raises Errno(ENXIO) when there is none of that number."""
    number = file.inode.rdev
    device = DEVICES.get(number)
    loaded = _PTS if number >> 8 == PTS_MAJOR else LOADED.get(number)
    if device is None and loaded is not None:
        table = find_operations(loaded)
        assert isinstance(table, FileOperations)
        device = table
    if device is None:
        raise Errno(ENXIO)
    file.op = device
    device.open(k, file)


def console_poll(k: Kernel, file: File, pt: list[WaitQueue]) -> int:
    """Always: no virtual time passes while a read waits for the host (docs/how-to.md)."""
    return DEFAULT_POLLMASK


CONSOLE = FileOperations(
    "toykernel.fs.chrdev:CONSOLE",
    console_read,
    console_write,
    poll=console_poll,
    ioctl=console_ioctl,
    splice_write=console_splice_write,
)
NULL = FileOperations(
    "toykernel.fs.chrdev:NULL", null_read, null_write, null_llseek, splice_write=null_splice_write
)
ZERO = FileOperations(
    "toykernel.fs.chrdev:ZERO",
    zero_read,
    null_write,
    null_llseek,
    mmap=zero_mmap,
    splice_read=zero_splice_read,
    splice_write=null_splice_write,
)
FULL = FileOperations(
    "toykernel.fs.chrdev:FULL", zero_read, full_write, null_llseek, splice_read=zero_splice_read
)
RANDOM = FileOperations(
    "toykernel.fs.chrdev:RANDOM",
    random_read,
    null_write,
    null_llseek,
    ioctl=random_ioctl,
    splice_read=random_splice_read,
    splice_write=null_splice_write,
)
DEF_CHR = FileOperations("toykernel.fs.chrdev:DEF_CHR", open=chrdev_open)
NO_OPEN = FileOperations("toykernel.fs.chrdev:NO_OPEN", open=no_open)
DEF_BLK = FileOperations("toykernel.fs.chrdev:DEF_BLK", open=blkdev_open)

#: Device numbers, major << 8 | minor (Documentation/admin-guide/devices.txt).
NULL_DEV, ZERO_DEV, CONSOLE_DEV = 1 << 8 | 3, 1 << 8 | 5, 5 << 8 | 1
FULL_DEV, RANDOM_DEV, URANDOM_DEV = 1 << 8 | 7, 1 << 8 | 8, 1 << 8 | 9
USERFAULTFD_DEV = 10 << 8 | 126
#: Drivers that are loaded when they are opened.
LOADED = {
    USERFAULTFD_DEV: "toykernel.fs.userfaultfd:USERFAULTFD_DEV",
    TTY_DEV: "toykernel.tty.pty:CURRENT_TTY",
    PTMX_DEV: "toykernel.tty.pty:PTMX",
}
DEVICES = {
    CONSOLE_DEV: CONSOLE,
    NULL_DEV: NULL,
    ZERO_DEV: ZERO,
    FULL_DEV: FULL,
    RANDOM_DEV: RANDOM,
    URANDOM_DEV: RANDOM,
}


def init_special_inode(inode: Inode, rdev: int) -> None:
    """A device node's number, and what open does with it."""
    if inode.type == S_IFCHR:
        inode.i_fop, inode.rdev = DEF_CHR, rdev
    elif inode.type == S_IFIFO:
        inode.i_fop = FIFO
    elif inode.type == S_IFSOCK:
        inode.i_fop = NO_OPEN
    elif inode.type == S_IFBLK:
        inode.i_fop, inode.rdev = DEF_BLK, rdev
