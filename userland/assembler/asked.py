"""`.reloc OFFSET, TYPE[, EXPRESSION]`: relocations that a source asks for by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import objects
from .errors import Problem
from .expressions import Node
from .source import Statement

#: System V ABI, i386 supplement, table 4.9, and GNU's; by the names of binutils.
KINDS: Final = {
    "r_386_none": 0, "r_386_copy": 5, "r_386_glob_dat": 6, "r_386_jump_slot": 7, "r_386_relative": 8,
    "r_386_tls_tpoff": 14, "r_386_tls_dtpmod32": 35, "r_386_tls_dtpoff32": 36,
    "r_386_tls_tpoff32": 37, "r_386_tls_desc": 41, "r_386_irelative": 42,
    "r_386_32": objects.R_386_32, "r_386_pc32": objects.R_386_PC32,
    "r_386_got32": objects.R_386_GOT32, "r_386_plt32": objects.R_386_PLT32,
    "r_386_gotoff": objects.R_386_GOTOFF, "r_386_gotpc": objects.R_386_GOTPC,
    "r_386_tls_ie": objects.R_386_TLS_IE, "r_386_tls_gotie": objects.R_386_TLS_GOTIE,
    "r_386_tls_le": objects.R_386_TLS_LE, "r_386_tls_gd": objects.R_386_TLS_GD,
    "r_386_tls_ldm": objects.R_386_TLS_LDM, "r_386_16": objects.R_386_16,
    "r_386_pc16": objects.R_386_PC16, "r_386_8": objects.R_386_8, "r_386_pc8": objects.R_386_PC8,
    "r_386_tls_ldo_32": objects.R_386_TLS_LDO_32, "r_386_tls_ie_32": objects.R_386_TLS_IE_32,
    "r_386_tls_le_32": objects.R_386_TLS_LE_32, "r_386_size32": objects.R_386_SIZE32,
    "r_386_tls_gotdesc": objects.R_386_TLS_GOTDESC, "r_386_got32x": objects.R_386_GOT32X,
    "r_386_tls_desc_call": objects.R_386_TLS_DESC_CALL,
    "bfd_reloc_none": 0, "bfd_reloc_32": objects.R_386_32, "bfd_reloc_16": objects.R_386_16,
    "bfd_reloc_8": objects.R_386_8,
}  # fmt: skip
_WIDTHS: Final = {
    0: 0, 40: 0, objects.R_386_16: 2, objects.R_386_PC16: 2, objects.R_386_8: 1, objects.R_386_PC8: 1,
}  # fmt: skip
_RELATIVE: Final = (
    objects.R_386_PC32, objects.R_386_PC16, objects.R_386_PC8, objects.R_386_PLT32, objects.R_386_GOTPC,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One of them: where, of which type, and to what, if to anything."""

    at: Node
    kind: int
    target: Node | None
    statement: Statement

    @property
    def width(self) -> int:
        """Bytes of the field."""
        return _WIDTHS.get(self.kind, 4)

    def fill(self, body: bytearray, place: int, addend: int, offset: int = 0) -> None:
        """Put the addend into the field, as BFD does: on top of what is there, from here when the type is
        relative, and nothing for 0; and where in its section the symbol is. Raises Problem."""
        if not 0 <= place <= len(body) - self.width:
            raise Problem("the relocation is not within the section")
        field = slice(place, place + self.width)
        total = int.from_bytes(body[field], "little") + addend + offset
        if addend and self.kind in _RELATIVE:
            total -= place
        body[field] = (total & (1 << 8 * self.width) - 1).to_bytes(self.width, "little")


def kind_of(name: str) -> int:
    """Of a relocation's name. Raises Problem."""
    kind = KINDS.get(name.strip().lower())
    if kind is None:
        raise Problem(f"`{name}' is no relocation of i386", "R_386_32 is one, R_386_PC32 another")
    return kind
