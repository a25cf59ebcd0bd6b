"""Register sets by the numbers of core notes, for PTRACE_GETREGSET and SETREGSET (user_x86_32_view)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import GDT_TLS_ENTRIES, GDT_TLS_MIN, PT_REGS, PT_SIZE
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
from toykernel.arch.x86.ptrace_user import getreg, putreg
from toykernel.arch.x86.tls import USER_DESC_SIZE, fill_tls, read_descriptor
from toykernel.errno import EINVAL, ENODEV, ENXIO, Errno

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

NT_PRSTATUS, NT_PRFPREG, NT_PRXFPREG = 1, 2, 0x46E62B7F
NT_386_TLS, NT_386_IOPERM, NT_X86_XSTATE = 0x200, 0x201, 0x202


@dataclass(frozen=True)
class Regset:
    """`size` in bytes, of entries of `unit`. `get` answers all of it, `set` takes its first bytes."""

    size: int
    unit: int
    get: Callable[[Kernel, Task], bytes]
    set: Callable[[Kernel, Task, bytes], None]


def find_regset(kind: int, length: int) -> Regset:
    """By NT_ number. Raises Errno(EINVAL) for one that there is not, or a length that is not in its units."""
    regset = _SETS.get(kind)
    if regset is None or length % regset.unit:
        raise Errno(EINVAL)
    return regset


def _get_general(k: Kernel, task: Task) -> bytes:
    return struct.pack("<17I", *(getreg(k, task, name) for name in PT_REGS))


def _set_general(k: Kernel, task: Task, data: bytes) -> None:
    for name, (value,) in zip(PT_REGS, struct.iter_unpack("<I", data), strict=False):
        putreg(k, task, name, value)


def _get_fp(k: Kernel, task: Task) -> bytes:
    return fsave_from_fxsave(fxsave_image(k, task))


def _set_fp(k: Kernel, task: Task, data: bytes) -> None:
    image = fxsave_image(k, task)
    legacy = data + fsave_from_fxsave(image)[len(data) :]
    store_fxsave(k, task, fxsave_from_fsave(legacy, image))


def _get_xfp(k: Kernel, task: Task) -> bytes:
    if not has_fxsr(k):
        raise Errno(ENODEV)
    return fxsave_image(k, task)


def _set_xfp(k: Kernel, task: Task, data: bytes) -> None:
    if not has_fxsr(k):
        raise Errno(ENODEV)
    if len(data) != FXSAVE_SIZE or int.from_bytes(data[24:28], "little") & ~MXCSR_MASK:
        raise Errno(EINVAL)
    store_fxsave(k, task, data)


def _get_tls(_k: Kernel, task: Task) -> bytes:
    return b"".join(
        struct.pack("<4I", GDT_TLS_MIN + n, *read_descriptor(words))
        for n, words in enumerate(task.thread.tls_array)
    )


def _set_tls(_k: Kernel, task: Task, data: bytes) -> None:
    entries = list(task.thread.tls_array)
    for n, (_, base, limit, bits) in enumerate(struct.iter_unpack("<4I", data)):
        entries[n] = fill_tls(base, limit, bits)
    task.thread.tls_array = (entries[0], entries[1], entries[2])


def _no_ports(_k: Kernel, _task: Task) -> bytes:
    raise Errno(ENXIO)  # nobody has an I/O bitmap


def _no_xsave(_k: Kernel, _task: Task) -> bytes:
    raise Errno(ENODEV)  # the CPU has no XSAVE


def _read_only(_k: Kernel, _task: Task, _data: bytes) -> None:
    raise Errno(ENODEV)


_SETS = {
    NT_PRSTATUS: Regset(PT_SIZE, 4, _get_general, _set_general),
    NT_PRFPREG: Regset(FSAVE_SIZE, 4, _get_fp, _set_fp),
    NT_PRXFPREG: Regset(FXSAVE_SIZE, 4, _get_xfp, _set_xfp),
    NT_386_TLS: Regset(USER_DESC_SIZE * GDT_TLS_ENTRIES, USER_DESC_SIZE, _get_tls, _set_tls),
    NT_386_IOPERM: Regset(8192, 4, _no_ports, _read_only),
    NT_X86_XSTATE: Regset(FXSAVE_SIZE + 64, 8, _no_xsave, _read_only),
}
