"""All that is shown of one moment, as plain data: what docs/events.md calls a state.

Objects have text for names, so that a JSON Merge Patch (RFC 7386) leads from one state to the next. A state
is never changed once it has been made; parts that are as before are the same objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emu.paging import PTE_FRAME
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, THREAD_SIZE
from toykernel.arch.x86.pgtable import USER_PGD_PTRS
from toykernel.kernel.siginfo import signal_name
from toykernel.kernel.signal_types import SIG_DFL, SIG_IGN
from toykernel.look.entry_words import area_flags
from toykernel.look.frames import kernel_claims
from toykernel.look.page_tables import entries, tables
from toykernel.look.spaces import address_spaces, users
from toykernel.look.task import TaskView
from toykernel.show.called_from import CalledFrom
from toykernel.show.open_files import OpenFiles
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.look.symbols import Images
    from toykernel.mm.mm_types import MmStruct
    from toykernel.observe.trap_frames import FrameLog
    from toykernel.state import Kernel
    from toykernel.task import Task

State = dict[str, Any]
#: Bytes at the top of a kernel stack: pt_regs of a trap from ring 3 and what copy_thread leaves free.
_ALWAYS = 80
SIGNALS = 64


class StateReader:
    """Reads the states of one kernel, in any order."""

    def __init__(self, k: Kernel, images: Images, frames: FrameLog) -> None:
        self._k = k
        self._images = images
        self._frames = frames
        self._spaces: dict[int, tuple[list[bytes], State, State]] = {}
        self._called_from = CalledFrom()

    def read(self) -> State:
        """The state now."""
        k = self._k
        machine = k.machine
        current = TaskView(k, k.current)
        cpu = current.cpu_regs
        control = {name: int(getattr(machine.cpu, name)) for name in ("cr0", "cr2", "cr3", "cr4")}
        files = OpenFiles(k)
        tasks = {str(task.pid): self._task(task, files) for task in k.processes.tasks}
        spaces = {str(mm.ident): self._space(mm) for mm in address_spaces(k)}
        return {
            "cycles": machine.clock.cycles,
            "instructions": machine.clock.instructions,
            "current": current.pid,
            "ring": machine.cpu.cpl,
            "cpu": {**cpu, **control},
            "tasks": tasks,
            "spaces": spaces,
            "frames": self._frame_table(spaces),
            "memory": {
                "used": k.memory.pages.totals().used,
                "reserved_end": k.memory.reserved_end,
            },
            "files": files.tables,
            "open": files.opened,
            "pipes": files.pipes,
            "ledger": dict(machine.clock.by_rule()),
        }

    # -- tasks -------------------------------------------------------------------------------------

    def _task(self, task: Task, files: OpenFiles) -> State:
        view = TaskView(self._k, task)
        image = self._images.of_task(task)
        found: State = {
            "ppid": view.ppid,
            "tgid": task.tgid,
            "comm": task.comm,
            "state": view.state,
            "image": image.name if image is not None else "",
            "lane": lane_of(self._k, task)[0],
        }
        if view.waits_on:
            found["waits_on"] = view.waits_on
        if task.syscall is not None:
            found["call"] = name_of(task.syscall)
        if task.exit_state:
            found["exit_code"] = task.exit_code or 0
        else:
            found["user_eip"] = view.regs["eip"] if task.mm is not None else 0
            if task.mm is not None and (call := self._called_from.of(view, image)):
                found["called_from"] = call
            found |= self._stack(view)
        if task.mm is not None:
            found["space"] = task.mm.ident
        table = files.table(task)
        if table:
            found["files"] = table
        found["signals"] = _signals(task)
        return found

    def _stack(self, view: TaskView) -> State:
        """The kernel stack from its pointer up, at least what lies where pt_regs do, and its trap frames."""
        base, sp = view.task.stack, view.kernel_sp
        found: State = {"stack_base": base}
        if not view.is_current:
            found["goes_on"] = view.task.thread.ip
        top = base + THREAD_SIZE
        if sp is not None and base <= sp <= top:
            found["sp"] = sp
            first = min(sp & ~3, top - _ALWAYS)
        else:
            first = top - _ALWAYS
        words = self._k.machine.ram.words(first - PAGE_OFFSET, (top - first) // 4)
        found["stack"] = {f"{first + 4 * n:08x}": word for n, word in enumerate(words)}
        found["frames"] = {
            f"{frame.base:08x}": {
                "user": frame.from_user,
                "error": frame.error_code is not None,
                "origin": frame.origin,
                **({"vector": frame.vector} if frame.vector is not None else {}),
            }
            for frame in self._frames.of(view)
        }
        return found

    # -- memory ------------------------------------------------------------------------------------

    def _space(self, mm: MmStruct) -> State:
        k = self._k
        directory, entry_table = self._page_tables(mm)
        areas = {
            f"{area.vm_start:08x}": [area.vm_end, area.permissions(), area_flags(area), area.name]
            for area in mm
        }
        return {
            "pgd": mm.pgd,
            "users": [task.pid for task in users(k, mm)],
            "areas": areas,
            "directory": directory,
            "entries": entry_table,
        }

    def _page_tables(self, mm: MmStruct) -> tuple[State, State]:
        """The directory's and the tables' nonzero user entries; those from before, when no byte differs."""
        k, known = self._k, self._spaces.get(mm.ident)
        if known is not None and self._bytes(mm, known[1]) == known[0]:
            return known[1:]
        directory = {f"{base:08x}": pde for base, pde in tables(k, mm)}
        entry_table = {f"{entry.address:08x}": entry.pte for entry in entries(k, mm)}
        self._spaces[mm.ident] = (self._bytes(mm, directory), directory, entry_table)
        return directory, entry_table

    def _bytes(self, mm: MmStruct, directory: State) -> list[bytes]:
        ram = self._k.machine.ram
        pages = [ram.read(mm.pgd, 4 * USER_PGD_PTRS)]
        return pages + [self._table_bytes(pde) for pde in directory.values()]

    def _table_bytes(self, pde: int) -> bytes:
        ram, at = self._k.machine.ram, pde & PTE_FRAME
        return ram.read(at, PAGE_SIZE) if at + PAGE_SIZE <= ram.size else b""

    def _frame_table(self, spaces: Mapping[str, State]) -> State:
        """Every frame that somebody holds: references, kind, and holders other than user entries."""
        pages = self._k.memory.pages
        found: State = {}
        for pfn, kind, who in kernel_claims(self._k):
            one = found.setdefault(
                f"{pfn:05x}", {"count": pages.page_count(pfn), "kind": kind, "held": []}
            )
            one["held"].append(who)
        for space in spaces.values():
            for pte in space["entries"].values():
                pfn = pte >> PAGE_SHIFT
                if f"{pfn:05x}" not in found and pfn < pages.frames:
                    count = pages.page_count(pfn)
                    found[f"{pfn:05x}"] = {"count": count, "kind": "user page", "held": []}
        return found


def lane_of(k: Kernel, task: Task) -> tuple[str, str]:
    """What a task is doing, in a word, and on what it sleeps."""
    if task.exit_state:
        return "zombie", ""
    if task is k.current:
        return ("user" if k.machine.cpu.cpl == 3 else "kernel"), ""
    if task is k.sched.idle:
        return "idle", ""
    if task.state_letter == "R":
        return "ready", ""
    if task.state_letter == "N":
        return "new", ""
    if task.state_letter in "Tt":
        return "stopped", ""
    return "asleep", task.wait.reason if task.wait is not None else ""


def _signals(task: Task) -> State:
    """Pending and blocked signals, and what is done about those whose action is not the default."""
    found: State = {}
    if task.pending:
        found["pending"] = [signal_name(number) for number in sorted(task.pending)]
    if task.signal.shared_pending:
        found["shared_pending"] = [signal_name(n) for n in sorted(task.signal.shared_pending)]
    if task.blocked:
        set_bits = (n for n in range(1, SIGNALS + 1) if task.blocked >> n - 1 & 1)
        found["blocked"] = [signal_name(number) for number in set_bits]
    handlers = {
        signal_name(number): "ignored" if action.handler == SIG_IGN else f"{action.handler:#010x}"
        for number, action in sorted(task.sighand.action.items())
        if action.handler != SIG_DFL
    }
    if handlers:
        found["handlers"] = handlers
    return found
