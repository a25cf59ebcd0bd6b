"""Small programs in a machine of their own, and looking into the machine."""

import struct
import tempfile
from pathlib import Path
from typing import Any

from emu.paging import Walk, walk
from toykernel import run_loop
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.arch.x86.pgtable import USER_PGD_PTRS
from toykernel.check.invariants import check_all
from toykernel.harness.images import boot_images
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.power_on import power_on
from toykernel.state import Config, Kernel, Outcome
from toykernel.task import Task

LIMIT = 5_000_000  # cycles; what takes longer does not end
PROGRAM_PID = 2
#: What every program starts with. `give_way` sleeps for an instant, so that all others have a turn.
HEAD = """.include "linux.inc"
.macro give_way
    .section .rodata
887: .long 0, 1
    .text
    movl $887b, %ebx
    xorl %ecx, %ecx
    movl $162, %eax             # nanosleep
    int $0x80
.endm
.globl _start
.text
_start:
"""


def boot(
    source: str | bytes,
    args: tuple[str, ...] = (),
    files: dict[str, bytes] | None = None,
    check: bool = False,
    **config: Any,
) -> Session:
    """A machine with a program, an ELF image or assembly that starts at its first line."""
    with tempfile.TemporaryDirectory() as directory:
        if isinstance(source, str):
            path = Path(directory) / "guest.S"
            path.write_text(HEAD + source)
        else:
            path = Path(directory) / "guest"
            path.write_bytes(source)
        session = Session(path, args, files=files, config=Config(**config))
    if check:
        session.kernel.host.trace.to_user.append(lambda _task: check_all(session.kernel))
    return session


def boot_elf(image: bytes, **config: Any) -> Kernel:
    """A kernel without a session, with an ELF image as its program."""
    machine = Config(**config)
    return power_on(
        {"/guest": image}, "/guest", [b"/guest"], images=boot_images(machine), config=machine
    )


def finish(session: Session, limit: int = LIMIT) -> int:
    """Run to the end; the program's wait status. Nothing may be left behind."""
    outcome = session.run(limit)
    k = session.kernel
    assert outcome.kind == "finished", outcome
    check_all(k)
    assert leaked_frames(k) == 0
    assert [task.pid for task in k.processes.tasks] == [0, 1]
    assert session.stats.program_status is not None
    return session.stats.program_status


def run(source: str | bytes, **config: Any) -> Session:
    """Boot with invariants checked, and run to an exit status of 0."""
    session = boot(source, check=True, **config)
    status = finish(session)
    assert status == 0, f"status {status:#x}, output {session.stdout!r}"
    return session


def status_of(source: str | bytes, **config: Any) -> int:
    """Boot with invariants checked; the wait status at the end."""
    return finish(boot(source, check=True, **config))


def label(session: Session, name: str) -> int:
    """Linear address of a label of the program, or else of the kernel's text."""
    assert session.program is not None
    symbol = session.program.symbols.get(name)
    return session.kernel.host.symbols[name] if symbol is None else symbol.value


def run_to(session: Session, name: str, pid: int | None = None, limit: int = LIMIT) -> Task:
    """Run until a task is about to execute the instruction at a label; the task."""
    k = session.kernel
    at = label(session, name)
    k.machine.cpu.set_breakpoints([at])
    try:
        while True:
            outcome = run_loop.run(k, limit)
            assert outcome.kind == "event", f"{name} was not reached: {outcome}"
            task = k.current
            if (task.comm == "guest" or at >= PAGE_OFFSET) and (pid is None or task.pid == pid):
                return task
            run_loop.step(k)
    finally:
        k.machine.cpu.set_breakpoints([])


def run_while(session: Session, limit: int = LIMIT) -> Outcome:
    """Run on to the end or the limit."""
    return session.run(limit)


def task(session: Session, pid: int) -> Task:
    """A living or undead task."""
    return next(t for t in session.kernel.processes.tasks if t.pid == pid)


def look(k: Kernel, t: Task, address: int) -> Walk:
    """What a task's page tables say of an address, read from guest RAM."""
    assert t.mm is not None
    return walk(k.machine.ram, t.mm.pgd, address)


def frame(k: Kernel, t: Task, address: int) -> int:
    """The frame behind an address."""
    physical = look(k, t, address).physical
    assert physical is not None
    return physical >> 12


def word(k: Kernel, t: Task, address: int) -> int:
    """A 32-bit word of a task's memory."""
    physical = look(k, t, address).physical
    assert physical is not None
    return k.machine.ram.read32(physical)


def kernel_words(k: Kernel, address: int, count: int) -> list[int]:
    """Words at a kernel address."""
    return k.machine.ram.words(address - PAGE_OFFSET, count)


def table_bytes(k: Kernel, t: Task) -> bytes:
    """The user half of a task's directory, and every page table that it leads to, in order."""
    assert t.mm is not None
    ram = k.machine.ram
    parts = [ram.read(t.mm.pgd, USER_PGD_PTRS * 4)]
    for (entry,) in struct.iter_unpack("<I", parts[0]):
        if entry & 1:
            parts.append(ram.read(entry & ~0xFFF, 4096))
    return b"".join(parts)
