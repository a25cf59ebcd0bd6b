"""Memory of a process as a debugger or a core file has it: read without touching it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE

if TYPE_CHECKING:
    from toykernel.look.task import TaskView
    from toykernel.mm.mm_types import VmArea
    from toykernel.state import Kernel


def read_memory(view: TaskView, address: int, size: int) -> bytes:
    """As much as can be read from there on: pages that nobody has touched as they would be filled."""
    parts: list[bytes] = []
    while size > 0 and address < 1 << 32:
        part = min(size, PAGE_SIZE - address % PAGE_SIZE)
        data = _read_page(view, address, part)
        if data is None:
            break
        parts.append(data)
        address += part
        size -= part
    return b"".join(parts)


def _read_page(view: TaskView, address: int, size: int) -> bytes | None:
    ram = view.kernel.machine.ram
    physical = view.walk(address).physical
    if physical is not None:
        return ram.read(physical, size) if physical + size <= ram.size else None
    area = view.task.mm.find_exact(address) if view.task.mm is not None else None
    if area is None or address >= TASK_SIZE:
        return None
    return _untouched(view.kernel, area, address, size)


def _untouched(k: Kernel, area: VmArea, address: int, size: int) -> bytes | None:
    """What a page of an area will hold when it is there."""
    mapping = area.mapping
    if mapping is None:
        return bytes(size)
    index = area.page_index(address)
    pfn = mapping.pages.get(index)
    if pfn is not None:
        return k.machine.ram.read((pfn << 12) + address % PAGE_SIZE, size)
    start = index * PAGE_SIZE + address % PAGE_SIZE
    if index * PAGE_SIZE >= mapping.size:
        return None
    contents = mapping.contents
    return (contents.read(start, size) if contents is not None else b"").ljust(size, b"\0")
