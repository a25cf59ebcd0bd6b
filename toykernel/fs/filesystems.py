"""The types of file systems that there are (fs/filesystems.c), and sysfs(2), which numbers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EINVAL, Errno
from toykernel.fs.namei import getname
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: In the order of their registration; none needs a device.
FILE_SYSTEMS = (
    *("rootfs", "ramfs", "tmpfs", "devtmpfs", "proc", "sysfs", "pipefs", "sockfs"),
    "devpts",
    "mqueue",
)


@syscall(135, "option:int arg1:hex arg2:hex")
def sys_sysfs(k: Kernel, option: int, arg1: int, arg2: int) -> int:
    """sysfs: 1 is the number of a type by its name, 2 the name by the number, 3 how many there are.

    EINVAL for another option, name or number; EFAULT.
    """
    if option == 1:
        name = getname(k, arg1)
        if name not in FILE_SYSTEMS:
            raise Errno(EINVAL)
        return FILE_SYSTEMS.index(name)
    if option == 2:
        if arg1 >= len(FILE_SYSTEMS):
            raise Errno(EINVAL)
        copy_to_user(k, arg2, FILE_SYSTEMS[arg1].encode() + b"\0")
        return 0
    if option == 3:
        return len(FILE_SYSTEMS)
    raise Errno(EINVAL)
