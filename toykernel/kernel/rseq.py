"""Restartable sequences (kernel/rseq.c): code that begins again when it has been interrupted.

A task registers an area of 32 bytes in its memory; there the kernel keeps the number of the CPU, and there
the program says which piece of code it is in. Who is switched away from, or gets a signal, within such a
piece goes on at its abort address.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TASK_SIZE, TIF_RSEQ
from toykernel.arch.x86.thread_info import set_ti_flag
from toykernel.arch.x86.uaccess import access_ok, copy_from_user, copy_to_user, get_user
from toykernel.errno import EBUSY, EFAULT, EINVAL, EPERM, Errno
from toykernel.kernel.siginfo import SIGSEGV
from toykernel.kernel.signal import force_sig_info
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.arch.x86.ptrace import PtRegs
    from toykernel.state import Kernel
    from toykernel.task import Task

RSEQ_SIZE = 32
RSEQ_FLAG_UNREGISTER = 1
_UNINITIALIZED = 0xFFFFFFFF  # RSEQ_CPU_ID_UNINITIALIZED
_CS_OFFSET, _FLAGS_OFFSET, _NODE_OFFSET = 8, 16, 20


@syscall(386, "rseq:address rseq_len:uint flags:hex sig:hex")
def sys_rseq(k: Kernel, rseq: int, length: int, flags: int, sig: int) -> int:
    """rseq: register the area, or with RSEQ_FLAG_UNREGISTER let go of it. EINVAL, EPERM for another
    signature, EBUSY when it is registered already, EFAULT.
    """
    task = k.current
    if flags & RSEQ_FLAG_UNREGISTER:
        if flags & ~RSEQ_FLAG_UNREGISTER or not task.rseq or task.rseq[:2] != (rseq, length):
            raise Errno(EINVAL)
        if task.rseq[2] != sig:
            raise Errno(EPERM)
        copy_to_user(k, rseq, struct.pack("<II", 0, _UNINITIALIZED))
        copy_to_user(k, rseq + _NODE_OFFSET, bytes(8))
        task.rseq = ()
        return 0
    if flags:
        raise Errno(EINVAL)
    if task.rseq:
        if task.rseq[:2] != (rseq, length):
            raise Errno(EINVAL)
        raise Errno(EPERM if task.rseq[2] != sig else EBUSY)
    if length < RSEQ_SIZE or rseq % RSEQ_SIZE:
        raise Errno(EINVAL)
    if not access_ok(rseq, length):
        raise Errno(EFAULT)
    copy_to_user(k, rseq + _CS_OFFSET, bytes(8))
    task.rseq = (rseq, length, sig)
    set_ti_flag(k.machine.ram, task.stack, TIF_RSEQ)
    return 0


def rseq_handle_notify_resume(k: Kernel, task: Task, regs: PtRegs) -> None:
    """On the way to user mode, or before a signal's frame is built: the CPU's number is stored, and a
    sequence that was interrupted is aborted. SIGSEGV when the area or the sequence is broken.
    """
    try:
        _fix_ip(k, task, regs)
        copy_to_user(k, task.rseq[0], bytes(8))  # CPU 0, the only one
        copy_to_user(k, task.rseq[0] + _NODE_OFFSET, bytes(8))
    except Errno:
        force_sig_info(k, task, SIGSEGV, {})


def _fix_ip(k: Kernel, task: Task, regs: PtRegs) -> None:
    area, _, sig = task.rseq
    (at,) = struct.unpack("<Q", copy_from_user(k, area + _CS_OFFSET, 8))
    if not at:
        return
    if at >= TASK_SIZE:
        raise Errno(EINVAL)
    version, flags, start, length, abort = struct.unpack("<IIQQQ", copy_from_user(k, at, 32))
    if version or start >= TASK_SIZE or start + length >= TASK_SIZE or abort >= TASK_SIZE:
        raise Errno(EINVAL)
    if 0 <= abort - start < length or get_user(k, abort - 4) != sig:
        raise Errno(EINVAL)
    within = 0 <= regs.ip - start < length
    if within and (flags or get_user(k, area + _FLAGS_OFFSET)):
        raise Errno(EINVAL)  # those there were are gone
    copy_to_user(k, area + _CS_OFFSET, bytes(8))
    if within:
        regs.ip = abort
