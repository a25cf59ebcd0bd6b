"""What must hold whenever the kernel has dealt with a trap. Each rule is a function with a name.

A check yields one sentence for each breach, with address space, address and frame; nothing when all
is well. Checks only look: page tables are read from guest RAM without setting accessed or dirty bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emu.paging import PTE_A, PTE_D, PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import PTRS_PER_TABLE, USER_PGD_PTRS
from toykernel.arch.x86.thread_info import stack_end_intact
from toykernel.check.contents import (
    SharedFrames,
    reverse_map_is_true,
    users,
    zero_page_is_never_written,
)
from toykernel.check.moments import Moments
from toykernel.check.objects import OBJECT_CHECKS
from toykernel.check.touched import Touched
from toykernel.check.whole import Whole
from toykernel.errors import StopRun
from toykernel.look.frames import leaked_objects, owners
from toykernel.look.page_tables import tables
from toykernel.look.spaces import users_of
from toykernel.mm.mm_types import VM_EXEC, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct, VmArea
    from toykernel.state import Kernel
    from toykernel.task import Task

Check = Callable[[Whole], Iterator[str]]


class InvariantError(StopRun):
    """Something that must always hold does not; `name` is the check's, `detail` says where."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"invariant {name} is broken: {detail}")
        self.name = name
        self.detail = detail


def page_count_is_number_of_holders(whole: Whole) -> Iterator[str]:
    """References to a frame = page-table entries that map it + the kernel's own reasons."""
    k = whole.k
    held = owners(k)
    blocks = {pfn: k.memory.pages.page_count(pfn) for pfn in k.memory.pages.allocated()}
    blocks[k.memory.zero_pfn] = k.memory.pages.page_count(k.memory.zero_pfn)
    for pfn, count in blocks.items():
        who = held.pop(pfn, [])
        if count != len(who):
            yield f"frame {pfn:#x} has {count} references, held by: {', '.join(who) or 'nobody'}"
    for pfn, who in sorted(held.items()):
        yield f"frame {pfn:#x} is free, but used by: {', '.join(who)}"


def entries_point_to_user_frames(whole: Whole) -> Iterator[str]:
    """No entry leads to a free frame, out of RAM, or into the kernel's own memory."""
    memory = whole.k.memory
    for entry in whole.mapped:
        if entry.pfn >= memory.pages.frames:
            yield f"{whole.where(entry)} is not in RAM"
        elif entry.pfn < memory.reserved_end and entry.pfn != memory.zero_pfn:
            yield f"{whole.where(entry)} belongs to the kernel"
        elif memory.pages.page_count(entry.pfn) <= 0:
            yield f"{whole.where(entry)} is free"
        if entry.pte & PTE_P and not entry.pte & PTE_US:
            yield f"{whole.where(entry)} is mapped for the kernel only"


def writable_frames_have_one_user(whole: Whole) -> Iterator[str]:
    """A private frame that somebody may write has no second reference; the zero page has no writer."""
    k = whole.k
    for entry in whole.mapped:
        if entry.pte & (PTE_P | PTE_RW) != PTE_P | PTE_RW or entry.pfn >= k.memory.pages.frames:
            continue
        if entry.area is not None and entry.area.vm_flags & VM_SHARED:
            continue
        count = users(k, entry.pfn)
        if count != 1 or entry.pfn == k.memory.zero_pfn:
            who = users_of(k, entry.mm)
            yield (
                f"{who} may write frame {entry.pfn:#x} at {entry.address:#010x}, "
                f"which has {count} references"
            )


def entries_obey_areas(whole: Whole) -> Iterator[str]:
    """A present page lies in an area, and is writable only where the area is."""
    for entry in whole.mapped:
        area = entry.area
        if area is None:
            yield f"{whole.where(entry)} is mapped where there is no area"
        elif entry.pte & PTE_RW and not area.vm_flags & VM_WRITE:
            yield f"{whole.where(entry)} is writable in an area that is {area.permissions()}"
        elif bool(entry.pte & PTE_P) != bool(area.vm_flags & (VM_READ | VM_WRITE | VM_EXEC)):
            may = "can" if entry.pte & PTE_P else "cannot"
            rights = area.permissions()
            yield f"{whole.where(entry)} {may} be accessed in an area that is {rights}"


