"""Cutting a file's page cache (mm/truncate.c): what is mapped beyond the new end is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm
from toykernel.mm.memory import unmap_page_range

if TYPE_CHECKING:
    from toykernel.mm.filemap import AddressSpace
    from toykernel.state import Kernel


def truncate_setsize(k: Kernel, mapping: AddressSpace, size: int) -> None:
    """Give a file another size: zeros follow where it grows.

    Pages that lie wholly beyond the end are no longer mapped anywhere, private copies of them included:
    who touches them gets SIGBUS. In the page that the end lies in, the rest becomes zeros.
    """
    contents = mapping.contents
    assert contents is not None
    mapping.write_back(k)
    grows = size >= contents.size
    contents.resize(size)
    if grows:
        return
    first_gone = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
    unmap_mapping_range(k, mapping, first_gone)
    for index, pfn in sorted(mapping.pages.items()):
        if index >= first_gone:
            del mapping.pages[index]
            k.memory.pages.put_page(k, pfn)
    last = mapping.pages.get(size >> PAGE_SHIFT)
    if last is not None and size & (PAGE_SIZE - 1):
        offset = size & (PAGE_SIZE - 1)
        k.machine.ram.fill((last << PAGE_SHIFT) + offset, PAGE_SIZE - offset)


def unmap_mapping_range(k: Kernel, mapping: AddressSpace, first: int) -> None:
    """Take every page from an index on out of every address space that maps the file."""
    if not mapping.i_mmap:
        return
    for _, mm in sorted(k.memory.mms.items()):
        cut = False
        for area in mm:
            if area.mapping is not mapping:
                continue
            start = area.vm_start + (max(first - area.vm_pgoff, 0) << PAGE_SHIFT)
            if start < area.vm_end:
                unmap_page_range(k, mm, start, area.vm_end)
                cut = True
        if cut:
            flush_tlb_mm(k, mm)


def punch_hole(k: Kernel, mapping: AddressSpace, start: int, end: int) -> None:
    """Whole pages of a file, or of memory without one, become zeros for everybody (FALLOC_FL_PUNCH_HOLE)."""
    for index in range(start >> PAGE_SHIFT, end >> PAGE_SHIFT):
        pfn = mapping.pages.get(index)
        if pfn is not None:
            k.machine.ram.fill(pfn << PAGE_SHIFT, PAGE_SIZE)
    if mapping.contents is not None:
        stop = min(end, len(mapping.contents))
        if start < stop:
            mapping.contents.punch(start, stop)
