"""The invariants of what one trap can have touched: `--check` at a cost that does not grow with the guest.

Keeps its own account of the page tables: what they held when it looked last, who maps each frame, who may
write it. After a trap it compares bytes (directories and tables of the address spaces that were at work, the
reference counts of all frames) and looks at the entries and frames that changed. What it finds wrong it does
not report itself: it calls the check of that name, which looks at everything and says where. Damage elsewhere
is found by the next look at everything: see `Looker` in invariants.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.arch.x86.pgtable import PGDIR_SIZE, USER_PGD_PTRS, pte_present
from toykernel.arch.x86.thread_info import stack_end_intact
from toykernel.check.contents import ZEROS, SharedFrames
from toykernel.mm.mm_types import VM_EXEC, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE, VmArea

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel
    from toykernel.task import Task

_USER_HALF = USER_PGD_PTRS * 4
_KERNEL_HALF = PAGE_SIZE - _USER_HALF
_ACCESSED = ~0x60
_CHUNK = 256  # bytes of a table compared at once
_COUNTS = 1024  # bytes of the reference counts compared at once
#: So many areas are compared at every trap, and shared frames read; more than that in turns.
AREAS_AT_ONCE = 64
FRAMES_AT_ONCE = 32

Areas = list[tuple[int, int, int, int]]  # key, start, end, flags


@dataclass
class _Space:
    """What an address space was when it was looked at last."""

    mm: MmStruct
    pgd: int  # frame of the directory
    directory: bytes = bytes(_USER_HALF)
    half: bytes = b""  # the kernel's, which was found right
    tables: dict[int, tuple[int, bytes]] = field(
        default_factory=dict
    )  # by address: frame, contents
    present: int = 0
    private: dict[int, None] = field(default_factory=dict)  # pages of private areas, by address
    areas: Areas = field(default_factory=list)
    pages: int = 0  # of all areas
    locked: int = 0
    passed: int = 0  # traps since many areas were compared


class Touched:
    """One kernel's account, kept from now on."""

    def __init__(self, k: Kernel, contents: SharedFrames) -> None:
        """`contents` is kept up to date with what frames hold that begin or cease to be shared."""
        self._k = k
        self._contents = contents
        self.entries = 0  # pages that are mapped, in all address spaces
        self._spaces: dict[int, _Space] = {}
        self._at_work: dict[int, MmStruct] = {}
        self._mapped: dict[int, int] = {}  # entries of each frame
        self._private: dict[int, int] = {}  # those of private areas
        self._writers: dict[int, dict[tuple[int, int], None]] = {}  # that may write
        self._tables: dict[int, int] = {}  # frames of directories and tables
        self._frames: dict[int, None] = {}  # that changed since the last trap
        self._counts = bytes(len(k.memory.pages.counts()))
        self._turn: list[int] = []  # shared frames to be read next
        self._stacks: dict[int, Task] = {}
        self._stack_frames: dict[int, None] = {}
        trace = k.host.trace
        trace.set_ptes.append(self._on_set_ptes)
        trace.page_pin.append(self._on_pin)
        trace.sched_switch.append(self._on_switch)
        trace.process_fork.append(self._on_fork)
        trace.release_task.append(self._on_release)
        for mm in k.memory.mms.values():
            self._at_work[mm.ident] = mm
        self._catch_up()

    def _on_set_ptes(self, mm: MmStruct, _entries: list[tuple[int, int, int]]) -> None:
        self._at_work[mm.ident] = mm

    def _on_pin(self, pfn: int, _held: bool) -> None:
        self._frames[pfn] = None

    def _on_switch(self, previous: Task, following: Task) -> None:
        for task in (previous, following):
            self._stacks[task.stack] = task
            if task.mm is not None:
                self._at_work[task.mm.ident] = task.mm

    def _on_fork(self, _parent: Task, child: Task, _flags: int) -> None:
        self._stack_frames[(child.stack - PAGE_OFFSET) >> PAGE_SHIFT] = None

    def _on_release(self, task: Task) -> None:
        self._stack_frames.pop((task.stack - PAGE_OFFSET) >> PAGE_SHIFT, None)

    def _catch_up(self) -> None:
        """Take things as they are; a look at everything says whether they are right."""
        for _ in self.suspicions():
            pass

    # -- after a trap ------------------------------------------------------------------------------

    def suspicions(self) -> Iterator[str]:
        """Names of checks that have something to say, after what the last trap changed."""
        k = self._k
        mms = k.memory.mms
        if self._spaces.keys() != mms.keys():
            for ident in [ident for ident in self._spaces if ident not in mms]:
                self._forget(self._spaces.pop(ident))
            for ident in [ident for ident in mms if ident not in self._spaces]:
                self._at_work[ident] = mms[ident]
        mm = k.current.mm
        if mm is not None:
            self._at_work[mm.ident] = mm
        work = [mm for ident, mm in self._at_work.items() if ident in mms]
        self._at_work.clear()
        for mm in work:
            space = self._spaces.get(mm.ident)
            if space is None:
                space = self._spaces[mm.ident] = _Space(mm, mm.pgd >> PAGE_SHIFT)
                self._note_table(space.pgd, 1)
            yield from self._areas(space)
            yield from self._entries_of(space)
        yield from self._references()
        yield from self._rest()

    def _rest(self) -> Iterator[str]:
        """What is cheap enough for every trap."""
        k = self._k
        active, current = k.memory.active_mm, k.current
        if active is not None and active.stale:
            yield "tlb_owes_nothing"
        if current.mm is not None and k.machine.cpu.cr3 & PTE_FRAME != current.mm.pgd:
            yield "loaded_directory_is_the_task_s"
        self._stacks[current.stack] = current
        for stack, task in self._stacks.items():
            if task.exit_state == 0 and not stack_end_intact(k.machine.ram, stack):
                yield "kernel_stacks_are_whole"
        self._stacks.clear()
        zero = k.memory.zero_pfn
        if (
            k.memory.pages.page_count(zero)
            and k.machine.ram.read(zero << PAGE_SHIFT, PAGE_SIZE) != ZEROS
        ):
            yield "zero_page_is_never_written"
        if not self._turn:
            self._turn = list(self._contents.held)
        for _ in range(min(FRAMES_AT_ONCE, len(self._turn))):
            pfn = self._turn.pop()
            held = self._contents.held.get(pfn)
            if held is not None and k.machine.ram.read(pfn << PAGE_SHIFT, PAGE_SIZE) != held:
                yield "shared_frames_do_not_change"

    # -- page tables -------------------------------------------------------------------------------

    def _entries_of(self, space: _Space) -> Iterator[str]:
        """Directory, tables, and the entries of them that changed."""
        ram, mm = self._k.machine.ram, space.mm
        directory = ram.read(mm.pgd, PAGE_SIZE)
        if directory[:_USER_HALF] != space.directory:
            yield from self._directory(space, directory[:_USER_HALF])
        for base, (frame, old) in space.tables.items():
            now = ram.read(frame << PAGE_SHIFT, PAGE_SIZE)
            if now != old:
                space.tables[base] = frame, now
                yield from self._changed_entries(space, base, old, now)
        if len(space.tables) != mm.nr_ptes or space.present != mm.rss:
            yield "tables_are_accounted_for"
        if directory[_USER_HALF:] != space.half:
            space.half = directory[_USER_HALF:]
            own = ram.read(self._k.arch.swapper_pg_dir + _USER_HALF, _KERNEL_HALF)
            if _rights(space.half) != _rights(own):
                yield "tables_are_accounted_for"

    def _directory(self, space: _Space, directory: bytes) -> Iterator[str]:
        before, space.directory = space.directory, directory
        for index, old, new in _differing_words(before, directory):
            if (old ^ new) & PTE_FRAME == 0 and bool(old) == bool(new):
                continue
            base = index << 22
            if base in space.tables:
                frame, contents = space.tables.pop(base)
                self._note_table(frame, -1)
                yield from self._changed_entries(space, base, contents, bytes(PAGE_SIZE))
            if new:
                if (new & PTE_FRAME) + PAGE_SIZE > self._k.machine.ram.size or not new & PTE_P:
                    yield "tables_are_accounted_for"
                    continue
                space.tables[base] = new >> PAGE_SHIFT, bytes(PAGE_SIZE)
                self._note_table(new >> PAGE_SHIFT, 1)

    def _note_table(self, frame: int, by: int) -> None:
        _count(self._tables, frame, by)
        self._frames[frame] = None

    def _changed_entries(self, space: _Space, base: int, old: bytes, new: bytes) -> Iterator[str]:
        area: VmArea | None = None
        for index, was, pte in _differing_words(old, new):
            at = base + (index << PAGE_SHIFT)
            if was and pte_present(was):
                self._drop(space, at, was)
            if not pte:
                continue
            if area is None or not area.vm_start <= at < area.vm_end:
                area = space.mm.find_exact(at)
            yield from self._entry(space, at, pte, area)

    def _drop(self, space: _Space, address: int, pte: int) -> None:
        """An entry is no more, or another."""
        pfn = pte >> PAGE_SHIFT
        self._frames[pfn] = None
        _count(self._mapped, pfn, -1)
        space.present -= 1
        self.entries -= 1
        if address in space.private:
            del space.private[address]
            _count(self._private, pfn, -1)
        if pte & PTE_RW and pfn in self._writers:
            self._writers[pfn].pop((space.mm.ident, address), None)
            if not self._writers[pfn]:
                del self._writers[pfn]

    def _entry(self, space: _Space, address: int, pte: int, area: VmArea | None) -> Iterator[str]:
        """An entry that is new, or another: what can be said of it alone."""
        k, pfn = self._k, pte >> PAGE_SHIFT
        if not pte_present(pte):
            return
        self._frames[pfn] = None
        _count(self._mapped, pfn, 1)
        space.present += 1
        self.entries += 1
        frames = k.memory.pages.frames
        if (
            pfn >= frames
            or (pfn < k.memory.reserved_end and pfn != k.memory.zero_pfn)
            or k.memory.pages.page_count(pfn) <= 0
            or (pte & PTE_P and not pte & PTE_US)
        ):
            yield "entries_point_to_user_frames"
        yield from _obeys(pte, area)
        if area is None or not area.vm_flags & VM_SHARED:
            space.private[address] = None
            _count(self._private, pfn, 1)
            if pte & (PTE_P | PTE_RW) == PTE_P | PTE_RW:
                self._writers.setdefault(pfn, {})[space.mm.ident, address] = None
        if not k.memory.rmap.has(pfn, space.mm.ident, address):
            yield "reverse_map_is_true"

    def _forget(self, space: _Space) -> None:
        """An address space is gone, and all its entries with it."""
        self._note_table(space.pgd, -1)
        for base, (frame, contents) in space.tables.items():
            self._note_table(frame, -1)
            for index, pte, _ in _differing_words(contents, bytes(PAGE_SIZE)):
                if pte_present(pte):
                    self._drop(space, base + (index << PAGE_SHIFT), pte)

    # -- frames ------------------------------------------------------------------------------------

    def _references(self) -> Iterator[str]:
        """Frames whose count or users changed: as many references as holders, and one user for a writer."""
        k = self._k
        counts = k.memory.pages.counts()
        if counts != self._counts:
            self._note_counts(counts)
        frames, self._frames = self._frames, {}
        pages, pins, zero, rmap = k.memory.pages, k.memory.pins, k.memory.zero_pfn, k.memory.rmap
        if not frames:
            return
        cached = self._cached(frames)
        for pfn in frames:
            if pfn >= pages.frames:
                continue
            mapped = self._mapped.get(pfn, 0)
            if rmap.mapcount(pfn) != mapped:
                yield "reverse_map_is_true"
            count = pages.page_count(pfn)
            holders = mapped + self._tables.get(pfn, 0) + pins.get(pfn, 0)
            holders += (pfn == zero) + cached.get(pfn, 0)
            if (
                count != holders
                and pfn >= k.memory.reserved_end
                and count not in (holders + own for own in self._kernel_s_own(pfn))
            ):
                yield "page_count_is_number_of_holders"
            users = count - pins.get(pfn, 0)
            if pfn in self._writers and (users != 1 or pfn == zero):
                yield "writable_frames_have_one_user"
            if users < 2 or pfn == zero or pfn in cached or not self._private.get(pfn):
                self._contents.held.pop(pfn, None)
            elif pfn not in self._contents.held:
                self._contents.held[pfn] = k.machine.ram.read(pfn << PAGE_SHIFT, PAGE_SIZE)

    def _note_counts(self, counts: bytes) -> None:
        """Which frames have another count than before."""
        for start in range(0, len(counts), _COUNTS):
            before, now = self._counts[start : start + _COUNTS], counts[start : start + _COUNTS]
            if before != now:
                for index, _, _ in _differing_words(before, now):
                    self._frames[(start >> 2) + index] = None
        self._counts = counts

    def _cached(self, frames: dict[int, None]) -> dict[int, int]:
        """How often the page cache holds each of these frames."""
        found: dict[int, int] = {}
        for mapping in self._k.memory.mappings.values():
            for pfn in frames.keys() & mapping.pages.values():
                _count(found, pfn, 1)
        return found

    def _kernel_s_own(self, pfn: int) -> Iterator[int]:
        """How often a frame begins a kernel stack or an LDT or is a slab's page: by our account, then by
        the tasks'."""
        k = self._k
        slabs = sum(cache.holds((pfn << PAGE_SHIFT) + PAGE_OFFSET) for cache in k.memory.slabs)
        slabs += sum(mm.ldt_pfn == pfn for mm in k.memory.mms.values() if mm.ldt_entries)
        yield slabs + (pfn in self._stack_frames)
        self._stack_frames = {
            (task.stack - PAGE_OFFSET) >> PAGE_SHIFT: None for task in k.processes.tasks
        }
        yield slabs + (pfn in self._stack_frames)

    # -- areas -------------------------------------------------------------------------------------

    def _areas(self, space: _Space) -> Iterator[str]:
        """Areas that changed: whether they are in order, and the entries below them obey them."""
        mm = space.mm
        space.passed += 1
        if len(mm.areas) <= AREAS_AT_ONCE * space.passed:
            space.passed = 0
            now = [(key, a.vm_start, a.vm_end, a.vm_flags) for key, a in mm.areas.items()]
            if now != space.areas:
                before, space.areas = space.areas, now
                yield from self._changed_areas(space, before, now)
            if mm.total_vm != space.pages or mm.locked_vm != space.locked:
                yield "areas_are_in_order"

    def _changed_areas(self, space: _Space, before: Areas, now: Areas) -> Iterator[str]:
        last = space.pages = space.locked = 0
        for key, start, end, flags in now:
            pages = (end - start) >> PAGE_SHIFT
            space.pages += pages
            space.locked += pages if flags & VM_LOCKED else 0
            if key != start or start >= end or start < last or (start | end) & (PAGE_SIZE - 1):
                yield "areas_are_in_order"
            last = end
        if last > PAGE_OFFSET:
            yield "areas_are_in_order"
        for start, end in _differing(before, now):
            yield from self._range_obeys(space, start, end)

    def _range_obeys(self, space: _Space, start: int, end: int) -> Iterator[str]:
        """The entries of a range whose area is another than before."""
        for base, (frame, _) in space.tables.items():
            if base >= end or base + PGDIR_SIZE <= start:
                continue
            first = max(start - base, 0) >> PAGE_SHIFT
            following = (min(end - base, PGDIR_SIZE) + PAGE_SIZE - 1) >> PAGE_SHIFT
            at = (frame << PAGE_SHIFT) + first * 4
            for index, pte in enumerate(self._k.machine.ram.words(at, following - first), first):
                if pte and pte_present(pte):
                    yield from _obeys(pte, space.mm.find_exact(base + (index << PAGE_SHIFT)))


