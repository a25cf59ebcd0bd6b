"""What /proc/PID says of a task's memory: maps and smaps (fs/proc/task_mmu.c)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.paging import PTE_A, PTE_D, PTE_FRAME
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import present_ptes
from toykernel.mm.mm_types import (
    VM_DONTCOPY,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    VM_SEALED,
    VM_SHARED,
    VM_WRITE,
    MmStruct,
    VmArea,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_FLAG_NAMES = {
    VM_READ: "rd",
    VM_WRITE: "wr",
    VM_EXEC: "ex",
    VM_SHARED: "sh",
    VM_MAYREAD: "mr",
    VM_MAYWRITE: "mw",
    VM_MAYEXEC: "me",
    VM_GROWSDOWN: "gd",
    VM_LOCKED: "lo",
    VM_DONTCOPY: "dc",
    VM_SEALED: "sl",
}


def area_frames(k: Kernel, mm: MmStruct, area: VmArea) -> Iterator[tuple[int, int]]:
    """(entry, frame) of each page of an area that is there."""
    for _, _, pte in present_ptes(k, mm, area.vm_start, area.vm_end):
        yield pte, (pte & PTE_FRAME) >> PAGE_SHIFT


def area_name(mm: MmStruct, area: VmArea) -> str:
    """What maps shows behind an area: the path of its file, what it is for, or nothing."""
    if area.mapping is not None:
        return mapped_name(mm, area)
    if area.vm_start < mm.brk and area.vm_end > mm.start_brk:  # vma_is_initial_heap
        return "[heap]"
    if area.vm_start <= mm.start_stack < area.vm_end:
        return "[stack]"
    return area.name if area.name.startswith("[") else ""


def mapped_name(mm: MmStruct, area: VmArea) -> str:
    """The path of the file that an area maps."""
    assert area.mapping is not None
    name = area.name
    if not name.startswith("/"):
        name = area.mapping.name or (mm.exe_name if name == "program" else name)
    host = area.mapping.host
    gone = host is not None and not host.nlink and not name.endswith(" (deleted)")
    return f"{name} (deleted)" if gone else name


def area_file(area: VmArea) -> tuple[int, int, int, int]:
    """What maps shows of an area's file: bytes from its start, its number, its device's two; or zeros."""
    if area.mapping is None:
        return 0, 0, 0, 0
    offset, host = area.vm_pgoff << PAGE_SHIFT, area.mapping.host
    if host is None:
        return offset, 0, 0, 0
    return offset, host.ino, host.i_sb.s_dev >> 8, host.i_sb.s_dev & 0xFF


def _line(mm: MmStruct, area: VmArea) -> str:
    offset, ino, major, minor = area_file(area)
    text = (
        f"{area.vm_start:08x}-{area.vm_end:08x} {area.permissions()} {offset:08x} "
        f"{major:02x}:{minor:02x} {ino} "
    )
    name = area_name(mm, area)
    return f"{text:<49}{name}".rstrip(" ") + ("\n" if name else " \n")


def proc_pid_maps(k: Kernel, task: Task) -> str:
    """A line for each area."""
    return "".join(_line(task.mm, area) for area in task.mm) if task.mm is not None else ""


def proc_pid_smaps(k: Kernel, task: Task) -> str:
    """The lines of maps, each with what of the area is there."""
    mm = task.mm
    if mm is None:
        return ""
    return "".join(_line(mm, area) + _figures(_count(k, mm, area), area) for area in mm)


def proc_pid_smaps_rollup(k: Kernel, task: Task) -> str:
    """The sums over all areas."""
    mm = task.mm
    if mm is None:
        return ""
    total: dict[str, int] = {}
    first, last = TASK_SIZE, 0
    for area in mm:
        first, last = min(first, area.vm_start), max(last, area.vm_end)
        for name, size in _count(k, mm, area).items():
            total[name] = total.get(name, 0) + size
    head = f"{f'{first:08x}-{last:08x} ---p 00000000 00:00 0 ':<49}[rollup]\n"
    return head + _figures({n: s for n, s in total.items() if n not in _OF_AREA}, None)


_OF_AREA = ("Size", "KernelPageSize", "MMUPageSize")


def _count(k: Kernel, mm: MmStruct, area: VmArea) -> dict[str, int]:
    """Bytes by name; a page that several map is shared, and its share of Pss is by their number."""
    n = dict.fromkeys(
        ("Size", "KernelPageSize", "MMUPageSize", "Rss", "Pss", "Shared_Clean", "Shared_Dirty",
         "Private_Clean", "Private_Dirty", "Referenced", "Anonymous"), 0,
    )  # fmt: skip
    n["Size"] = area.vm_end - area.vm_start
    n["KernelPageSize"] = n["MMUPageSize"] = PAGE_SIZE
    cached = set(area.mapping.pages.values()) if area.mapping is not None else set()
    pss = 0
    for pte, pfn in area_frames(k, mm, area):
        if pfn == k.memory.zero_pfn:
            continue
        users = max(k.memory.rmap.mapcount(pfn), 1)
        n["Rss"] += PAGE_SIZE
        pss += (PAGE_SIZE << 12) // users
        kind = "Shared" if users > 1 else "Private"
        dirty = pte & PTE_D or pfn not in cached
        n[f"{kind}_{'Dirty' if dirty else 'Clean'}"] += PAGE_SIZE
        n["Referenced"] += PAGE_SIZE if pte & PTE_A else 0
        n["Anonymous"] += 0 if pfn in cached else PAGE_SIZE
    n["Pss"] = pss >> 12
    n["Swap"] = 0
    n["Locked"] = n["Rss"] if area.vm_flags & VM_LOCKED else 0
    return n


def _figures(sizes: dict[str, int], area: VmArea | None) -> str:
    text = "".join(f"{name + ':':<16}{size >> 10:8} kB\n" for name, size in sizes.items())
    if area is None:
        return text
    names = [name for flag, name in _FLAG_NAMES.items() if area.vm_flags & flag]
    return text + "VmFlags: " + "".join(f"{name} " for name in names) + "\n"
