"""/proc/PID/pagemap: a word for each page, and PAGEMAP_SCAN, which looks for pages of a kind and asks to be
told of the next write to them (fs/proc/task_mmu.c of 6.7 and later; include/uapi/linux/fs.h)."""

from __future__ import annotations

import struct
from dataclasses import field
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME, PTE_RW
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import (
    PTE_UFFD_WP,
    flush_tlb_mm,
    get_pte,
    pte_offset,
    pte_present,
    set_pte,
)
from toykernel.arch.x86.uaccess import access_ok, copy_from_user, copy_to_user
from toykernel.errno import EFAULT, EINVAL, EPERM, Errno
from toykernel.fs.file import File
from toykernel.fs.proc.node import seq_read, task_of
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.mm.mm_types import FEATURE_WP_ASYNC, UFFD_MODE_WP, MmStruct, VmArea

if TYPE_CHECKING:
    from toykernel.state import Kernel

PM_PRESENT, PM_SWAP, PM_FILE = 1 << 63, 1 << 62, 1 << 61
PM_GUARD_REGION, PM_UFFD_WP, PM_MMAP_EXCLUSIVE = 1 << 58, 1 << 57, 1 << 56
_CHUNK = 4096
#: PTE_MARKER_, and of what kind of swap entry Linux makes them (linux/swapops.h).
_UFFD_WP, _POISONED, _GUARD = 1, 2, 4
_SWP_PTE_MARKER, _SWP_TYPE_BITS = 31, 5

PAGEMAP_SCAN = 0xC0606610
PAGE_IS_WPALLOWED, PAGE_IS_WRITTEN, PAGE_IS_FILE, PAGE_IS_PRESENT = 1, 2, 4, 8
PAGE_IS_SWAPPED, PAGE_IS_PFNZERO, PAGE_IS_GUARD = 16, 32, 256
PM_SCAN_WP_MATCHING, PM_SCAN_CHECK_WPASYNC = 1, 2
_CATEGORIES = 0x1FF
#: struct pm_scan_arg, where its walk_end lies, and struct page_region.
_ARG, _WALK_END, _REGION = struct.Struct("<12Q"), 32, struct.Struct("<3Q")


