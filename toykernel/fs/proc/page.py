"""What /proc says of every frame: kpagecount and kpageflags (fs/proc/page.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, Errno
from toykernel.fs.file import File
from toykernel.fs.proc.node import seq_read

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.state import Kernel

KPF_REFERENCED, KPF_SLAB, KPF_BUDDY, KPF_MMAP, KPF_ANON = 2, 7, 10, 11, 12
KPF_NOPAGE, KPF_ZERO_PAGE = 20, 24
_CHUNK = 4096


def _words(k: Kernel, file: File, buf: int, count: int, word: Callable[[Kernel, int], int]) -> int:
    if file.pos % 8 or count % 8:
        raise Errno(EINVAL)
    first = file.pos // 8
    last = min(first + min(count, _CHUNK) // 8, k.memory.pages.frames)
    if first >= last:
        return 0
    data = struct.pack(f"<{last - first}Q", *(word(k, pfn) for pfn in range(first, last)))
    base, file.pos = file.pos, 0
    copied = seq_read(k, file, buf, len(data), data)
    file.pos = base + copied
    return copied


def _count(k: Kernel, pfn: int) -> int:
    return k.memory.rmap.mapcount(pfn)


def _flags(k: Kernel, pfn: int) -> int:
    if pfn == k.memory.zero_pfn:
        return 1 << KPF_ZERO_PAGE
    if pfn < k.memory.reserved_end:
        return 1 << 32  # KPF_RESERVED
    if not k.memory.pages.page_count(pfn):
        return 1 << KPF_BUDDY
    if k.memory.rmap.mapcount(pfn):
        cached = any(pfn in m.pages.values() for m in k.memory.mappings.values())
        return 1 << KPF_MMAP | (0 if cached else 1 << KPF_ANON) | 1 << KPF_REFERENCED
    return 0


def kpagecount_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """How many page-table entries lead to each frame, a word of 64 bits each. Raises Errno(EINVAL)."""
    return _words(k, file, buf, count, _count)


def kpageflags_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """What each frame is used for, as KPF_ bits, a word of 64 bits each. Raises Errno(EINVAL)."""
    return _words(k, file, buf, count, _flags)
