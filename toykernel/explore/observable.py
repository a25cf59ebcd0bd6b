"""Equal keys for states that no program can tell apart, whatever the order in which they were reached.

What is left out, and why nobody can see it, is in docs/explore.md: cycles and what is counted, numbers of
frames and of records in the kernel's memory, what lies on kernel stacks but the registers of user mode, and
the order of those who are all woken at once. Everything else that can be reached from the Kernel comes in,
so what is forgotten here costs states, never outcomes.
"""

from __future__ import annotations

import hashlib
import marshal
import types
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import compress, count
from operator import is_, is_not, itemgetter
from typing import TYPE_CHECKING, Any

from emu.paging import PTE_P
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_REGS, TIF_NEED_RESCHED, TI_flags
from toykernel.arch.x86.process import FPU_AREA_SIZE
from toykernel.arch.x86.thread_info import task_pt_regs
from toykernel.explore.records import Held, Records
from toykernel.fs.file import File
from toykernel.fs.inode import Inode
from toykernel.fs.pipe_fs_i import PipeBuffer, peek
from toykernel.fs.super import SuperBlock
from toykernel.kernel.sched.entity import SchedEntity
from toykernel.kernel.signal_types import SignalStruct
from toykernel.kernel.timer import HrTimer
from toykernel.kernel.wait import Wait, WaitQueue
from toykernel.mm.filemap import AddressSpace
from toykernel.mm.mm_types import MmStruct, VmArea
from toykernel.task import Task

if TYPE_CHECKING:
    from toykernel.state import Kernel

#: By type, what nobody can see of a record; "slab", its address in the kernel's memory, of none.
UNSEEN: Mapping[type, frozenset[str]] = {
    Task: frozenset((
        *("stack", "usage", "active_mm", "on_rq", "start_time", "ran_since", "utime_ticks"),
        *("stime_ticks", "min_flt", "stats", "stack_canary", "thread"),
    )),
    SchedEntity: frozenset((
        *("vruntime", "exec_start", "sum_exec_runtime", "prev_sum_exec_runtime", "prev_utime"),
        *("prev_stime", "nvcsw", "nivcsw", "key", "time_slice", "counter"),
    )),
    SignalStruct: frozenset((
        *("utime", "stime", "cutime", "cstime", "sum_sched_runtime", "prev_utime", "prev_stime"),
        *("min_flt", "cmin_flt", "nvcsw", "nivcsw", "cnvcsw", "cnivcsw"),
    )),
    MmStruct: frozenset(("ident", "pgd", "stale", "nr_ptes", "rss")),
    VmArea: frozenset(("name", "anon_vma")),
    AddressSpace: frozenset(("ident", "pages")),
    # Whose functions follow from what it is.
    Inode: frozenset(("mtime", "i_op", "i_fop")),
    File: frozenset(("op",)),
    SuperBlock: frozenset(("s_op",)),
    HrTimer: frozenset(("key",)),
    Wait: frozenset(("reason", "entries")),
    PipeBuffer: frozenset(("data", "pfn")),
}  # fmt: skip
_ACCESS = 0x7  # present, writable, user
#: Results of an interrupted call that is to be made again: then orig_eax counts.
_RESTARTS = range((1 << 32) - 516, (1 << 32) - 511)
_AX, _ORIG_AX = PT_REGS.index("ax"), PT_REGS.index("orig_ax")
_BLANK = bytes(1 << PAGE_SHIFT)
#: Stands for a reference to a record in what another holds.
_REFERENCE = 0.5
_PRIMITIVES = frozenset((int, str, bytes, bool, type(None)))
_FUNCTIONS = frozenset((types.FunctionType, types.BuiltinFunctionType, type))


def _tables_of(page: bytes, count: int) -> list[tuple[int, int]]:
    words = memoryview(page).cast("I")[:count]
    return [(index, entry) for index, entry in enumerate(words) if entry & PTE_P]


