"""Looking at a session's tasks: where they are, their registers, memory, and expressions over both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.debug.callers import Callers
from toykernel.debug.disassembly import LONGEST, Instruction, decode
from toykernel.debug.errors import DebugError
from toykernel.debug.expressions import LocalVariable, evaluate
from toykernel.look.image import Image, Place
from toykernel.look.symbols import SymbolError
from toykernel.look.task import SEGMENTS, TaskView, UnreadableError

if TYPE_CHECKING:
    from emu.machine import Machine
    from toykernel.harness.session import Session
    from toykernel.look.symbols import Images

_CONTROL = ("cr0", "cr2", "cr3", "cr4", "dr6", "dr7", "cpl")
_ALIASES = {"pc": "eip", "sp": "esp", "fp": "ebp", "ip": "eip", "flags": "eflags", "ps": "eflags"}


@dataclass(frozen=True)
class Location:
    """Where the CPU is. `instruction` is None where no code is mapped."""

    pid: int
    comm: str
    ring: int
    eip: int
    symbol: str | None
    place: Place | None
    instruction: Instruction | None


class Looking:
    """A session that is looked at, as one of its tasks: the one `selected`, else the current one."""

    session: Session
    machine: Machine
    images: Images
    selected: int | None

    @cached_property
    def callers(self) -> Callers:
        """Who has called."""
        return Callers(self.session)

    # -- where we are ------------------------------------------------------------------------------

    @property
    def view(self) -> TaskView:
        """The task that is looked at: the one selected, else the current one."""
        return self.session.current if self.selected is None else self.task(self.selected)

    def task(self, pid: int) -> TaskView:
        """The task with a number. Raises DebugError."""
        try:
            return self.session.task(pid)
        except LookupError as error:
            raise DebugError(f"{error}; `info tasks' lists them") from None

    def name(self, view: TaskView | None = None) -> Callable[[int], str | None]:
        """Symbols for addresses, as a task sees them."""
        task = (view or self.view).task
        return lambda address: self.images.symbol_at(task, address)

    def instruction(self, address: int, view: TaskView | None = None) -> Instruction | None:
        """The instruction at an address; None when nothing is mapped there."""
        view = view or self.view
        return decode(view.read_upto(address, LONGEST), address, self.name(view))

    def location(self) -> Location:
        """Where the CPU is, whatever task is selected."""
        view = self.session.current
        cpu = self.machine.cpu
        eip = cpu.eip
        address = eip + cpu.cs_base & 0xFFFFFFFF
        named = address if cpu.paging else address + PAGE_OFFSET  # boot code runs below its place
        return Location(
            view.pid,
            view.comm,
            cpu.cpl,
            eip,
            self.images.symbol_at(view.task, named),
            self.images.place_at(view.task, named),
            self.instruction(address, view),
        )

    # -- values ------------------------------------------------------------------------------------

    @staticmethod
    def register_name(name: str) -> str:
        """$pc is $eip, and so on."""
        return _ALIASES.get(name, name)

    def register(self, name: str) -> int:
        """A register of the task that is looked at. Raises DebugError."""
        wanted = self.register_name(name)
        view = self.view
        cpu = self.machine.cpu
        if wanted in _CONTROL:
            if view.is_current:
                return int(getattr(cpu, wanted))
            if wanted == "cr3":
                return view.directory
            raise DebugError(f"${name} is the CPU's, and pid {view.pid} is not on it")
        values = view.cpu_regs if view.is_current else self.saved_registers(view)
        if wanted in values:
            return values[wanted]
        wide = f"e{wanted}"
        if wide in values and wanted not in SEGMENTS:
            return values[wide] & 0xFFFF
        if len(wanted) == 2 and wanted[1] in "lh" and f"e{wanted[0]}x" in values:
            return values[f"e{wanted[0]}x"] >> (8 if wanted[1] == "h" else 0) & 0xFF
        raise DebugError(f"no register ${name}; `info regs' lists them")

    @staticmethod
    def saved_registers(view: TaskView) -> dict[str, int]:
        """User registers of a task that is not running. Raises DebugError when it has none."""
        if view.task.mm is None:
            raise DebugError(f"pid {view.pid} ({view.comm}) has no user registers")
        return view.regs

    def word_at(self, address: int, size: int = 4) -> int:
        """The word, or so many bytes, at a linear address of the task that is looked at. DebugError."""
        return int.from_bytes(self.read(address, size), "little")

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at a linear address of the task that is looked at. Raises DebugError."""
        try:
            return self.view.read(address, size)
        except UnreadableError as error:
            raise DebugError(str(error)) from None

    def evaluate(self, text: str, bare: list[str] | None = None) -> int:
        """An expression; see expressions. Raises DebugError."""
        return evaluate(
            text,
            symbol=self.images.value,
            register=self.register,
            word_at=self.word_at,
            variable=self.local_variable,
            bare=bare,
        )

    def local_variable(self, name: str) -> LocalVariable | None:
        """A local variable of the C function that the task is in. Raises DebugError for one that optimisation
        has left nowhere, or whose value is no word.
        """
        for one in self.callers.variables(self.view):
            if one.name != name:
                continue
            if one.address is not None:
                size = one.size if 0 < one.size <= 4 else 0
                value = int.from_bytes(self.read(one.address, size), "little", signed=True)
                return LocalVariable(value if size else one.address, one.address)
            if one.value is not None:
                return LocalVariable(one.value, None)
            if one.register is None:
                raise DebugError(f"{name} has no place here: the compiler has left it out")
            return LocalVariable(self.register(one.register), None)
        return None

    def judge(self, condition: str, addresses: tuple[int, ...]) -> None:
        """Raises DebugError for a condition that means nothing at these places; an empty one does not."""
        names = {name for at in addresses for name in self.callers.names_at(at)}
        if not condition:
            return
        if not names:
            self.evaluate(condition)
            return
        evaluate(  # the variables are none yet: what it is made of counts, not its value
            condition,
            symbol=self.images.value,
            register=self.register,
            word_at=lambda _address, _size: 1,
            variable=lambda name: LocalVariable(1, 0) if name in names else None,
        )

    def where(self, text: str) -> int:
        """A place in the code: a label, FILE:LINE, or an expression. Raises DebugError."""
        return self.code(text)[1]

    def code(self, text: str) -> tuple[Image | None, int]:
        """A place in the code as `where`, with the image that it is in."""
        head, _, tail = text.rpartition(":")
        is_line = bool(head) and tail.isascii() and tail.isdigit()
        if is_line or self.images.find(text):
            try:
                code = self.images.code(text)
                return code.image, code.addresses[0]
            except SymbolError as error:
                if is_line:
                    raise DebugError(str(error)) from None
        address = self.evaluate(text)
        return self.images.of_address(self.view.task, address), address
