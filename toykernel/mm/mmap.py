"""mmap, munmap, and taking an address space down (mm/mmap.c). The heap and stack are in heap.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm, free_pgtables
from toykernel.arch.x86.uaccess import get_user
from toykernel.errno import (
    EACCES,
    EAGAIN,
    EEXIST,
    EINVAL,
    ENOMEM,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    Errno,
)
from toykernel.fs.file import fget_open
from toykernel.fs.inode import F_SEAL_FUTURE_WRITE, F_SEAL_WRITE
from toykernel.kernel.cred import CAP_SYS_RAWIO, capable
from toykernel.mm.filemap import AddressSpace, keep_program, shmem_zero_setup
from toykernel.mm.guards import remove_guards
from toykernel.mm.limits import OVERCOMMIT_NEVER, can_do_mlock, charge, may_expand_vm, may_lock
from toykernel.mm.mdwe import map_deny_write_exec
from toykernel.mm.memory import populate_range, unmap_page_range, unmap_vmas
from toykernel.mm.mm_types import (
    READ_IMPLIES_EXEC,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_SEALED,
    VM_SHARED,
    MmStruct,
    VmArea,
)
from toykernel.mm.mman import (
    LEGACY_MAP_MASK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_TYPE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    calc_vm_prot_bits,
    no_huge_page,
)
from toykernel.mm.vma import carve, free_area, merge, new_area
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel

_OFFSET = PAGE_SIZE - 1
#: The room left for the stack above mmap_base: between 128 MiB and 5/6 of user space.
MIN_GAP, MAX_GAP = 128 << 20, TASK_SIZE // 6 * 5
TASK_UNMAPPED_BASE = TASK_SIZE // 3


def page_align(address: int) -> int:
    """Round up to a page boundary; the result may be 2**32."""
    return (address + _OFFSET) & ~_OFFSET


def page_align_word(length: int) -> int:
    """PAGE_ALIGN of an unsigned long: the last page's worth of lengths comes out as 0."""
    return page_align(length) & 0xFFFFFFFF


def user_mm(k: Kernel) -> MmStruct:
    """The address space of the calling process; a kernel thread has none and never asks."""
    mm = k.current.mm
    assert mm is not None
    return mm


def arch_pick_mmap_layout(mm: MmStruct, stack_limit: int) -> None:
    """Where mmap starts to look, downwards, leaving room for the stack of `stack_limit` bytes."""
    mm.mmap_base = mmap_base(stack_limit)


def mmap_base(stack_limit: int) -> int:
    """The upper end of what mmap gives out, for a stack of so many bytes."""
    return page_align(TASK_SIZE - min(max(stack_limit, MIN_GAP), MAX_GAP))


def get_unmapped_area(k: Kernel, mm: MmStruct, addr: int, length: int, flags: int) -> int:
    """A place for `length` bytes (a multiple of the page size). Raises Errno(ENOMEM) without one.

    With MAP_FIXED it is `addr` whatever is there; otherwise `addr` if it is free, else the highest
    hole below mmap_base, else the lowest above TASK_UNMAPPED_BASE.
    """
    if length > TASK_SIZE:
        raise Errno(ENOMEM)
    if flags & MAP_FIXED:
        if addr > TASK_SIZE - length:
            raise Errno(ENOMEM)
        if addr & _OFFSET:
            raise Errno(EINVAL)
        if addr < k.memory.mmap_min_addr and not capable(k, CAP_SYS_RAWIO):
            raise Errno(EPERM)
        return addr
    if addr:
        addr = page_align(max(addr, k.memory.mmap_min_addr))
        if addr <= TASK_SIZE - length and _is_free(k, mm, addr, addr + length):
            return addr
    return _topdown_hole(k, mm, length)


def _gap_start(k: Kernel, area: VmArea) -> int:
    """Where an area begins for its neighbours: a growing stack keeps its distance."""
    gap = k.memory.stack_guard_gap if area.vm_flags & VM_GROWSDOWN else 0
    return max(area.vm_start - gap, 0)


def _is_free(k: Kernel, mm: MmStruct, start: int, end: int) -> bool:
    if mm.overlapping(start, end):
        return False
    above = mm.find_vma(start)
    return above is None or end <= _gap_start(k, above)


