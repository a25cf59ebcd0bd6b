"""The flags of clone, and the arguments of one call.

Sources: fork-path B1; include/linux/sched.h for the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.arch.x86.ptrace import PtRegs

CSIGNAL = 0x000000FF
CLONE_VM = 0x00000100
CLONE_FS = 0x00000200
CLONE_FILES = 0x00000400
CLONE_SIGHAND = 0x00000800
CLONE_PID = 0x00001000  # 2.4 only
CLONE_PTRACE = 0x00002000
CLONE_VFORK = 0x00004000
CLONE_PARENT = 0x00008000
CLONE_THREAD = 0x00010000
CLONE_NEWNS = 0x00020000
CLONE_SYSVSEM = 0x00040000
CLONE_SETTLS = 0x00080000
CLONE_PARENT_SETTID = 0x00100000
CLONE_CHILD_CLEARTID = 0x00200000
CLONE_DETACHED = 0x00400000
CLONE_UNTRACED = 0x00800000
CLONE_CHILD_SETTID = 0x01000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_IO = 0x80000000
# clone3 only
CLONE_CLEAR_SIGHAND = 0x100000000
CLONE_INTO_CGROUP = 0x200000000

FLAG_NAMES = {
    value: name
    for name, value in list(globals().items())
    if name.startswith("CLONE_") and isinstance(value, int)
}
#: Names that other calls and newer kernels have for bits that are taken above.
CLONE_NEWTIME, CLONE_PIDFD, CLONE_NEWCGROUP = 0x00000080, 0x00001000, 0x02000000
CLONE_NEWNAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET


@dataclass
class CloneArgs:
    """One call of do_fork. Addresses are the caller's; 0 is none.

    `stack_start` 0 keeps the caller's stack pointer. `regs` is the caller's frame, or, for a kernel
    thread, the words of one.
    """

    flags: int
    stack_start: int
    regs: PtRegs | Mapping[str, int]
    parent_tidptr: int = 0
    child_tidptr: int = 0
    tls: int = 0
    set_tid: tuple[int, ...] = ()  # clone3: the child's numbers, innermost namespace first
    pidfd: int | None = None  # CLONE_PIDFD: where a descriptor for the child goes
