"""Thread-local storage (arch/x86/kernel/tls.c): three GDT entries that belong to the running task.

struct user_desc, 16 bytes: entry_number, base_addr, limit, and a word of bit fields: seg_32bit 1,
contents 2, read_exec_only 1, limit_in_pages 1, seg_not_present 1, useable 1.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import GDT_TLS_ENTRIES, GDT_TLS_MIN
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EINVAL, ESRCH, Errno
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

USER_DESC_SIZE = 16
_EMPTY_FLAGS = 0x28  # read_exec_only and seg_not_present, nothing else
_NONE = 0xFFFFFFFF  # entry_number -1: any free one


def ldt_empty(base: int, limit: int, bits: int) -> bool:
    """Whether a user_desc asks for no segment at all (LDT_empty)."""
    return not base and not limit and bits & 0x7F == _EMPTY_FLAGS


def fill_ldt(base: int, limit: int, bits: int) -> tuple[int, int]:
    """The two words of a segment descriptor."""
    low = (base & 0xFFFF) << 16 | limit & 0xFFFF
    writable, code_or_down = not bits & 0x08, bits >> 1 & 3
    high = base & 0xFF000000 | base >> 16 & 0xFF | limit & 0xF0000
    high |= int(writable) << 9 | code_or_down << 10 | 0x7000  # S, DPL 3
    high |= (bits >> 5 & 1 ^ 1) << 15  # present
    high |= (bits >> 6 & 1) << 20 | (bits & 1) << 22 | (bits >> 4 & 1) << 23
    return low, high


def fill_tls(base: int, limit: int, bits: int) -> tuple[int, int]:
    """The same for thread-local storage: (0, 0), a free entry, for an empty user_desc or one of zeros."""
    zero = not base and not limit and not bits & 0x7F
    return (0, 0) if zero or ldt_empty(base, limit, bits) else fill_ldt(base, limit, bits)


def read_descriptor(words: tuple[int, int]) -> tuple[int, int, int]:
    """Base, limit and bit fields of a descriptor (fill_user_desc)."""
    low, high = words
    base = low >> 16 | (high & 0xFF) << 16 | high & 0xFF000000
    limit = low & 0xFFFF | high & 0xF0000
    bits = high >> 22 & 1 | (high >> 10 & 3) << 1 | (high >> 9 & 1 ^ 1) << 3
    bits |= (high >> 23 & 1) << 4 | (high >> 15 & 1 ^ 1) << 5 | (high >> 20 & 1) << 6
    return base, limit, bits


def do_set_thread_area(k: Kernel, task: Task, index: int, address: int, *, allocate: bool) -> None:
    """Set one of a task's TLS entries from a user_desc. Raises Errno: EFAULT, EINVAL for a bad
    entry or descriptor, ESRCH when none is free.
    """
    entry, base, limit, bits = struct.unpack("<4I", copy_from_user(k, address, USER_DESC_SIZE))
    if index < 0:
        index = entry
    if index == _NONE and allocate:
        free = [i for i, words in enumerate(task.thread.tls_array) if words == (0, 0)]
        if not free:
            raise Errno(ESRCH)
        index = GDT_TLS_MIN + free[0]
        put_user(k, index, address)
    if not GDT_TLS_MIN <= index < GDT_TLS_MIN + GDT_TLS_ENTRIES:
        raise Errno(EINVAL)
    entries = list(task.thread.tls_array)
    entries[index - GDT_TLS_MIN] = fill_tls(base, limit, bits)
    task.thread.tls_array = (entries[0], entries[1], entries[2])
    if task is k.current:
        load_tls(k, task)
    _drop_dead_selectors(k, task)


def _drop_dead_selectors(k: Kernel, task: Task) -> None:
    """A saved selector of an entry that is gone would fault on the way out: make it null."""
    regs = k.task_pt_regs(task)
    for name in ("ds", "es", "fs", "gs"):
        index = ((getattr(regs, name) & 0xFFFF) >> 3) - GDT_TLS_MIN
        if 0 <= index < GDT_TLS_ENTRIES and not _loadable(task.thread.tls_array[index][1]):
            setattr(regs, name, 0)


def _loadable(high: int) -> bool:
    """Present, and data or readable code."""
    return bool(high & 0x8000) and (not high & 1 << 11 or bool(high & 1 << 9))


def set_tls_of_child(k: Kernel, p: Task, address: int) -> None:
    """CLONE_SETTLS (fork-path H3). Raises Errno(EFAULT), Errno(EINVAL)."""
    do_set_thread_area(k, p, -1, address, allocate=False)


def clear_tls(k: Kernel, task: Task) -> None:
    """exec: a program starts with three empty TLS entries."""
    task.thread.tls_array = ((0, 0), (0, 0), (0, 0))
    load_tls(k, task)


def load_tls(k: Kernel, task: Task) -> None:
    """Put a task's entries into the GDT (fork-path H5)."""
    at = k.arch.gdt + GDT_TLS_MIN * 8
    ram = k.machine.ram
    words = [*chain.from_iterable(task.thread.tls_array)]
    if ram.words(at, len(words)) != words:
        ram.write(at, struct.pack(f"<{len(words)}I", *words))


@syscall(243, "u_info:address")
def sys_set_thread_area(k: Kernel, u_info: int) -> int:
    """set_thread_area: entry -1 takes a free one and says which."""
    do_set_thread_area(k, k.current, -1, u_info, allocate=True)
    return 0


@syscall(244, "u_info:address")
def sys_get_thread_area(k: Kernel, u_info: int) -> int:
    """get_thread_area: fill in base, limit and flags of an entry.

    EINVAL for a number that is no TLS entry's.
    """
    (entry,) = struct.unpack("<I", copy_from_user(k, u_info, 4))
    index = entry - GDT_TLS_MIN
    if not 0 <= index < GDT_TLS_ENTRIES:
        raise Errno(EINVAL)
    described = read_descriptor(k.current.thread.tls_array[index])
    copy_to_user(k, u_info, struct.pack("<4I", entry, *described))
    return 0
