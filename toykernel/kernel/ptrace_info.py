"""What a tracer asks of a task that stands: register sets, pending signals, its call (kernel/ptrace.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.regset import find_regset
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EINVAL, Errno
from toykernel.kernel.ptrace_flags import (
    PTRACE_EVENT_SECCOMP,
    PTRACE_EVENTMSG_SYSCALL_ENTRY,
    PTRACE_EVENTMSG_SYSCALL_EXIT,
    PTRACE_SETREGSET,
)
from toykernel.kernel.siginfo import SIGINFO_SIZE, SIGTRAP, pack_siginfo

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_PEEKSIGINFO_SHARED = 1
AUDIT_ARCH_I386 = 0x40000003
_OP_NONE, _OP_ENTRY, _OP_EXIT, _OP_SECCOMP = range(4)
_LONGEST = 88  # sizeof(struct ptrace_syscall_info)
_ERRORS = (1 << 32) - 4095  # IS_ERR_VALUE, of a word


def regset(k: Kernel, child: Task, request: int, kind: int, address: int) -> int:
    """GETREGSET and SETREGSET: `address` of an iovec, whose length becomes what there is. Raises Errno:
    EFAULT, EINVAL, ENODEV for what the CPU does not have, ENXIO.
    """
    base, length = struct.unpack("<2I", copy_from_user(k, address, 8))
    one = find_regset(kind, length)
    length = min(length, one.size)
    if request == PTRACE_SETREGSET:
        one.set(k, child, copy_from_user(k, base, length))
    else:
        copy_to_user(k, base, one.get(k, child)[:length])
    put_user(k, length, address + 4)
    return 0


def peek_siginfo(k: Kernel, child: Task, address: int, to: int) -> int:
    """PEEKSIGINFO: how many pending signals were copied. Raises Errno: EFAULT when none could be, EINVAL."""
    offset, flags, count = struct.unpack("<QIi", copy_from_user(k, address, 16))
    if flags & ~_PEEKSIGINFO_SHARED or count < 0:
        raise Errno(EINVAL)
    pending = child.signal.shared_pending if flags & _PEEKSIGINFO_SHARED else child.pending
    queued = [info for infos in pending.values() for info in infos]
    done = 0
    for info in queued[offset : offset + count]:
        try:
            copy_to_user(k, to + done * SIGINFO_SIZE, pack_siginfo(info))
        except Errno:
            if not done:
                raise
            break
        done += 1
    return done


def syscall_info(k: Kernel, child: Task, size: int, to: int) -> int:
    """GET_SYSCALL_INFO: bytes that there are of it, of which `size` are copied. Raises Errno(EFAULT)."""
    regs = k.task_pt_regs(child)
    code = child.last_siginfo["si_code"] if child.last_siginfo is not None else 0
    asked = struct.pack("<Q6Q", regs.orig_ax, *regs.arguments())
    op, rest = _OP_NONE, b""
    if code == SIGTRAP | 0x80:
        if child.ptrace_message == PTRACE_EVENTMSG_SYSCALL_ENTRY:
            op, rest = _OP_ENTRY, asked
        elif child.ptrace_message == PTRACE_EVENTMSG_SYSCALL_EXIT:
            failed = regs.ax >= _ERRORS
            value = regs.ax - (regs.ax >> 31 << 32)
            op, rest = _OP_EXIT, struct.pack("<qB", value, failed)
    elif code == SIGTRAP | PTRACE_EVENT_SECCOMP << 8:
        op, rest = _OP_SECCOMP, asked + struct.pack("<I", child.ptrace_message)
    data = struct.pack("<B3xIQQ", op, AUDIT_ARCH_I386, regs.ip, regs.sp) + rest
    copy_to_user(k, to, data.ljust(_LONGEST, b"\0")[: min(size, len(data))])
    return len(data)
