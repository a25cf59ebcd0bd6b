"""Thread-local storage in a static program: every way of reaching it becomes local-exec, as ld makes it so.

The program has one block, whose place below %gs is known, so what would ask for it at run time
(___tls_get_addr, a slot of the GOT, a descriptor) is rewritten into the offset itself (bfd/elf32-i386.c,
elf_i386_relocate_section; U. Drepper, ELF Handling For Thread-Local Storage, 5).
"""

from __future__ import annotations

from typing import Final

from . import elf_types as elf
from .errors import LinkError
from .objects import InputSection, Relocation

RESOLVER: Final = "___tls_get_addr"
#: Those that the linker turns into an offset.
RELAXED: Final = frozenset((
    elf.R_386_TLS_GD, elf.R_386_TLS_LDM, elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE, elf.R_386_TLS_IE_32,
    elf.R_386_TLS_GOTDESC, elf.R_386_TLS_DESC_CALL,
))  # fmt: skip
_CALLS: Final = frozenset((elf.R_386_TLS_GD, elf.R_386_TLS_LDM))
_LOAD_THREAD: Final = b"\x65\xa1\0\0\0\0"  # movl %gs:0, %eax


def skipped(relocations: list[Relocation]) -> set[int]:
    """Positions of the relocations that belong to a call of ___tls_get_addr, which is rewritten with what
    stands before it."""
    return {
        index + 1 for index, relocation in enumerate(relocations[:-1]) if relocation.kind in _CALLS
    }


def to_local_exec(
    name: str, section: InputSection, data: bytearray, relocation: Relocation, below: int
) -> None:
    """Rewrite one access. `below` is how many bytes below the thread's base the variable lies. Raises
    LinkError for code that is not what compilers write."""
    at, kind = relocation.offset, relocation.kind
    before, behind = {elf.R_386_TLS_LDM: (2, 9), elf.R_386_TLS_DESC_CALL: (0, 2)}.get(kind, (2, 4))
    if at < before or at + behind > len(data) or not _is_usual(data, at, kind):
        raise _strange(name, section, at)
    match kind:
        case elf.R_386_TLS_GD:
            _general(name, section, data, at, below)
        case elf.R_386_TLS_LDM:
            called_through_got = data[at + 4] in (0xFF, 0x67)
            new = b"\x8d\xb6\0\0\0\0" if called_through_got else b"\x90\x8d\x74\x26\0"
            data[at - 2 : at + 4 + len(new)] = _LOAD_THREAD + new
        case elf.R_386_TLS_IE if data[at - 1] == 0xA1:
            data[at - 1] = 0xB8
            _put(data, at, -below)
        case elf.R_386_TLS_IE | elf.R_386_TLS_GOTIE | elf.R_386_TLS_IE_32:
            opcode, register = data[at - 2], data[at - 1] >> 3 & 7
            new_opcode = {0x8B: (0xC7, 0xC0), 0x03: (0x81, 0xC0), 0x2B: (0x81, 0xE8)}.get(opcode)
            if new_opcode is None:
                raise _strange(name, section, at)
            data[at - 2], data[at - 1] = new_opcode[0], new_opcode[1] | register
            _put(data, at, below if kind == elf.R_386_TLS_IE_32 else -below)
        case elf.R_386_TLS_GOTDESC:
            data[at - 1] ^= 0x86  # the address is the offset now, without %ebx
            _put(data, at, -below)
        case _:  # the call through the descriptor
            data[at : at + 2] = b"\x66\x90"


def _is_usual(data: bytearray, at: int, kind: int) -> bool:
    """Whether the instruction around a field is the one that such an access begins with."""
    called = at + 4 < len(data) and data[at + 4] in (0xE8, 0xFF, 0x67)
    match kind:
        case elf.R_386_TLS_GD:
            return called and 0x8D in data[max(at - 3, 0) : at - 1]
        case elf.R_386_TLS_LDM:
            return called and data[at - 2] == 0x8D
        case elf.R_386_TLS_GOTDESC:
            return data[at - 2] == 0x8D and data[at - 1] & 0xC7 == 0x83  # through %ebx
        case _:
            return True


def _general(name: str, section: InputSection, data: bytearray, at: int, below: int) -> None:
    """leal x@tlsgd(…), %eax; call ___tls_get_addr: movl %gs:0, %eax; subl $x@tpoff, %eax."""
    with_sib = data[at - 2] == 0x04
    field = at + (5 if with_sib else 6)
    if field + 4 > len(data) or field < 8:
        raise _strange(name, section, at)
    data[field - 8 : field] = _LOAD_THREAD + b"\x81\xe8"
    _put(data, field, below)


def _put(data: bytearray, at: int, value: int) -> None:
    data[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")


def _strange(name: str, section: InputSection, at: int) -> LinkError:
    return LinkError(
        f"{name}: the code around the thread-local access in {section.name} at {at:#x} is none that a "
        "compiler writes",
        "link with GNU ld, or compile with -ftls-model=local-exec",
    )
