"""The FPU state of a task in its signal frame (arch/x86/kernel/i387.c).

In the kernel the state is what FXSAVE writes (512 bytes), or FNSAVE (108) on a CPU without FXSR. A
program sees struct _fpstate: FNSAVE's form first, then, with FXSR, the whole FXSAVE image.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.paging import CR0_TS
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.arch.x86.process import FCW_INIT, MXCSR_INIT
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

FSAVE_SIZE = 108
FXSAVE_SIZE = 512
LEGACY_SIZE = 112  # FNSAVE's, status and magic
FPSTATE_SIZE = LEGACY_SIZE + FXSAVE_SIZE
X86_FXSR_MAGIC = 0x0000
_NO_FXSR_MAGIC = 0xFFFF
#: MXCSR bits that the CPU says it has (MXCSR_MASK of FXSAVE), DAZ too; a reserved one would fault in FXRSTOR.
MXCSR_MASK = 0xFFFF
FXSR_MODELS = frozenset(("pentium3", "max"))


def has_fxsr(k: Kernel) -> bool:
    """Whether the save areas are FXSAVE's (512 bytes) and not FNSAVE's (108), by the CPU's model."""
    return k.machine.cpu.model in FXSR_MODELS


def _full_tag(fx: bytes) -> int:
    """FXSAVE's one bit a register (is it in use?) as FNSAVE's two bits, from the contents."""
    top = fx[3] >> 3 & 7
    word = 0
    for physical in range(8):
        kind = 3  # empty
        if fx[4] >> physical & 1:
            at = 32 + 16 * ((physical - top) & 7)
            mantissa, exponent = struct.unpack_from("<QH", fx, at)
            exponent &= 0x7FFF
            if exponent == 0x7FFF:
                kind = 2  # special
            elif exponent == 0:
                kind = 1 if mantissa == 0 else 2
            else:
                kind = 0 if mantissa >> 63 else 2
        word |= kind << 2 * physical
    return word


def fsave_from_fxsave(fx: bytes) -> bytes:
    """convert_from_fxsr: the 108 bytes of FNSAVE."""
    cwd, swd, _, fop, fip, fcs, foo, fos = struct.unpack_from("<HHHHIIII", fx)
    data = struct.pack(
        "<7I",
        cwd | 0xFFFF0000,
        swd | 0xFFFF0000,
        _full_tag(fx) | 0xFFFF0000,
        fip,
        fcs & 0xFFFF | fop << 16,
        foo,
        fos & 0xFFFF | 0xFFFF0000,
    )
    return data + b"".join(fx[32 + 16 * n : 42 + 16 * n] for n in range(8))


def fxsave_from_fsave(legacy: bytes, fx: bytes) -> bytes:
    """convert_to_fxsr: an FXSAVE image with the x87 part of FNSAVE's."""
    cwd, swd, twd, fip, fcs, foo, fos = struct.unpack_from("<7I", legacy)
    tag = 0
    for physical in range(8):
        tag |= (twd >> 2 * physical & 3 != 3) << physical
    out = bytearray(fx)
    struct.pack_into(
        "<HHHHIIII",
        out,
        0,
        cwd & 0xFFFF,
        swd & 0xFFFF,
        tag,
        fcs >> 16,
        fip,
        fcs & 0xFFFF,
        foo,
        fos & 0xFFFF,
    )
    for n in range(8):
        out[32 + 16 * n : 42 + 16 * n] = legacy[28 + 10 * n : 38 + 10 * n]
    return bytes(out)


def fresh_fxsave() -> bytes:
    """What a task has that never used its FPU."""
    return struct.pack("<HHBB", FCW_INIT, 0, 0, 0).ljust(24, b"\0") + struct.pack(
        "<I", MXCSR_INIT
    ).ljust(FXSAVE_SIZE - 24, b"\0")


def fxsave_image(k: Kernel, task: Task) -> bytes:
    """512 bytes, wherever the registers are."""
    if k.arch.fpu_owner is task:
        return _of_cpu(k.machine.cpu.fpu_state())
    if not task.thread.fpu:
        return fresh_fxsave()
    at = task.thread.fpu - PAGE_OFFSET
    if has_fxsr(k):
        return k.machine.ram.read(at, FXSAVE_SIZE)
    return fxsave_from_fsave(k.machine.ram.read(at, FSAVE_SIZE), fresh_fxsave())


