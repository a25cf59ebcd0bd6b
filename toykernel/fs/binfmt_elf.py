"""ELF32 executables (fs/binfmt_elf.c): check, map, and lay out the first stack.

A dynamic one names its interpreter (ld.so), which is mapped beside it and runs first. What is
position-independent goes to the same places on every run.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.elf import AT_MINSIGSTKSZ, arch_dlinfo, elf_hwcap, elf_platform
from toykernel.arch.x86.vdso import arch_setup_additional_pages
from toykernel.errno import E2BIG, EINVAL, EIO, ENOEXEC, ENOMEM, EPERM, Errno
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.mm.filemap import keep_program
from toykernel.mm.limits import rlimit
from toykernel.mm.memory import change_protection, map_pages, populate
from toykernel.mm.mm_types import (
    READ_IMPLIES_EXEC,
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    VM_WRITE,
    MmStruct,
    vm_data_default,
)
from toykernel.mm.mmap import arch_pick_mmap_layout, get_unmapped_area, mmap_base, page_align
from toykernel.mm.vma import anon_vma_prepare, free_area, new_area

if TYPE_CHECKING:
    from toykernel.kernel.cred import Cred
    from toykernel.mm.filemap import AddressSpace
    from toykernel.state import Kernel

STACK_TOP = TASK_SIZE
#: Argument and environment strings: Linux's old limit of 32 pages.
MAX_ARG_PAGES = 32

#: The file's header behind e_ident, and one program header: little-endian, in the order of the ABI.
_HEADER = struct.Struct("<16s2H5I6H")
_PROGRAM_HEADER = struct.Struct("<8I")
ELF_IDENT = b"\x7fELF\x01\x01\x01"  # magic, 32 bits, little-endian, version 1
ET_EXEC, ET_DYN, EM_386, EM_486 = 2, 3, 3, 6
PT_LOAD, PT_INTERP, PT_GNU_STACK = 1, 3, 0x6474E551
#: Linux reads 64 KiB of program headers at most.
#: Where a position-independent program with an interpreter goes (ELF_ET_DYN_BASE).
ELF_ET_DYN_BASE = 0x00400000
PATH_MAX = 4096
MAX_PHDRS = 65536 // _PROGRAM_HEADER.size

AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS = 0, 3, 4, 5, 6, 7, 8
AT_ENTRY, AT_UID, AT_EUID, AT_GID, AT_EGID, AT_PLATFORM = 9, 11, 12, 13, 14, 15
AT_HWCAP, AT_CLKTCK, AT_SECURE, AT_RANDOM, AT_HWCAP2, AT_EXECFN = 16, 17, 23, 25, 26, 31
AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN = 27, 28
#: Entries that only newer kernels have, by their names in Profile.auxv.
_NEWER = {
    AT_HWCAP2: "AT_HWCAP2",
    AT_MINSIGSTKSZ: "AT_MINSIGSTKSZ",
    AT_RSEQ_FEATURE_SIZE: "AT_RSEQ_FEATURE_SIZE",
    AT_RSEQ_ALIGN: "AT_RSEQ_ALIGN",
}
_RSEQ_FEATURE_SIZE, _RSEQ_ALIGN = 28, 32  # struct rseq up to mm_cid


@dataclass(frozen=True)
class Segment:
    """One PT_LOAD: linear addresses, file contents and their place in the file, size in memory."""

    vaddr: int
    offset: int
    data: memoryview
    memsz: int
    flags: int  # PF_X 1, PF_W 2, PF_R 4

    @property
    def vm_flags(self) -> int:
        """VM_ bits by the segment's PF_ ones; what may be asked for later (VM_MAY) is everything."""
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
    stack: int | None  # the flags of PT_GNU_STACK, if there is one
    interp: str = ""  # the path in PT_INTERP
    movable: bool = False  # ET_DYN: addresses are from where it is put
    bias: int = 0  # how far it has been moved

    @property
    def start(self) -> int:
        """Its first page."""
        return min(segment.vaddr for segment in self.segments) & -PAGE_SIZE

    @property
    def end(self) -> int:
        """The end of its last page."""
        return page_align(max(segment.vaddr + segment.memsz for segment in self.segments))

    def moved(self, bias: int) -> ElfImage:
        """The same image, so much higher. Raises Errno(ENOMEM) where it does not fit."""
        if self.end + bias > TASK_SIZE:
            raise Errno(ENOMEM)
        segments = tuple(replace(each, vaddr=each.vaddr + bias) for each in self.segments)
        return replace(
            self,
            entry=self.entry + bias & 0xFFFFFFFF,
            segments=segments,
            phdr=self.phdr + bias if self.phdr else 0,
            bias=bias,
        )

    def personality(self, old: int) -> int:
        """The task's, once it runs this (elf_read_implies_exec): an image that does not say that its stack
        needs no execution is an old one."""
        return old | (READ_IMPLIES_EXEC if self.stack is None or self.stack & 1 else 0)