def pagemap_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """A word of 64 bits for each page: whether it is there, whose it is, and its frame for who has
    CAP_SYS_ADMIN. Raises Errno(EINVAL) unless words are read.
    """
    if file.pos % 8 or count % 8:
        raise Errno(EINVAL)
    task = task_of(k, file.inode)
    mm = task.mm
    end = TASK_SIZE >> PAGE_SHIFT
    first = file.pos // 8
    if mm is None or first >= end:
        return 0
    show = capable(k, CAP_SYS_ADMIN)
    done = 0
    for start in range(first, min(first + count // 8, end), _CHUNK // 8):
        stop = min(first + count // 8, end, start + _CHUNK // 8)
        words = [_pagemap_entry(k, mm, page << PAGE_SHIFT, show) for page in range(start, stop)]
        data = struct.pack(f"<{len(words)}Q", *words)
        base, file.pos = file.pos, 0
        copied = seq_read(k, file, buf + done, len(data), data)
        file.pos = base + copied
        done += copied
        if copied < len(data):
            break
    return done


def _pagemap_entry(k: Kernel, mm: MmStruct, address: int, show: bool) -> int:
    pte = get_pte(k, mm, address)
    if not pte_present(pte):
        marker = _marker(mm, address)
        if not marker:
            return 0
        word = PM_UFFD_WP if address in mm.uffd_wp else 0
        word |= PM_GUARD_REGION if marker == _GUARD else 0
        return PM_SWAP | word | (marker << _SWP_TYPE_BITS | _SWP_PTE_MARKER if show else 0)
    pfn = (pte & PTE_FRAME) >> PAGE_SHIFT
    word = PM_PRESENT | (pfn if show else 0) | (PM_UFFD_WP if pte & PTE_UFFD_WP else 0)
    if pfn == k.memory.zero_pfn:
        return word
    if _of_file(mm.find_exact(address), address, pfn):
        word |= PM_FILE
    if k.memory.rmap.mapcount(pfn) == 1:
        word |= PM_MMAP_EXCLUSIVE
    return word


def _marker(mm: MmStruct, address: int) -> int:
    """PTE_MARKER_ bits of a page that is not there."""
    if address in mm.guards:
        return _GUARD
    if address in mm.uffd_poison:
        return _POISONED
    return _UFFD_WP if address in mm.uffd_wp else 0


def _of_file(area: VmArea | None, address: int, pfn: int) -> bool:
    """Whether a page is the page cache's own, and no copy of it."""
    if area is None or area.mapping is None:
        return False
    return area.mapping.pages.get(area.page_index(address)) == pfn


# -- PAGEMAP_SCAN ----------------------------------------------------------------------------------


@dataclass
class Scan:
    """struct pagemap_scan_private: what is asked for, and what has been found."""

    flags: int
    start: int
    end: int
    vec: int
    vec_len: int
    max_pages: int
    inverted: int
    mask: int
    anyof: int
    returned: int
    regions: list[list[int]] = field(default_factory=list)
    found: int = 0
    walk_end: int = 0

    def wants(self, categories: int) -> bool:
        """pagemap_scan_is_interesting_page."""
        categories ^= self.inverted
        if categories & self.mask != self.mask:
            return False
        return not self.anyof or bool(categories & self.anyof)

    def output(self, categories: int, address: int) -> bool:
        """A page joins what was found; False when that is full, and the walk ends before the page."""
        if not self.vec_len:
            return True
        last = self.regions[-1] if self.regions else None
        shown = categories & self.returned
        joins = last is not None and last[1] == address and last[2] == shown
        if self.found == self.max_pages or (not joins and len(self.regions) == self.vec_len):
            self.walk_end = address
            return False
        if last is not None and joins:
            last[1] += PAGE_SIZE
        else:
            self.regions.append([address, address + PAGE_SIZE, shown])
        self.found += 1
        return True


def pagemap_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """PAGEMAP_SCAN: the regions of pages of the categories asked for, and how many they are; with
    PM_SCAN_WP_MATCHING the next write to each is noticed from then on. EINVAL for another request or for the
    record; EPERM for memory without UFFD_FEATURE_WP_ASYNC when that is to be told; EFAULT.
    """
    if request != PAGEMAP_SCAN:
        raise Errno(EINVAL)
    scan = _scan(k, argp)
    mm = task_of(k, file.inode).mm
    refused = None
    try:
        for area in mm.overlapping(scan.start, scan.end) if mm is not None else ():
            assert mm is not None
            if not _scan_area(k, mm, area, scan):
                break
    except Errno as error:
        refused = error
    finally:
        if mm is not None and scan.flags & PM_SCAN_WP_MATCHING:
            flush_tlb_mm(k, mm)
    if scan.regions:
        copy_to_user(k, scan.vec, b"".join(_REGION.pack(*region) for region in scan.regions))
    copy_to_user(k, argp + _WALK_END, struct.pack("<Q", scan.walk_end or scan.end))
    if refused is not None:
        raise refused
    return len(scan.regions)


def _scan(k: Kernel, argp: int) -> Scan:
    """pagemap_scan_get_args. Raises Errno(EINVAL), Errno(EFAULT)."""
    size, flags, start, end, _, vec, vec_len, max_pages, *masks = _ARG.unpack(
        copy_from_user(k, argp, _ARG.size)
    )
    if size != _ARG.size or flags & ~(PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC):
        raise Errno(EINVAL)
    if any(mask & ~_CATEGORIES for mask in masks) or start % PAGE_SIZE:
        raise Errno(EINVAL)
    if not access_ok(start, end - start):
        raise Errno(EFAULT)
    if vec_len and not vec:
        raise Errno(EINVAL)
    if vec and not access_ok(vec, vec_len * _REGION.size):
        raise Errno(EFAULT)
    end = (end + PAGE_SIZE - 1) & -PAGE_SIZE
    return Scan(flags, start, end, vec, vec_len, max_pages or 1 << 64, *masks)


def _scan_area(k: Kernel, mm: MmStruct, area: VmArea, scan: Scan) -> bool:
    """What there is of one area; False when that is all. Raises Errno(EPERM)."""
    allowed = area.uffd_mode & UFFD_MODE_WP and area.has_uffd_feature(FEATURE_WP_ASYNC)
    protect = scan.flags & PM_SCAN_WP_MATCHING
    if not allowed and scan.flags & PM_SCAN_CHECK_WPASYNC:
        raise Errno(EPERM)
    if not allowed and protect:
        return True
    common = PAGE_IS_WPALLOWED if allowed else 0
    if (common ^ scan.inverted) & scan.mask & PAGE_IS_WPALLOWED != scan.mask & PAGE_IS_WPALLOWED:
        return True
    every = protect and not scan.vec_len  # whatever it is: there is nowhere to tell of it
    for address in range(max(area.vm_start, scan.start), min(area.vm_end, scan.end), PAGE_SIZE):
        categories = common | page_category(k, mm, area, address)
        if not every:
            if not scan.wants(categories):
                continue
            if not scan.output(categories, address):
                return False
        if protect and categories & PAGE_IS_WRITTEN:
            make_uffd_wp_pte(k, mm, address)
    return True


def page_category(k: Kernel, mm: MmStruct, area: VmArea, address: int) -> int:
    """What a page is, in PAGE_IS_ bits."""
    pte = get_pte(k, mm, address)
    if not pte_present(pte):
        marker = _marker(mm, address)
        categories = (PAGE_IS_SWAPPED if marker else 0) | (PAGE_IS_GUARD if marker == _GUARD else 0)
        return categories | (0 if address in mm.uffd_wp else PAGE_IS_WRITTEN)
    pfn = (pte & PTE_FRAME) >> PAGE_SHIFT
    categories = PAGE_IS_PRESENT | (0 if pte & PTE_UFFD_WP else PAGE_IS_WRITTEN)
    if pfn == k.memory.zero_pfn:
        return categories | PAGE_IS_PFNZERO
    return categories | (PAGE_IS_FILE if _of_file(area, address, pfn) else 0)


def make_uffd_wp_pte(k: Kernel, mm: MmStruct, address: int) -> None:
    """The next write to a page is noticed. The caller flushes."""
    pte, at = get_pte(k, mm, address), pte_offset(k, mm, address)
    if at is None or not pte_present(pte):
        mm.uffd_wp.add(address)
        return
    set_pte(k, mm, address, at, pte & ~PTE_RW | PTE_UFFD_WP)
