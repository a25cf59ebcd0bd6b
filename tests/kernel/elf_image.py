"""ELF images made by hand, right or wrong."""

import struct
from dataclasses import dataclass, replace

TEXT, DATA = 0x08048000, 0x08049000
R, W, X = 4, 2, 1
PT_LOAD = 1

#: mov $1, %eax; mov $STATUS, %ebx; int $0x80
EXIT = b"\xb8\x01\x00\x00\x00\xbb%c\x00\x00\x00\xcd\x80"


@dataclass(frozen=True)
class Phdr:
    """One program header; `data` is put into the file where `offset` says."""

    vaddr: int
    data: bytes = b""
    memsz: int | None = None
    flags: int = R | X
    type: int = PT_LOAD
    offset: int | None = None
    filesz: int | None = None


def elf(*phdrs: Phdr, entry: int = TEXT, **header: int) -> bytes:
    """An ELF32 file; `header` overrides fields of the ELF header by name."""
    fields = {
        "type": 2,
        "machine": 3,
        "version": 1,
        "entry": entry,
        "phoff": 52,
        "shoff": 0,
        "flags": 0,
        "ehsize": 52,
        "phentsize": 32,
        "phnum": len(phdrs),
        "shentsize": 0,
        "shnum": 0,
        "shstrndx": 0,
    }
    ident = header.pop("ident", None)
    assert header.keys() <= fields.keys()
    fields |= header
    offset = 0x1000
    placed = []
    for phdr in phdrs:
        if phdr.offset is None:
            offset += (phdr.vaddr - offset) % 4096
            phdr = replace(phdr, offset=offset)
            offset += len(phdr.data)
        placed.append(phdr)
    file = bytearray(struct.pack("<16s2H5I6H", b"\x7fELF\x01\x01\x01", *fields.values()))
    if ident is not None:
        file[ident] ^= 0xFF
    for p in placed:
        filesz = len(p.data) if p.filesz is None else p.filesz
        memsz = filesz if p.memsz is None else p.memsz
        assert p.offset is not None
        file += struct.pack("<8I", p.type, p.offset, p.vaddr, 0, filesz, memsz, p.flags, 4096)
    for p in placed:
        assert p.offset is not None
        if p.data:
            file = file.ljust(p.offset, b"\0")
            file[p.offset : p.offset + len(p.data)] = p.data
    return bytes(file)


def exits(status: int) -> bytes:
    """Machine code that ends with a status."""
    return EXIT % status
