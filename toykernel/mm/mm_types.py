"""Address spaces and their areas (include/linux/mm_types.h). Addresses are linear, ends exclusive."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.fs.mount import Path
    from toykernel.mm.filemap import AddressSpace
    from toykernel.mm.userfaultfd import UserfaultfdCtx

VM_READ = 0x00000001
VM_WRITE = 0x00000002
VM_EXEC = 0x00000004
VM_SHARED = 0x00000008
VM_MAYREAD = 0x00000010
VM_MAYWRITE = 0x00000020
VM_MAYEXEC = 0x00000040
VM_MAYSHARE = 0x00000080
VM_GROWSDOWN = 0x00000100
VM_LOCKED = 0x00002000
VM_SEQ_READ = 0x00008000
VM_RAND_READ = 0x00010000
VM_DONTCOPY = 0x00020000
VM_LOCKONFAULT = 0x00080000
VM_ACCOUNT = 0x00100000
VM_NORESERVE = 0x00200000
VM_WIPEONFORK = 0x02000000
VM_DONTDUMP = 0x04000000
VM_SEALED = 1 << 42

#: When an area asks its userfaultfd (UFFDIO_REGISTER_MODE_), and what for (UFFD_PAGEFAULT_FLAG_).
UFFD_MODE_MISSING, UFFD_MODE_WP, UFFD_MODE_MINOR = 1, 2, 4
UFFD_PAGEFAULT_FLAG_WP, UFFD_PAGEFAULT_FLAG_MINOR = 2, 4
#: UFFD_FEATURE_ that memory management asks for.
FEATURE_EVENT_FORK, FEATURE_EVENT_REMAP = 1 << 1, 1 << 2
FEATURE_EVENT_REMOVE, FEATURE_EVENT_UNMAP = 1 << 3, 1 << 6
FEATURE_WP_UNPOPULATED, FEATURE_WP_ASYNC = 1 << 13, 1 << 15
VM_RWX = VM_READ | VM_WRITE | VM_EXEC
_DATA = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC

#: A personality bit (linux/personality.h): what can be read can be executed too.
READ_IMPLIES_EXEC = 0x00400000


def vm_data_default(personality: int) -> int:
    """VM_DATA_DEFAULT_FLAGS: what the heap and the stack allow."""
    return _DATA | (VM_EXEC if personality & READ_IMPLIES_EXEC else 0)


@dataclass
class VmArea:
    """struct vm_area_struct: one range with one set of permissions. `name` is for people.

    `vm_pgoff` is the page of `mapping` at vm_start; for private anonymous memory, the page number that
    vm_start had when the memory was mapped. `anon_vma`, when not 0, says that the area may hold pages of
    its own, which nothing but a page table remembers, and names the struct anon_vma that they belong to:
    areas with two of them never merge. `cloned` is set when the area came from a fork with pages. `uffd` is
    the userfaultfd that is asked for pages, and `uffd_mode` says when (UFFDIO_REGISTER_MODE_).
    """

    vm_start: int
    vm_end: int
    vm_flags: int
    name: str = ""
    slab: int = 0  # address of the record
    vm_pgoff: int = 0
    mapping: AddressSpace | None = None
    anon_vma: int = 0
    cloned: bool = False
    uffd: UserfaultfdCtx | None = None
    uffd_mode: int = 0

    def has_uffd_feature(self, feature: int) -> bool:
        """Whether its userfaultfd was asked for one of these (UFFD_FEATURE_)."""
        return self.uffd is not None and bool((self.uffd.features or 0) & feature)

    @property
    def pages(self) -> int:
        return (self.vm_end - self.vm_start) >> 12

    def page_index(self, address: int) -> int:
        """The page of `mapping` (its number from the start) behind a linear address."""
        return self.vm_pgoff + ((address - self.vm_start) >> 12)

    def permissions(self) -> str:
        """Four letters as in /proc/PID/maps: rwx, then s(hared) or p(rivate)."""
        letters = ((VM_READ, "r"), (VM_WRITE, "w"), (VM_EXEC, "x"))
        text = "".join(letter if self.vm_flags & flag else "-" for flag, letter in letters)
        return text + ("s" if self.vm_flags & VM_MAYSHARE else "p")


class Areas:
    """Areas by their first address, in order: two lists side by side, which a fork makes anew in no time.

    A third has the first addresses below which a hole is, so that a search for room need not look at each
    of thousands of areas that touch, and a fourth those of stacks that grow.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._areas: list[VmArea] = []
        self._above_holes: list[int] = []
        self._growing: list[int] = []

    def __len__(self) -> int:
        return len(self._areas)

    def __iter__(self) -> Iterator[VmArea]:
        return iter(self._areas)

    def __getitem__(self, start: int) -> VmArea:
        at = bisect_left(self._starts, start)
        if at == len(self._starts) or self._starts[at] != start:
            raise KeyError(start)
        return self._areas[at]

    def items(self) -> Iterator[tuple[int, VmArea]]:
        """Each behind the address that it is kept by."""
        return zip(self._starts, self._areas, strict=True)

    def insert(self, area: VmArea) -> None:
        """Keep an area by its first address, where none is."""
        at = bisect_left(self._starts, area.vm_start)
        if at == 0 or self._areas[at - 1].vm_end < area.vm_start:
            insort(self._above_holes, area.vm_start)
        if at < len(self._areas) and self._starts[at] == area.vm_end:
            _discard(self._above_holes, area.vm_end)
        if area.vm_flags & VM_GROWSDOWN:
            insort(self._growing, area.vm_start)
        self._starts.insert(at, area.vm_start)
        self._areas.insert(at, area)

    def remove(self, start: int) -> None:
        """Raises KeyError when there is none."""
        area = self[start]
        at = bisect_left(self._starts, start)
        _discard(self._above_holes, start)
        _discard(self._growing, start)
        if at + 1 < len(self._areas) and self._starts[at + 1] == area.vm_end:
            insort(self._above_holes, area.vm_end)
        del self._starts[at], self._areas[at]

    def clear(self) -> None:
        """No areas any more."""
        for addresses in (self._starts, self._areas, self._above_holes, self._growing):
            addresses.clear()

    def holes_below(self, top: int, guard: int) -> Iterator[tuple[int, int]]:
        """The holes below an address as (start, end), the highest first, and last what is below all areas.

        An area with VM_GROWSDOWN keeps `guard` bytes below it free; where that leaves nothing, end is not
        above start.
        """
        place = bisect_left(self._starts, top)
        low = self._areas[place - 1].vm_end if place else 0
        yield low, top
        guarded = top
        growing = self._growing[: bisect_left(self._growing, top)]
        for start in reversed(self._above_holes[: bisect_left(self._above_holes, top)]):
            while growing and growing[-1] >= start:
                guarded = min(guarded, growing.pop() - guard)
            place = bisect_left(self._starts, start)
            yield (self._areas[place - 1].vm_end if place else 0), min(start, guarded)

    def ending_above(self, address: int) -> int:
        """The place of the first that ends above an address; their number when none does."""
        at = bisect_right(self._starts, address)
        return at - (at > 0 and address < self._areas[at - 1].vm_end)

    def at(self, place: int) -> VmArea | None:
        """That of a place, from 0; None behind the last."""
        return self._areas[place] if place < len(self._areas) else None

    def between(self, place: int, end: int) -> list[VmArea]:
        """From a place on those that start below `end`."""
        return self._areas[place : bisect_left(self._starts, end)]


