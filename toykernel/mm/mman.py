"""Numbers of the memory calls (asm-generic/mman.h), i386 values."""

from __future__ import annotations

from toykernel.mm.mm_types import VM_EXEC, VM_READ, VM_WRITE

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM = 0, 1, 2, 4, 8
PROT_GROWSDOWN, PROT_GROWSUP = 0x01000000, 0x02000000

MAP_SHARED, MAP_PRIVATE, MAP_TYPE = 0x01, 0x02, 0x0F
MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN = 0x10, 0x20, 0x0100
MAP_DENYWRITE, MAP_EXECUTABLE, MAP_LOCKED = 0x0800, 0x1000, 0x2000
MAP_NORESERVE, MAP_POPULATE, MAP_NONBLOCK, MAP_STACK = 0x4000, 0x8000, 0x10000, 0x20000
MAP_HUGETLB = 0x40000

MS_ASYNC, MS_INVALIDATE, MS_SYNC = 1, 2, 4

MCL_CURRENT, MCL_FUTURE = 1, 2

MREMAP_MAYMOVE, MREMAP_FIXED = 1, 2

MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED = range(5)
MADV_DONTFORK, MADV_DOFORK = 10, 11


def calc_vm_prot_bits(prot: int) -> int:
    """PROT_ bits as VM_ bits; any others are dropped (calc_vm_prot_bits, linux/mman.h)."""
    pairs = ((PROT_READ, VM_READ), (PROT_WRITE, VM_WRITE), (PROT_EXEC, VM_EXEC))
    return sum(flag for bit, flag in pairs if prot & bit)
