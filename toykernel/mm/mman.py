"""Numbers of the memory calls (asm-generic/mman.h), i386 values."""

from __future__ import annotations

from toykernel.errno import EINVAL, ENOMEM
from toykernel.mm.mm_types import VM_EXEC, VM_READ, VM_WRITE

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC, PROT_SEM = 0, 1, 2, 4, 8
PROT_GROWSDOWN, PROT_GROWSUP = 0x01000000, 0x02000000

MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_TYPE = 0x01, 0x02, 0x03, 0x0F
MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN = 0x10, 0x20, 0x0100
MAP_DENYWRITE, MAP_EXECUTABLE, MAP_LOCKED = 0x0800, 0x1000, 0x2000
MAP_NORESERVE, MAP_POPULATE, MAP_NONBLOCK, MAP_STACK = 0x4000, 0x8000, 0x10000, 0x20000
MAP_HUGETLB, MAP_SYNC, MAP_FIXED_NOREPLACE = 0x40000, 0x80000, 0x100000

#: Where a flag word has the wanted size of huge pages, as a power of two, 0 for the default; and what i386
#: without PAE has, 4 MiB.
MAP_HUGE_SHIFT, MAP_HUGE_MASK, HPAGE_SHIFT = 26, 0x3F, 22

MS_ASYNC, MS_INVALIDATE, MS_SYNC = 1, 2, 4

#: What MAP_SHARED_VALIDATE does not refuse (LEGACY_MAP_MASK).
LEGACY_MAP_MASK = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN
LEGACY_MAP_MASK |= MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE
LEGACY_MAP_MASK |= MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB

MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
MLOCK_ONFAULT = 1

MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4

MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED = range(5)
MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE = range(8, 14)
MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP = range(14, 18)
MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT = range(18, 22)
MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED = range(22, 25)
MADV_GUARD_INSTALL, MADV_GUARD_REMOVE = 102, 103


def calc_vm_prot_bits(prot: int) -> int:
    """PROT_ bits as VM_ bits; any others are dropped (calc_vm_prot_bits, linux/mman.h)."""
    pairs = ((PROT_READ, VM_READ), (PROT_WRITE, VM_WRITE), (PROT_EXEC, VM_EXEC))
    return sum(flag for bit, flag in pairs if prot & bit)


def no_huge_page(flags: int) -> int:
    """Why there are no huge pages for flags of mmap or shmget (hstate_sizelog): EINVAL for a size that the
    machine does not have, ENOMEM as their pool is empty.
    """
    size = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    return ENOMEM if size in (0, HPAGE_SHIFT) else EINVAL
