"""Events in words, written down at the moment of each, while the kernel's records are what they are then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from emu.microcode import PF
from emu.paging import PF_P, PF_W, PTE_P, PTE_RW
from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.asm_offsets import FIRST_EXTERNAL_VECTOR, SYSCALL_VECTOR
from toykernel.collector import Collector
from toykernel.explain import codes
from toykernel.explain.fork_path import in_words
from toykernel.explain.memory import area_text, plural, why_read_only
from toykernel.explain.path import kernel_functions, path_text
from toykernel.kernel.clone_flags import CSIGNAL, FLAG_NAMES
from toykernel.kernel.fork import LADDER
from toykernel.kernel.signal_types import SIG_DFL, SIG_IGN, SigAction
from toykernel.look.page_tables import entries
from toykernel.look.task import TaskView
from toykernel.look.trap_words import page_fault_bits, result_text, vector_text
from toykernel.syscall_table import SYSCALLS, name_of

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.mm.mm_types import MmStruct
    from toykernel.observe.events import EventLog, RunEvent
    from toykernel.task import Task


class _Before(NamedTuple):
    """A user entry before it was changed: the entry, and its frame's references then."""

    pte: int
    references: int


class Narrator(Collector):
    """Listens to a log of events, and puts each into words as it is listed.

    `sentences[N]` are those of event N, once it has been listed while this one was listening; events that are
    listed again after going back are told again. Close it before the log.
    """

    def __init__(self, session: Session, log: EventLog) -> None:
        self._session = session
        self._k = session.kernel
        self.log = log
        self.sentences: dict[int, tuple[str, ...]] = {}
        self._code: int | None = None  # of the page fault that is being dealt with
        self._changed: dict[int, _Before] = {}  # by page of the current task's, in this fault
        log.listeners.append(self._on_event)
        self._k.host.trace.page_fault.append(self._on_page_fault)
        self._k.host.trace.set_pte.append(self._on_set_pte)

    def close(self) -> None:
        """Listen no more; what has been said stays."""
        self.log.listeners.remove(self._on_event)
        self._k.host.trace.page_fault.remove(self._on_page_fault)
        self._k.host.trace.set_pte.remove(self._on_set_pte)

    def start_over(self) -> None:
        """Sentences stay: what comes again is the same."""
        self._code, self._changed = None, {}

    # -- listening ---------------------------------------------------------------------------------

    def _on_page_fault(self, task: Task, address: int, error_code: int, ip: int) -> None:
        self._code, self._changed = error_code, {}

    def _on_set_pte(self, mm: MmStruct, address: int, old: int, new: int) -> None:
        if mm is self._k.current.mm:
            if len(self._changed) > 64:
                self._changed.clear()
            count = self._k.memory.pages.page_count(old >> PAGE_SHIFT) if old else 0
            self._changed[address & ~0xFFF] = _Before(old, count)

    def _on_event(self, number: int, event: RunEvent, task: Task) -> None:
        details = dict(event.details)
        tell = {
            "trap": self._trap,
            "call": self._call,
            "fault": self._fault,
            "cow": self._fault,
            "switch": self._switch,
            "fork": self._fork,
            "exec": self._exec,
            "exit": self._exit,
            "signal": self._signal,
        }[event.kind]
        called = kernel_functions()
        said = tell(task, event, details)
        if called and event.kind != "trap":
            said.append(f"Through {path_text(called)}.")
        if event.kind in ("fault", "cow"):
            self._code, self._changed = None, {}
        self.sentences[number] = tuple(said)

    # -- words -------------------------------------------------------------------------------------

    def _who(self, task: Task) -> str:
        return f"pid {task.pid} ({task.comm})"

    def _at(self, task: Task, address: int) -> str:
        symbol = self._session.images.symbol_at(task, address)
        return f"{symbol} at {address:#010x}" if symbol else f"{address:#010x}"

    def _where(self, task: Task, event: RunEvent) -> str:
        place = self._session.images.place_at(task, event.eip)
        source = f" ({place.name})" if place is not None else ""
        return f"{self._at(task, event.eip)}{source}"

    def _trap(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        vector = details["vector"]
        head = f"{self._who(task)}, {self._where(task, event)}"
        if vector == SYSCALL_VECTOR:
            call = details["call"]
            return [
                f"{head}: int 0x80, system call {call}, {name_of(call)}{self._words(task, call)}."
            ]
        if vector >= FIRST_EXTERNAL_VECTOR:
            jiffies = self._k.time.jiffies
            return [f"{head}: an interrupt, {vector_text(vector)}, after {jiffies} ticks."]
        lines = [f"{head}: the CPU raises {vector_text(vector)}."]
        if vector == PF:
            view = TaskView(self._k, task)
            address, code = details["address"], details["error_code"]
            lines[0] = (
                f"{head}: the CPU raises #PF for {self._at(task, address)}, error code {code:#x} "
                f"({page_fault_bits(code)})."
            )
            why = why_read_only(view, view.walk(address)) if code & PF_W and code & PF_P else None
            lines += [f"Read-only: {why}"] if why else []
        elif details.get("error_code"):
            lines += codes.error_code(details["error_code"], vector)
        return lines

    def _words(self, task: Task, number: int) -> str:
        row = SYSCALLS[number] if number < len(SYSCALLS) else None
        if row is None or row.function is None:
            return ", which this kernel does not have"
        saved = self._k.task_pt_regs(task).as_dict()
        words = [saved[name] for name in ("bx", "cx", "dx", "si", "di", "bp")]
        named = zip(row.arguments, words, strict=False)
        return f"({', '.join(f'{one.name} = {word:#x}' for one, word in named)})"

    def _call(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        result = details["result"]
        name = name_of(details["call"])
        head = (
            f"{self._who(task)}, {self._where(task, event)}: {name} answers {result_text(result)}."
        )
        signed = result - (1 << 32) if result >> 31 & 1 and result > 0 else result
        lines = [head]
        if -4095 <= signed < 0:
            lines += codes.errno(signed)
        return lines

    def _fault(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        kind, address = details["what"], details["address"]
        old, new = details["old_frame"], details["new_frame"]
        before = self._changed.get(address & ~0xFFF)
        code = self._code
        write = code & PF_W if code is not None else kind in ("cow_copied", "cow_reused")
        verb = "writes" if write else "reads"
        if code is None:
            call = name_of(task.syscall) if task.syscall is not None else "its own work"
            head = f"the kernel {verb} {self._at(task, address)} for {self._who(task)} in {call}"
        else:
            head = f"{self._who(task)} {verb} {self._at(task, address)}"
        state = self._entry(task, address, before)
        head += f": {state}" + (f", error code {code:#x}" if code is not None else "")
        return [f"{head}; {self._answer(task, kind, address, (old, new), before)}."]

    def _entry(self, task: Task, address: int, before: _Before | None) -> str:
        if before is not None:
            pte, pde = before.pte, PTE_P
        else:
            walk = TaskView(self._k, task).walk(address)
            pte, pde = walk.pte or 0, walk.pde
        if not pde & PTE_P:
            return "there is no page table"
        if not pte & PTE_P:
            return "the entry is not present" if pte == 0 else f"the entry {pte:#x} is not present"
        return f"the entry is present and {'writable' if pte & PTE_RW else 'read-only'}"

    def _answer(
        self,
        task: Task,
        kind: str,
        address: int,
        frames: tuple[int | None, int | None],
        before: _Before | None,
    ) -> str:
        pages = self._k.memory.pages
        old, new = frames
        if kind == "cow_copied" and old is not None and new is not None:
            zero = " (the zero page)" if old == self._k.memory.zero_pfn else ""
            had = f"has {plural(before.references, 'reference')}" if before else "is shared"
            left = plural(pages.page_count(old), "reference")
            return f"frame {old:#x}{zero} {had}: copied to {new:#x}, {left} left"
        if kind == "cow_reused" and new is not None:
            had = plural(before.references if before else pages.page_count(new), "reference")
            return f"frame {new:#x} has {had}: nobody else's, the entry is writable again"
        if kind == "zero_page":
            return f"the zero page, frame {self._k.memory.zero_pfn:#x}, is mapped read-only"
        if kind == "not_present" and new is not None:
            if old is not None:
                return f"frame {old:#x} of the page cache is copied to {new:#x}"
            count = plural(pages.page_count(new), "reference")
            return f"frame {new:#x} is mapped, with {count}"
        area = task.mm.find_exact(address) if task.mm is not None else None
        if area is None:
            return "no area is there: SIGSEGV"
        return f"its area {area_text(area)} forbids it: SIGSEGV"

    def _switch(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        following = next(t for t in self._k.processes.tasks if t.pid == details["to"])
        why = details["sleeps_in"]
        if why == "dead":
            reason = "is dead"
        elif why:
            reason = f"sleeps in {why}"
        else:
            reason = "may go on running, but has to let another go first"
        lines = [f"{self._who(task)} {reason}; the CPU goes on with {self._who(following)}."]
        if following.mm is None:
            lines.append("It has no user half: CR3 stays, and so does the TLB.")
        elif following.mm is task.mm:
            lines.append("Both have one address space: CR3 stays.")
        else:
            lines.append(
                f"CR3 is {following.mm.pgd:#010x} now, its page directory; the TSS's esp0 is "
                f"{following.thread.sp0:#010x}."
            )
        where = self._session.images.kernel.symbol_at(following.thread.ip)
        lines.append(f"It goes on in the kernel at {where or hex(following.thread.ip)}.")
        return lines

    def _fork(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        k, flags = self._k, details["flags"]
        child = next(t for t in k.processes.tasks if t.pid == details["child"])
        names = [name for bit, name in FLAG_NAMES.items() if flags & bit]
        names += [codes.signal_of(flags & CSIGNAL)] if flags & CSIGNAL else []
        lines = [
            f"{self._who(task)} makes pid {child.pid}, with {' | '.join(names) or 'no flags'}."
        ]
        if child.mm is not None and child.mm is task.mm:
            lines.append("The address space is one: nothing is copied, no entry changes.")
        elif child.mm is not None:
            frames = {entry.pfn: entry for entry in entries(k, child.mm) if entry.present}
            both = sum(k.memory.pages.page_count(pfn) > 1 for pfn in frames)
            fixed = sum(not entry.pte & PTE_RW for entry in frames.values())
            lines.append(
                f"Its page directory is at {child.mm.pgd:#010x}, with {child.mm.nr_ptes} tables and "
                f"{plural(len(frames), 'page')}: {both} of the frames are mapped elsewhere as well, and "
                f"{fixed} entries are read-only."
            )
        where = self._session.images.kernel.symbol_at(child.thread.ip)
        ax = k.task_pt_regs(child).ax
        lines.append(
            f"Its kernel stack is at {child.stack:#010x}; it starts at {where}, and will find {ax:#x} in eax."
        )
        lines.append(f"copy_process took these steps: {_steps()}.")
        return lines

    def _exec(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        lines = [f"{self._who(task)} runs {details['path']} from now on."]
        if task.mm is not None:
            regs = self._k.task_pt_regs(task)
            lines.append(
                f"Its address space is a new one (page directory {task.mm.pgd:#010x}, "
                f"{plural(len(task.mm.areas), 'area')}); it starts at {self._at(task, regs.ip)}, esp "
                f"{regs.sp:#010x}."
            )
        return lines

    def _exit(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        lines = [f"{self._who(task)} ends. {codes.wait_status(details['status'])[0]}"]
        parent = task.real_parent
        if task.exit_signal > 0:
            told = codes.signal_of(task.exit_signal)
            lines.append(f"Its parent, {self._who(parent)}, is to get {told}.")
        if task.children:
            pids = ", ".join(str(child.pid) for child in task.children)
            lines.append(f"It leaves {plural(len(task.children), 'child')}: {pids}.")
        if task.mm is not None and task.mm.mm_users > 1:
            others = plural(task.mm.mm_users - 1, "other user")
            lines.append(f"Its address space stays, with {others}.")
        return lines

    def _signal(self, task: Task, event: RunEvent, details: Mapping[str, Any]) -> list[str]:
        number = details["signal"]
        action = task.sighand.action.get(number, SigAction())
        if action.handler == SIG_DFL:
            what = "the default action"
        elif action.handler == SIG_IGN:
            what = "it is ignored"
        else:
            what = f"its handler, {self._at(task, action.handler)}"
        code = details["si_code"]
        return [f"{self._who(task)} gets {codes.signal_of(number)}, si_code {code}: {what}."]


def _steps() -> str:
    """Those of LADDER, by number: what each means, and its functions."""
    found = []
    for number in dict.fromkeys(step.number for step in LADDER):
        names = ", ".join(step.build.__name__ for step in LADDER if step.number == number)
        found.append(f"{in_words([number])} ({names})")
    return "; ".join(found)
