"""Instructions that the engine gets wrong in one form and right in another of the same length.

TEST has two opcodes, of which the engine knows one; the flags of LOCK NEG are those of the old value.
So the engine is shown the other form for as long as the instruction takes: TEST by its first opcode, NEG
without LOCK, in whose place stands the override of the segment that is used anyway (SDM vol. 2, 2.1.1).
In the same way SSE instructions lose prefixes that do not count, CMPPS and its kin what their predicate has
above three bits, and PREFETCH of a register is a NOP.
"""

from __future__ import annotations

from emu.absent_forms import COMPARE, is_doubled, is_hint_of_register, wide_predicate
from emu.timing.decode import decode

_OVERRIDES = bytes((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))  # ES CS SS DS FS GS
_PREFIXES = bytes((0x66, 0x67, 0xF0, 0xF2, 0xF3)) + _OVERRIDES
_LOCK = b"\xf0"
_DIGIT = 0x38  # ModRM.reg
_TEST, _NEG = 1, 3
_LONG_NOP = 0x1F  # 0F 1F


def shown_form(code: bytes) -> bytes | None:
    """Bytes to stand in place of the first ones of the instruction at the start of `code`; None: it is none
    of these.
    """
    at = len(code) - len(code.lstrip(_PREFIXES))
    prefixes, opcode, modrm = code[:at], code[at : at + 1], code[at + 1 : at + 2]
    if opcode == b"\x0f" and len(code) > at + 2:
        return _shown_0f(code, prefixes)
    if opcode not in (b"\xf6", b"\xf7") or not modrm:
        return None
    digit = (modrm[0] & _DIGIT) >> 3
    if digit == _TEST and _LOCK not in prefixes:
        return prefixes + opcode + bytes((modrm[0] & ~_DIGIT,))
    found = decode(code)
    if digit != _NEG or _LOCK not in prefixes or found is None:
        return None
    return prefixes.replace(_LOCK, _OVERRIDES[found.segment : found.segment + 1])


def _shown_0f(code: bytes, prefixes: bytes) -> bytes | None:
    at = len(prefixes) + 1
    op, modrm = code[at], code[at + 1]
    if is_hint_of_register(op, modrm):
        return code[:at] + bytes((_LONG_NOP,))
    shown = _with_last(prefixes) if is_doubled(op, prefixes) else None
    if op != COMPARE:
        return shown
    end = wide_predicate(lambda n: code[n] if n < len(code) else -1, 0, at + 1, prefixes)
    if end is None:
        return shown
    return (shown or prefixes) + code[at - 1 : end] + bytes((code[end] & 7,))


def _with_last(prefixes: bytes) -> bytes:
    """With the last of F2 and F3 only; in place of the others, and of 66, stands what says nothing new."""
    last = max(prefixes.rfind(0xF2), prefixes.rfind(0xF3))
    segments = [p for p in prefixes if p in _OVERRIDES]
    said = segments[-1] if segments else prefixes[last]
    return bytes(
        said if n != last and p in (0x66, 0xF2, 0xF3) else p for n, p in enumerate(prefixes)
    )
