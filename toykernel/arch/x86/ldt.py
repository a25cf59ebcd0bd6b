"""The local descriptor table (arch/x86/kernel/ldt.c): segments that belong to one address space."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.descriptors import TYPE_LDT
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import GDT_LDT, PAGE_OFFSET
from toykernel.arch.x86.tls import USER_DESC_SIZE, fill_ldt, ldt_empty
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user
from toykernel.errno import EINVAL, ENOSYS, Errno
from toykernel.mm.mmap import user_mm
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

LDT_ENTRIES, LDT_ENTRY_SIZE = 8192, 8
READ, WRITE_OLD, READ_DEFAULT, WRITE = 0, 1, 2, 0x11
_DEFAULT_SIZE = 5 * LDT_ENTRY_SIZE  # of an empty table, as the iBCS2 emulation had it
_CONTENTS, _NOT_PRESENT, _USEABLE = 0x06, 0x20, 0x40


def _allocate(k: Kernel, data: bytes) -> int:
    """Frames with a table in them; the first one's number. Raises Errno(ENOMEM)."""
    pages = -(-len(data) // PAGE_SIZE)
    order = (pages - 1).bit_length()
    pfn = k.memory.pages.alloc_pages(k, order, "LDT")
    k.machine.ram.write(pfn << PAGE_SHIFT, data.ljust(PAGE_SIZE << order, b"\0"))
    return pfn


def _table(k: Kernel, mm: MmStruct) -> bytes:
    if not mm.ldt_entries:
        return b""
    return k.machine.ram.read(mm.ldt_pfn << PAGE_SHIFT, mm.ldt_entries * LDT_ENTRY_SIZE)


def load_mm_ldt(k: Kernel, mm: MmStruct) -> None:
    """LLDT: the CPU finds an address space's table, or none."""
    cpu = k.machine.cpu
    if not mm.ldt_entries:
        if cpu.ldtr:
            cpu.ldtr = cpu.ldtr_base = cpu.ldtr_limit = 0
        return
    base = PAGE_OFFSET + (mm.ldt_pfn << PAGE_SHIFT)
    limit = mm.ldt_entries * LDT_ENTRY_SIZE - 1
    low = (base & 0xFFFF) << 16 | limit & 0xFFFF
    high = base & 0xFF000000 | base >> 16 & 0xFF | limit & 0xF0000 | 0x8000 | TYPE_LDT << 8
    k.machine.ram.write(k.arch.gdt + GDT_LDT * 8, struct.pack("<2I", low, high))
    cpu.ldtr, cpu.ldtr_base, cpu.ldtr_limit = GDT_LDT * 8, base, limit


def dup_ldt(k: Kernel, mm: MmStruct, oldmm: MmStruct) -> None:
    """fork: a table of its own, with the same entries. Raises Errno(ENOMEM)."""
    if oldmm.ldt_entries:
        mm.ldt_pfn, mm.ldt_entries = _allocate(k, _table(k, oldmm)), oldmm.ldt_entries


def free_ldt(k: Kernel, mm: MmStruct) -> None:
    """The address space goes, and its table."""
    if mm.ldt_entries:
        k.memory.pages.put_page(k, mm.ldt_pfn)
        mm.ldt_pfn = mm.ldt_entries = 0


def _write(k: Kernel, address: int, size: int, *, old: bool) -> int:
    if size != USER_DESC_SIZE:
        raise Errno(EINVAL)
    entry, base, limit, bits = struct.unpack("<4I", copy_from_user(k, address, USER_DESC_SIZE))
    if entry >= LDT_ENTRIES:
        raise Errno(EINVAL)
    if bits & _CONTENTS == _CONTENTS and (old or not bits & _NOT_PRESENT):
        raise Errno(EINVAL)
    limit &= 0xFFFFF
    words = (0, 0)
    if not ldt_empty(base, limit, bits) and (base or limit or not old):
        words = fill_ldt(base, limit, bits & ~_USEABLE if old else bits)
    mm = user_mm(k)
    table = bytearray(_table(k, mm))
    table.extend(bytes(max((entry + 1) * LDT_ENTRY_SIZE - len(table), 0)))
    struct.pack_into("<2I", table, entry * LDT_ENTRY_SIZE, *words)
    pfn = _allocate(k, bytes(table))
    free_ldt(k, mm)
    mm.ldt_pfn, mm.ldt_entries = pfn, len(table) // LDT_ENTRY_SIZE
    load_mm_ldt(k, mm)
    return 0


@syscall(123, "func:int ptr:address bytecount:size")
def sys_modify_ldt(k: Kernel, func: int, ptr: int, size: int) -> int:
    """modify_ldt: read the table (how many bytes), or write one of its entries. ENOSYS for another function,
    EINVAL for an entry, a size or a descriptor that cannot be, EFAULT, ENOMEM.
    """
    if func == READ:
        table = _table(k, user_mm(k))
        if not table:
            return 0
        size = min(size, LDT_ENTRIES * LDT_ENTRY_SIZE)
        copy_to_user(k, ptr, table[:size].ljust(size, b"\0"))
        return size
    if func == READ_DEFAULT:
        size = min(size, _DEFAULT_SIZE)
        copy_to_user(k, ptr, bytes(size))
        return size
    if func in (WRITE_OLD, WRITE):
        return _write(k, ptr, size, old=func == WRITE_OLD)
    raise Errno(ENOSYS)