@dataclass
class Observer:
    """Makes keys of one kernel's states. What it remembers saves time only."""

    k: Kernel
    records: Records
    sharing: bool = False  # whether it counts how many have a page

    def __post_init__(self) -> None:
        self._digests: dict[bytes, bytes] = {_BLANK: b""}
        self._tables: dict[tuple[bytes, int], list[tuple[int, int]]] = {}
        self._counted: dict[tuple[type, tuple[Any, ...]], Callable[[Any], Any]] = {}
        self._user = self.k.host.symbols["schedule"]
        self._image: Mapping[int, bytes] = {}
        #: By identity, what was found of a record last.
        self._found: dict[int, _Found] = {}
        self._files: _Region | None = None
        self._rest: _Region | None = None
        self._elsewhere: dict[type, Callable[[Any], Any]] = {
            Task: self._task,
            MmStruct: self._mm,
            AddressSpace: self._mapping,
            PipeBuffer: self._buffer,
            WaitQueue: self._wait_queue,
        }

    def key(self, *more: Any) -> bytes:
        """16 bytes for the present state, which `records` has seen, and for values besides."""
        k = self.k
        if len(self._digests) > 20_000 or len(self._tables) > 5_000 or len(self._found) > 2_000:
            self.__post_init__()
        self._image = k.machine.ram.image()
        told = k.sched.rq.told
        scalars = (
            (k.time.stands, k.time.wall_offset, k.random_state),
            () if told is None else (told.faults, tuple(sorted(told.asked.items()))),
            more,
        )
        roots = (
            k.processes.tasks,
            k.processes.futexes,
            k.processes.pids,
            k.files,
            k.sched.tunables,
        )
        # The file systems apart: what they lead to changes seldom.
        files = self._files = self._region(self._files, (k.files.fs,), None)
        rest = self._rest = self._region(self._rest, (*roots, *k.time.timers.values()), files)
        digest = hashlib.blake2b(digest_size=16)
        for region in (files, rest):
            digest.update(region.structure)
            digest.update(b"".join(region.codes))
            digest.update(marshal.dumps([self._outside(one) for one in region.outside], 2))
        digest.update(marshal.dumps(scalars, 2))
        return digest.digest()

    # -- the graph of records ----------------------------------------------------------------------

    def _region(
        self, known: _Region | None, roots: tuple[Any, ...], base: _Region | None
    ) -> _Region:
        """What the roots lead to and `base` does not have; the one that is known, if it is so still."""
        if (
            known is not None
            and known.base is base
            and len(known.roots) == len(roots)
            and all(map(is_, known.roots, roots))
            and self._refresh(known)
        ):
            return known
        index, held, objects = self.records.index, self.records.held, self.records.objects
        numbers = dict(base.numbers) if base is not None else {}
        start, todo, structure = len(numbers), list(map(id, roots)), array("i")
        places = []
        for ident in todo:  # grows
            if ident in numbers:
                structure.append(numbers[ident])
                continue
            numbers[ident] = len(numbers)
            structure.append(-1)
            at = index[ident]
            places.append(at)
            one = held[at]
            if one.code is None:
                self._encode(objects[at], one)
            todo += one.refs
        assert len(numbers) == start + len(places)
        return _Region(
            roots=roots,
            base=base,
            places=places,
            objects=[objects[at] for at in places],
            held=[held[at] for at in places],
            numbers=numbers,
            structure=structure.tobytes(),
            codes=[held[at].code or b"" for at in places],
            outside=[objects[at] for at in places if type(objects[at]) in self._elsewhere],
        )

    def _refresh(self, known: _Region) -> bool:
        """Whether its records still lead to each other in the same way; what else changed is noted."""
        held, objects, places = self.records.held, self.records.objects, known.places
        if max(places) >= len(held):
            return False
        for at in compress(count(), map(is_not, map(held.__getitem__, places), known.held)):
            place = places[at]
            now = held[place]
            if objects[place] is not known.objects[at]:
                return False
            if now.code is None:
                self._encode(objects[place], now)
            if now.refs != known.held[at].refs:
                return False
            assert now.code is not None
            known.held[at], known.codes[at] = now, now.code
        return True

    def _encode(self, record: Any, held: Held) -> None:
        """What counts of a record, with the references to others apart."""
        kind = type(record)
        refs: list[int] = []
        if kind is WaitQueue:
            found: list[Any] = []
        elif isinstance(record, dict):
            found = [self._value(one, refs) for pair in record.items() for one in pair]
        elif kind is list:
            found = [self._value(one, refs) for one in held.held]
        elif kind is set:
            found = sorted(record)
        elif kind is bytearray or kind is array:
            found = list(held.held)
        else:
            counted = self._counted.get((kind, held.names)) or self._fields(kind, held.names)
            values = counted(held.held)
            found = [one if type(one) in _PRIMITIVES else self._value(one, refs) for one in values]
        code = marshal.dumps((kind.__name__, found), 2)
        held.code = hashlib.blake2b(code, digest_size=16).digest()
        held.refs = tuple(refs)

    def _fields(self, kind: type, names: tuple[str, ...]) -> Callable[[Any], Any]:
        """What takes the attributes that count from the values of all, in order of their names."""
        unseen = UNSEEN.get(kind, frozenset())
        seen = [n for n in sorted(names) if n not in unseen and n != "slab"]
        places = [names.index(name) for name in seen]
        found: Callable[[Any], Any] = (
            itemgetter(*places)
            if len(places) > 1
            else lambda values: [values[place] for place in places]
        )
        self._counted[kind, names] = found
        return found

    def _value(self, value: Any, refs: list[int]) -> Any:
        kind = type(value)
        if kind in _PRIMITIVES:
            return value
        if kind is tuple:
            return [one if type(one) in _PRIMITIVES else self._value(one, refs) for one in value]
        if kind in _FUNCTIONS:
            return f"{value.__module__}.{value.__qualname__}"
        if kind is frozenset:
            return sorted(value)
        if kind is float:
            return repr(value)
        if isinstance(value, Enum):
            return str(value)
        refs.append(id(value))
        return _REFERENCE

    # -- what lies in RAM and in the CPU -----------------------------------------------------------

    def _outside(self, record: Any) -> Any:
        return self._elsewhere[type(record)](record)

    def _remembered(self, record: Any, of: Any) -> Any:
        """What was found of a record, if it is `of` the same and the frames hold the same; else None."""
        known = self._found.get(id(record))
        if (
            known is not None
            and known.of == of
            and list(map(self._image.get, known.frames)) == known.pages
        ):
            return known.result
        return None

    def _remember(self, record: Any, of: Any, frames: list[int], result: Any) -> Any:
        pages = list(map(self._image.get, frames))
        self._found[id(record)] = _Found(of, frames, pages, result)
        return result

    def digest(self, page: bytes) -> bytes:
        """Of a frame's contents."""
        known = self._digests.get(page)
        if known is None:
            known = self._digests[page] = hashlib.blake2b(page, digest_size=12).digest()
        return known

    def _table(self, page: bytes, count: int) -> list[tuple[int, int]]:
        """The present entries of a table of pages, of the first `count`."""
        known = self._tables.get((page, count))
        if known is None:
            known = self._tables[page, count] = _tables_of(page, count)
        return known

    def _task(self, task: Task) -> Any:
        k = self.k
        if task is k.sched.idle or task.exit_state:
            return None
        if task is k.current or task is k.arch.fpu_owner:
            return self._user_side(task)
        records = self.records
        of = (records.held[records.index[id(task.thread)]], task.stack)
        known = self._remembered(task, of)
        if known is not None:
            return known
        frames = [
            task.stack - PAGE_OFFSET >> PAGE_SHIFT,
            task_pt_regs(task.stack) - PAGE_OFFSET >> PAGE_SHIFT,
        ]
        if task.thread.fpu:
            frames.append(task.thread.fpu - PAGE_OFFSET >> PAGE_SHIFT)
            frames.append(task.thread.fpu - PAGE_OFFSET + FPU_AREA_SIZE - 1 >> PAGE_SHIFT)
        return self._remember(task, of, frames, self._user_side(task))

    def _user_side(self, task: Task) -> list[Any]:
        k = self.k
        cpu = k.machine.cpu
        thread = task.thread
        flags = k.machine.ram.read32(task.stack - PAGE_OFFSET + TI_flags) & ~(1 << TIF_NEED_RESCHED)
        state: list[Any] = [flags, thread.cr2, thread.error_code, thread.trap_no, bool(thread.fpu)]
        state.append(thread.tls_array)
        if task is k.current and cpu.cpl == 3:
            regs = [getattr(cpu, name) for name in _CPU_REGS]
            return [*state, 0, *regs, self._fpu(task)]
        at = task_pt_regs(task.stack) - PAGE_OFFSET
        regs = k.machine.ram.words(at, len(PT_REGS))
        ip = cpu.eip if task is k.current else task.thread.ip
        position = self._position(ip)
        if regs[_AX] not in _RESTARTS or position:
            regs[_ORIG_AX] = 0
        order = [regs[index] for index in _PT_ORDER]
        return [*state, position, *order, self._fpu(task)]

    def _position(self, ip: int) -> int:
        """Where a task is in the kernel; 0 on the way to user mode, at a choice or behind it."""
        return 0 if self._user <= ip <= self._user + 3 else ip

    def _fpu(self, task: Task) -> bytes:
        k = self.k
        if k.arch.fpu_owner is task:
            return k.machine.cpu.fpu_state()
        if not task.thread.fpu:
            return b""
        return k.machine.ram.read(task.thread.fpu - PAGE_OFFSET, FPU_AREA_SIZE)

    def _mm(self, mm: MmStruct) -> Any:
        known = self._remembered(mm, mm.pgd)
        if known is not None and not self.sharing:
            return known
        image = self._image
        found: list[Any] = []
        tables, frames = [mm.pgd >> PAGE_SHIFT], []
        directory = image.get(mm.pgd >> PAGE_SHIFT, _BLANK)
        for index, table in self._table(directory, PAGE_OFFSET >> 22):
            tables.append(table >> PAGE_SHIFT)
            page = image.get(table >> PAGE_SHIFT, _BLANK)
            for place, entry in self._table(page, 1024):
                frames.append(entry >> PAGE_SHIFT)
                contents = self.digest(image.get(entry >> PAGE_SHIFT, _BLANK))
                found.append((index << 10 | place, entry & _ACCESS, contents))
        if self.sharing:
            found.append([self.k.memory.pages.page_count(pfn) for pfn in frames])
        return self._remember(mm, mm.pgd, tables + frames, marshal.dumps(found, 2))

    def _mapping(self, mapping: AddressSpace) -> Any:
        records = self.records
        of = records.held[records.index[id(mapping.pages)]]
        known = self._remembered(mapping, of)
        if known is not None:
            return known
        pages = sorted(mapping.pages.items())
        contents = [(index, self.digest(self._image.get(pfn, _BLANK))) for index, pfn in pages]
        frames = [pfn for _, pfn in pages]
        return self._remember(mapping, of, frames, marshal.dumps(contents, 2))

    def _buffer(self, buffer: PipeBuffer) -> bytes:
        return peek(self.k, buffer, buffer.length)

    def _wait_queue(self, queue: WaitQueue) -> Any:
        together = sorted(entry.task.pid for entry in queue.entries)
        return [together, [entry.task.pid for entry in queue.exclusive]]


@dataclass(slots=True)
class _Found:
    """What was found of a record, `of` what, and what the frames held that it was read from."""

    of: Any
    frames: list[int]
    pages: list[bytes | None]
    result: Any


@dataclass(slots=True, eq=False)
class _Region:
    """Records that lead to each other, in the order in which they are met from the roots, and their numbers;
    those of `base` come before. `structure`: who leads to whom. `outside`: who has something in RAM."""

    roots: tuple[Any, ...]
    base: _Region | None
    places: list[int]
    objects: list[Any]
    held: list[Held]
    numbers: dict[int, int]
    structure: bytes
    codes: list[bytes]
    outside: list[Any]


#: The registers of user mode, in the CPU and in pt_regs.
_CPU_REGS = (
    *("ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs"),
    *("eip", "cs", "eflags", "esp", "ss"),
)
_PT_ORDER = tuple(
    PT_REGS.index(name if len(name) == 2 else name.removeprefix("e")) for name in _CPU_REGS
)
