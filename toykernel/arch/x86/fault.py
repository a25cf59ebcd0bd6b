"""Page faults (arch/x86/mm/fault.c): find the area, check what it allows, let mm do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PF_P, PF_U, PF_W
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.errno import EFAULT, ENOMEM, Errno
from toykernel.kernel.panic import die
from toykernel.kernel.siginfo import BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, SIGBUS, SIGKILL, SIGSEGV
from toykernel.kernel.signal import force_sig_info
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.heap import expand_stack
from toykernel.mm.memory import count_fault, handle_mm_fault
from toykernel.mm.mm_types import VM_EXEC, VM_GROWSDOWN, VM_READ, VM_WRITE
from toykernel.mm.oom import report_oom

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct, VmArea
    from toykernel.state import Kernel

PAGE_FAULT_VECTOR = 14
#: How far below the stack pointer an access may be and still grow the stack (PUSHA and ENTER).
STACK_SLACK = 65536 + 32 * 4


class BadArea(Exception):
    """The address has no area, or the area forbids the access; carries the si_code."""

    def __init__(self, si_code: int) -> None:
        super().__init__(si_code)
        self.si_code = si_code


def find_area(k: Kernel, mm: MmStruct, address: int, write: bool, sp: int | None) -> VmArea:
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


def do_page_fault(k: Kernel, regs: PtRegs, error_code: int) -> None:
    """#PF. From user mode: a page, or a signal. From ring 0: a bug of the kernel."""
    task = k.current
    address = k.machine.cpu.cr2
    for listener in k.host.trace.page_fault:
        listener(task, address, error_code, regs.ip)
    mm = task.mm
    if mm is None or not regs.user_mode:
        die(k, f"page fault at {address:#010x}", regs, error_code)
    if address >= TASK_SIZE:
        return _segv(k, address, error_code, SEGV_MAPERR)
    try:
        vma = find_area(k, mm, address, bool(error_code & PF_W), regs.sp)
    except BadArea as bad:
        return _segv(k, address, error_code, bad.si_code)
    if access_error(vma, error_code):
        return _segv(k, address, error_code, SEGV_ACCERR)
    try:
        handle_mm_fault(k, task, mm, vma, address, bool(error_code & PF_W))
    except FaultSigbus:
        task.thread.cr2, task.thread.trap_no = address, PAGE_FAULT_VECTOR
        task.thread.error_code = error_code
        force_sig_info(k, task, SIGBUS, {"si_code": BUS_ADRERR, "si_addr": address})
    except Errno as error:
        if error.number != ENOMEM:
            raise
        # fork-path K11: the task that needs the page goes, nobody else is touched.
        report_oom(k, task)
        force_sig_info(k, task, SIGKILL, {})
    return None


def _segv(k: Kernel, address: int, error_code: int, si_code: int) -> None:
    task = k.current
    thread = task.thread
    thread.cr2, thread.trap_no = address, PAGE_FAULT_VECTOR
    # A user program does not learn which kernel addresses are mapped.
    thread.error_code = error_code | (PF_P if address >= TASK_SIZE else 0)
    count_fault(k, task, "protection", address)
    force_sig_info(k, task, SIGSEGV, {"si_code": si_code, "si_addr": address})


def fault_in_user(k: Kernel, mm: MmStruct, address: int, write: bool, *, present: bool) -> None:
    """The kernel's own access to user memory faulted. Raises Errno(EFAULT), or Errno(ENOMEM), with
    which the system call fails and nobody is killed (fork-path K11)."""
    error_code = (PF_W if write else 0) | (PF_P if present else 0)
    try:
        vma = find_area(k, mm, address, write, None)
    except BadArea:
        raise Errno(EFAULT) from None
    if access_error(vma, error_code & ~PF_U):
        raise Errno(EFAULT)
    try:
        handle_mm_fault(k, k.current, mm, vma, address, write)
    except FaultSigbus:
        raise Errno(EFAULT) from None
