"""The vDSO (arch/x86/vdso/vdso32-setup.c): one page of code that every program has, for as long as
vm.vdso_enabled is not 0 when it is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.vdso_image import vdso_image
from toykernel.mm.file_bytes import FileBytes
from toykernel.mm.filemap import AddressSpace
from toykernel.mm.mm_types import (
    VM_EXEC,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    MmStruct,
)
from toykernel.mm.mmap import get_unmapped_area
from toykernel.mm.vma import new_area

if TYPE_CHECKING:
    from toykernel.state import Kernel

NAME = "[vdso]"
_FLAGS = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC


def sysenter_setup(k: Kernel) -> None:
    """Make the page of this kernel; whoever is first to touch it gets a frame for all."""
    profile = k.host.profile
    image, k.arch.vdso_symbols = vdso_image(k.host.images.vdso, profile.vdso, profile.release)
    k.arch.vdso = AddressSpace(NAME, FileBytes(image))
    k.memory.vdso_enabled = int(profile.vdso_enabled)


def arch_setup_additional_pages(k: Kernel, mm: MmStruct) -> None:
    """Map it where there is room. Raises Errno(ENOMEM)."""
    if not k.memory.vdso_enabled or k.arch.vdso is None:
        return
    at = get_unmapped_area(k, mm, 0, PAGE_SIZE, 0)
    mm.insert(new_area(k, at, at + PAGE_SIZE, _FLAGS, NAME, pgoff=0, mapping=k.arch.vdso))
    mm.vdso = at


def vdso_mremap(k: Kernel, mm: MmStruct, old: int, new: int) -> None:
    """mremap has moved the page: it is known at its new place, and the call that moved it returns there."""
    if mm.vdso != old:
        return
    mm.vdso = new
    regs = k.task_pt_regs(k.current)
    if old <= regs.ip < old + PAGE_SIZE:
        regs.ip += new - old


def vdso_address(k: Kernel, mm: MmStruct | None, name: str) -> int:
    """Where a function of the vDSO is in an address space; 0 where it is not mapped."""
    if mm is None or not mm.vdso:
        return 0
    return mm.vdso + k.arch.vdso_symbols[name]