def _topdown_hole(k: Kernel, mm: MmStruct, length: int) -> int:
    for start, end in mm.areas.holes_below(mm.mmap_base, k.memory.stack_guard_gap):
        if max(start, k.memory.mmap_min_addr) + length <= end:
            return end - length
    bottom = TASK_UNMAPPED_BASE  # nothing below: look upwards, through the stack's room too
    for area in mm.overlapping(bottom, TASK_SIZE):
        if bottom + length <= _gap_start(k, area):
            return bottom
        bottom = max(bottom, area.vm_end)
    if bottom + length <= TASK_SIZE:
        return bottom
    raise Errno(ENOMEM)


def do_mmap_pgoff(
    k: Kernel, file: File | None, addr: int, length: int, prot: int, flags: int, pgoff: int
) -> int:
    """Map `length` bytes of a file from page `pgoff`, or of fresh memory; the linear address.
    Raises Errno: EINVAL, EACCES, ENODEV, EOVERFLOW, ENOMEM, EAGAIN over RLIMIT_MEMLOCK, EPERM, EEXIST
    with MAP_FIXED_NOREPLACE where something is, EOPNOTSUPP for a flag that MAP_SHARED_VALIDATE bars.
    """
    mm = user_mm(k)
    if not length:
        raise Errno(EINVAL)
    flags |= MAP_FIXED if flags & MAP_FIXED_NOREPLACE else 0
    if not flags & MAP_FIXED:
        addr &= ~_OFFSET
        addr = max(addr, k.memory.mmap_min_addr) if addr else 0
    length = page_align(length)
    if not length or length > 0xFFFFFFFF:
        raise Errno(ENOMEM)
    if pgoff + (length >> 12) >> 32:
        raise Errno(EOVERFLOW)
    if len(mm.areas) > k.memory.max_map_count:
        raise Errno(ENOMEM)
    addr = get_unmapped_area(k, mm, addr, length, flags)
    if flags & MAP_FIXED_NOREPLACE and mm.overlapping(addr, addr + length):
        raise Errno(EEXIST)
    noexec = file is not None and file.f_path is not None and file.f_path.noexec
    if prot & PROT_READ and k.current.personality & READ_IMPLIES_EXEC and not noexec:
        prot |= PROT_EXEC
    vm_flags = calc_vm_prot_bits(prot) | mm.def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    vm_flags |= VM_GROWSDOWN if flags & MAP_GROWSDOWN else 0
    if map_deny_write_exec(mm, vm_flags, vm_flags):
        raise Errno(EACCES)
    if flags & MAP_LOCKED:
        if not can_do_mlock(k):
            raise Errno(EPERM)
        vm_flags |= VM_LOCKED
    if vm_flags & VM_LOCKED and not may_lock(k, mm, length >> 12):
        raise Errno(EAGAIN)
    kind = _sharing(flags, file)
    mapping: AddressSpace | None = None
    name = ""
    if kind == MAP_SHARED:
        vm_flags |= VM_SHARED | VM_MAYSHARE
    if file is not None:
        vm_flags = _check_file_rights(file, prot, kind, vm_flags)
        mapping = file.op.mmap(k, file)
        if vm_flags & VM_GROWSDOWN:
            raise Errno(EINVAL)  # only a stack grows
    if mapping is not None:
        name = mapping.name
    elif vm_flags & VM_SHARED:
        mapping, pgoff = shmem_zero_setup(length), 0
        name = mapping.name
    else:
        pgoff = addr >> 12
    place = mmap_region(k, mm, addr, length, flags, vm_flags, pgoff, mapping, name)
    if mapping is not None and kind == MAP_PRIVATE and vm_flags & VM_EXEC:
        keep_program(k, mapping)
    return place


def _sharing(flags: int, file: File | None) -> int:
    """MAP_SHARED or MAP_PRIVATE. Raises Errno(EINVAL), Errno(EOPNOTSUPP)."""
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED_VALIDATE and file is not None:
        if flags & ~LEGACY_MAP_MASK:
            raise Errno(EOPNOTSUPP)
        kind = MAP_SHARED
    if kind not in (MAP_SHARED, MAP_PRIVATE):
        raise Errno(EINVAL)
    if flags & MAP_GROWSDOWN and kind == MAP_SHARED and file is None:
        raise Errno(EINVAL)
    return kind


def _check_file_rights(file: File, prot: int, kind: int, vm_flags: int) -> int:
    """The area's flags, as far as the open file allows. Raises Errno(EACCES)."""
    if not file.readable or (kind == MAP_SHARED and prot & PROT_WRITE and not file.writable):
        raise Errno(EACCES)
    if file.f_path is not None and file.f_path.noexec:
        if prot & PROT_EXEC:
            raise Errno(EPERM)
        vm_flags &= ~VM_MAYEXEC
    seals = file.inode.seals
    if kind == MAP_SHARED and seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        if prot & PROT_WRITE:
            raise Errno(EPERM)
        vm_flags &= ~VM_MAYWRITE
    if kind == MAP_SHARED and not file.writable:
        vm_flags &= ~(VM_MAYWRITE | VM_SHARED)  # it can never become writable
    return vm_flags


