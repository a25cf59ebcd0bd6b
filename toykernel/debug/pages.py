"""What maps a page, and who else does: page-table entries bit by bit, the frame, its references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.paging import (
    Walk,
)
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.look.entry_words import entry_letters
from toykernel.look.frames import Mapper, frame_role, mappers
from toykernel.look.task import TaskView
from toykernel.mm.mm_types import VM_SHARED, VM_WRITE, VmArea

if TYPE_CHECKING:
    from toykernel.state import Kernel


@dataclass(frozen=True)
class PageInfo:
    """All that there is to know of one linear address of one task. `frame` is a page frame number,
    None when nothing is mapped."""

    walk: Walk
    area: VmArea | None
    frame: int | None
    count: int
    mappers: tuple[Mapper, ...]
    role: str
    next_write: str


def page_info(view: TaskView, address: int) -> PageInfo:
    """Look an address up, as a task sees it. Nothing is marked by looking."""
    k = view.kernel
    walk = view.walk(address)
    area = view.task.mm.find_exact(address) if view.task.mm is not None else None
    if walk.physical is None or walk.physical >= k.machine.ram.size:
        return PageInfo(walk, area, None, 0, (), "", "")
    frame = walk.physical >> PAGE_SHIFT
    count = k.memory.pages.page_count(frame)
    return PageInfo(
        walk,
        area,
        frame,
        count,
        tuple(mappers(k, frame)),
        frame_role(k, frame),
        _next_write(k, walk, area, frame, count),
    )


def _next_write(k: Kernel, walk: Walk, area: VmArea | None, frame: int, count: int) -> str:
    """What a write by the program would do now."""
    if area is None or not walk.user:
        return "is SIGSEGV: not user memory" if walk.linear >= TASK_SIZE else ""
    if walk.writable:
        return "just happens"
    if not area.vm_flags & VM_WRITE:
        return "is SIGSEGV: the area is read-only"
    if area.vm_flags & VM_SHARED:
        return "faults, and gets the write bit: shared memory"
    if frame == k.memory.zero_pfn:
        return "faults, and gets a frame of its own for the zero page"
    return "faults, and copies the frame" if count > 1 else "faults, and gets the write bit back"


@dataclass(frozen=True)
class Range:
    """Neighbouring pages with the same rights."""

    start: int
    end: int
    letters: str


def mapped_ranges(view: TaskView) -> list[Range]:
    """The present pages of a task's user half, joined where A and D aside they agree."""
    ranges: list[Range] = []
    for walk in view.page_table():
        assert walk.pte is not None
        letters = entry_letters(walk.pde & walk.pte)[:3]
        if ranges and ranges[-1].end == walk.linear and ranges[-1].letters == letters:
            ranges[-1] = Range(ranges[-1].start, walk.linear + 4096, letters)
        else:
            ranges.append(Range(walk.linear, walk.linear + 4096, letters))
    return ranges
