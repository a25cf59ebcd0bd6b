"""What exec tells a program of the machine (asm/elf.h): i386's own part of the auxiliary vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.i387 import FPSTATE_SIZE
from toykernel.arch.x86.vdso import vdso_address

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

AT_SYSINFO, AT_SYSINFO_EHDR, AT_MINSIGSTKSZ = 32, 33, 51

#: By model of the CPU: %edx of CPUID's leaf 1, and the name of its family.
_CPUS = {
    "486": (0x00000009, "i486"),
    "pentium": (0x008003BD, "i586"),
    "pentium3": (0x0383FBFD, "i686"),
    "max": (0x0781ABFD, "i686"),
}
#: struct sigframe_ia32, alignment, the FPU's state, and what XSAVE might need to align its own.
_SIGFRAME, _FRAME_PADDING, _XSAVE_PADDING, _FRAME_ALIGNMENT = 732, 15, 63, 16


def elf_hwcap(k: Kernel) -> int:
    """AT_HWCAP: the features that the CPU names."""
    return _CPUS[k.machine.cpu.model][0]


def elf_platform(model: str) -> str:
    """AT_PLATFORM, and the machine of uname."""
    return _CPUS[model][1]


def get_sigframe_size() -> int:
    """AT_MINSIGSTKSZ: the most that a signal puts on a stack, in bytes."""
    size = _SIGFRAME + _FRAME_PADDING + FPSTATE_SIZE + _XSAVE_PADDING
    return -(-size // _FRAME_ALIGNMENT) * _FRAME_ALIGNMENT


def arch_dlinfo(k: Kernel, mm: MmStruct) -> list[tuple[int, int]]:
    """ARCH_DLINFO: the entries that come first."""
    found = [(AT_MINSIGSTKSZ, get_sigframe_size())]
    if mm.vdso:
        entry = vdso_address(k, mm, "__kernel_vsyscall")
        found = [(AT_SYSINFO, entry), (AT_SYSINFO_EHDR, mm.vdso), *found]
    return found
