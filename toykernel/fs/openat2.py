"""openat2 (fs/open.c): open with limits to the walk."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.errno import E2BIG, EAGAIN, EINVAL, Errno
from toykernel.fs.file import (
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_PATH,
    O_TMPFILE,
    O_TRUNC,
)
from toykernel.fs.namei import RESOLVE_BENEATH, RESOLVE_CACHED, RESOLVE_IN_ROOT, getname
from toykernel.fs.open import check_open_flags, open_name
from toykernel.kernel.clone3 import copy_struct_from_user
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

#: Every flag of open, and every limit.
_OPEN_FLAGS, _RESOLVE_FLAGS = 0o37777703, 0x3F


@syscall(437, "dirfd:dirfd pathname:path how:open_how size:size")
def sys_openat2(k: Kernel, dirfd: int, pathname: int, how: int, size: int) -> Result:
    """openat2: openat with limits to the walk (RESOLVE_). EINVAL for flags that openat ignores, E2BIG, EXDEV
    and ELOOP where a limit is met, EAGAIN for RESOLVE_CACHED.
    """
    if size < 24:
        raise Errno(EINVAL)
    if size > 4096:
        raise Errno(E2BIG)
    flags, mode, resolve = struct.unpack("<3Q", copy_struct_from_user(k, how, size, 24))
    tmpfile = flags & O_TMPFILE & ~O_DIRECTORY
    if flags & ~_OPEN_FLAGS or resolve & ~_RESOLVE_FLAGS:
        raise Errno(EINVAL)
    if mode & ~(0o7777 if flags & O_CREAT or tmpfile else 0):
        raise Errno(EINVAL)
    if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
        raise Errno(EINVAL)
    if flags & O_PATH and flags & ~(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC):
        raise Errno(EINVAL)
    check_open_flags(flags)
    if resolve & RESOLVE_CACHED:
        raise Errno(EINVAL if flags & (O_CREAT | O_TRUNC) or tmpfile else EAGAIN)
    return open_name(k, getname(k, pathname), flags, mode, dirfd, resolve)
