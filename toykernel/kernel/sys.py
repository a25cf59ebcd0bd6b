"""Small system calls (kernel/sys.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import ENOSYS, Errno

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

NEW_UTS_LEN = 64


def sys_ni_syscall(k: Kernel) -> int:
    """Every number without a function of its own."""
    raise Errno(ENOSYS)


def sys_getpid(k: Kernel) -> int:
    """The thread group's number."""
    return k.current.tgid


def sys_gettid(k: Kernel) -> int:
    """The task's own number."""
    return k.current.pid


def sys_getppid(k: Kernel) -> int:
    """The parent's thread group."""
    return k.current.real_parent.tgid


def sys_uname(k: Kernel, name: int) -> int:
    """new_utsname: six strings of 65 bytes."""
    fields = (
        k.uts.sysname,
        k.uts.nodename,
        k.uts.release,
        k.uts.version,
        k.uts.machine,
        k.uts.domainname,
    )
    data = b"".join(text.encode()[:NEW_UTS_LEN].ljust(NEW_UTS_LEN + 1, b"\0") for text in fields)
    copy_to_user(k, name, data)
    return 0
