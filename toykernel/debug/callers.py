"""Who has called: by what a compiler says, else by what a stack looks like."""

from __future__ import annotations

from functools import cached_property, partial

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.harness.session import Session
from toykernel.look.image import Image
from toykernel.look.task import TaskView, UnreadableError
from toykernel.look.unwind import REGISTERS, Unwinder, Variable

#: So many bytes of a user stack are looked through.
REACH = 4096


class Callers:
    """Of one session's program and kernel."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def _unwinder(self) -> Unwinder:
        return Unwinder(self._session.elf, self._session.images.program.bias)

    def of_kernel(self, low: int, high: int) -> list[int]:
        """Words on a kernel stack between two linear addresses that a call has pushed there."""
        ram, kernel = self._session.kernel.machine.ram, self._session.images.kernel
        words = ram.words(low - PAGE_OFFSET, max(high - low, 0) // 4)
        return [word for word in words if word >= PAGE_OFFSET and _follows_call(kernel, word)]

    def of_user(self, view: TaskView) -> list[int]:
        """Return addresses of the program's calls, innermost first: as a compiler says how to find them,
        else every word from the top of the stack up that a call of the program has pushed."""
        if not self._in_program(view):
            return []
        callers = self._unwinder.callers(view.regs, partial(_word_of, view))
        if callers:
            return [frame["eip"] for frame in callers]
        program = self._session.images.program
        data = view.read_upto(view.regs["esp"], REACH)
        words = (int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) - 3, 4))
        return [word for word in words if _follows_call(program, word)]

    def variables(self, view: TaskView) -> list[Variable]:
        """Local variables of the function of C that the task is in."""
        if not self._in_program(view):
            return []
        return self._unwinder.variables(view.regs, partial(_word_of, view))

    def names_at(self, address: int) -> list[str]:
        """Names of the local variables at an address of the program's C."""
        if address >= PAGE_OFFSET:
            return []
        nowhere = dict.fromkeys(REGISTERS, 0) | {"eip": address}
        return [one.name for one in self._unwinder.variables(nowhere, lambda _address: 0)]

    def _in_program(self, view: TaskView) -> bool:
        images, task = self._session.images, view.task
        return images.of_task(task) is images.program and task.mm is not None


def _follows_call(image: Image, address: int) -> bool:
    entry = image.entry_at(address - 1)
    if entry is None or entry.address + entry.length != address:
        return False
    return "call" in entry.text.split()


def _word_of(view: TaskView, address: int) -> int:
    """A word at a linear address, as a task sees it. Raises ValueError where nothing is mapped."""
    try:
        return int.from_bytes(view.read(address, 4), "little")
    except UnreadableError as error:
        raise ValueError(str(error)) from None
