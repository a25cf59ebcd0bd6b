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
from typing import TYPE_CHECKING, Any

from sortedcontainers import SortedDict

from emu.paging import PTE_P
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_REGS, TIF_NEED_RESCHED, TI_flags
from toykernel.arch.x86.process import FPU_AREA_SIZE
from toykernel.arch.x86.thread_info import task_pt_regs
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
_PRIMITIVES = frozenset((int, str, bytes, bool, type(None)))
_FUNCTIONS = frozenset((types.FunctionType, types.BuiltinFunctionType, type))


def _tables_of(page: bytes, count: int) -> list[tuple[int, int]]:
    words = memoryview(page).cast("I")[:count]
    return [(index, entry) for index, entry in enumerate(words) if entry & PTE_P]


@dataclass
class Observer:
    """Makes keys of one kernel's states. What it knows of pages saves time only."""

    k: Kernel

    def __post_init__(self) -> None:
        self._digests: dict[bytes, bytes] = {_BLANK: b""}
        self._tables: dict[tuple[bytes, int], list[tuple[int, int]]] = {}
        self.known_fields: dict[type, tuple[str, ...]] = {}
        self._user = self.k.host.symbols["schedule"]

    def key(self, *more: Any) -> bytes:
        """16 bytes for the present state, and for values besides."""
        k = self.k
        if len(self._digests) > 20_000 or len(self._tables) > 5_000:
            self.__post_init__()
        walk = _Walk(self, k, k.machine.ram.image())
        roots = (
            k.processes.tasks,
            k.processes.futexes,
            k.processes.pids,
            k.files,
            list(k.time.timers.values()),
            (k.time.stands, k.time.wall_offset, k.random_state),
            k.sched.tunables,
            () if k.sched.rq.told is None else tuple(sorted(k.sched.rq.told.asked.items())),
            more,
        )
        return walk.digest(roots)

    def digest(self, page: bytes) -> bytes:
        """Of a frame's contents."""
        known = self._digests.get(page)
        if known is None:
            known = self._digests[page] = hashlib.blake2b(page, digest_size=12).digest()
        return known

    def table(self, page: bytes, count: int) -> list[tuple[int, int]]:
        """The present entries of a table of pages, of the first `count`."""
        known = self._tables.get((page, count))
        if known is None:
            known = self._tables[page, count] = _tables_of(page, count)
        return known

    def fields(self, record: Any) -> tuple[str, ...]:
        """The attributes of a record that count, in order."""
        kind = type(record)
        unseen = UNSEEN.get(kind, frozenset())
        slots = [name for cls in kind.__mro__ for name in getattr(cls, "__slots__", ())]
        names = sorted(slots or vars(record))
        known = tuple(name for name in names if name not in unseen and name != "slab")
        self.known_fields[kind] = known
        return known

    def user_position(self, ip: int) -> int:
        """Where a task is in the kernel; 0 on the way to user mode, at a choice or behind it."""
        return 0 if self._user <= ip <= self._user + 3 else ip