def _discard(addresses: list[int], address: int) -> None:
    at = bisect_left(addresses, address)
    if at < len(addresses) and addresses[at] == address:
        del addresses[at]


class MmStruct:
    """struct mm_struct: a page directory (physical address) and the areas that it serves."""

    def __init__(self, ident: int, slab: int) -> None:
        self.ident = ident  # counts up from boot: a name for people and reports
        self.slab = slab
        self.pgd = 0
        self.mm_users = 1
        self.areas = Areas()
        self.nr_ptes = 0  # page-table pages
        self.rss = 0  # present user pages
        self.hiwater_rss = 0  # the most there were
        self.dumpable = 1  # PR_SET_DUMPABLE; exec makes it 1
        self.thp_disable = False
        self.mdwe = 0  # PR_SET_MDWE
        self.guards: set[int] = set()  # addresses of pages that MADV_GUARD_INSTALL has taken
        self.membarrier_state = 0  # MEMBARRIER_CMD_REGISTER_ bits that were called
        self.total_vm = 0  # pages in areas
        self.locked_vm = 0  # pages in areas with VM_LOCKED
        self.def_flags = 0  # VM_LOCKED after mlockall(MCL_FUTURE)
        self.mmap_base = 0  # mmap goes down from here; 0 until exec
        self.start_code = self.end_code = 0
        self.start_data = self.end_data = 0
        self.start_brk = self.brk = 0
        self.start_stack = 0
        self.arg_start = self.arg_end = self.env_start = self.env_end = 0
        self.exe_path: Path | None = None  # what it executes: where that was found
        self.exe_name = ""  # and by which path
        self.saved_auxv = b""
        self.ioctx: list[Any] = []  # its contexts of asynchronous I/O (fs/aio.py)
        self.ldt_pfn = self.ldt_entries = 0  # modify_ldt's table (arch/x86/ldt.py)
        self.vdso = 0  # address of the vDSO; 0 without one
        self.uffd_poison: set[int] = set()  # pages that UFFDIO_POISON has broken, by address
        self.uffd_wp: set[int] = set()  # pages that are not there, whose writer is to ask first
        #: Pages whose entries lost rights since the last flush: a CPU may still hold them.
        self.stale: dict[int, None] = {}

    def find_vma(self, address: int) -> VmArea | None:
        """The first area that ends above `address` (it may start above it too)."""
        return self.areas.at(self.areas.ending_above(address))

    def find_exact(self, address: int) -> VmArea | None:
        """The area that contains a linear address, or None."""
        area = self.find_vma(address)
        return area if area is not None and area.vm_start <= address else None

    def overlapping(self, start: int, end: int) -> list[VmArea]:
        """Areas that share a page with [start, end), in order."""
        if start >= end:
            return []
        return self.areas.between(self.areas.ending_above(start), end)

    def covered(self, start: int, end: int) -> bool:
        """Whether every page of [start, end) lies in an area."""
        for area in self.overlapping(start, end):
            if area.vm_start > start:
                return False
            start = area.vm_end
        return start >= end

    def insert(self, area: VmArea) -> None:
        """insert_vm_struct: the caller has made sure that the place is free."""
        self.areas.insert(area)
        self.total_vm += area.pages
        if area.vm_flags & VM_LOCKED:
            self.locked_vm += area.pages

    def remove(self, area: VmArea) -> None:
        """Take an area out of the index and the counts of pages; its record and pages stay."""
        self.areas.remove(area.vm_start)
        self.total_vm -= area.pages
        if area.vm_flags & VM_LOCKED:
            self.locked_vm -= area.pages

    def remove_all(self) -> None:
        """`remove` for every area."""
        self.areas.clear()
        self.total_vm = self.locked_vm = 0

    def resize(self, area: VmArea, start: int, end: int) -> None:
        """Move an area's bounds, keeping the index and the counts right; contents stay in place."""
        self.remove(area)
        area.vm_pgoff += (start - area.vm_start) >> 12
        area.vm_start, area.vm_end = start, end
        self.insert(area)

    def set_flags(self, area: VmArea, flags: int) -> None:
        """Change an area's flags, keeping the count of locked pages right."""
        self.locked_vm += area.pages * (bool(flags & VM_LOCKED) - bool(area.vm_flags & VM_LOCKED))
        area.vm_flags = flags

    def __iter__(self) -> Iterator[VmArea]:
        return iter(self.areas)


@dataclass
class Idents:
    """The last number given of each kind; each counts up from boot, and none is used again."""

    mm: int = 0
    mapping: int = 0
    anon_vma: int = 0

    def next_mm(self) -> int:
        """A number for a new address space, never used before."""
        self.mm += 1
        return self.mm

    def next_mapping(self) -> int:
        """A number for a mapped object (AddressSpace.ident), never used before."""
        self.mapping += 1
        return self.mapping

    def next_anon_vma(self) -> int:
        """A number for a set of areas whose private pages may lie in one area."""
        self.anon_vma += 1
        return self.anon_vma
