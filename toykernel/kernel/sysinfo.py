"""What a program asks about the machine as a whole (kernel/sys.c): sysinfo, arch_prctl."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EINVAL, ENODEV, Errno
from toykernel.kernel.timekeeping import NSEC_PER_SEC, ktime_get
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

ARCH_GET_CPUID, ARCH_SET_CPUID = 0x1011, 0x1012


@syscall(116, "info:address")
def sys_sysinfo(k: Kernel, info: int) -> int:
    """sysinfo: seconds since boot, memory in bytes, processes; the load is not averaged (0). EFAULT."""
    totals = k.memory.pages.totals()
    shared = sum(sb.s_bytes for sb in k.files.fs.super_blocks())
    memory = (totals.managed * PAGE_SIZE, (totals.managed - totals.used) * PAGE_SIZE, shared, 0)
    record = struct.pack(
        "<10I2H3I8x",
        -(-ktime_get(k) // NSEC_PER_SEC),
        *(0, 0, 0),
        *memory,
        *(0, 0),  # swap
        k.processes.nr_threads & 0xFFFF,
        0,
        *(0, 0),  # high memory
        1,
    )
    copy_to_user(k, info, record)
    return 0


@syscall(384, "option:hex arg2:hex")
def sys_arch_prctl(k: Kernel, option: int, arg2: int) -> int:
    """arch_prctl: whether CPUID may be executed, which it always may: nothing can forbid it, ENODEV.

    EINVAL for what only 64-bit programs and later processors have.
    """
    if option == ARCH_GET_CPUID:
        return 1
    raise Errno(ENODEV if option == ARCH_SET_CPUID else EINVAL)
