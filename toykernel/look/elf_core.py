"""A core file of a process, as Linux writes it (fs/binfmt_elf.c: elf_core_dump).

More is in it than in Linux's: every readable page, those of the program's file too, so that a debugger needs
nothing else. Pages that nobody has touched are what they would be filled with.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.fs.binfmt_elf import ELF_IDENT, EM_386, PT_LOAD
from toykernel.look.core_notes import notes
from toykernel.look.filled import read_memory
from toykernel.look.page_tables import entries
from toykernel.look.task import TaskView
from toykernel.mm.mm_types import VM_EXEC, VM_READ, VM_WRITE

if TYPE_CHECKING:
    from toykernel.kernel.siginfo import Siginfo
    from toykernel.mm.mm_types import VmArea
    from toykernel.state import Kernel
    from toykernel.task import Task

ET_CORE, PT_NOTE, PN_XNUM = 4, 4, 0xFFFF
_EHDR, _PHDR = 52, 32
#: Bytes of untouched pages at the end of an area that are still written.
_TAIL = 1 << 20


def elf_core(k: Kernel, task: Task, sig: int = 0, info: Siginfo | None = None) -> bytes:
    """The file. `task` is the thread that a debugger selects, `sig` what it dies of, with its siginfo.

    An area whose end nobody has touched for more than 1 MiB is cut there (p_filesz < p_memsz).
    """
    view = TaskView(k, task)
    areas = view.areas[: PN_XNUM - 2]
    touched: set[int] = set()
    if task.mm is not None:
        touched = {entry.address & -PAGE_SIZE for entry in entries(k, task.mm)}
    told = notes(k, task, sig, info)
    at = _EHDR + _PHDR * (1 + len(areas))
    headers = [struct.pack("<8I", PT_NOTE, at, 0, 0, len(told), 0, 0, 4)]
    contents = []
    at = -(-(at + len(told)) // PAGE_SIZE) * PAGE_SIZE
    start = at
    for area in areas:
        data = read_memory(view, area.vm_start, _size(area, touched))
        size = area.vm_end - area.vm_start
        flags = sum(
            pf for vm, pf in ((VM_READ, 4), (VM_WRITE, 2), (VM_EXEC, 1)) if area.vm_flags & vm
        )
        headers.append(
            struct.pack("<8I", PT_LOAD, at, area.vm_start, 0, len(data), size, flags, PAGE_SIZE)
        )
        data = data.ljust(-(-len(data) // PAGE_SIZE) * PAGE_SIZE, b"\0")
        contents.append(data)
        at += len(data)
    count = len(headers)
    ident = ELF_IDENT.ljust(16, b"\0")
    head = ident + struct.pack(
        "<2H5I6H", ET_CORE, EM_386, 1, 0, _EHDR, 0, 0, _EHDR, _PHDR, count, 0, 0, 0
    )
    front = head + b"".join(headers) + told
    return b"".join((front.ljust(start, b"\0"), *contents))


def _size(area: VmArea, touched: set[int]) -> int:
    size = area.vm_end - area.vm_start
    if area.mapping is not None or size <= _TAIL:
        return size
    last = max(
        (page for page in touched if area.vm_start <= page < area.vm_end), default=area.vm_start
    )
    wanted = last + PAGE_SIZE - area.vm_start
    return size if size - wanted <= _TAIL else wanted