def areas_are_in_order(whole: Whole) -> Iterator[str]:
    """Areas are whole pages of user space and do not overlap."""
    k = whole.k
    for mm in whole.spaces:
        last = pages = locked = 0

        def where(area: VmArea, mm: MmStruct = mm) -> str:
            return f"{users_of(k, mm)}: area {area.vm_start:#010x}-{area.vm_end:#010x}"

        for start, area in mm.areas.items():
            if start != area.vm_start or area.vm_start >= area.vm_end or area.vm_end > TASK_SIZE:
                yield f"{where(area)} has bounds that cannot be"
            if (area.vm_start | area.vm_end) & (PAGE_SIZE - 1):
                yield f"{where(area)} is not made of whole pages"
            if area.vm_start < last:
                yield f"{where(area)} overlaps the one below it"
            last = area.vm_end
            locked += area.pages if area.vm_flags & VM_LOCKED else 0
            pages += (area.vm_end - area.vm_start) >> PAGE_SHIFT
        if pages != mm.total_vm:
            yield f"{users_of(k, mm)}: areas have {pages} pages, total_vm says {mm.total_vm}"
        if locked != mm.locked_vm:
            yield f"{users_of(k, mm)}: {locked} pages are locked, locked_vm says {mm.locked_vm}"


def tables_are_accounted_for(whole: Whole) -> Iterator[str]:
    """nr_ptes and rss are what the tables show, and the kernel's half is everywhere the same."""
    k = whole.k
    ram = k.machine.ram
    present = Counter(entry.mm.ident for entry in whole.mapped)
    own = _kernel_half(k, k.arch.swapper_pg_dir)
    for mm in whole.spaces:
        found = list(tables(k, mm))
        for base, pde in found:
            if (pde & PTE_FRAME) + PAGE_SIZE > ram.size or not pde & PTE_P:
                who = users_of(k, mm)
                yield f"{who}: directory entry {pde:#010x} for {base:#010x} leads nowhere"
        if len(found) != mm.nr_ptes:
            yield f"{users_of(k, mm)}: {len(found)} page tables, nr_ptes says {mm.nr_ptes}"
        if present[mm.ident] != mm.rss:
            pages = present[mm.ident]
            yield f"{users_of(k, mm)}: {pages} pages are present, rss says {mm.rss}"
        if _kernel_half(k, mm.pgd) != own:
            yield f"{users_of(k, mm)}: the kernel's half of directory {mm.pgd:#x} differs"


def _kernel_half(k: Kernel, pgd: int) -> list[tuple[int, int]]:
    """The entries of a directory's upper half, without accessed and dirty bits."""
    count = PTRS_PER_TABLE - USER_PGD_PTRS
    words = k.machine.ram.nonzero_words(pgd + USER_PGD_PTRS * 4, count)
    return [(index, word & ~(PTE_A | PTE_D)) for index, word in words]


def tlb_owes_nothing(whole: Whole) -> Iterator[str]:
    """No entry of the running address space has lost rights without a flush."""
    k = whole.k
    mm = k.memory.active_mm
    if mm is not None and mm.stale:
        pages = ", ".join(f"{address:#010x}" for address in sorted(mm.stale))
        yield f"{users_of(k, mm)}: not flushed after a change: {pages}"


def loaded_directory_is_the_task_s(whole: Whole) -> Iterator[str]:
    """CR3 holds the directory of the running task."""
    k = whole.k
    mm = k.current.mm
    if mm is not None and k.machine.cpu.cr3 & PTE_FRAME != mm.pgd:
        yield f"{users_of(k, mm)}: CR3 is {k.machine.cpu.cr3:#x}, its directory {mm.pgd:#x}"


def kernel_stacks_are_whole(whole: Whole) -> Iterator[str]:
    """STACK_END_MAGIC stands at the end of every kernel stack."""
    k = whole.k
    for task in k.processes.tasks:
        if not stack_end_intact(k.machine.ram, task.stack):
            yield f"kernel stack {task.stack:#010x} of pid {task.pid} ({task.comm}) has overflowed"


def slab_objects_have_records(whole: Whole) -> Iterator[str]:
    """Every object that a cache has given stands for a record."""
    k = whole.k
    lost = leaked_objects(k)
    for cache in k.memory.slabs:
        if cache.name in lost:
            missing = lost[cache.name]
            yield f"slab {cache.name}: {cache.active} objects in use, {missing} without a record"


