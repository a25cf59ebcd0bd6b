"""capget and capset (kernel/capability.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EINVAL, EPERM, ESRCH, Errno
from toykernel.kernel.cred import (
    CAP_SETPCAP,
    cap_full_set,
    capable,
    commit_creds,
    prepare_creds,
)
from toykernel.kernel.pid import find_task_by_vpid, task_pid_vnr
from toykernel.kernel.uid import SECURE_KEEP_CAPS, SECURE_NOROOT
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.cred import Cred
    from toykernel.state import Kernel

#: Version of the header -> 32-bit words a set.
_VERSIONS = {0x19980330: 1, 0x20071026: 2, 0x20080522: 2}
_PREFERRED = 0x20080522


def _header(k: Kernel, header: int) -> tuple[int, int]:
    """(words, pid). An unknown version is answered with the preferred one and EINVAL."""
    version, pid = struct.unpack("<Ii", copy_from_user(k, header, 8))
    if version not in _VERSIONS:
        put_user(k, _PREFERRED, header)
        raise Errno(EINVAL)
    return _VERSIONS[version], pid


@syscall(184, "hdrp:address datap:address")
def sys_capget(k: Kernel, header: int, dataptr: int) -> int:
    """capget: effective, permitted and inheritable sets of a task.

    EINVAL for an unknown version, ESRCH.
    """
    try:
        words, pid = _header(k, header)
    except Errno as error:
        if not dataptr and error.number == EINVAL:
            return 0  # it only asked for the version
        raise
    if not dataptr:
        return 0  # the version is one that the kernel knows: no more was asked
    if pid < 0:
        raise Errno(EINVAL)
    task = find_task_by_vpid(k, pid) if pid else k.current
    if task is None:
        raise Errno(ESRCH)
    c = task.cred
    data = b"".join(
        struct.pack(
            "<III",
            c.cap_effective >> shift & 0xFFFFFFFF,
            c.cap_permitted >> shift & 0xFFFFFFFF,
            c.cap_inheritable >> shift & 0xFFFFFFFF,
        )
        for shift in range(0, 32 * words, 32)
    )
    copy_to_user(k, dataptr, data)
    return 0


@syscall(185, "hdrp:address datap:address")
def sys_capset(k: Kernel, header: int, dataptr: int) -> int:
    """capset: the caller's own sets only (EPERM);
    permitted only shrinks, effective stays within it.
    """
    words, pid = _header(k, header)
    if pid not in (0, task_pid_vnr(k, k.current)):
        raise Errno(EPERM)
    fields = struct.unpack(f"<{3 * words}I", copy_from_user(k, dataptr, 12 * words))
    full = cap_full_set(k)
    effective, permitted, inheritable = (
        sum(word << 32 * i for i, word in enumerate(fields[n::3])) & full for n in range(3)
    )
    old = k.current.cred
    allowed = old.cap_inheritable | old.cap_permitted
    if inheritable & ~allowed and not capable(k, CAP_SETPCAP):
        raise Errno(EPERM)
    if inheritable & ~(old.cap_inheritable | old.cap_bset):
        raise Errno(EPERM)
    if permitted & ~old.cap_permitted or effective & ~permitted:
        raise Errno(EPERM)
    new = prepare_creds(k)
    new.cap_effective, new.cap_permitted, new.cap_inheritable = effective, permitted, inheritable
    new.cap_ambient &= permitted & inheritable
    commit_creds(k, new)
    return 0


def cap_bprm_creds(new: Cred, old: Cred) -> None:
    """What an exec leaves of capabilities (cap_bprm_creds_from_file): root has all that are bounding, others
    the ambient ones, which an id of the file takes away. Files have none of their own.
    """
    if (new.euid, new.egid) != (old.euid, old.egid):
        new.cap_ambient = 0
    root = 0 in (new.uid, new.euid) and not new.securebits & SECURE_NOROOT
    new.cap_permitted = (new.cap_bset | new.cap_inheritable) if root else 0
    new.cap_permitted |= new.cap_ambient
    new.cap_effective = new.cap_permitted if root and new.euid == 0 else new.cap_ambient
    new.securebits &= ~SECURE_KEEP_CAPS
