"""Memory in words: the walk of an address, why its entry is as it is, and what an access would lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.paging import PDE_PS, PF_P, PF_W, PTE_P, PTE_RW, Walk
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, TASK_SIZE, THREAD_SIZE
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.look.entry_words import entry_bits
from toykernel.look.frames import Mapper, frame_role, mappers, owners
from toykernel.look.task import frame_words
from toykernel.mm.access import STACK_SLACK, access_error
from toykernel.mm.limits import rlimit
from toykernel.mm.mm_types import VM_GROWSDOWN, VM_SHARED, VM_WRITE, MmStruct, VmArea

if TYPE_CHECKING:
    from toykernel.look.symbols import Images
    from toykernel.look.task import TaskView
    from toykernel.state import Kernel


def plural(count: int, word: str) -> str:
    """`1 reference`, `2 references`."""
    return f"{count} {word}" + "s" * (count != 1)


def address_name(images: Images, view: TaskView, address: int) -> str:
    """`counter at 0x0804b000`; without a label the address alone."""
    symbol = images.symbol_at(view.task, address)
    if symbol is None or (address >= PAGE_OFFSET and not images.kernel.is_code(address)):
        symbol = _on_kernel_stack(view, address) or symbol
    return f"{symbol} at {address:#010x}" if symbol else f"{address:#010x}"


def _on_kernel_stack(view: TaskView, address: int) -> str | None:
    task = view.task
    if not task.stack <= address < task.stack + THREAD_SIZE:
        return None
    named = {at: name for at, name, _ in frame_words(view)} if task.mm is not None else {}
    if address in named:
        return f"{named[address]} of pid {view.pid}'s pt_regs"
    return f"a word of pid {view.pid}'s kernel stack"


def walk_text(walk: Walk, directory: int) -> str:
    """The way of a linear address through the tables, with every entry's bits."""
    index, table = walk.linear >> 22, walk.linear >> 12 & 0x3FF
    bits = ", ".join(entry_bits(walk.pde, table=walk.pte_address is not None))
    text = (
        f"Page walk of {walk.linear:#010x}: directory at {directory:#010x}, entry {index:#x} at "
        f"{walk.pde_address:#010x} is {walk.pde:#010x} ({bits})"
    )
    if walk.pte_address is not None and walk.pte is not None:
        bits = ", ".join(entry_bits(walk.pte, table=False))
        text += f"; table entry {table:#x} at {walk.pte_address:#010x} is {walk.pte:#010x} ({bits})"
    elif walk.physical is not None and walk.pde & PDE_PS:
        text += ", a page of 4 MiB"
    if walk.physical is None:
        return text + ": no page."
    return text + f": physical {walk.physical:#010x}, frame {walk.physical >> PAGE_SHIFT:#x}."


def refused(walk: Walk, *, write: bool, user: bool, wp: bool) -> int | None:
    """The error code with which the CPU refuses an access (SDM vol. 3, 4.6 and 4.7); None: it does not."""
    code = PF_W * write | 4 * user
    if walk.physical is None:
        return code
    if (user and not walk.user) or (write and not walk.writable and (user or wp)):
        return code | PF_P
    return None


def references_text(k: Kernel, frame: int) -> str:
    """How many refer to a frame, and who."""
    count = k.memory.pages.page_count(frame)
    who = [_mapper_text(mapper) for mapper in mappers(k, frame)]
    who += [text for text in owners(k).get(frame, []) if not text.startswith("mm ")]
    names = ", ".join(who[:4]) + (f" and {len(who) - 4} more" if len(who) > 4 else "")
    return f"frame {frame:#x} has {plural(count, 'reference')}" + (f" ({names})" if names else "")


def _mapper_text(mapper: Mapper) -> str:
    pids = ", ".join(f"pid {pid}" for pid in mapper.pids)
    return f"{pids} at {mapper.linear:#010x}"


def area_text(area: VmArea) -> str:
    """An area as /proc/PID/maps has it."""
    name = f" of {area.name}" if area.name else ""
    return f"{area.vm_start:#010x}-{area.vm_end:#010x} {area.permissions()}{name}"


def why_read_only(view: TaskView, walk: Walk) -> str | None:
    """Why a present page may not be written; None when it may, or when there is no page."""
    if walk.physical is None or walk.writable:
        return None
    if not walk.pde & PTE_RW:
        return "the directory's entry forbids writes to all of its table."
    area = view.task.mm.find_exact(walk.linear) if view.task.mm is not None else None
    if area is None:
        return "the page is in no area of the task."
    if not area.vm_flags & VM_WRITE:
        return f"its area {area_text(area)} forbids writes."
    k, frame = view.kernel, walk.physical >> PAGE_SHIFT
    holds = references_text(k, frame)
    if area.vm_flags & VM_SHARED:
        return f"its area {area_text(area)} is shared, and a first write is to be noticed; {holds}."
    if frame == k.memory.zero_pfn:
        return f"a read has mapped the zero page, which nobody may write; {holds}."
    if area.mapping is not None and area.mapping.pages.get(area.page_index(walk.linear)) == frame:
        return f"it is the page cache's own frame, mapped privately; {holds}."
    if k.memory.pages.page_count(frame) > 1:
        return (
            f"its area {area_text(area)} is private and may be written, but others use the frame: "
            f"{holds}."
        )
    return (
        f"its area {area_text(area)} is private, and the write bit was taken when the frame was shared; "
        f"nobody else is left: {holds}."
    )


@dataclass(frozen=True)
class Decision:
    """What do_page_fault will do: a kind of task.FAULT_KINDS, or "SIGBUS", "oops" or "tlb", the name of the
    function that does it, and in words why."""

    kind: str
    function: str
    text: str


