"""For which kernel an ELF file was built: its NT_GNU_ABI_TAG (LSB, "Note Sections"), which linkers of glibc
programs put in."""

from __future__ import annotations

import struct

from toykernel.fs.elf_notes import PT_NOTE, elf_notes
from toykernel.profiles import DEFAULT_PROFILE, NEWEST_PROFILE, Profile

NT_GNU_ABI_TAG, ELF_NOTE_OS_LINUX = 1, 0
Version = tuple[int, int, int]


def abi_tag(elf: bytes) -> Version | None:
    """The oldest Linux that the program runs on; None without a note, or for what is no i386 ELF file."""
    if len(elf) < 52 or elf[:5] != b"\x7fELF\x01":
        return None
    (phoff,) = struct.unpack_from("<I", elf, 28)
    phentsize, phnum = struct.unpack_from("<2H", elf, 42)
    for at in range(phoff, phoff + phentsize * phnum, phentsize or 32):
        if at + 32 > len(elf):
            break
        kind, offset, _, _, size = struct.unpack_from("<5I", elf, at)
        if kind == PT_NOTE and (found := _tag(elf[offset : offset + size])) is not None:
            return found
    return None


def _tag(notes: bytes) -> Version | None:
    for kind, name, desc in elf_notes(notes):
        if (kind, name) != (NT_GNU_ABI_TAG, b"GNU\0") or len(desc) < 16:
            continue
        system, *version = struct.unpack_from("<4I", desc)
        if system == ELF_NOTE_OS_LINUX:
            return version[0], version[1], version[2]
    return None


def profile_for(elf: bytes) -> Profile:
    """Whose rules a program gets that does not say by `--kernel`: those of DEFAULT_PROFILE, unless it was
    built for a newer kernel."""
    asked = abi_tag(elf)
    numbers = [int(part) for part in DEFAULT_PROFILE.release.split(".")]
    return NEWEST_PROFILE if asked is not None and list(asked) > numbers else DEFAULT_PROFILE
