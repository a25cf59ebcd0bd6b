"""Who has touched which word of memory that others can reach, and by which instruction.

Words are named by what they belong to, an object that is mapped shared or the address space of threads, so
that the name is the same whichever frame holds them. Two tasks and one word, one of the two a write: then the
order of these instructions can matter, and they are places to choose at (`breaks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from emu.access_log import Access, AccessLog
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.explore.atomic import is_atomic
from toykernel.mm.mm_types import VM_SHARED

if TYPE_CHECKING:
    from toykernel.mm.filemap import AddressSpace
    from toykernel.state import Kernel
    from toykernel.task import Task

#: What memory belongs to, and the number of a byte in it.
Owner = tuple[str, int]


class Touch(NamedTuple):
    """Bytes from `start` up to `end` of an owner, touched by the instruction at `code`; 0: by the kernel."""

    owner: Owner
    start: int
    end: int
    write: bool
    code: int
    atomic: bool = False

    def races_with(self, other: Touch) -> bool:
        """Whether the order of the two counts, and nothing makes it safe."""
        return (
            self.owner == other.owner
            and self.start < other.end
            and other.start < self.end
            and (self.write or other.write)
            and not (self.atomic and other.atomic)
        )


def shares_memory(task: Task) -> bool:
    """Whether others can reach what it writes without asking the kernel."""
    mm = task.mm
    return mm is not None and (mm.mm_users > 1 or any(area.vm_flags & VM_SHARED for area in mm))


@dataclass
class Accesses:
    """Listens to one kernel."""

    k: Kernel

    def __post_init__(self) -> None:
        self._log = AccessLog(self.k.machine)
        #: By word: pid, instruction, whether it writes, of every use.
        self._uses: dict[tuple[Owner, int], dict[tuple[int, int, bool], None]] = {}
        #: Instructions in front of which there is to be a choice.
        self.breaks: set[int] = set()
        self.first: tuple[Touch, ...] = ()  # what the first instruction of this step touched
        #: Every word that this step has touched, and whether it has written it.
        self.touched: dict[tuple[Owner, int], bool] = {}
        self._first_at: int | None = None
        self._by_kernel = False

    def begin(self, at: int | None) -> None:
        """A step begins; `at`: instructions completed, when its first one is to be known."""
        self._log.take()
        self.first, self._first_at = (), at

    # -- looking -----------------------------------------------------------------------------------

    def look(self) -> None:
        """The current task has come to the kernel: what has it touched since it last left?"""
        task = self.k.current
        found = self._log.take()
        if not found or not shares_memory(task):
            return
        for access in found:
            self._note(task, access)

    def _note(self, task: Task, access: Access) -> None:
        mm = task.mm
        assert mm is not None
        for ident, page in self.k.memory.rmap.entries(access.address >> PAGE_SHIFT):
            if ident == mm.ident:
                address = page | (access.address & PAGE_SIZE - 1)
                for touch in self._touches(task, address, access):
                    self._use(task.pid, touch)
                    if self._first_at is not None and access.retired == self._first_at + 1:
                        self.first += (touch,)
                return

    def _touches(self, task: Task, address: int, access: Access) -> Iterator[Touch]:
        where = self._owner(task, address)
        if where is not None:
            owner, start = where
            atomic = is_atomic(self.k, task, access.code)
            yield Touch(owner, start, start + access.size, access.write, access.code, atomic)

    def _owner(self, task: Task, address: int) -> tuple[Owner, int] | None:
        """Whose a linear address is, and which byte of that; None for what no other task can reach."""
        mm = task.mm
        assert mm is not None
        area = mm.find_exact(address)
        if area is None:
            return None
        if area.vm_flags & VM_SHARED and area.mapping is not None:
            page = area.page_index(address)
            return ("shared", area.mapping.ident), page << PAGE_SHIFT | address & PAGE_SIZE - 1
        if mm.mm_users < 2:
            return None
        owner = min(task.tgid for task in self.k.processes.tasks if task.mm is mm)
        return ("threads of", owner), address

    def _use(self, pid: int, touch: Touch) -> None:
        for word in range(touch.start >> 2, (touch.end + 3) >> 2):
            uses = self._uses.setdefault((touch.owner, word), {})
            self.touched[touch.owner, word] = touch.write or self.touched.get(
                (touch.owner, word), False
            )
            use = (pid, touch.code, touch.write)
            if use in uses:
                continue
            for other, code, write in uses:
                if other != pid and (write or touch.write):
                    self.breaks |= {code, touch.code} - {0}
            uses[use] = None

    # -- the kernel's own --------------------------------------------------------------------------

    def kernel_begins(self) -> None:
        """What is written to RAM from now on is the kernel's doing, for the current task."""
        if shares_memory(self.k.current):
            self._by_kernel = True
            self.k.machine.ram.on_write = self._on_write

    def kernel_ends(self) -> None:
        """Until here."""
        self._by_kernel = False
        self.k.machine.ram.on_write = None

    def on_read(self, task: Task, address: int, size: int) -> None:
        """A listener of the tracepoint user_read."""
        where = self._owner(task, address) if self._by_kernel else None
        if where is not None:
            owner, start = where
            self._use(task.pid, Touch(owner, start, start + size, False, 0))

    def by_call(self, task: Task, mapping: AddressSpace, start: int, end: int, write: bool) -> None:
        """A system call reads or writes these bytes of a file, which somebody maps."""
        self._use(task.pid, Touch(("shared", mapping.ident), start, end, write, 0))

    def _on_write(self, physical: int, size: int) -> None:
        task = self.k.current
        mm = task.mm
        if mm is None or size > PAGE_SIZE:
            return
        for ident, page in self.k.memory.rmap.entries(physical >> PAGE_SHIFT):
            if ident == mm.ident:
                where = self._owner(task, page | (physical & PAGE_SIZE - 1))
                if where is not None:
                    owner, start = where
                    self._use(task.pid, Touch(owner, start, start + size, True, 0))
                return
