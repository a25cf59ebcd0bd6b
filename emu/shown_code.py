"""Instructions that the engine gets wrong in one form and right in another of the same length.

TEST has two opcodes, of which the engine knows one; the flags of LOCK NEG are those of the old value.
So the engine is shown the other form for as long as the instruction takes: TEST by its first opcode, NEG
without LOCK, in whose place stands the override of the segment that is used anyway (SDM vol. 2, 2.1.1).
"""

from __future__ import annotations

from emu.timing.decode import decode

_OVERRIDES = bytes((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))  # ES CS SS DS FS GS
_PREFIXES = bytes((0x66, 0x67, 0xF0, 0xF2, 0xF3)) + _OVERRIDES
_LOCK = b"\xf0"
_DIGIT = 0x38  # ModRM.reg
_TEST, _NEG = 1, 3


def shown_form(code: bytes) -> bytes | None:
    """Bytes to stand in place of the first ones of the instruction at the start of `code`; None: it is none
    of these.
    """
    at = len(code) - len(code.lstrip(_PREFIXES))
    prefixes, opcode, modrm = code[:at], code[at : at + 1], code[at + 1 : at + 2]
    if opcode not in (b"\xf6", b"\xf7") or not modrm:
        return None
    digit = (modrm[0] & _DIGIT) >> 3
    if digit == _TEST and _LOCK not in prefixes:
        return prefixes + opcode + bytes((modrm[0] & ~_DIGIT,))
    found = decode(code)
    if digit != _NEG or _LOCK not in prefixes or found is None:
        return None
    return prefixes.replace(_LOCK, _OVERRIDES[found.segment : found.segment + 1])
