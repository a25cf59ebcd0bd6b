"""cachestat (mm/filemap.c): how much of a file is in memory."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EINVAL, EOPNOTSUPP, Errno
from toykernel.fs.file import fget_open
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


@syscall(451, "fd:fd cstat_range:address cstat:address flags:hex")
def sys_cachestat(k: Kernel, fd: int, where: int, cstat: int, flags: int) -> int:
    """cachestat: pages in the cache from an offset on, so many bytes (0: to the end). All of them are
    memory's own, none is dirty or evicted. EBADF, EFAULT, EOPNOTSUPP for what has no pages, EINVAL for a
    flag.
    """
    file = fget_open(k, fd)
    offset, length = struct.unpack("<2Q", copy_from_user(k, where, 16))
    mapping = file.inode.i_mapping
    if mapping is None:
        raise Errno(EOPNOTSUPP)
    if flags:
        raise Errno(EINVAL)
    last = (offset + length - 1 >> PAGE_SHIFT) if length else 1 << 52
    held = set(mapping.pages)
    if mapping.contents is not None:
        held.update(mapping.contents.pages)
    count = sum(1 for index in held if offset >> PAGE_SHIFT <= index <= last)
    copy_to_user(k, cstat, struct.pack("<5Q", count, 0, 0, 0, 0))
    return 0