def mmap_region(
    k: Kernel,
    mm: MmStruct,
    addr: int,
    length: int,
    flags: int,
    vm_flags: int,
    pgoff: int,
    mapping: AddressSpace | None,
    name: str,
) -> int:
    """Make an area of a place, whatever was there; its address. Raises Errno(ENOMEM)."""
    if mm.overlapping(addr, addr + length):
        do_munmap(k, mm, addr, length)  # only MAP_FIXED leads here
    if not may_expand_vm(k, mm, length >> 12):
        raise Errno(ENOMEM)
    if flags & MAP_NORESERVE and k.memory.overcommit_memory != OVERCOMMIT_NEVER:
        vm_flags |= VM_NORESERVE
    else:
        vm_flags = charge(k, vm_flags, length >> 12)
    mm.insert(new_area(k, addr, addr + length, vm_flags, name, pgoff=pgoff, mapping=mapping))
    merge(k, mm, addr, addr + length)
    locked = vm_flags & (VM_LOCKED | VM_LOCKONFAULT) == VM_LOCKED
    if locked or (flags & MAP_POPULATE and not flags & MAP_NONBLOCK):
        populate_range(k, mm, addr, addr + length)
    return addr


def do_munmap(k: Kernel, mm: MmStruct, start: int, length: int) -> None:
    """Take [start, start + length) away. Raises Errno(EINVAL), or Errno(ENOMEM) for a split."""
    if start & _OFFSET or start > TASK_SIZE or length > TASK_SIZE - start:
        raise Errno(EINVAL)
    length = page_align(length)
    if not length:
        raise Errno(EINVAL)
    end = start + length
    if any(area.vm_flags & VM_SEALED for area in mm.overlapping(start, end)):
        raise Errno(EPERM)
    gone = carve(k, mm, start, end)
    remove_guards(mm, start, end)
    for area in gone:
        unmap_page_range(k, mm, area.vm_start, area.vm_end)
        mm.remove(area)
    if gone:
        free_pgtables(k, mm, start, end)
        flush_tlb_mm(k, mm)
    for area in gone:
        free_area(k, area)


def exit_mmap(k: Kernel, mm: MmStruct) -> None:
    """Take every area, page and table away; the directory stays."""
    areas = list(mm)
    unmap_vmas(k, mm, [(area.vm_start, area.vm_end) for area in areas])
    mm.remove_all()
    free_pgtables(k, mm)
    flush_tlb_mm(k, mm)
    for area in areas:
        free_area(k, area)


# -- system calls ----------------------------------------------------------------------------------


def _mapped_file(k: Kernel, flags: int, fd: int) -> File | None:
    if not flags & MAP_ANONYMOUS:
        return fget_open(k, fd)
    if flags & MAP_HUGETLB:
        raise Errno(no_huge_page(flags))
    return None


@syscall(192, "addr:address length:size prot:prot flags:mmap_flags fd:fd pgoffset:hex")
def sys_mmap2(k: Kernel, addr: int, length: int, prot: int, flags: int, fd: int, pgoff: int) -> int:
    """mmap2: map memory; the offset counts pages of 4096 bytes.

    Errors are do_mmap_pgoff's, and Errno(EBADF).
    """
    return do_mmap_pgoff(k, _mapped_file(k, flags, fd), addr, length, prot, flags, pgoff)


@syscall(90, "arg:address", name="mmap")
def sys_old_mmap(k: Kernel, arg: int) -> int:
    """mmap: the old form, six words in memory; the offset counts bytes.

    EINVAL when that is not whole pages.
    """
    addr, length, prot, flags, fd, offset = (get_user(k, arg + 4 * n) for n in range(6))
    if offset & _OFFSET:
        raise Errno(EINVAL)
    fd = fd - (1 << 32) if fd >> 31 else fd
    return sys_mmap2(k, addr, length, prot, flags, fd, offset >> 12)


@syscall(91, "addr:address length:size")
def sys_munmap(k: Kernel, addr: int, length: int) -> int:
    """munmap: whatever is mapped in the range goes, holes do not matter.

    EINVAL for a bad range, ENOMEM for a split.
    """
    do_munmap(k, user_mm(k), addr, length)
    return 0
