"""What a breakpoint is, what was hit, and how vectors and calls are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emu.microcode import VECTOR_NAMES
from toykernel.look.image import Image
from toykernel.observe.faultlog import FaultRecord
from toykernel.syscall_table import BY_NAME

ADDRESS, SYSCALL, TRAP, FORK, COW = "breakpoint", "syscall", "trap", "fork", "cow"
WATCH = "watch"
_VECTORS = {name.lstrip("#").lower(): vector for vector, name in VECTOR_NAMES.items()}


def always() -> bool:
    """No condition."""
    return True


class BreakpointError(Exception):
    """A breakpoint that cannot be set or found; the text says why."""


@dataclass(frozen=True)
class Watch:
    """Bytes that are watched: linear ones of a task, or physical ones without `pid`."""

    address: int
    size: int
    pid: int | None
    reads: bool
    writes: bool


@dataclass(frozen=True)
class WatchRecord:
    """What a watchpoint has seen: the bytes before and afterwards; None: no frame is mapped for them."""

    old: bytes | None
    new: bytes | None


@dataclass
class Breakpoint:
    """One place to stop. `value` is a system-call number or a vector; None means any."""

    number: int
    kind: str
    what: str
    addresses: tuple[int, ...] = ()
    image: Image | None = field(default=None, repr=False)
    value: int | None = None
    temporary: bool = False
    hits: int = 0
    pid: int | None = None  # only for this task
    #: Asked when it is reached; False: the run goes on, and it does not count. `condition` is its text.
    holds: Callable[[], bool] = field(default=always, repr=False)
    condition: str = ""
    ignore: int = 0  # so many times yet it counts without stopping
    #: What the debugger's user wants done at a stop.
    commands: list[str] = field(default_factory=list)
    watch: Watch | None = None


@dataclass(frozen=True)
class ForkRecord:
    """A fork that has been made: parent, child, and how many user frames both map."""

    parent: int
    comm: str
    child: int
    shared_frames: int


@dataclass(frozen=True)
class Hit:
    """A breakpoint was reached, by a task; `record` tells of the fork or the fault."""

    breakpoint: Breakpoint
    pid: int
    record: ForkRecord | FaultRecord | WatchRecord | None = None


#: Asked at an address: stop here? For stops that are nobody's breakpoint (step over, run out).
Condition = Callable[[], bool]


def parse_vector(text: str) -> int:
    """A vector by number or by name: 14, 0x80, #PF, pf. Raises BreakpointError."""
    name = text.strip().lstrip("#").lower()
    if name in _VECTORS:
        return _VECTORS[name]
    try:
        vector = int(name, 0)
    except ValueError:
        vector = -1
    if not 0 <= vector <= 255:
        raise BreakpointError(f"{text} is not a vector: 0 to 255, or a name such as #PF")
    return vector


def parse_syscall(text: str) -> int:
    """A system call by name or number. Raises BreakpointError."""
    name = text.strip()
    if name in BY_NAME:
        return BY_NAME[name].number
    try:
        return int(name, 0) & 0xFFFFFFFF
    except ValueError:
        raise BreakpointError(f"{text} is not a system call: a name or a number") from None
