"""A call that is being told: its registers, the memory that they point into, and what it answered."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toykernel.look.memory import peek
from toykernel.observe.decoding.text import ARRAY_LIMIT, address

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

MAX_ERRNO = 4095
RESTARTS = frozenset((512, 513, 514, 516))  # ERESTARTSYS and its kin


@dataclass
class Call:
    """`words` are the six registers; `result` is None until the call has ended.

    `saved` keeps what memory held at the entry and the end needs once more; `indirect`: the call was
    made through ipc(2); `previous`: the call that the task has made before.
    """

    k: Kernel
    mm: MmStruct | None
    name: str
    words: Sequence[int]
    result: int | None = None
    saved: dict[str, int] = field(default_factory=dict)
    indirect: bool = False
    previous: str = ""

    @property
    def failed(self) -> bool:
        """The end is reached, with an error."""
        return self.result is not None and -MAX_ERRNO <= self.result < 0

    @property
    def value(self) -> int:
        """What it answered, as the register holds it; an error and no end yet are -1 of 64 bits."""
        if self.result is None or self.failed:
            return (1 << 64) - 1
        return self.result & 0xFFFFFFFF

    @property
    def restarts(self) -> bool:
        """Interrupted by a signal, to be made again."""
        return self.result is not None and -self.result in RESTARTS

    def signed(self, index: int) -> int:
        """An argument as an int."""
        word = self.words[index]
        return word - (1 << 32) if word >> 31 else word

    def double(self, index: int) -> int:
        """A long long in two registers, the low half first."""
        value = self.words[index] | self.words[index + 1] << 32
        return value - (1 << 64) if value >> 63 else value

    def peek(self, where: int, size: int) -> bytes | None:
        """Memory, whatever the call answered; None when any of it cannot be read."""
        return peek(self.k, self.mm, where, size) if where else None

    def fetch(self, where: int, size: int) -> bytes | None:
        """Memory that a call has filled or reads; None also after a failure."""
        return None if self.failed else self.peek(where, size)

    def unpack(self, where: int, layout: str) -> tuple[Any, ...] | None:
        """`fetch`, taken apart as struct does (little endian)."""
        data = self.fetch(where, struct.calcsize("<" + layout))
        return None if data is None else struct.unpack("<" + layout, data)

    def word(self, where: int) -> int | None:
        """32 bits, whatever the call answered."""
        data = self.peek(where, 4)
        return None if data is None else int.from_bytes(data, "little")

    def record(self, where: int, layout: str, show: Callable[..., str]) -> str:
        """A structure as `show` writes its members, or the address."""
        members = self.unpack(where, layout)
        return address(where) if members is None else show(*members)

    def array(
        self,
        where: int,
        count: int,
        size: int,
        show: Callable[[bytes], str],
        *,
        always: bool = False,
    ) -> str:
        """Elements of `size` bytes; `always` also after a failure."""
        if not where:
            return "NULL"
        if not count:
            return "[]"
        if where + count * size >= 1 << 64:
            return address(where)
        shown = []
        for index in range(count):
            at = where + index * size
            data = self.peek(at, size) if always else self.fetch(at, size)
            if data is None:
                if not index:
                    return address(where)
                shown.append(f"... /* {at:#x} */")
                break
            if index == ARRAY_LIMIT:
                shown.append("...")
                break
            shown.append(show(data))
            if shown[-1] == "...":
                break
        return "[" + ", ".join(shown) + "]"


#: One argument of a call, by its place.
Printer = Callable[[Call, int], str]