def parse_elf(data: bytes) -> ElfImage:
    """Read an i386 executable.

    Raises Errno: ENOEXEC for another kind of file, EIO for program headers that are cut off, EINVAL
    for a segment that cannot be mapped, whichever Linux finds first.
    """
    if len(data) < _HEADER.size or data[:7] != ELF_IDENT:
        raise Errno(ENOEXEC)
    kind, machine, _, entry, phoff, _, _, _, phentsize, phnum, *_ = _HEADER.unpack_from(data)[1:]
    if kind not in (ET_EXEC, ET_DYN) or machine not in (EM_386, EM_486):
        raise Errno(ENOEXEC)
    if phentsize != _PROGRAM_HEADER.size or not 1 <= phnum <= MAX_PHDRS:
        raise Errno(ENOEXEC)
    table = data[phoff : phoff + phnum * phentsize]
    if len(table) != phnum * phentsize:
        raise Errno(EIO)
    headers = list(_PROGRAM_HEADER.iter_unpack(table))
    interp = next((h for h in headers if h[0] == PT_INTERP), None)
    name = _interpreter_name(data, interp[1], interp[4]) if interp is not None else ""
    view = memoryview(data)
    segments = []
    phdr, stack = 0, None
    for type_, offset, vaddr, _, filesz, memsz, flags, _ in headers:
        if type_ == PT_GNU_STACK:
            stack = flags
        if type_ != PT_LOAD:
            continue
        if filesz > memsz or memsz > TASK_SIZE or vaddr > TASK_SIZE - memsz:
            raise Errno(EINVAL)
        if filesz and (vaddr - offset) % PAGE_SIZE:
            raise Errno(EINVAL)
        if filesz and offset + filesz > len(data):
            raise Errno(ENOEXEC)
        if offset <= phoff < offset + filesz:
            phdr = phoff - offset + vaddr
        segments.append(Segment(vaddr, offset, view[offset : offset + filesz], memsz, flags))
    if not segments:
        raise Errno(ENOEXEC)
    return ElfImage(entry, tuple(segments), phdr, phnum, stack, name, kind == ET_DYN)


def _interpreter_name(data: bytes, offset: int, size: int) -> str:
    """What PT_INTERP says. Raises Errno(ENOEXEC) unless it is a path that ends with a NUL, Errno(EIO)."""
    if not 2 <= size <= PATH_MAX:
        raise Errno(ENOEXEC)
    text = data[offset : offset + size]
    if len(text) != size:
        raise Errno(EIO)
    if text[-1]:
        raise Errno(ENOEXEC)
    return text.split(b"\0")[0].decode(errors="surrogateescape")


@dataclass(frozen=True)
class Interpreter:
    """The interpreter of a dynamic program: its image, its file's page cache and path."""

    image: ElfImage
    mapping: AddressSpace | None
    name: str


