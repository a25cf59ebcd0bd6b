"""A task as a debugger or a notebook sees it: read-only, without touching the guest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.engine_quirks import GPRS
from emu.notebook import number, table
from emu.paging import PTE_P, Walk
from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PT_REGS
from toykernel.look.page_tables import entries, walk
from toykernel.mm.mm_types import VmArea
from toykernel.task import Task

if TYPE_CHECKING:
    from toykernel.state import Kernel

SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")


class UnreadableError(Exception):
    """Linear memory that is not mapped; `address` is the first byte."""

    def __init__(self, address: int) -> None:
        super().__init__(f"cannot access memory at address {address:#x}: no page is mapped there")
        self.address = address


class TaskView:
    """One task: identity, registers, memory. Addresses are linear, in bytes."""

    def __init__(self, k: Kernel, task: Task) -> None:
        self.kernel = k
        self.task = task

    def __repr__(self) -> str:
        return f"<task {self.pid} {self.comm} {self.state}>"

    def _repr_html_(self) -> str:
        rows = [
            ("parent", f"{self.ppid}"),
            ("state", f"{self.state}, waits on {self.waits_on}" if self.waits_on else self.state),
            ("page directory", number(self.directory)),
            *((name, number(value)) for name, value in self.cpu_regs.items()),
        ]
        areas = [
            (number(area.vm_start), number(area.vm_end), area.permissions(), area.name)
            for area in self.areas
        ]
        html = table(f"pid {self.pid} ({self.comm})", rows)
        return html + table("areas", areas, ("start", "end", "may", "name")) if areas else html

    @property
    def pid(self) -> int:
        """Its own number in the first pid namespace; a thread's is not its group's."""
        return self.task.pid

    @property
    def ppid(self) -> int:
        """The number of its parent's thread group; 0 for init."""
        return self.task.real_parent.tgid

    @property
    def comm(self) -> str:
        """Name of the program, at most 15 characters."""
        return self.task.comm

    @property
    def state(self) -> str:
        """One letter, as ps has it: R S D T Z X, or N before the birth is over."""
        return self.task.state_letter

    @property
    def waits_on(self) -> str | None:
        """What it sleeps on, for people; None while it does not sleep."""
        return self.task.wait.reason if self.task.wait is not None else None

    @property
    def is_current(self) -> bool:
        """Whether the CPU runs it now."""
        return self.kernel.current is self.task

    @property
    def in_user_mode(self) -> bool:
        """Whether the CPU runs it in ring 3, now."""
        return self.is_current and self.kernel.machine.cpu.cpl == 3

    @property
    def has_frame(self) -> bool:
        """Whether a trap from user mode is under way: it is in the kernel, its registers on its
        kernel stack."""
        return self.task.pid != 0 and not self.in_user_mode and not self.task.exit_state

    @property
    def pt_regs(self) -> dict[str, int]:
        """The 17 words of struct pt_regs of the last trap from user mode, wherever that has got to."""
        return self.kernel.task_pt_regs(self.task).as_dict()

    @property
    def regs(self) -> dict[str, int]:
        """The registers of its program: the CPU's in ring 3, else those that the trap has saved.

        eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs. While the entry code is still
        pushing, what is not on the stack yet is what the stack held before: look at `cpu_regs` there.
        """
        if self.in_user_mode:
            return self.cpu_regs
        saved = self.pt_regs
        names = {name: name[1:] for name in (*GPRS, "eip")} | {"eflags": "flags"}
        return {name: saved[names.get(name, name)] for name in (*GPRS, "eip", "eflags", *SEGMENTS)}

    @property
    def cpu_regs(self) -> dict[str, int]:
        """The CPU's registers when it runs this task; otherwise where its kernel half goes on."""
        cpu = self.kernel.machine.cpu
        if self.is_current:
            selectors = {name: int(getattr(cpu, name)) & 0xFFFF for name in SEGMENTS}
            return {**cpu.general_registers(), **selectors}
        return {"esp": self.task.thread.sp, "eip": self.task.thread.ip}

    @property
    def kernel_sp(self) -> int | None:
        """The stack pointer in the kernel, a linear address; None in user mode."""
        if self.in_user_mode:
            return None
        return self.cpu_regs["esp"]

    @property
    def eip(self) -> int:
        """Where its program is; of a task that has ended, where it was."""
        return self.regs["eip"] if self.has_frame or self.in_user_mode else self.cpu_regs["eip"]

    # -- memory ------------------------------------------------------------------------------------

    @property
    def directory(self) -> int:
        """Physical address of its page directory (a task without a user half: the kernel's)."""
        mm = self.task.mm
        return mm.pgd if mm is not None else self.kernel.arch.swapper_pg_dir

    @property
    def areas(self) -> list[VmArea]:
        """The areas of its address space, by address; none without a user half."""
        return list(self.task.mm) if self.task.mm is not None else []

    def walk(self, address: int) -> Walk:
        """What its page tables say of a linear address; no bit is set by looking."""
        return walk(self.kernel, self.directory, address)

    def page_table(self) -> Iterator[Walk]:
        """What its tables say of every present page of its user half, by address."""
        if self.task.mm is not None:
            for entry in entries(self.kernel, self.task.mm):
                if entry.pte & PTE_P:
                    yield self.walk(entry.address)

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at a linear address as it sees them, kernel half included.

        Raises UnreadableError.
        """
        parts = []
        paging = not self.is_current or self.kernel.machine.cpu.paging
        while size > 0:
            address &= 0xFFFFFFFF
            part = min(size, PAGE_SIZE - address % PAGE_SIZE)
            physical = self.walk(address).physical if paging else address
            if physical is None or physical + part > self.kernel.machine.ram.size:
                raise UnreadableError(address)
            parts.append(self.kernel.machine.ram.read(physical, part))
            address += part
            size -= part
        return b"".join(parts)

    def read_upto(self, address: int, size: int) -> bytes:
        """The bytes from a linear address up to the first that is not mapped, at most `size`."""
        try:
            return self.read(address, size)
        except UnreadableError as error:
            return self.read(address, (error.address - address) & 0xFFFFFFFF) if size else b""


def frame_words(view: TaskView) -> list[tuple[int, str, int]]:
    """(address, name, value) of each word of its pt_regs, from the lowest address."""
    base = view.kernel.task_pt_regs(view.task).address
    return [(base + 4 * index, name, view.pt_regs[name]) for index, name in enumerate(PT_REGS)]
