"""SSE and MMX instructions that the hooks look at beside those that compute; see emu/_sse_forms.h."""

from __future__ import annotations

from emu.x87.sse import PD, PS, SD, SS

_BOTH = (*(0x14, 0x15, 0x28, 0x29, 0x2B, 0x51), *range(0x54, 0x5A), *range(0x5B, 0x60), 0xC2, 0xC6)
_OF_WHOLE_REGISTERS = (
    *(0x2C, 0x2D, 0x5A, *range(0x60, 0x6E), 0x6F, 0x70, 0x74, 0x75, 0x76, 0x7C, 0x7D, 0x7F),
    *(*range(0xD0, 0xD6), *range(0xD8, 0xF0), *range(0xF1, 0xF7), *range(0xF8, 0xFF)),
)
#: (what follows 0F, form): the operand in memory must be aligned to 16 bytes, or #GP (SDM vol. 2, 2.4).
ALIGNED = frozenset(
    (
        *((op, form) for op in _BOTH for form in (PS, PD)),
        *((op, PS) for op in (0x52, 0x53)),
        *((op, PD) for op in _OF_WHOLE_REGISTERS),
        *((op, SS) for op in (0x12, 0x16, 0x5B, 0x70)),
        *((op, SD) for op in (0x70, 0x7C, 0x7D, 0xD0, 0xE6)),
    )
)
_CONVERSIONS = (0x2A, 0x2C, 0x2D)
_TO_MMX = 0x2A  # the source is an MMX register, or memory
_MMX = (
    *(*range(0x60, 0x6C), 0x6E, *range(0x6F, 0x78), 0x7E, 0x7F, 0xC4, 0xC5),
    *(op for op in range(0xD1, 0xFF) if op not in (0xD6, 0xE6, 0xF0)),
)
#: (what follows 0F, form) that works on an MMX register, and so reports an x87 exception that waits.
MMX = frozenset(
    (
        *((op, PS) for op in _MMX),
        *((op, form) for op in _CONVERSIONS for form in (PS, PD)),
        *((0xD6, form) for form in (SS, SD)),
    )
)
#: MOVUPS, MOVUPD and MOVDQU to memory, which the engine stores in two halves.
UNALIGNED_STORES = frozenset(((0x11, PS), (0x11, PD), (0x7F, SS)))
EMMS = 0x77
_STORE = 0x7F
_NOT_TO_MMX = frozenset((_TO_MMX, EMMS, 0x7E, 0xC5, 0xD7, 0xE7, 0xF7))
_MMX_OPERATIONS = frozenset(op for op, _ in MMX)
_IN_MEMORY = frozenset(op for op, _ in (*ALIGNED, *UNALIGNED_STORES))


def is_form(op: int, modrm: int) -> bool:
    """Whether there is something to look at; `modrm` follows, -1 where nothing is mapped."""
    return op in _MMX_OPERATIONS or (modrm < 0xC0 and op in _IN_MEMORY)


def mmx_target(op: int, form: int, modrm: int) -> int | None:
    """The number of the MMX register that an instruction writes."""
    if (op, form) not in MMX or op in _NOT_TO_MMX or (op, form) == (0xD6, SS):
        return None
    if op == _STORE and modrm < 0xC0:
        return None
    return modrm & 7 if op in (_STORE, 0x71, 0x72, 0x73) else modrm >> 3 & 7


def uses_mmx(op: int, form: int, modrm: int) -> bool:
    """Of CVTPI2PS and CVTPI2PD only those with a register: from memory, none is touched."""
    return (op, form) in MMX and (op != _TO_MMX or modrm >= 0xC0)
