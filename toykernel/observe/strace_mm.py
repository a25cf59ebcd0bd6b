"""How strace writes the arguments of calls on memory: flags by name (include/asm-generic/mman.h)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from toykernel.observe.strace_memory import Memory
from toykernel.syscalls import Kind

Printer = Callable[[Memory, int, Sequence[int]], str]

_PROT = {
    1: "PROT_READ", 2: "PROT_WRITE", 4: "PROT_EXEC", 8: "PROT_SEM",
    0x01000000: "PROT_GROWSDOWN", 0x02000000: "PROT_GROWSUP",
}  # fmt: skip
_MAP_TYPES = {1: "MAP_SHARED", 2: "MAP_PRIVATE", 3: "MAP_SHARED_VALIDATE"}
_MAP = {
    0x10: "MAP_FIXED", 0x20: "MAP_ANONYMOUS", 0x4000: "MAP_NORESERVE", 0x8000: "MAP_POPULATE",
    0x10000: "MAP_NONBLOCK", 0x100: "MAP_GROWSDOWN", 0x800: "MAP_DENYWRITE", 0x1000: "MAP_EXECUTABLE",
    0x2000: "MAP_LOCKED", 0x20000: "MAP_STACK", 0x40000: "MAP_HUGETLB", 0x80000: "MAP_SYNC",
    0x100000: "MAP_FIXED_NOREPLACE",
}  # fmt: skip
_MADVICE = {
    0: "MADV_NORMAL", 1: "MADV_RANDOM", 2: "MADV_SEQUENTIAL", 3: "MADV_WILLNEED", 4: "MADV_DONTNEED",
    8: "MADV_FREE", 9: "MADV_REMOVE", 10: "MADV_DONTFORK", 11: "MADV_DOFORK", 12: "MADV_MERGEABLE",
    13: "MADV_UNMERGEABLE", 14: "MADV_HUGEPAGE", 15: "MADV_NOHUGEPAGE", 16: "MADV_DONTDUMP",
    17: "MADV_DODUMP", 18: "MADV_WIPEONFORK", 19: "MADV_KEEPONFORK", 100: "MADV_HWPOISON",
}  # fmt: skip
_MREMAP = {1: "MREMAP_MAYMOVE", 2: "MREMAP_FIXED", 4: "MREMAP_DONTUNMAP"}
_MSYNC = {1: "MS_ASYNC", 2: "MS_INVALIDATE", 4: "MS_SYNC"}
_MLOCKALL = {1: "MCL_CURRENT", 2: "MCL_FUTURE", 4: "MCL_ONFAULT"}


def _flags(names: Mapping[int, str], prefix: str, none: str = "0") -> Printer:
    def text(_memory: Memory, word: int, _following: Sequence[int]) -> str:
        known = [name for bit, name in names.items() if word & bit]
        left = word & ~sum(names)
        if not known and left:
            return f"{left:#x} /* {prefix}_??? */"
        return "|".join([*known, *([f"{left:#x}"] if left else [])]) or none

    return text


def _map_flags(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    kind = _MAP_TYPES.get(word & 15, f"{word & 15:#x} /* MAP_??? */")
    more = [name for bit, name in _MAP.items() if word & bit]
    left = word & ~15 & ~sum(_MAP)
    return "|".join([kind, *more, *([f"{left:#x}"] if left else [])])


def _madvice(_memory: Memory, word: int, _following: Sequence[int]) -> str:
    return _MADVICE.get(word, f"{word:#x} /* MADV_??? */")


#: By kind of argument, for strace_format.
MEMORY_PRINTERS: Mapping[Kind, Printer] = {
    Kind.PROT: _flags(_PROT, "PROT", "PROT_NONE"),
    Kind.MMAP_FLAGS: _map_flags,
    Kind.MREMAP_FLAGS: _flags(_MREMAP, "MREMAP"),
    Kind.MADVICE: _madvice,
    Kind.MSYNC_FLAGS: _flags(_MSYNC, "MS"),
    Kind.MLOCKALL_FLAGS: _flags(_MLOCKALL, "MCL"),
    Kind.MLOCK_FLAGS: _flags({1: "MLOCK_ONFAULT"}, "MLOCK"),
}