def _of_cpu(state: bytes) -> bytes:
    """Cpu.fpu_state numbers the registers as they lie, FXSAVE from the top of the stack."""
    stack = [state[10 * n : 10 * n + 10] for n in range(8)]
    control, status, tags, mxcsr = struct.unpack_from("<4I", state, 80 + 8 * 16)
    top = status >> 11 & 7
    used = sum((tags >> 2 * n & 3 != 3) << n for n in range(8))
    image = bytearray(fresh_fxsave())
    struct.pack_into("<HHB", image, 0, control & 0xFFFF, status & 0xFFFF, used)
    struct.pack_into("<I", image, 24, mxcsr)
    for n in range(8):
        image[32 + 16 * n : 42 + 16 * n] = stack[(top + n) & 7]
    image[160 : 160 + 128] = state[80 : 80 + 128]
    return bytes(image)


def store_fxsave(k: Kernel, task: Task, image: bytes) -> None:
    """Into the save area; the next FPU instruction loads it. Raises Errno(ENOMEM)."""
    if not task.thread.fpu:
        task.thread.fpu = k.memory.slabs.fpu.alloc(k)
    data = image if has_fxsr(k) else fsave_from_fxsave(image)
    k.machine.ram.write(task.thread.fpu - PAGE_OFFSET, data)
    disown_fpu(k, task)


def unlazy_fpu(k: Kernel, task: Task) -> None:
    """A task's registers into its save area, if the CPU has them."""
    if k.arch.fpu_owner is task:
        store_fxsave(k, task, fxsave_image(k, task))


def save_fpstate(k: Kernel, task: Task, address: int) -> None:
    """Copy the state to user memory; the handler starts with a fresh FPU. Raises Errno(EFAULT).

    The registers are in the save area already: entry.S has seen to that.
    """
    area = task.thread.fpu - PAGE_OFFSET
    if has_fxsr(k):
        fx = k.machine.ram.read(area, FXSAVE_SIZE)
        data = fsave_from_fxsave(fx) + fx[2:4] + struct.pack("<H", X86_FXSR_MAGIC) + fx
    else:
        saved = k.machine.ram.read(area, FSAVE_SIZE)
        data = saved + saved[4:6] + struct.pack("<H", _NO_FXSR_MAGIC)
    copy_to_user(k, address, data)
    clear_fpu(k, task)


def clear_fpu(k: Kernel, task: Task) -> None:
    """The task has no FPU state any more: its next FPU instruction starts afresh."""
    if task.thread.fpu:
        k.memory.slabs.fpu.free(k, task.thread.fpu)
        task.thread.fpu = 0
    disown_fpu(k, task)


def disown_fpu(k: Kernel, task: Task) -> None:
    """What the CPU's FPU holds is not the task's: the next use traps."""
    if k.arch.fpu_owner is task:
        k.arch.fpu_owner = None
    if task is k.current:
        k.machine.cpu.set_cr(0, k.machine.cpu.cr0 | CR0_TS)


def restore_fpstate(k: Kernel, task: Task, address: int) -> None:
    """Take the state from user memory. Raises Errno(EFAULT) or Errno(ENOMEM)."""
    if has_fxsr(k):
        data = copy_from_user(k, address, FPSTATE_SIZE)
        fx = bytearray(fxsave_from_fsave(data, data[LEGACY_SIZE:]))
        mxcsr = struct.unpack_from("<I", fx, 24)[0] & MXCSR_MASK
        struct.pack_into("<I", fx, 24, mxcsr)
        state = bytes(fx)
    else:
        state = copy_from_user(k, address, FSAVE_SIZE)
    if not task.thread.fpu:
        task.thread.fpu = k.memory.slabs.fpu.alloc(k)
    k.machine.ram.write(task.thread.fpu - PAGE_OFFSET, state)
    disown_fpu(k, task)
