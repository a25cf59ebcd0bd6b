"""Syscall User Dispatch (kernel/entry/syscall_user_dispatch.c): calls from outside a range of code are
SIGSYS, for as long as a byte of the program says so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.uaccess import access_ok, copy_from_user, copy_to_user
from toykernel.arch.x86.vdso import vdso_address
from toykernel.errno import EFAULT, EINVAL, Errno
from toykernel.kernel.seccomp import AUDIT_ARCH_I386
from toykernel.kernel.siginfo import SIGSEGV, SIGSYS, Siginfo, sigmask
from toykernel.kernel.signal import force_sig_info, recalc_sigpending, send_signal
from toykernel.kernel.signal_types import SA_IMMUTABLE, SigAction

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

OFF, EXCLUSIVE_ON, INCLUSIVE_ON = range(3)
ALLOW, BLOCK = 0, 1
SYS_USER_DISPATCH = 2
_WORD = 0xFFFFFFFF
_CONFIG = struct.Struct("<4Q")


@dataclass(frozen=True)
class UserDispatch:
    """struct syscall_user_dispatch: calls from `length` bytes at `offset` on (which may wrap) are made,
    others by what the byte at `selector` says (0: none of them)."""

    offset: int
    length: int
    selector: int


def set_syscall_user_dispatch(
    k: Kernel, task: Task, mode: int, offset: int, length: int, selector: int
) -> int:
    """PR_SET_SYSCALL_USER_DISPATCH; 0. Raises Errno(EINVAL), Errno(EFAULT)."""
    end = offset + length & _WORD
    if mode == OFF:
        if offset or length or selector:
            raise Errno(EINVAL)
        task.user_dispatch = None
        return 0
    if mode == EXCLUSIVE_ON:
        if offset and end <= offset:
            raise Errno(EINVAL)
    elif mode == INCLUSIVE_ON:
        if not length or end <= offset:
            raise Errno(EINVAL)
        offset, length = end, -length & _WORD
    else:
        raise Errno(EINVAL)
    if selector and not access_ok(selector, 1):
        raise Errno(EFAULT)
    task.user_dispatch = UserDispatch(offset, length, selector)
    return 0


def syscall_user_dispatch(k: Kernel, task: Task, number: int) -> bool:
    """Whether the current task's call is not to be made; the task has a signal then."""
    sud = task.user_dispatch
    assert sud is not None
    regs = k.task_pt_regs(task)
    if regs.ip - sud.offset & _WORD < sud.length or _is_vdso_sigreturn(k, task, regs.ip):
        return False
    if sud.selector:
        try:
            state = copy_from_user(k, sud.selector, 1)[0]
        except Errno:
            _force_exit(k, task, SIGSEGV)
            return True
        if state == ALLOW:
            return False
        if state != BLOCK:
            _force_exit(k, task, SIGSYS)
            return True
    info: Siginfo = {
        "si_code": SYS_USER_DISPATCH,
        "si_call_addr": regs.ip,
        "si_syscall": number,
        "si_arch": AUDIT_ARCH_I386,
    }
    force_sig_info(k, task, SIGSYS, info)
    return True


def _is_vdso_sigreturn(k: Kernel, task: Task, ip: int) -> bool:
    """Behind the int $0x80 of the vDSO's own two ways back from a handler."""
    lengths = {"__kernel_sigreturn": 8, "__kernel_rt_sigreturn": 7}
    ways = ((vdso_address(k, task.mm, name), length) for name, length in lengths.items())
    return any(at and ip == at + length for at, length in ways)


def _force_exit(k: Kernel, task: Task, sig: int) -> None:
    task.sighand.action[sig] = SigAction(flags=SA_IMMUTABLE)
    task.blocked &= ~sigmask(sig)
    recalc_sigpending(k, task)
    send_signal(k, task, sig, {}, force=True)


# -- for a tracer ----------------------------------------------------------------------------------


def get_config(k: Kernel, task: Task, size: int, address: int) -> int:
    """PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG; 0. Raises Errno(EINVAL), Errno(EFAULT)."""
    if size != _CONFIG.size:
        raise Errno(EINVAL)
    sud = task.user_dispatch
    words = (EXCLUSIVE_ON, sud.selector, sud.offset, sud.length) if sud is not None else (0,) * 4
    copy_to_user(k, address, _CONFIG.pack(*words))
    return 0


def set_config(k: Kernel, task: Task, size: int, address: int) -> int:
    """PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG; 0. Raises Errno(EINVAL), Errno(EFAULT)."""
    if size != _CONFIG.size:
        raise Errno(EINVAL)
    mode, selector, offset, length = _CONFIG.unpack(copy_from_user(k, address, size))
    return set_syscall_user_dispatch(
        k, task, mode, *(w & _WORD for w in (offset, length, selector))
    )
