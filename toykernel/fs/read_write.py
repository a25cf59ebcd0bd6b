"""read, write and where they happen (fs/read_write.c). What a file does is its own business (f_op)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import access_ok, copy_to_user
from toykernel.errno import EBADF, EFAULT, EINVAL, EOVERFLOW, Errno
from toykernel.fs.file import fget, fget_open
from toykernel.fs.fsnotify import ACCESS, MODIFY, fsnotify_transfer
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

#: What one call transfers at most, as Linux: INT_MAX rounded down to a page.
MAX_RW_COUNT = 0x7FFFF000
#: What lseek can answer: off_t has 32 bits.
OFF_T_MAX = 0x7FFFFFFF
SEEKS = range(5)  # SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE


def transfer_size(buf: int, count: int) -> int:
    """rw_verify_area: how much to transfer. Raises Errno(EFAULT), Errno(EINVAL)."""
    if not access_ok(buf, count):
        raise Errno(EFAULT)
    if count > 0x7FFFFFFF:
        raise Errno(EINVAL)
    return min(count, MAX_RW_COUNT)


def kernel_read(k: Kernel, inode: Inode, start: int, count: int) -> bytes:
    """Bytes of a regular file for the kernel itself (exec), from its page cache."""
    mapping = inode.i_mapping
    assert mapping is not None
    assert mapping.contents is not None
    mapping.write_back(k, start, count)
    return mapping.contents.read(start, count)


@syscall(3, "fd:fd buf:buffer_out count:size")
def sys_read(k: Kernel, fd: int, buf: int, count: int) -> Result:
    """read: from the file's offset on; bytes read, 0 at the end.

    Raises Errno(EBADF), or what the file answers.
    """
    file = fget(k, fd)
    if not file.readable:
        raise Errno(EBADF)
    result = file.op.read(k, file, buf, transfer_size(buf, count))
    return result if k.files.fsnotify is None else fsnotify_transfer(k, file, ACCESS, result)


@syscall(4, "fd:fd buf:buffer_in count:size")
def sys_write(k: Kernel, fd: int, buf: int, count: int) -> Result:
    """write: at the file's offset, or at its end with O_APPEND; bytes written.

    Raises Errno(EBADF), or what the file answers.
    """
    file = fget(k, fd)
    if not file.writable:
        raise Errno(EBADF)
    result = file.op.write(k, file, buf, transfer_size(buf, count))
    return result if k.files.fsnotify is None else fsnotify_transfer(k, file, MODIFY, result)


@syscall(19, "fd:fd offset:int whence:seek_whence")
def sys_lseek(k: Kernel, fd: int, offset: int, whence: int) -> int:
    """lseek: set the offset, in bytes, that all who share the open file see.

    EINVAL, EOVERFLOW beyond 31 bits, ESPIPE.
    """
    file = fget_open(k, fd)
    if whence not in SEEKS:
        raise Errno(EINVAL)
    at = file.op.llseek(k, file, offset, whence)
    if at > OFF_T_MAX:
        raise Errno(EOVERFLOW)  # the offset has been set all the same
    return at


@syscall(
    140, "fd:fd offset_high:hex offset_low:hex result:address whence:seek_whence", name="_llseek"
)
def sys_llseek(k: Kernel, fd: int, high: int, low: int, result: int, whence: int) -> int:
    """_llseek: the offset is a 64-bit number, in two words and in memory. Raises Errno(EINVAL),
    Errno(ESPIPE), Errno(EFAULT).
    """
    file = fget_open(k, fd)
    if whence not in SEEKS:
        raise Errno(EINVAL)
    (offset,) = struct.unpack("<q", struct.pack("<II", low, high))
    at = file.op.llseek(k, file, offset, whence)
    copy_to_user(k, result, struct.pack("<q", at))
    return 0
