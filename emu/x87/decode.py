"""Where an x87 instruction and its operand are; emu/_x87_decode.h does the same."""

from __future__ import annotations

from collections.abc import Callable

from emu.engine_quirks import GPRS, HF_CS32
from emu.record import dataclass
from emu.x87.forms import EMMS, UNALIGNED_STORES, is_form
from emu.x87.sse import OPERATIONS, PD, PS, SD, SS

_FLAT = 0xFFFFFFFF
_LONGEST = 15
#: Bytes of what FNSTENV stores with an operand size of 16 bits.
SHORT_ENVIRONMENT = 14
_SEGMENT_PREFIXES = {0x26: "es", 0x2E: "cs", 0x36: "ss", 0x3E: "ds", 0x64: "fs", 0x65: "gs"}
_PREFIXES = frozenset((0x66, 0x67, 0xF0, 0xF2, 0xF3, *_SEGMENT_PREFIXES))
_FXSAVE, _FWAIT = 0xAE, 0x9B
#: With this in Place.op, what follows 0F in an SSE instruction.
SSE = 0xF00
_FORMS = {0x66: PD, 0xF3: SS, 0xF2: SD}
#: ModRM.rm with 16-bit addresses.
_FORMS16 = (
    (("ebx", "esi"), "ds"),
    (("ebx", "edi"), "ds"),
    (("ebp", "esi"), "ss"),
    (("ebp", "edi"), "ss"),
    (("esi",), "ds"),
    (("edi",), "ds"),
    (("ebp",), "ss"),
    (("ebx",), "ds"),
)

ReadField = Callable[[str], int]
ReadCode = Callable[[int], int]


@dataclass(slots=True)
class Place:
    """An instruction and its operand. `op` is AE for 0F AE; `word`: the operand size is 16 bits."""

    op: int
    modrm: int = 0xFF
    word: bool = False
    segment: str = "ds"
    form: int = 0  # of SSE: by the mandatory prefix
    end: int = 0  # behind ModRM and displacement, a linear address
    offset: int = 0
    linear: int = 0

    def moved_in_parts(self) -> tuple[int, bool]:
        """(bytes, whether it is written) of an operand that the engine moves in parts, else (0, False)."""
        digit = self.modrm >> 3 & 7
        if self.modrm >= 0xC0:
            return 0, False
        if self.op >= SSE:
            return (16, True) if (self.op & 0xFF, self.form) in UNALIGNED_STORES else (0, False)
        if self.op == _FXSAVE:
            return (512, digit == 0) if digit < 2 and not self.linear & 15 else (0, False)  # or #GP
        if self.op in (0xD9, 0xDD) and digit in (4, 6):
            return (SHORT_ENVIRONMENT if self.word else 28) + (
                80 if self.op == 0xDD else 0
            ), digit == 6
        return (10, True) if (self.op, digit) in ((0xDB, 7), (0xDF, 6)) else (0, False)


def _displacement(code: ReadCode, at: int, size: int) -> int:
    raw = bytes(code(at + n & _FLAT) & 0xFF for n in range(size))
    return int.from_bytes(raw, "little", signed=size == 1)


def _address16(p: Place, code: ReadCode, field: ReadField, at: int) -> None:
    mod, rm = p.modrm >> 6, p.modrm & 7
    if mod == 0 and rm == 6:
        p.segment, p.offset, p.end = "ds", _displacement(code, at, 2), at + 2
        return
    registers, p.segment = _FORMS16[rm]
    p.offset = sum(field(name) for name in registers) + _displacement(code, at, mod) & 0xFFFF
    p.end = at + mod


def _address32(p: Place, code: ReadCode, field: ReadField, at: int) -> None:
    mod, base = p.modrm >> 6, p.modrm & 7
    size = (0, 1, 4)[mod]
    p.segment, p.offset = "ds", 0
    if base == 4:
        sib = code(at) & 0xFF
        at, index, base = at + 1 & _FLAT, sib >> 3 & 7, sib & 7
        if index != 4:
            p.offset = field(GPRS[index]) << (sib >> 6)
    if base == 5 and not mod:
        size = 4
    else:
        p.offset += field(GPRS[base])
        if base in (4, 5):
            p.segment = "ss"
    p.offset = p.offset + _displacement(code, at, size) & _FLAT
    p.end = at + size


def find(address: int, code: ReadCode, field: ReadField) -> Place | None:
    """The instruction at a linear address; None when it is none that is looked at here.

    `code` reads a byte of code (negative where there is none), `field` a register by its name in FIELD.
    """
    wide = wide_address = bool(field("hflags") & HF_CS32)
    segment, form = None, PS
    at = address
    byte = code(at)
    for _ in range(_LONGEST):
        if byte not in _PREFIXES:
            break
        segment = _SEGMENT_PREFIXES.get(byte, segment)
        if byte == 0x67:
            wide_address = not field("hflags") & HF_CS32
        if byte == 0x66:
            wide = not field("hflags") & HF_CS32
        if byte in _FORMS and (byte != 0x66 or form == PS):
            form = _FORMS[byte]
        at = at + 1 & _FLAT
        byte = code(at)
    if byte == 0x0F:
        at = at + 1 & _FLAT
        byte = code(at)
        known = byte == _FXSAVE or byte in OPERATIONS
        if not known and (byte < 0 or not is_form(byte, code(at + 1 & _FLAT))):
            return None
        byte |= 0 if byte == _FXSAVE else SSE
    p = Place(byte, word=not wide, form=form)
    if byte in (_FWAIT, SSE | EMMS):
        return p
    if byte < SSE and byte != _FXSAVE and not 0xD8 <= byte <= 0xDF:
        return None
    at = at + 1 & _FLAT
    p.modrm = code(at)
    if p.modrm < 0:
        return None
    p.end = at + 1
    if p.modrm >= 0xC0:
        return p if byte != _FXSAVE else None
    (_address32 if wide_address else _address16)(p, code, field, at + 1 & _FLAT)
    p.segment = segment or p.segment
    p.linear = p.offset + field(f"{p.segment}_base") & _FLAT
    return p
