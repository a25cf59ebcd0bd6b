"""mremap (mm/mremap.c): make a mapping longer or shorter, or move it with its pages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm, free_pgtables
from toykernel.arch.x86.vdso import vdso_mremap
from toykernel.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM, Errno
from toykernel.mm.guards import move_guards
from toykernel.mm.limits import may_expand_vm, may_lock, vm_enough_memory
from toykernel.mm.memory import move_page_tables, populate_range
from toykernel.mm.mm_types import VM_ACCOUNT, VM_LOCKED, VM_SEALED, MmStruct, VmArea
from toykernel.mm.mman import MAP_FIXED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from toykernel.mm.mmap import do_munmap, get_unmapped_area, page_align_word, user_mm
from toykernel.mm.vma import copy_area, free_area, merge
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_OFFSET = PAGE_SIZE - 1


@syscall(
    163, "old_address:address old_size:size new_size:size flags:mremap_flags new_address:address"
)
def sys_mremap(k: Kernel, addr: int, old_len: int, new_len: int, flags: int, new_addr: int) -> int:
    """mremap: the linear address of the mapping afterwards. EINVAL, EFAULT for no such mapping,
    EAGAIN over RLIMIT_MEMLOCK, ENOMEM without room.
    """
    if flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP) or addr & _OFFSET:
        raise Errno(EINVAL)
    keep = bool(flags & MREMAP_DONTUNMAP)
    if keep and (not flags & MREMAP_MAYMOVE or old_len != new_len):
        raise Errno(EINVAL)
    old_len, new_len = page_align_word(old_len), page_align_word(new_len)
    if not new_len:
        raise Errno(EINVAL)
    mm = user_mm(k)
    source = mm.find_exact(addr)
    if source is not None and source.vm_flags & VM_SEALED:
        raise Errno(EPERM)
    if flags & MREMAP_FIXED:
        if not flags & MREMAP_MAYMOVE:
            raise Errno(EINVAL)
        return _mremap_to(k, mm, addr, old_len, new_addr, new_len, keep)
    if keep:
        area = _vma_to_resize(k, mm, addr, old_len, new_len)
        _may_keep(k, mm, area, new_len)
        target = get_unmapped_area(k, mm, 0, new_len, 0)
        return _move_vma(k, mm, area, addr, old_len, target, new_len, keep)
    if old_len >= new_len:
        if old_len > new_len:
            do_munmap(k, mm, addr + new_len, old_len - new_len)
        return addr
    area = _vma_to_resize(k, mm, addr, old_len, new_len)
    if old_len == area.vm_end - addr and _expandable(mm, area, new_len - old_len):
        mm.resize(area, area.vm_start, addr + new_len)
        merge(k, mm, addr + new_len, addr + new_len)
        if area.vm_flags & VM_LOCKED:
            populate_range(k, mm, addr + old_len, addr + new_len)
        return addr
    if not flags & MREMAP_MAYMOVE:
        raise Errno(ENOMEM)
    target = get_unmapped_area(k, mm, 0, new_len, 0)
    return _move_vma(k, mm, area, addr, old_len, target, new_len)


def _mremap_to(
    k: Kernel, mm: MmStruct, addr: int, old_len: int, new_addr: int, new_len: int, keep: bool
) -> int:
    if new_addr & _OFFSET or new_len > TASK_SIZE or new_addr > TASK_SIZE - new_len:
        raise Errno(EINVAL)
    if new_addr < addr + old_len and addr < new_addr + new_len:
        raise Errno(EINVAL)
    get_unmapped_area(k, mm, new_addr, new_len, MAP_FIXED)
    do_munmap(k, mm, new_addr, new_len)
    if old_len > new_len:
        do_munmap(k, mm, addr + new_len, old_len - new_len)
        old_len = new_len
    area = _vma_to_resize(k, mm, addr, old_len, new_len)
    if keep:
        _may_keep(k, mm, area, new_len)
    return _move_vma(k, mm, area, addr, old_len, new_addr, new_len, keep)


def _may_keep(k: Kernel, mm: MmStruct, area: VmArea, length: int) -> None:
    """MREMAP_DONTUNMAP: the old area stays, empty, beside the new one. Raises Errno(ENOMEM)."""
    if not may_expand_vm(k, mm, length >> 12):
        raise Errno(ENOMEM)
    if area.vm_flags & VM_ACCOUNT:
        vm_enough_memory(k, length >> 12)


def _vma_to_resize(k: Kernel, mm: MmStruct, addr: int, old_len: int, new_len: int) -> VmArea:
    """The area, if it may become so long. Raises Errno: EFAULT when it is not one area, EINVAL,
    EAGAIN over RLIMIT_MEMLOCK, ENOMEM over RLIMIT_AS.
    """
    area = mm.find_exact(addr)
    if area is None or old_len > area.vm_end - addr:
        raise Errno(EFAULT)
    pages = max(new_len - old_len, 0) >> 12
    if not old_len and area.mapping is None:
        raise Errno(EINVAL)  # a second view of private memory does not exist
    if area.vm_flags & VM_LOCKED and not may_lock(k, mm, pages):
        raise Errno(EAGAIN)
    if not may_expand_vm(k, mm, pages):
        raise Errno(ENOMEM)
    if area.vm_flags & VM_ACCOUNT:
        vm_enough_memory(k, pages)
    return area


def _expandable(mm: MmStruct, area: VmArea, more: int) -> bool:
    end = area.vm_end + more
    return end <= TASK_SIZE and not mm.overlapping(area.vm_end, end)


def _move_vma(
    k: Kernel,
    mm: MmStruct,
    area: VmArea,
    addr: int,
    old_len: int,
    target: int,
    new_len: int,
    keep: bool = False,
) -> int:
    """A new area with the old one's pages; with `keep` the old one stays, without pages.

    Raises Errno(ENOMEM), changing nothing.
    """
    with ExitStack() as undo:
        twin = copy_area(k, area)
        twin.uffd, twin.uffd_mode = None, 0
        undo.callback(free_area, k, twin)
        undo.callback(free_pgtables, k, mm, target, target + new_len)
        twin.vm_pgoff = area.page_index(addr)
        if twin.mapping is None and not twin.anon_vma:
            twin.vm_pgoff = target >> 12
        twin.vm_start, twin.vm_end = target, target + new_len
        move_page_tables(k, mm, addr, target, old_len)
        move_guards(mm, addr, target, old_len)
        undo.pop_all()
    mm.insert(twin)
    flush_tlb_mm(k, mm)
    locked = twin.vm_flags & VM_LOCKED
    if area.mapping is k.arch.vdso:
        vdso_mremap(k, mm, addr, target)
    if keep:
        mm.set_flags(area, area.vm_flags & ~VM_LOCKED)
    elif old_len:
        do_munmap(k, mm, addr, old_len)
    merge(k, mm, target, target + new_len)
    if locked:
        populate_range(k, mm, target + old_len, target + new_len)
    return target
