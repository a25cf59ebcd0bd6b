"""What ptrace shows of an i386 task (arch/x86/kernel/ptrace.c): struct user, registers, FPU, TLS."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.eflags import EFLAGS_TF
from toykernel.arch.x86.asm_offsets import (
    GDT_TLS_ENTRIES,
    GDT_TLS_MIN,
    PT_REGS,
    PT_SIZE,
    TIF_FORCED_TF,
)
from toykernel.arch.x86.hw_breakpoint import ptrace_get_debugreg, ptrace_set_debugreg
from toykernel.arch.x86.i387 import (
    FSAVE_SIZE,
    FXSAVE_SIZE,
    MXCSR_MASK,
    fsave_from_fxsave,
    fxsave_from_fsave,
    fxsave_image,
    has_fxsr,
    store_fxsave,
)
from toykernel.arch.x86.thread_info import clear_ti_flag, test_ti_flag
from toykernel.arch.x86.tls import do_set_thread_area, read_descriptor
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EINVAL, EIO, Errno
from toykernel.kernel.ptrace_flags import (
    PTRACE_GET_THREAD_AREA,
    PTRACE_GETFPREGS,
    PTRACE_GETFPXREGS,
    PTRACE_GETREGS,
    PTRACE_PEEKUSR,
    PTRACE_POKEUSR,
    PTRACE_SET_THREAD_AREA,
    PTRACE_SETFPREGS,
    PTRACE_SETFPXREGS,
    PTRACE_SETREGS,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

#: sizeof(struct user), and where its u_debugreg begin.
USER_SIZE, USER_DEBUGREG = 284, 252
#: What a program may change of EFLAGS.
FLAG_MASK = 0x00050DD5
_RPL = 3


def arch_ptrace(k: Kernel, child: Task, request: int, addr: int, data: int) -> int | None:
    """0, or None for a request that is not i386's own. Raises Errno: EIO, EFAULT, EINVAL."""
    match request:
        case p if p == PTRACE_PEEKUSR:
            put_user(k, _peek_user(k, child, addr), data)
        case p if p == PTRACE_POKEUSR:
            _poke_user(k, child, addr, data)
        case p if p == PTRACE_GETREGS:
            words = [getreg(k, child, name) for name in PT_REGS]
            copy_to_user(k, data, struct.pack("<17I", *words))
        case p if p == PTRACE_SETREGS:
            values = struct.unpack("<17I", copy_from_user(k, data, PT_SIZE))
            for name, value in zip(PT_REGS, values, strict=True):
                putreg(k, child, name, value)
        case p if p in (PTRACE_GETFPREGS, PTRACE_SETFPREGS):
            _fpregs(k, child, p == PTRACE_SETFPREGS, data)
        case p if p in (PTRACE_GETFPXREGS, PTRACE_SETFPXREGS):
            _fpxregs(k, child, p == PTRACE_SETFPXREGS, data)
        case p if p == PTRACE_GET_THREAD_AREA:
            if addr >> 31:
                raise Errno(EIO)
            index = addr - GDT_TLS_MIN
            if not 0 <= index < GDT_TLS_ENTRIES:
                raise Errno(EINVAL)
            described = read_descriptor(child.thread.tls_array[index])
            copy_to_user(k, data, struct.pack("<4I", addr, *described))
        case p if p == PTRACE_SET_THREAD_AREA:
            if addr >> 31:
                raise Errno(EIO)
            do_set_thread_area(k, child, addr, data, allocate=False)
        case _:
            return None
    return 0


def getreg(k: Kernel, child: Task, name: str) -> int:
    """A register of the frame; the trap flag that a single step has set is not the program's."""
    value: int = getattr(k.task_pt_regs(child), name)
    if name == "flags" and test_ti_flag(k.machine.ram, child.stack, TIF_FORCED_TF):
        value &= ~EFLAGS_TF
    return value & 0xFFFF if name in ("cs", "ds", "es", "fs", "gs", "ss") else value


def putreg(k: Kernel, child: Task, name: str, value: int) -> None:
    """Change a register of the frame. Raises Errno(EIO) for a selector that is no user's."""
    regs = k.task_pt_regs(child)
    if name in ("cs", "ds", "es", "fs", "gs", "ss"):
        value &= 0xFFFF
        if (value and value & _RPL != _RPL) or (not value and name in ("cs", "ss")):
            raise Errno(EIO)
    elif name == "flags":
        ram, stack = k.machine.ram, child.stack
        if value & EFLAGS_TF:
            clear_ti_flag(ram, stack, TIF_FORCED_TF)
        elif test_ti_flag(ram, stack, TIF_FORCED_TF):
            value |= EFLAGS_TF
        value = regs.flags & ~FLAG_MASK | value & FLAG_MASK
    setattr(regs, name, value)


def _peek_user(k: Kernel, child: Task, addr: int) -> int:
    if addr & 3 or addr >= USER_SIZE:
        raise Errno(EIO)
    if addr >= USER_DEBUGREG:
        return ptrace_get_debugreg(child.thread, (addr - USER_DEBUGREG) // 4)
    return getreg(k, child, PT_REGS[addr // 4]) if addr < PT_SIZE else 0


def _poke_user(k: Kernel, child: Task, addr: int, value: int) -> None:
    if addr & 3 or addr >= USER_SIZE:
        raise Errno(EIO)
    if addr < PT_SIZE:
        putreg(k, child, PT_REGS[addr // 4], value)
    elif addr >= USER_DEBUGREG:
        ptrace_set_debugreg(child.thread, (addr - USER_DEBUGREG) // 4, value)
    else:
        raise Errno(EIO)


def _fpregs(k: Kernel, child: Task, store: bool, address: int) -> None:
    image = fxsave_image(k, child)
    if store:
        legacy = copy_from_user(k, address, FSAVE_SIZE)
        store_fxsave(k, child, fxsave_from_fsave(legacy, image))
    else:
        copy_to_user(k, address, fsave_from_fxsave(image))


def _fpxregs(k: Kernel, child: Task, store: bool, address: int) -> None:
    if not has_fxsr(k):
        raise Errno(EIO)
    if store:
        image = bytearray(copy_from_user(k, address, FXSAVE_SIZE))
        if int.from_bytes(image[24:28], "little") & ~MXCSR_MASK:
            raise Errno(EINVAL)
        store_fxsave(k, child, bytes(image))
    else:
        copy_to_user(k, address, fxsave_image(k, child))
