"""Static ELF32 executables (fs/binfmt_elf.c): check, map, and lay out the first stack."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.errno import E2BIG, EINVAL, ENOEXEC, ENOMEM, Errno
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.mm.limits import rlimit
from toykernel.mm.memory import populate
from toykernel.mm.mm_types import (
    VM_ACCOUNT,
    VM_DATA_DEFAULT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    VM_WRITE,
    MmStruct,
)
from toykernel.mm.mmap import arch_pick_mmap_layout, page_align
from toykernel.mm.vma import new_area

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

STACK_TOP = TASK_SIZE
#: Argument and environment strings: Linux's old limit of 32 pages.
MAX_ARG_PAGES = 32
STACK_RESERVE = 1  # pages below the strings that exist from the start

AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS = 0, 3, 4, 5, 6, 7, 8
AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_PLATFORM = 9, 11, 12, 13, 14, 15
AT_HWCAP, AT_CLKTCK, AT_SECURE, AT_RANDOM, AT_EXECFN = 16, 17, 23, 25, 31


@dataclass(frozen=True)
class Segment:
    """One PT_LOAD: linear addresses, file contents, size in memory."""

    vaddr: int
    data: bytes
    memsz: int
    flags: int  # PF_X 1, PF_W 2, PF_R 4

    @property
    def vm_flags(self) -> int:
        """The area's flags."""
        named = ((4, VM_READ), (2, VM_WRITE), (1, VM_EXEC))
        flags = sum(vm for bit, vm in named if self.flags & bit)
        return flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC


@dataclass(frozen=True)
class ElfImage:
    """What exec needs of a program."""

    entry: int
    segments: tuple[Segment, ...]
    phdr: int
    phnum: int


def parse_elf(data: bytes) -> ElfImage:
    """Read a static i386 executable. Raises Errno(ENOEXEC) or Errno(EINVAL)."""
    try:
        elf = ELFFile(io.BytesIO(data))
        header = elf.header
        segments = []
        phdr = 0
        for segment in elf.iter_segments():
            kind = segment["p_type"]
            if kind == "PT_INTERP":
                raise Errno(ENOEXEC)
            if kind != "PT_LOAD":
                continue
            if segment["p_filesz"] > segment["p_memsz"]:
                raise Errno(EINVAL)
            contents = segment.data()
            if len(contents) != segment["p_filesz"]:
                raise Errno(ENOEXEC)
            loaded = Segment(segment["p_vaddr"], contents, segment["p_memsz"], segment["p_flags"])
            offset = segment["p_offset"]
            if offset <= header["e_phoff"] < offset + segment["p_filesz"]:
                phdr = header["e_phoff"] - offset + loaded.vaddr
            segments.append(loaded)
    except (ELFError, ValueError, KeyError, OverflowError, MemoryError, UnicodeDecodeError):
        raise Errno(ENOEXEC) from None
    if elf.elfclass != 32 or header["e_machine"] != "EM_386" or header["e_type"] != "ET_EXEC":
        raise Errno(ENOEXEC)
    if not segments:
        raise Errno(ENOEXEC)
    return ElfImage(header["e_entry"], tuple(segments), phdr, header["e_phnum"])


def load_elf_binary(
    k: Kernel, mm: MmStruct, image: ElfImage, path: str, argv: list[bytes], envp: list[bytes]
) -> int:
    """Fill an empty address space; the stack pointer at entry. Raises Errno."""
    for segment in sorted(image.segments, key=lambda s: s.vaddr):
        _map_segment(k, mm, segment)
    executable = [s for s in image.segments if s.flags & 1] or list(image.segments)
    mm.start_code = min(s.vaddr for s in executable)
    mm.end_code = max(s.vaddr + len(s.data) for s in executable)
    writable = [s for s in image.segments if s.flags & 2] or list(image.segments)
    mm.start_data = min(s.vaddr for s in writable)
    mm.end_data = max(s.vaddr + len(s.data) for s in writable)
    mm.start_brk = mm.brk = page_align(max(s.vaddr + s.memsz for s in image.segments))
    arch_pick_mmap_layout(mm, rlimit(k, RLIMIT_STACK))
    return _set_up_stack(k, mm, image, path, argv, envp)


def _map_segment(k: Kernel, mm: MmStruct, segment: Segment) -> None:
    start = segment.vaddr & -PAGE_SIZE
    end = page_align(segment.vaddr + segment.memsz)
    if start < k.mmap_min_addr or end > TASK_SIZE or segment.vaddr + segment.memsz > TASK_SIZE:
        raise Errno(EINVAL if end > TASK_SIZE else ENOMEM)
    if end == start:
        return
    for area in mm.overlapping(start, end):  # two segments on one page: the later one rules it
        if area.vm_end <= start + PAGE_SIZE and area.vm_start < start:
            mm.resize(area, area.vm_start, start)
        else:
            raise Errno(ENOEXEC)
    area = new_area(k, start, end, segment.vm_flags, "program")
    mm.insert(area)
    populate(k, mm, area, segment.vaddr, segment.data)


def _set_up_stack(
    k: Kernel, mm: MmStruct, image: ElfImage, path: str, argv: list[bytes], envp: list[bytes]
) -> int:
    """Strings on top, then the vectors: argc, argv, 0, envp, 0, auxv (i386 psABI, fig. 3-31)."""
    sp = STACK_TOP - 4
    strings: list[tuple[int, bytes]] = []

    def push_string(text: bytes) -> int:
        nonlocal sp
        sp -= len(text) + 1
        strings.append((sp, text + b"\0"))
        return sp

    execfn = push_string(path.encode(errors="surrogateescape"))
    mm.env_end = sp
    env_pointers = [push_string(text) for text in reversed(envp)][::-1]
    mm.env_start = mm.arg_end = sp
    arg_pointers = [push_string(text) for text in reversed(argv)][::-1]
    mm.arg_start = sp
    if STACK_TOP - sp > MAX_ARG_PAGES * PAGE_SIZE:
        raise Errno(E2BIG)
    sp = sp & -16
    platform = push_string(b"i686")
    sp -= 16
    random_bytes = sp
    strings.append((sp, bytes(range(0x40, 0x50))))  # AT_RANDOM: the same on every run
    auxv = [
        (AT_HWCAP, 0),
        (AT_PAGESZ, PAGE_SIZE),
        (AT_CLKTCK, k.hz),
        (AT_PHDR, image.phdr),
        (AT_PHENT, 32),
        (AT_PHNUM, image.phnum),
        (AT_BASE, 0),
        (AT_FLAGS, 0),
        (AT_ENTRY, image.entry),
        (AT_UID, 0),
        (AT_EUID, 0),
        (AT_GID, 0),
        (AT_EGID, 0),
        (AT_SECURE, 0),
        (AT_RANDOM, random_bytes),
        (AT_EXECFN, execfn),
        (AT_PLATFORM, platform),
        (AT_NULL, 0),
    ]
    words = [len(argv), *arg_pointers, 0, *env_pointers, 0]
    words += [word for pair in auxv for word in pair]
    sp = (sp - 4 * len(words)) & -16
    start = (sp & -PAGE_SIZE) - STACK_RESERVE * PAGE_SIZE
    stack = new_area(k, start, STACK_TOP, VM_DATA_DEFAULT | VM_GROWSDOWN | VM_ACCOUNT, "[stack]")
    mm.insert(stack)
    mm.start_stack = sp
    populate(k, mm, stack, sp, b"".join(word.to_bytes(4, "little") for word in words))
    for address, text in strings:
        populate(k, mm, stack, address, text)
    return sp