def load_elf_binary(
    k: Kernel,
    mm: MmStruct,
    image: ElfImage,
    path: str,
    argv: list[bytes],
    envp: list[bytes],
    mapping: AddressSpace | None = None,
    interpreter: Interpreter | None = None,
    bprm_cred: Cred | None = None,
    secure: bool = False,
) -> tuple[int, int]:
    """Fill an empty address space; where the program begins, and the stack pointer there. Raises Errno:
    ENOMEM, E2BIG, EINVAL, EPERM, ELIBBAD for an interpreter that is none.

    `bprm_cred` are the credentials it gets, `secure` whether they are more than the caller's. `mapping`
    is the file's page cache: pages that the program throws away come from there again. init has no file.
    """
    implied = VM_EXEC if image.personality(k.current.personality) & READ_IMPLIES_EXEC else 0
    arch_pick_mmap_layout(mm, rlimit(k, RLIMIT_STACK))
    if image.movable:
        image = image.moved(_place(k, mm, image, interpreter is not None))
    _map_image(k, mm, image, implied, mapping)
    executable = [s for s in image.segments if s.flags & 1] or list(image.segments)
    mm.start_code = min(s.vaddr for s in executable)
    mm.end_code = max(s.vaddr + len(s.data) for s in executable)
    writable = [s for s in image.segments if s.flags & 2] or list(image.segments)
    mm.start_data = min(s.vaddr for s in writable)
    mm.end_data = max(s.vaddr + len(s.data) for s in writable)
    mm.start_brk = mm.brk = image.end
    if image.movable and interpreter is None:
        mm.start_brk = mm.brk = ELF_ET_DYN_BASE  # it lies among the mappings: no room above it
    entry, base = image.entry, 0
    if interpreter is not None:
        loaded = interpreter.image
        if loaded.movable:
            size = loaded.end - loaded.start
            at = get_unmapped_area(k, mm, 0, size, 0)
            loaded = loaded.moved(at - loaded.start)
        _map_image(k, mm, loaded, implied, interpreter.mapping, interpreter.name)
        entry, base = loaded.entry, loaded.bias
    arch_setup_additional_pages(k, mm)
    cred = bprm_cred or k.current.cred
    ids = (cred.uid, cred.euid, cred.gid, cred.egid, int(secure))
    sp = _set_up_stack(k, mm, image, path, argv, envp, base, ids)
    for cache in (mapping, interpreter.mapping if interpreter is not None else None):
        if cache is not None:
            keep_program(k, cache)
    return entry, sp


def usual_bias(data: bytes, stack_limit: int) -> int:
    """How far exec moves a program from the addresses in its file; 0 for what is no i386 executable."""
    try:
        image = parse_elf(data)
    except Errno:
        return 0
    if not image.movable:
        return 0
    if image.interp:
        return ELF_ET_DYN_BASE - image.start
    return mmap_base(stack_limit) - image.end


def _place(k: Kernel, mm: MmStruct, image: ElfImage, has_interpreter: bool) -> int:
    """How far a position-independent program is moved: to the same place always, or (without interpreter:
    a static PIE, or ld.so itself) among the mappings.
    """
    if has_interpreter:
        return ELF_ET_DYN_BASE - image.start
    return get_unmapped_area(k, mm, 0, image.end - image.start, 0) - image.start


def _map_image(
    k: Kernel,
    mm: MmStruct,
    image: ElfImage,
    implied: int,
    mapping: AddressSpace | None,
    name: str = "program",
) -> None:
    segments = sorted(image.segments, key=lambda s: s.vaddr)
    starts = [*(segment.vaddr for segment in segments[1:]), 1 << 32]
    for segment, following in zip(segments, starts, strict=True):
        flags = segment.vm_flags
        flags |= implied if flags & VM_READ else 0
        _map_segment(k, mm, segment, flags, mapping, name, following)


def _map_segment(
    k: Kernel,
    mm: MmStruct,
    segment: Segment,
    flags: int,
    mapping: AddressSpace | None,
    name: str,
    following: int,
) -> None:
    """An area for a segment's file pages, and one for the pages behind them, which begin as zeros. Where
    two segments share a page, the later one's rights hold there; `following` is where the next one begins.

    Raises Errno: ENOMEM, EPERM for page 0 and its neighbours, EINVAL for more than a shared page.
    """
    start = segment.vaddr & -PAGE_SIZE
    end = page_align(segment.vaddr + segment.memsz)
    if not segment.memsz:
        return
    if start < k.memory.mmap_min_addr:
        raise Errno(EPERM)
    shared = mm.overlapping(start, end)
    for area in shared:
        if area.vm_end > start + PAGE_SIZE:
            raise Errno(EINVAL)
        if area.vm_start < start:
            mm.resize(area, area.vm_start, start)
        else:  # all of it was on this page, which stays
            mm.remove(area)
            free_area(k, area)
    middle = page_align(segment.vaddr + len(segment.data)) if segment.data else start
    backed = mapping is not None and middle > start
    if backed:
        pgoff = segment.offset >> PAGE_SHIFT
        area = new_area(k, start, middle, flags, name, pgoff=pgoff, mapping=mapping)
    else:
        area = new_area(k, start, end, flags, name)
    mm.insert(area)
    if backed and middle < end:
        zeros = new_area(k, middle, end, flags, name)
        mm.insert(zeros)
        anon_vma_prepare(k, mm, zeros)  # fork looks at its entries, as at the file's
    if shared:
        anon_vma_prepare(k, mm, area)
        change_protection(k, mm, area)
    at = segment.vaddr
    if backed and not shared and not segment.flags & 2 and k.host.profile.shares_program_pages:
        alone = min(middle, following & -PAGE_SIZE)
        map_pages(k, mm, area, start, alone)
        at = max(at, alone)
    populate(k, mm, area, at, segment.data[at - segment.vaddr :])


