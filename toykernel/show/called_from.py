"""Where a program is whose next instruction has no line, as in a C library: at the call that led there."""

from __future__ import annotations

from emu.ram import PAGE_SIZE
from toykernel.look.image import Image
from toykernel.look.task import TaskView, UnreadableError

_Registers = tuple[int, ...]
#: What callers are found by, besides the stack.
_NAMES = ("eip", "esp", "ebp", "ebx", "esi", "edi")


class CalledFrom:
    """Finds calls by what compilers leave (DWARF call frame information), and remembers them by process."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[_Registers, bytes, int]] = {}

    def of(self, view: TaskView, image: Image | None) -> int:
        """The address of the innermost call from a line that is known: of its last byte. 0 where the
        instruction itself has a line, or nobody knows."""
        regs = view.regs
        if image is None or image.unwinder is None or image.entry_at(regs["eip"]) is not None:
            return 0
        key, pid = tuple(regs[name] for name in _NAMES), view.pid
        known = self._known.get(pid)
        if known is not None and known[0] == key and _stack(view, len(known[1])) == known[1]:
            return known[2]
        found, deep = 0, 4
        start, vdso = regs, view.task.mm.vdso if view.task.mm is not None else 0
        if (
            vdso and vdso <= regs["eip"] < vdso + PAGE_SIZE
        ):  # nothing but the return address is pushed there
            start = regs | {"eip": _word_or_0(view, regs["esp"]), "esp": regs["esp"] + 4}
        for frame in image.unwinder.callers(start, lambda address: _word(view, address)):
            deep = frame["esp"] - regs["esp"]
            if image.entry_at(frame["eip"] - 1) is not None:
                found = frame["eip"] - 1
                break
        self._known[pid] = key, _stack(view, deep), found
        return found


def _stack(view: TaskView, size: int) -> bytes:
    return view.read_upto(view.regs["esp"], size)


def _word_or_0(view: TaskView, address: int) -> int:
    return int.from_bytes(view.read_upto(address, 4).ljust(4, b"\0"), "little")


def _word(view: TaskView, address: int) -> int:
    """Raises ValueError where nothing is mapped."""
    try:
        return int.from_bytes(view.read(address, 4), "little")
    except UnreadableError as error:
        raise ValueError(str(error)) from None
