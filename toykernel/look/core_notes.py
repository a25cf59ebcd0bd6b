"""What a core file says of a process and its threads: the notes of linux/elfcore.h, in i386's layout."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.engine_quirks import GPRS
from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PT_REGS
from toykernel.arch.x86.i387 import fsave_from_fxsave, fxsave_image, has_fxsr
from toykernel.kernel.siginfo import Siginfo, pack_siginfo
from toykernel.kernel.signal import pending_set
from toykernel.look.auxv import auxv
from toykernel.look.filled import read_memory
from toykernel.look.paths import path_of
from toykernel.look.task import TaskView

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

NT_PRSTATUS, NT_PRFPREG, NT_PRPSINFO, NT_AUXV = 1, 2, 3, 6
NT_SIGINFO, NT_FILE, NT_PRXFPREG = 0x53494749, 0x46494C45, 0x46E62B7F
_NO_CALL = 0xFFFFFFFF
_STATES = "RSDTZW"
_PSARGS = 80


def note(name: str, kind: int, data: bytes) -> bytes:
    """One entry of PT_NOTE, its parts padded to words."""
    text = name.encode() + b"\0"
    head = struct.pack("<3I", len(text), len(data), kind)
    return (
        head + text.ljust(-(-len(text) // 4) * 4, b"\0") + data.ljust(-(-len(data) // 4) * 4, b"\0")
    )


def user_regs(view: TaskView) -> list[int]:
    """struct user_regs_struct: of a thread in the kernel, those that its trap has saved."""
    if not view.in_user_mode:
        if view.has_frame:
            return list(view.pt_regs.values())
        return [0] * len(PT_REGS)
    regs = view.cpu_regs
    names = {name[1:]: name for name in (*GPRS, "eip")} | {"flags": "eflags"}
    words = {name: regs.get(names.get(name, name), _NO_CALL) for name in PT_REGS}
    return [words[name] for name in PT_REGS]


def prstatus(view: TaskView, sig: int) -> bytes:
    """struct elf_prstatus of a thread; `sig` is what the process dies of."""
    k, task = view.kernel, view.task
    tick = 1_000_000 // k.time.hz
    times: list[int] = []
    for microseconds in (
        task.utime_ticks * tick,
        task.stime_ticks * tick,
        task.signal.cutime // 1000,
        task.signal.cstime // 1000,
    ):
        times += divmod(microseconds, 1_000_000)
    return (
        struct.pack("<3iH2x", sig, 0, 0, sig)
        + struct.pack("<2I", pending_set(task.pending) & 0xFFFFFFFF, task.blocked & 0xFFFFFFFF)
        + struct.pack("<4i", task.pid, view.ppid, task.signal.pgrp, task.signal.session)
        + struct.pack("<8i", *times)
        + struct.pack("<17I", *user_regs(view))
        + struct.pack("<i", 1)  # an FPREGSET follows
    )


def prpsinfo(view: TaskView) -> bytes:
    """struct elf_prpsinfo: the process as ps shows it."""
    task, mm = view.task, view.task.mm
    letter = task.state_letter
    number = _STATES.find(letter)
    args = b""
    if mm is not None:
        size = min(mm.arg_end - mm.arg_start, _PSARGS - 1)
        args = read_memory(view, mm.arg_start, size).rstrip(b"\0").replace(b"\0", b" ")
    nice = task.se.nice & 0xFF
    return (
        struct.pack("<BcBBI", max(number, 0), letter.encode(), letter == "Z", nice, task.flags)
        + struct.pack("<2H", task.cred.uid & 0xFFFF, task.cred.gid & 0xFFFF)
        + struct.pack("<4i", task.tgid, view.ppid, task.signal.pgrp, task.signal.session)
        + struct.pack("<16s80s", task.comm.encode(errors="surrogateescape")[:15], args)
    )


def files_note(view: TaskView) -> bytes:
    """NT_FILE: which addresses are which pages of which files; nothing when none is mapped."""
    rows, names = [], []
    for area in view.areas:
        if area.mapping is not None and area.mapping.host is not None:
            rows.append((area.vm_start, area.vm_end, area.vm_pgoff))
            name = path_of(view.kernel, area.mapping.host) or "(deleted)"
            names.append(name.encode(errors="surrogateescape") + b"\0")
    if not rows:
        return b""
    table = b"".join(struct.pack("<3I", *row) for row in rows)
    return struct.pack("<2I", len(rows), PAGE_SIZE) + table + b"".join(names)


def notes(k: Kernel, task: Task, sig: int, info: Siginfo | None) -> bytes:
    """All of them, in Linux's order: the thread that dies first, then the others."""
    view = TaskView(k, task)
    parts = [
        note("CORE", NT_PRSTATUS, prstatus(view, sig)),
        note("CORE", NT_PRPSINFO, prpsinfo(view)),
        note("CORE", NT_SIGINFO, pack_siginfo(info if info is not None else {"si_signo": sig})),
        note("CORE", NT_AUXV, auxv(view)),
    ]
    files = files_note(view)
    if files:
        parts.append(note("CORE", NT_FILE, files))
    parts.append(_floating(k, task))
    for thread in task.signal.threads:
        if thread is not task and not thread.exit_state:
            parts.append(note("CORE", NT_PRSTATUS, prstatus(TaskView(k, thread), sig)))
            parts.append(_floating(k, thread))
    return b"".join(parts)


def _floating(k: Kernel, task: Task) -> bytes:
    image = fxsave_image(k, task)
    part = note("CORE", NT_PRFPREG, fsave_from_fxsave(image))
    return part + note("LINUX", NT_PRXFPREG, image) if has_fxsr(k) else part