def _stack_start(k: Kernel, strings: int, sp: int) -> int:
    """Where the first stack's area begins (setup_arg_pages): below the strings, so that a program may
    use some of it whatever becomes of its limits; within RLIMIT_STACK."""
    expand = k.host.profile.stack_expand
    if not expand:
        return (sp & -PAGE_SIZE) - PAGE_SIZE
    lowest = STACK_TOP - (rlimit(k, RLIMIT_STACK) & -PAGE_SIZE)
    return min(max((strings & -PAGE_SIZE) - expand, lowest), sp & -PAGE_SIZE)


def _set_up_stack(
    k: Kernel,
    mm: MmStruct,
    image: ElfImage,
    path: str,
    argv: list[bytes],
    envp: list[bytes],
    base: int,
    ids: tuple[int, ...],
) -> int:
    """Strings on top, then the vectors: argc, argv, 0, envp, 0, auxv (i386 psABI, fig. 3-31). The
    stack pointer; E2BIG when they do not fit.
    """
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
    platform = push_string(elf_platform(k.machine.cpu.model).encode())
    sp -= 16
    random_bytes = sp
    strings.append((sp, bytes(range(0x40, 0x50))))  # AT_RANDOM: the same on every run
    auxv = [
        *arch_dlinfo(k, mm),
        (AT_HWCAP, elf_hwcap(k)),
        (AT_PAGESZ, PAGE_SIZE),
        (AT_CLKTCK, k.time.hz),
        (AT_PHDR, image.phdr),
        (AT_PHENT, 32),
        (AT_PHNUM, image.phnum),
        (AT_BASE, base),
        (AT_FLAGS, 0),
        (AT_ENTRY, image.entry),
        *zip((AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE), ids, strict=True),
        (AT_RANDOM, random_bytes),
        (AT_HWCAP2, 0),
        (AT_EXECFN, execfn),
        (AT_PLATFORM, platform),
        (AT_RSEQ_FEATURE_SIZE, _RSEQ_FEATURE_SIZE),
        (AT_RSEQ_ALIGN, _RSEQ_ALIGN),
        (AT_NULL, 0),
    ]
    here = k.host.profile.auxv
    auxv = [pair for pair in auxv if _NEWER.get(pair[0]) in (None, *here)]
    words = [len(argv), *arg_pointers, 0, *env_pointers, 0]
    words += [word for pair in auxv for word in pair]
    mm.saved_auxv = b"".join(struct.pack("<II", *pair) for pair in auxv)
    sp = (sp - 4 * len(words)) & -16
    start = _stack_start(k, mm.arg_start, sp)
    if mm.overlapping(start, STACK_TOP):
        raise Errno(ENOMEM)
    flags = vm_data_default(image.personality(k.current.personality)) | VM_GROWSDOWN | VM_ACCOUNT
    if image.stack is not None and not image.stack & 1:
        flags &= ~VM_EXEC  # whatever the personality was before
    stack = new_area(k, start, STACK_TOP, flags, "[stack]")
    mm.insert(stack)
    mm.start_stack = sp
    populate(k, mm, stack, sp, b"".join(word.to_bytes(4, "little") for word in words))
    for address, text in strings:
        populate(k, mm, stack, address, text)
    return sp
