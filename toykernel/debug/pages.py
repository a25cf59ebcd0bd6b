"""What maps a page, and who else does: page-table entries bit by bit, the frame, its references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.paging import (
    PTE_A,
    PTE_D,
    PTE_G,
    PTE_P,
    PTE_PCD,
    PTE_PWT,
    PTE_RW,
    PTE_US,
    Walk,
)
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.look.frames import Mapper, frame_role, mappers
from toykernel.look.task import TaskView
from toykernel.mm.mm_types import VM_SHARED, VM_WRITE, VmArea

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: Bit, name when set, name when clear.
BITS = (
    (PTE_P, "present", "not present"),
    (PTE_RW, "writable", "read-only"),
    (PTE_US, "user", "supervisor"),
    (PTE_PWT, "write-through", ""),
    (PTE_PCD, "cache off", ""),
    (PTE_A, "accessed", "not accessed"),
    (PTE_D, "dirty", "clean"),
    (PTE_G, "global", ""),
)


def entry_bits(entry: int, *, table: bool) -> list[str]:
    """Names of an entry's bits. `table`: an entry of the directory, which has no dirty bit."""
    if not entry & PTE_P:
        return ["not present"] + ([f"software {entry:#x}"] if entry else [])
    names = []
    for bit, on, off in BITS:
        if table and bit in (PTE_D, PTE_G):
            continue
        name = on if entry & bit else off
        if name:
            names.append(name)
    return names


def entry_letters(entry: int) -> str:
    """P RW US A D as letters, `-` for a clear bit."""
    letters = zip("PWUAD", (PTE_P, PTE_RW, PTE_US, PTE_A, PTE_D), strict=True)
    return "".join(letter if entry & bit else "-" for letter, bit in letters)


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


def area_flags(area: VmArea) -> str:
    """Whether fork shares the pages, and what a write does then."""
    if area.vm_flags & VM_SHARED:
        return "shared"
    return "private, copy on write" if area.vm_flags & VM_WRITE else "private"