def _obeys(pte: int, area: VmArea | None) -> Iterator[str]:
    if (
        area is None
        or (pte & PTE_RW and not area.vm_flags & VM_WRITE)
        or bool(pte & PTE_P) != bool(area.vm_flags & (VM_READ | VM_WRITE | VM_EXEC))
    ):
        yield "entries_obey_areas"


def _differing_words(old: bytes, new: bytes) -> Iterator[tuple[int, int, int]]:
    """(index, before, now) of 32-bit words; what is the same is passed over in chunks."""
    for start in range(0, len(old), _CHUNK):
        before, now = old[start : start + _CHUNK], new[start : start + _CHUNK]
        if before != now:
            words = zip(memoryview(before).cast("I"), memoryview(now).cast("I"), strict=True)
            for index, (was, word) in enumerate(words, start >> 2):
                if was != word:
                    yield index, was, word


def _rights(half: bytes) -> list[int]:
    return [word & _ACCESSED for word in memoryview(half).cast("I")]


def _count(counts: dict[int, int], key: int, by: int) -> None:
    counts[key] = counts.get(key, 0) + by
    if not counts[key]:
        del counts[key]


def _differing(before: Areas, now: Areas) -> Iterator[tuple[int, int]]:
    """Ranges that belong to an area with other flags than before, or to none."""
    old = {(start, end, flags) for _, start, end, flags in before}
    new = {(start, end, flags) for _, start, end, flags in now}
    gone, come = sorted(old - new), sorted(new - old)
    ends = sorted({bound for start, end, _ in (*gone, *come) for bound in (start, end)})
    for start, end in pairwise(ends):
        was = [flags for low, high, flags in gone if low <= start < high]
        has = [flags for low, high, flags in come if low <= start < high]
        if was != has:
            yield start, end