class _Walk:
    """One state, record by record: each gets a number when it is first met."""

    def __init__(self, observer: Observer, k: Kernel, image: Mapping[int, bytes]) -> None:
        self._observer = observer
        self._k = k
        self._image = image
        self._numbers: dict[int, float] = {}
        self._queue: list[Any] = []
        self._special: dict[type, Callable[[Any], list[Any]]] = {
            Task: self._task,
            MmStruct: self._mm,
            AddressSpace: self._mapping,
            PipeBuffer: self._buffer,
            WaitQueue: self._wait_queue,
            list: self._list,
            dict: self._dict,
            SortedDict: self._dict,
        }

    def digest(self, roots: Any) -> bytes:
        """Of everything that the roots lead to."""
        records = [self._value(roots)]
        special, plain = self._special.get, self._plain
        for record in self._queue:  # grows
            one = special(type(record))
            records.append(plain(record) if one is None else one(record))
        return hashlib.blake2b(marshal.dumps(records, 2), digest_size=16).digest()

    def _plain(self, record: Any) -> list[Any]:
        kind = type(record)
        names = self._observer.known_fields.get(kind) or self._observer.fields(record)
        value = self._value
        found: list[Any] = [kind.__name__]
        own = getattr(record, "__dict__", None)
        for name in names:
            one = own.get(name) if own is not None else getattr(record, name, None)
            found.append(one if type(one) in _PRIMITIVES else value(one))
        return found

    def _list(self, record: list[Any]) -> list[Any]:
        value = self._value
        return [one if type(one) in _PRIMITIVES else value(one) for one in record]

    def _dict(self, record: Mapping[Any, Any]) -> list[Any]:
        value = self._value
        found = ["dict"]
        for key, one in record.items():
            found.append(key if type(key) in _PRIMITIVES else value(key))
            found.append(one if type(one) in _PRIMITIVES else value(one))
        return found

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PRIMITIVES:
            return value
        if kind is tuple:
            return [one if type(one) in _PRIMITIVES else self._value(one) for one in value]
        if kind in _FUNCTIONS:
            return f"{value.__module__}.{value.__qualname__}"
        if kind is bytearray or kind is array:
            return self._observer.digest(bytes(value))
        if kind is set or kind is frozenset:
            return sorted(value)
        if kind is float:
            return repr(value)
        if isinstance(value, Enum):
            return str(value)
        number = self._numbers.get(id(value))  # a float, which no value of a record is
        if number is None:
            number = self._numbers[id(value)] = float(len(self._numbers))
            self._queue.append(value)
        return number

    # -- records that hold more than their attributes ----------------------------------------------

    def _task(self, task: Task) -> list[Any]:
        return self._plain(task) + self._user_side(task)

    def _user_side(self, task: Task) -> list[Any]:
        k = self._k
        cpu = k.machine.cpu
        if task is k.sched.idle or task.exit_state:
            return []
        thread = task.thread
        flags = k.machine.ram.read32(task.stack - PAGE_OFFSET + TI_flags) & ~(1 << TIF_NEED_RESCHED)
        state = [flags, thread.cr2, thread.error_code, thread.trap_no, bool(thread.fpu)]
        state.append(self._value(thread.tls_array))
        if task is k.current and cpu.cpl == 3:
            regs = [getattr(cpu, name) for name in _CPU_REGS]
            return [*state, 0, *regs, self._fpu(task)]
        at = task_pt_regs(task.stack) - PAGE_OFFSET
        regs = k.machine.ram.words(at, len(PT_REGS))
        ip = cpu.eip if task is k.current else task.thread.ip
        position = self._observer.user_position(ip)
        if regs[_AX] not in _RESTARTS or position:
            regs[_ORIG_AX] = 0
        order = [regs[index] for index in _PT_ORDER]
        return [*state, position, *order, self._fpu(task)]

    def _fpu(self, task: Task) -> bytes:
        k = self._k
        if k.arch.fpu_owner is task:
            return k.machine.cpu.fpu_state()
        if not task.thread.fpu:
            return b""
        return k.machine.ram.read(task.thread.fpu - PAGE_OFFSET, FPU_AREA_SIZE)

    def _mm(self, mm: MmStruct) -> list[Any]:
        image, observer = self._image, self._observer
        found: list[Any] = []
        directory = image.get(mm.pgd >> PAGE_SHIFT, _BLANK)
        for index, table in observer.table(directory, PAGE_OFFSET >> 22):
            page = image.get(table >> PAGE_SHIFT, _BLANK)
            for place, entry in observer.table(page, 1024):
                contents = observer.digest(image.get(entry >> PAGE_SHIFT, _BLANK))
                found.append((index << 10 | place, entry & _ACCESS, contents))
        return [*self._plain(mm), found]

    def _mapping(self, mapping: AddressSpace) -> list[Any]:
        image, digest = self._image, self._observer.digest
        pages = sorted(mapping.pages.items())
        contents = [(index, digest(image.get(pfn, _BLANK))) for index, pfn in pages]
        return [*self._plain(mapping), contents]

    def _buffer(self, buffer: PipeBuffer) -> list[Any]:
        return [*self._plain(buffer), peek(self._k, buffer, buffer.length)]

    def _wait_queue(self, queue: WaitQueue) -> list[Any]:
        together = sorted(entry.task.pid for entry in queue.entries)
        return [together, [entry.task.pid for entry in queue.exclusive]]


#: The registers of user mode, in the CPU and in pt_regs.
_CPU_REGS = (
    *("ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs"),
    *("eip", "cs", "eflags", "esp", "ss"),
)
_PT_ORDER = tuple(
    PT_REGS.index(name if len(name) == 2 else name.removeprefix("e")) for name in _CPU_REGS
)
