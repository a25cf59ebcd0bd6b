"""Cutting a file's page cache (mm/truncate.c): what is mapped beyond the new end is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm, get_pte, pte_present
from toykernel.mm.memory import zap_page_range

if TYPE_CHECKING:
    from toykernel.mm.filemap import AddressSpace
    from toykernel.mm.mm_types import MmStruct
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
                zap_page_range(k, mm, area, start, area.vm_end)
                cut = True
        if cut:
            flush_tlb_mm(k, mm)


def punch_hole(k: Kernel, mapping: AddressSpace, start: int, end: int) -> None:
    """Whole pages of a file, or of memory without one, are gone for everybody: who touches them finds zeros
    (FALLOC_FL_PUNCH_HOLE). Private copies stay."""
    gone = [at for at in range(start >> PAGE_SHIFT, end >> PAGE_SHIFT) if at in mapping.pages]
    if gone and mapping.i_mmap:
        for _, mm in sorted(k.memory.mms.items()):
            _unmap_pages(k, mm, mapping, gone)
    for index in gone:
        k.memory.pages.put_page(k, mapping.pages.pop(index))
    if mapping.contents is not None:
        stop = min(end, len(mapping.contents))
        if start < stop:
            mapping.contents.punch(start, stop)


def _unmap_pages(k: Kernel, mm: MmStruct, mapping: AddressSpace, indices: list[int]) -> None:
    """Where an address space maps these pages themselves, it maps nothing any more."""
    for area in [area for area in mm if area.mapping is mapping]:
        for index in indices:
            address = area.vm_start + ((index - area.vm_pgoff) << PAGE_SHIFT)
            if not area.vm_start <= address < area.vm_end:
                continue
            pte = get_pte(k, mm, address)
            if pte_present(pte) and pte >> PAGE_SHIFT == mapping.pages[index]:
                zap_page_range(k, mm, area, address, address + PAGE_SIZE)
    flush_tlb_mm(k, mm)