def free_frames_add_up(whole: Whole) -> Iterator[str]:
    """Frames in use and frames on the free lists are all the frames there are, each of them once."""
    k = whole.k
    used = sum(1 << order for order in k.memory.pages.allocated().values())
    totals = k.memory.pages.totals()
    if used != totals.used:
        yield f"{used} frames have references, the allocator counts {totals.used}"
    free = end = 0
    for first, order in sorted(k.memory.pages.free_blocks()):
        if first < end:
            yield f"frame {first:#x} is on the free lists twice"
        end = first + (1 << order)
        free += 1 << order
        if k.memory.pages.in_use(first, end):
            yield f"frames {first:#x} to {end - 1:#x} are on a free list, and one is in use"
    if used + free != totals.managed:
        yield f"{used} frames are used and {free} free, of {totals.managed}"


CHECKS: tuple[Check, ...] = (
    entries_point_to_user_frames,
    page_count_is_number_of_holders,
    writable_frames_have_one_user,
    entries_obey_areas,
    areas_are_in_order,
    tables_are_accounted_for,
    tlb_owes_nothing,
    loaded_directory_is_the_task_s,
    kernel_stacks_are_whole,
    slab_objects_have_records,
    free_frames_add_up,
    reverse_map_is_true,
    zero_page_is_never_written,
    *OBJECT_CHECKS,
)


def check_all(k: Kernel, more: tuple[Check, ...] = ()) -> None:
    """Every check, in order. Raises InvariantError for the first breach."""
    whole = Whole(k)
    for check in (*CHECKS, *more):
        for detail in check(whole):
            raise InvariantError(check.__name__, detail)


class Looker:
    """Checks a kernel from now on: after every trap what it can have touched; everything (`look`) after a
    fork, exec, exit and now and then, as often as that costs no more than the run itself; and at its end.
    """

    def __init__(self, k: Kernel) -> None:
        self._k = k
        moments = Moments(k, _report)
        contents = SharedFrames()
        self._more = (contents.shared_frames_do_not_change, moments.tlb_holds_nothing_lost)
        self._by_name = {check.__name__: check for check in (*CHECKS, *self._more)}
        self._moments = moments
        self._touched = Touched(k, contents)
        self._credit = FIRST_CREDIT
        self._event = True  # something happened after which everything is looked at

    def look(self) -> None:
        """Everything. Raises InvariantError."""
        check_all(self._k, self._more)

    def after_trap(self, _task: Task) -> None:
        """What the trap can have touched, and everything when that is due. Raises InvariantError."""
        self._moments.settled()
        for name in self._touched.suspicions():
            for detail in self._by_name[name](Whole(self._k)):
                raise InvariantError(name, detail)
            raise InvariantError(name, "noticed after a trap, and not any more")
        for detail in self._moments.tlb_holds_nothing_lost(Whole(self._k)):
            raise InvariantError("tlb_holds_nothing_lost", detail)
        self._credit += CREDIT
        price = self._price()
        if self._credit >= (price if self._event else PATIENCE * price):
            self._event = False
            self._credit -= price
            self.look()

    def _price(self) -> int:
        """About how long a look at everything takes, in microseconds."""
        k = self._k
        return k.memory.pages.frames // 2 + 8 * self._touched.entries + 60 * len(k.processes.tasks)

    def on_event(self, *_: object) -> None:
        """A fork, an exec, an exit."""
        self._event = True


#: What a trap costs a run without checks, at least, and what is spent before that: microseconds.
CREDIT, FIRST_CREDIT = 20, 200_000
#: How many times its price is saved up for a look at everything that no event asks for.
PATIENCE = 4


def _report(name: str, detail: str) -> None:
    raise InvariantError(name, detail)


def install(k: Kernel, *, full: bool = False) -> None:
    """Check after every trap that the kernel has dealt with, from now on; and what happens, as it does.

    With `full` everything is looked at every time, whatever that costs; else see Looker.
    """
    trace = k.host.trace
    if not full:
        looker = Looker(k)
        trace.to_user.append(looker.after_trap)
        trace.process_fork.append(looker.on_event)
        trace.process_exec.append(looker.on_event)
        trace.release_task.append(looker.on_event)
        trace.run_over.append(looker.look)
        return
    moments = Moments(k, _report)
    more = (SharedFrames().shared_frames_do_not_change, moments.tlb_holds_nothing_lost)

    def after_trap(_task: Task) -> None:
        moments.settled()
        check_all(k, more)

    trace.to_user.append(after_trap)
