"""What an access to user memory meets: its area, what that allows, and the stack that grows for it.

The CPU's page faults (arch/x86/fault.py) and the kernel's own accesses (arch/x86/uaccess.py) both ask here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PF_P, PF_U, PF_W
from emu.ram import PAGE_SIZE
from toykernel.errno import EFAULT, ENOMEM, Errno
from toykernel.kernel.siginfo import SEGV_MAPERR
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.limits import may_expand_vm, may_lock, rlimit, vm_enough_memory
from toykernel.mm.memory import Fault, fault_in
from toykernel.mm.mm_types import (
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_READ,
    VM_WRITE,
    MmStruct,
    VmArea,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: How far below the stack pointer an access may be and still grow the stack (PUSHA and ENTER).
STACK_SLACK = 65536 + 32 * 4


class BadArea(Exception):
    """The address has no area, or the area forbids the access; carries the si_code."""

    def __init__(self, si_code: int) -> None:
        super().__init__(si_code)
        self.si_code = si_code


def find_area(k: Kernel, mm: MmStruct, address: int, sp: int | None) -> VmArea:
    """The area of an access, grown if it is the stack. `sp` is None for the kernel's own accesses.

    Raises BadArea.
    """
    vma = mm.find_vma(address)
    if vma is None:
        raise BadArea(SEGV_MAPERR)
    if vma.vm_start > address:
        if not vma.vm_flags & VM_GROWSDOWN:
            raise BadArea(SEGV_MAPERR)
        if sp is not None and address + STACK_SLACK < sp:
            raise BadArea(SEGV_MAPERR)
        try:
            expand_stack(k, mm, vma, address)
        except Errno:
            raise BadArea(SEGV_MAPERR) from None
    return vma


def access_error(vma: VmArea, error_code: int) -> bool:
    """Whether the area forbids what the CPU tried (fork-path K7)."""
    if error_code & PF_W:
        return not vma.vm_flags & VM_WRITE
    if error_code & PF_P:
        return True  # a read of a present page that user mode may not see
    return not vma.vm_flags & (VM_READ | VM_EXEC | VM_WRITE)


def expand_stack(k: Kernel, mm: MmStruct, vma: VmArea, address: int) -> None:
    """Grow a stack area down to an address (fork-path K10). Raises Errno(ENOMEM) at its limits."""
    start = address & -PAGE_SIZE
    grow = (vma.vm_start - start) >> 12
    if start < k.memory.mmap_min_addr or mm.overlapping(
        max(start - k.memory.stack_guard_gap, 0), vma.vm_start
    ):
        raise Errno(ENOMEM)
    if vma.vm_end - start > rlimit(k, RLIMIT_STACK) or not may_expand_vm(k, mm, grow):
        raise Errno(ENOMEM)
    if vma.vm_flags & VM_LOCKED and not may_lock(k, mm, grow):
        raise Errno(ENOMEM)
    vm_enough_memory(k, grow)
    mm.resize(vma, start, vma.vm_end)


def fault_in_user(k: Kernel, mm: MmStruct, address: int, write: bool, *, present: bool) -> None:
    """The kernel's own access to user memory faulted. Raises Errno(EFAULT), or Errno(ENOMEM)."""
    error_code = (PF_W if write else 0) | (PF_P if present else 0)
    if k.host.trace.page_fault_kernel and mm is k.current.mm:
        k.host.trace.page_fault_kernel.emit(k.current, address, error_code, k.machine.cpu.eip)
    try:
        vma = find_area(k, mm, address, None)
    except BadArea:
        raise Errno(EFAULT) from None
    if access_error(vma, error_code & ~PF_U):
        raise Errno(EFAULT)
    try:
        # fork-path K11: without memory the system call fails, and nobody is killed.
        fault_in(k, Fault(k.current, mm, vma, address, error_code))
    except FaultSigbus:
        raise Errno(EFAULT) from None
