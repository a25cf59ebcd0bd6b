"""What must hold at the moment when something happens, and cannot be seen any more afterwards.

A listener on the tracepoints. Where the checks of invariants.py look at a state, these look at a
step: the bytes of a copy before anybody writes it, who had the frame when its write bit came back,
whether the TLB was really flushed (counted at the machine, whatever the kernel says of it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.check.contents import ZEROS, first_difference, users
from toykernel.mm.mm_types import VM_SHARED

if TYPE_CHECKING:
    from toykernel.check.whole import Whole
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel
    from toykernel.task import Task

_RIGHTS = PTE_P | PTE_RW | PTE_US
#: What to do with a breach: the name of the check, and a sentence.
Report = Callable[[str, str], None]


class Moments:
    """Listens to one kernel from now on."""

    def __init__(self, k: Kernel, report: Report) -> None:
        self._k = k
        self._report = report
        self._taken: dict[
            tuple[int, int], None
        ] = {}  # write bits taken by what the kernel does now
        self._owed: dict[int, int] = {}  # address -> flushes that the machine had seen
        trace = k.host.trace
        trace.fault.append(self._on_fault)
        trace.set_ptes.append(self._on_set_ptes)
        trace.user_write.append(self._on_user_write)

    def settled(self) -> None:
        """A trap has been dealt with."""
        self._taken.clear()

    # -- faults ------------------------------------------------------------------------------------

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        mm = task.mm
        area = mm.find_exact(address) if mm is not None else None
        if area is None or new is None:
            return
        if kind == "cow_reused":
            if not area.vm_flags & VM_SHARED:
                self.reuse_needs_the_only_reference(task, address, new)
        elif old is not None:
            self.a_copy_is_its_source(task, address, old, new)
        elif area.mapping is None:
            self.a_fresh_page_is_zero(task, address, new)

    def reuse_needs_the_only_reference(self, task: Task, address: int, pfn: int) -> None:
        """A write bit given back in place: nobody else may map or hold the frame (K5)."""
        count = self._k.memory.pages.page_count(pfn)
        if count != 1:
            self._report(
                "reuse_needs_the_only_reference",
                f"{_who(task)} got the write bit of frame {pfn:#x} at {address:#010x} back, which has "
                f"{count} references, {self._k.memory.pins.get(pfn, 0)} of them the kernel's",
            )

    def a_copy_is_its_source(self, task: Task, address: int, old: int, new: int) -> None:
        """The frame that a writer gets holds what the shared one holds (K6)."""
        source, copy = self._page(old), self._page(new)
        if source != copy:
            at = first_difference(source, copy)
            self._report(
                "a_copy_is_its_source",
                f"{_who(task)} got frame {new:#x} at {address:#010x} as a copy of {old:#x}: offset "
                f"{at:#x} holds {copy[at]:#04x}, not {source[at]:#04x}",
            )

    def a_fresh_page_is_zero(self, task: Task, address: int, pfn: int) -> None:
        """Anonymous memory starts as zeros, whoever had the frame before (K9)."""
        page = self._page(pfn)
        if page != ZEROS:
            at = first_difference(page, ZEROS)
            self._report(
                "a_fresh_page_is_zero",
                f"{_who(task)} got frame {pfn:#x} at {address:#010x} with {page[at]:#04x} at offset "
                f"{at:#x}",
            )

    def _page(self, pfn: int) -> bytes:
        return self._k.machine.ram.read(pfn << PAGE_SHIFT, PAGE_SIZE)

    # -- entries -----------------------------------------------------------------------------------

    def _on_set_ptes(self, mm: MmStruct, entries: list[tuple[int, int, int]]) -> None:
        for address, old, new in entries:
            if old:
                self._entry_changes(mm, address, old, new)

    def _entry_changes(self, mm: MmStruct, address: int, old: int, new: int) -> None:
        k = self._k
        address &= PTE_FRAME
        same_frame = old & PTE_P and new & PTE_P and not (old ^ new) & PTE_FRAME
        if old & PTE_P and (not same_frame or old & ~new & _RIGHTS) and mm is k.memory.active_mm:
            self._owed[address] = k.machine.tlb_flushes
        if not same_frame or not (old ^ new) & PTE_RW:
            return
        if old & PTE_RW:
            self._taken[mm.ident, address] = None
        elif (mm.ident, address) not in self._taken:  # a fork that fails gives back what it took
            self.write_is_given_to_one_user(mm, address, new >> PAGE_SHIFT)

    def write_is_given_to_one_user(self, mm: MmStruct, address: int, pfn: int) -> None:
        """A private page becomes writable only for the one who has it to himself, reported or not."""
        area = mm.find_exact(address)
        count = self._k.memory.pages.page_count(pfn)
        if area is not None and not area.vm_flags & VM_SHARED and count != 1:
            self._report(
                "write_is_given_to_one_user",
                f"mm {mm.ident} at {address:#010x} may write frame {pfn:#x} from now on, which has "
                f"{count} references",
            )

    def tlb_holds_nothing_lost(self, whole: Whole) -> Iterator[str]:
        """The machine's TLB was flushed after every entry of the running address space that lost rights
        or its frame (K4)."""
        flushes = whole.k.machine.tlb_flushes
        lost = [address for address, seen in self._owed.items() if seen == flushes]
        self._owed = dict.fromkeys(lost, flushes)
        if lost:
            pages = ", ".join(f"{address:#010x}" for address in sorted(lost))
            yield f"the TLB may still hold the old entries of {pages}"

    # -- the kernel's own stores -------------------------------------------------------------------

    def _on_user_write(self, task: Task, address: int, pfn: int) -> None:
        mm = task.mm
        area = mm.find_exact(address) if mm is not None else None
        if area is not None and not area.vm_flags & VM_SHARED:
            self.kernel_writes_break_sharing(task, address, pfn)

    def kernel_writes_break_sharing(self, task: Task, address: int, pfn: int) -> None:
        """A store of the kernel's to private user memory reaches a frame of that user alone (K8)."""
        k = self._k
        count = users(k, pfn)
        if count != 1 or pfn == k.memory.zero_pfn:
            self._report(
                "kernel_writes_break_sharing",
                f"the kernel writes to {address:#010x} for {_who(task)}, into frame {pfn:#x}, which has "
                f"{count} users",
            )


def _who(task: Task) -> str:
    return f"pid {task.pid} ({task.comm})"
