"""What belongs to the host, told apart by type from what belongs to the guest.

A kernel has one Host record. Everything else that can be reached from a Kernel, but for the Machine, is data
of the guest's world: dataclasses, containers, numbers, text, and functions of a module, which have a name.
Whoever takes the guest's state as a whole (the state hash, a snapshot) leaves out objects of HOST_TYPES, and
may rely on meeting none anywhere but at the Kernel itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from emu.machine import Machine
from emu.record import dataclass
from toykernel.host_mount import HostDirectory
from toykernel.security import SecurityHooks
from toykernel.trace import Tracepoints

if TYPE_CHECKING:
    from toykernel.boot import BootImages
    from toykernel.kernel.sched.sched_class import SchedClass
    from toykernel.kernel.wait import Result
    from toykernel.profiles import Profile
    from toykernel.state import Config, Kernel
    from toykernel.task import Task


def _discard(_fd: int, _data: bytes) -> None:
    """A console that nobody reads."""


def _nothing(_read: int, _count: int) -> bytes:
    """A console at which nobody types."""
    return b""


@dataclass
class Host:
    """Listeners, hooks, injected failures, the console, and tables that follow from the configuration."""

    config: Config
    profile: Profile
    #: What boots on a machine of this configuration.
    images: BootImages
    #: The scheduler's classes, best first.
    sched_classes: tuple[SchedClass, ...]
    #: try_to_wake_up of the scheduler, for those on whom the scheduler itself is built.
    try_to_wake_up: Callable[[Kernel, Task], bool]
    #: Where the console's output goes: the host's stream (1 or 2), and the bytes.
    console_write: Callable[[int, bytes], None] = _discard
    #: Where its input comes from, asked only when Files.console_input is empty: the number of times it was
    #: asked before, and the most bytes wanted. Waits until there are some; b"" at the end. The same number
    #: gets the same answer, so that a run that is taken back reads again what it has read.
    console_read: Callable[[int, int], bytes] = _nothing
    #: The directories that --mount shows, in the order of Config.mounts.
    mounts: list[HostDirectory] = field(default_factory=list)
    #: The value of each symbol of the kernel's text: boot fills it in.
    symbols: dict[str, int] = field(default_factory=dict)
    trace: Tracepoints = field(default_factory=Tracepoints)
    security: SecurityHooks = field(default_factory=SecurityHooks)
    #: Failure injection: told of each step of copy_process before it begins, by number and name;
    #: raises what the step may.
    fail_step: Callable[[str, str], None] | None = None
    #: Failure injection: asked before each allocation, by what it is for; raises Errno(ENOMEM).
    may_fail: Callable[[str], None] | None = None
    #: By the address behind the thunk's OUT: name and function of the kernel behind it (gate.py).
    gates: dict[int, tuple[str, Callable[[Kernel], Result | None]]] = field(default_factory=dict)


#: What is no data of the guest's. The Machine's own state (RAM, CPU, clock, devices) is saved by itself.
HOST_TYPES = (Host, Machine)