def decide(view: TaskView, address: int, error_code: int, *, user: bool, sp: int) -> Decision:
    """The kernel's answer to a page fault, read off its records; nothing is changed."""
    mm = view.task.mm
    if mm is None or not user:
        return Decision("oops", "die", "a page fault of the kernel itself: it stops with an oops.")
    if address >= TASK_SIZE:
        return _segv("the address is the kernel's (SEGV_MAPERR).")
    area = mm.find_vma(address)
    if area is None:
        return _segv("no area is there or above (SEGV_MAPERR).")
    grown = ""
    if area.vm_start > address:
        why = _cannot_grow(view.kernel, mm, area, address, sp)
        if why:
            return _segv(f"{why} (SEGV_MAPERR).")
        grown = f"expand_stack makes the stack's area {area_text(area)} reach down to it; "
    if access_error(area, error_code):
        what = "writes" if error_code & PF_W else "the access"
        return _segv(f"the area {area_text(area)} forbids {what} (SEGV_ACCERR).")
    found = _page_decision(view, area, address, bool(error_code & PF_W))
    return Decision(found.kind, found.function, grown + found.text)


def _segv(why: str) -> Decision:
    return Decision("protection", "force_sig_info", f"the task gets SIGSEGV: {why}")


def _cannot_grow(k: Kernel, mm: MmStruct, area: VmArea, address: int, sp: int) -> str:
    start = address & -PAGE_SIZE
    if not area.vm_flags & VM_GROWSDOWN:
        return f"no area is there, and the next one above, {area_text(area)}, does not grow"
    if address + STACK_SLACK < sp:
        return (
            f"it is more than {STACK_SLACK} bytes below esp {sp:#010x}, so the stack does not grow"
        )
    low = max(start - k.memory.stack_guard_gap, 0)
    if start < k.memory.mmap_min_addr or mm.overlapping(low, area.vm_start):
        return "the stack would come too near to what is below it"
    if area.vm_end - start > rlimit(k, RLIMIT_STACK):
        return f"the stack would be larger than RLIMIT_STACK, {rlimit(k, RLIMIT_STACK)} bytes"
    return ""


def _page_decision(view: TaskView, area: VmArea, address: int, write: bool) -> Decision:
    k, pid = view.kernel, view.pid
    walk = view.walk(address)
    if walk.pte is None or not walk.pte & PTE_P:
        return _first_touch(k, area, address, write)
    frame = walk.pte >> PAGE_SHIFT
    if not write or walk.pte & PTE_RW:
        return Decision("tlb", "handle_pte_fault", "the entry allows it: only the TLB was old.")
    holds = references_text(k, frame)
    if area.vm_flags & VM_SHARED:
        text = f"the area is shared: the entry gets its write bit; {holds}."
        return Decision("cow_reused", "do_wp_page", text)
    if k.memory.pages.page_count(frame) == 1:
        text = f"{holds}: nobody else's, so the entry just gets its write bit back."
        return Decision("cow_reused", "do_wp_page", text)
    zero = ", the zero page," if frame == k.memory.zero_pfn else ""
    text = (
        f"{holds}: {frame:#x}{zero} is copied, pid {pid} gets the copy with the write bit, and "
        f"{plural(k.memory.pages.page_count(frame) - 1, 'reference')} will be left."
    )
    return Decision("cow_copied", "do_wp_page", text)


def _first_touch(k: Kernel, area: VmArea, address: int, write: bool) -> Decision:
    if area.mapping is None:
        if write:
            text = "a first write to anonymous memory: it gets a frame of zeros of its own."
            return Decision("not_present", "do_anonymous_page", text)
        text = f"a first read of anonymous memory: the zero page (frame {k.memory.zero_pfn:#x}) is mapped."
        return Decision("zero_page", "do_anonymous_page", text)
    index = area.page_index(address)
    cached = area.mapping.pages.get(index)
    if cached is None and index << PAGE_SHIFT >= area.mapping.size:
        text = f"page {index} is beyond the end of {area.mapping.name}: the task gets SIGBUS."
        return Decision("SIGBUS", "force_sig_info", text)
    where = f"page {index} of {area.mapping.name}"
    where += f", frame {cached:#x} of the page cache," if cached is not None else ", read in first,"
    if write and not area.vm_flags & VM_SHARED:
        return Decision(
            "not_present", "do_fault", f"{where} is copied to a frame of the task's own."
        )
    return Decision("not_present", "do_fault", f"{where} is mapped.")


def page(view: TaskView, images: Images, address: int) -> list[str]:
    """An address of a task: the walk, why it is read-only, and what a read and a write by the program do."""
    walk = view.walk(address)
    lines = [f"{address_name(images, view, address)}, as pid {view.pid} ({view.comm}) sees it."]
    lines.append(walk_text(walk, view.directory))
    if walk.physical is not None:
        frame = walk.physical >> PAGE_SHIFT
        if role := frame_role(view.kernel, frame):
            lines.append(f"Frame {frame:#x} is {role}.")
    why = why_read_only(view, walk)
    if why:
        lines.append(f"Read-only: {why}")
    if view.task.mm is not None:
        lines += [_access_line(view, walk, address, write=write) for write in (False, True)]
    return lines


def _access_line(view: TaskView, walk: Walk, address: int, *, write: bool) -> str:
    what = f"A {'write' if write else 'read'} by the program"
    code = refused(walk, write=write, user=True, wp=True)
    if code is None:
        return f"{what} just happens."
    sp = view.regs["esp"] if view.task.mm is not None else 0
    decision = decide(view, address, code, user=True, sp=sp)
    return f"{what} raises #PF with error code {code:#x}, and {decision.text}"
