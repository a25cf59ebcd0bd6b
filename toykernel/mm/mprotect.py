"""mprotect (mm/mprotect.c): other rights for pages that exist already, and for those to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm
from toykernel.errno import EACCES, EINVAL, ENOMEM, ENOSPC, EPERM, Errno
from toykernel.mm.limits import vm_enough_memory
from toykernel.mm.mdwe import map_deny_write_exec
from toykernel.mm.memory import change_protection
from toykernel.mm.mm_types import (
    READ_IMPLIES_EXEC,
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYEXEC,
    VM_NORESERVE,
    VM_RWX,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
    MmStruct,
    VmArea,
)
from toykernel.mm.mman import (
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
    calc_vm_prot_bits,
)
from toykernel.mm.mmap import page_align, user_mm
from toykernel.mm.vma import isolate, merge
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_GROWS = PROT_GROWSDOWN | PROT_GROWSUP
_PKEY_RIGHTS = 3
_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM


@syscall(125, "addr:address len:size prot:prot")
def sys_mprotect(k: Kernel, start: int, length: int, prot: int) -> int:
    """mprotect: areas are changed one by one, so those before a bad one stay changed."""
    return _do_mprotect_pkey(k, start, length, prot, -1)


def _do_mprotect_pkey(k: Kernel, start: int, length: int, prot: int, pkey: int) -> int:
    grows, prot = prot & _GROWS, prot & ~_GROWS
    if grows == _GROWS or start & (PAGE_SIZE - 1):
        raise Errno(EINVAL)
    if not length:
        return 0
    end = start + page_align(length)
    if end >> 32:
        raise Errno(ENOMEM)
    if prot & ~_KNOWN or pkey != -1:
        raise Errno(EINVAL)
    mm = user_mm(k)
    first = mm.find_vma(start)
    if first is None:
        raise Errno(ENOMEM)
    if grows & PROT_GROWSDOWN:
        if first.vm_start >= end:
            raise Errno(ENOMEM)
        if not first.vm_flags & VM_GROWSDOWN:
            raise Errno(EINVAL)
        start = first.vm_start
    elif first.vm_start > start:
        raise Errno(ENOMEM)
    elif grows & PROT_GROWSUP:  # nothing grows up on i386
        raise Errno(EINVAL)
    implied = prot & PROT_READ and k.current.personality & READ_IMPLIES_EXEC
    try:
        _protect(k, mm, start, end, calc_vm_prot_bits(prot), VM_EXEC if implied else 0)
    finally:
        merge(k, mm, start, end)
        flush_tlb_mm(k, mm)
    return 0


# -- protection keys, on a CPU without them ---------------------------------------------------------


@syscall(380, "addr:address len:size prot:prot pkey:int")
def sys_pkey_mprotect(k: Kernel, start: int, length: int, prot: int, pkey: int) -> int:
    """pkey_mprotect: with the key -1 as mprotect; EINVAL for any other, none of which can be had."""
    return _do_mprotect_pkey(k, start, length, prot, pkey)


@syscall(381, "flags:hex access_rights:hex")
def sys_pkey_alloc(k: Kernel, flags: int, rights: int) -> int:
    """pkey_alloc: EINVAL for a flag or a right that is none, else ENOSPC: the CPU has no keys."""
    raise Errno(EINVAL if flags or rights & ~_PKEY_RIGHTS else ENOSPC)


@syscall(382, "pkey:int")
def sys_pkey_free(k: Kernel, pkey: int) -> int:
    """pkey_free: EINVAL, as for every key that was not given out."""
    raise Errno(EINVAL)


def _protect(k: Kernel, mm: MmStruct, start: int, end: int, rights: int, implied: int) -> None:
    while start < end:
        area = mm.find_exact(start)
        if area is None:
            raise Errno(ENOMEM)
        flags = area.vm_flags & ~VM_RWX | rights
        flags |= implied if flags & VM_MAYEXEC else 0
        if flags & ~(flags >> 4) & VM_RWX:  # more than VM_MAYREAD and so on allow
            raise Errno(EACCES)
        if map_deny_write_exec(mm, area.vm_flags, flags):
            raise Errno(EACCES)
        if area.vm_flags & VM_SEALED:
            raise Errno(EPERM)
        stop = min(area.vm_end, end)
        if flags != area.vm_flags:
            mprotect_fixup(k, mm, area, start, stop, flags)
        start = stop


def mprotect_fixup(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int, flags: int) -> None:
    """The part of one area in [start, end) gets new VM_ flags.

    Raises Errno(ENOMEM), changing nothing.
    """
    if flags & VM_WRITE and not flags & (VM_ACCOUNT | VM_SHARED | VM_NORESERVE):
        vm_enough_memory(k, (end - start) >> 12)
        flags |= VM_ACCOUNT
    area = isolate(k, mm, area, start, end)
    mm.set_flags(area, flags)
    change_protection(k, mm, area)
