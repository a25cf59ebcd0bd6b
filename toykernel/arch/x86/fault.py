"""Page faults (arch/x86/mm/fault.c): find the area, check what it allows, let mm do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PF_P, PF_W
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.errno import ENOMEM, Errno
from toykernel.fs.userfaultfd import handle_userfault
from toykernel.kernel.panic import die
from toykernel.kernel.siginfo import (
    BUS_ADRERR,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SIGBUS,
    SIGKILL,
    SIGSEGV,
)
from toykernel.kernel.signal import force_sig_info
from toykernel.mm.access import BadArea, access_error, find_area
from toykernel.mm.filemap import FaultSigbus, UserFault
from toykernel.mm.guards import GuardFault
from toykernel.mm.memory import Fault, count_fault, handle_mm_fault
from toykernel.mm.oom import report_oom
from toykernel.mm.userfaultfd import FEATURE_SIGBUS

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel

PAGE_FAULT_VECTOR = 14


def do_page_fault(k: Kernel, regs: PtRegs, error_code: int) -> Result | None:
    """#PF. From user mode: a page, or a signal, or sleep until another thread has given the page. From ring
    0: a bug of the kernel.
    """
    task = k.current
    address = k.machine.cpu.cr2
    if k.host.trace.page_fault:
        k.host.trace.page_fault.emit(task, address, error_code, regs.ip)
    mm = task.mm
    if mm is None or not regs.user_mode:
        die(k, f"page fault at {address:#010x}", regs, error_code)
    if address >= TASK_SIZE:
        _segv(k, address, error_code, SEGV_MAPERR)
        return None
    try:
        vma = find_area(k, mm, address, regs.sp)
    except BadArea as bad:
        _segv(k, address, error_code, bad.si_code)
        return None
    if access_error(vma, error_code):
        _segv(k, address, error_code, SEGV_ACCERR)
        return None
    try:
        handle_mm_fault(k, Fault(task, mm, vma, address, error_code))
    except UserFault as fault:
        ctx = vma.uffd
        assert ctx is not None
        if not (ctx.features or 0) & FEATURE_SIGBUS:
            return handle_userfault(k, task, ctx, address, bool(error_code & PF_W), fault.reason)
        _sigbus(k, address, error_code)
    except FaultSigbus:
        _sigbus(k, address, error_code)
    except GuardFault:
        _segv(k, address, error_code, SEGV_MAPERR)
    except Errno as error:
        if error.number != ENOMEM:
            raise
        # fork-path K11: the task that needs the page goes, nobody else is touched.
        report_oom(k, task)
        force_sig_info(k, task, SIGKILL, {})
    return None


def _sigbus(k: Kernel, address: int, error_code: int) -> None:
    task = k.current
    task.thread.cr2, task.thread.trap_no = address, PAGE_FAULT_VECTOR
    task.thread.error_code = error_code
    force_sig_info(k, task, SIGBUS, {"si_code": BUS_ADRERR, "si_addr": address})


def _segv(k: Kernel, address: int, error_code: int, si_code: int) -> None:
    task = k.current
    thread = task.thread
    thread.cr2, thread.trap_no = address, PAGE_FAULT_VECTOR
    # A user program does not learn which kernel addresses are mapped.
    thread.error_code = error_code | (PF_P if address >= TASK_SIZE else 0)
    count_fault(k, task, "protection", address)  # K7
    force_sig_info(k, task, SIGSEGV, {"si_code": si_code, "si_addr": address})
