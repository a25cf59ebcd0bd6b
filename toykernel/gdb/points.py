"""Breakpoints and watchpoints of each process. The guest's memory does not change by a byte.

A breakpoint is an address before which the machine stops; whoever else comes there goes on. A watchpoint is
one of the four debug registers, which the guest has no access to; they are loaded while it runs and empty
when it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.hooks import MAX_BREAKS
from toykernel.arch.x86.hw_breakpoint import load_debug_registers
from toykernel.errno import ENOSPC
from toykernel.gdb.errors import RemoteError

if TYPE_CHECKING:
    from toykernel.gdb.agent import Condition
    from toykernel.state import Kernel
    from toykernel.task import Task

SOFTWARE, HARDWARE, WRITE, READ, ACCESS = range(5)
_NAMES = {WRITE: "watch", READ: "rwatch", ACCESS: "awatch"}
#: R/W field of DR7 by type: data writes, data reads and writes.
_DR7_KIND = {WRITE: 1, READ: 3, ACCESS: 3}
_DR7_FIXED = 0x400  # the bit that is always set
#: Bytes of a watchpoint: four registers of 4. gdb asks for longer ones in several, or gives up.
LONGEST_WATCH = 16
_MOST = 512  # addresses in all, with room for those of the stub's own


@dataclass(frozen=True)
class Watch:
    """One that fits into a debug register: `size` 1, 2 or 4, aligned. `at` is what gdb asked for."""

    tgid: int
    type: int
    at: int
    address: int
    size: int

    @property
    def name(self) -> str:
        """As stop replies have it."""
        return _NAMES[self.type]


class Points:
    """What is set, by process. With conditions, a breakpoint is one only when any of them holds."""

    def __init__(self, holds: Callable[[Condition, Task], bool]) -> None:
        """`holds` evaluates a condition for a thread."""
        self._holds = holds
        self._breaks: dict[tuple[int, int], dict[int, tuple[Condition, ...]]] = {}
        self.watches: list[Watch] = []

    def insert(
        self, tgid: int, type_: int, address: int, size: int, conditions: tuple[Condition, ...]
    ) -> None:
        """Once more is the same. Raises RemoteError."""
        if type_ in (SOFTWARE, HARDWARE):
            kinds = self._breaks.setdefault((tgid, address), {})
            kinds[type_] = conditions
            if len({address for _, address in self._breaks}) > min(_MOST, MAX_BREAKS - 64):
                self.remove(tgid, type_, address, size)
                raise RemoteError(ENOSPC)
            return
        self.remove(tgid, type_, address, size)
        pieces = [Watch(tgid, type_, address, at, part) for at, part in _pieces(address, size)]
        if len(self.watches) + len(pieces) > 4:
            raise RemoteError(ENOSPC)
        self.watches += pieces

    def remove(self, tgid: int, type_: int, address: int, size: int) -> None:
        """Nothing, when it is not there."""
        if type_ not in (SOFTWARE, HARDWARE):
            self.watches = [
                w for w in self.watches if (w.tgid, w.type, w.at) != (tgid, type_, address)
            ]
            return
        kinds = self._breaks.get((tgid, address), {})
        kinds.pop(type_, None)
        if not kinds:
            self._breaks.pop((tgid, address), None)

    def fork(self, parent: int, child: int) -> None:
        """A child begins with its parent's, as with its memory on Linux."""
        for (tgid, address), kinds in list(self._breaks.items()):
            if tgid == parent:
                self._breaks[child, address] = dict(kinds)

    def forget(self, tgid: int) -> None:
        """The process, or its program, is gone."""
        for key in [key for key in self._breaks if key[0] == tgid]:
            del self._breaks[key]
        self.watches = [w for w in self.watches if w.tgid != tgid]

    @property
    def addresses(self) -> set[int]:
        """Of breakpoints."""
        return {address for _, address in self._breaks}

    def hit(self, task: Task, address: int) -> int | None:
        """Type of a breakpoint that a task at an address is to stop for; None: nobody's."""
        for type_, conditions in self._breaks.get((task.tgid, address), {}).items():
            if not conditions or any(self._holds(one, task) for one in conditions):
                return type_
        return None

    # -- debug registers ---------------------------------------------------------------------------

    def load(self, k: Kernel) -> None:
        """The watchpoints into the debug registers."""
        if not self.watches:
            return
        cpu, dr7 = k.machine.cpu, _DR7_FIXED
        for n, watch in enumerate(self.watches):
            cpu.set_dr(n, watch.address)
            dr7 |= 2 << 2 * n | (_DR7_KIND[watch.type] | watch.size - 1 << 2) << 16 + 4 * n
        cpu.set_dr(7, dr7)
        k.machine.watched = 0xF

    def unload(self, k: Kernel) -> None:
        """The debug registers as the guest knows them: those of a tracer in it, or empty."""
        if k.machine.watched:
            k.machine.watched = 0
            load_debug_registers(k, k.current)

    def watch_hit(self, task: Task, hits: int) -> Watch | None:
        """Of those that the debug registers say were accessed, one of the task's process."""
        for n, watch in enumerate(self.watches):
            if hits >> n & 1 and watch.tgid == task.tgid:
                return watch
        return None


def _pieces(address: int, size: int) -> list[tuple[int, int]]:
    """Aligned parts of 4, 2 and 1 bytes."""
    found = []
    while size > 0:
        part = next(p for p in (4, 2, 1) if p <= size and address % p == 0)
        found.append((address, part))
        address += part
        size -= part
    return found
