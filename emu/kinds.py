"""What kind of instruction stands at an address, as far as the hooks care: the twin of `classify` in
emu/_engine_state.h and of `transfers` in emu/_native.c.

`byte` gives the code at a linear address, or -1 where nothing is mapped.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.absent_forms import (
    COMPARE,
    form_of,
    is_absent,
    is_absent_0f,
    is_doubled,
    is_hint_of_register,
    wide_predicate,
)
from emu.hooks import (
    KIND_CLEARS_FLAGS,
    KIND_EMULATED,
    KIND_IO,
    KIND_IRET,
    KIND_READS_FLAGS,
    KIND_REP,
    KIND_SYSTEM,
    KIND_UNDEFINED,
    KIND_X87,
)
from emu.x87.forms import is_form
from emu.x87.sse import OPERATIONS

LONGEST = 15  # bytes of an instruction
_TRANSFERS = frozenset(
    (*range(0x70, 0x80), *range(0xE0, 0xE4), *range(0xE8, 0xEC), 0x9A, 0xC2, 0xC3, 0xCA, 0xCB, 0xCF)
)
_PREFIXES = frozenset((0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))
_STRING_IO = frozenset(range(0x6C, 0x70))
_STRINGS = frozenset((*range(0xA4, 0xA8), *range(0xAA, 0xB0)))
_IO = frozenset((*range(0xE4, 0xE8), *range(0xEC, 0xF0)))
_SYSTEM = frozenset((0x01, 0x06, 0x22, 0x23))  # behind 0F: LGDT.., CLTS, MOV CR, MOV DR
_RDTSC, _RDPMC, _CMPXCHG8B = 0x31, 0x33, 0xC7
_FROM_CR, _TO_CR = 0x20, 0x22
_CONTROL_REGISTERS = frozenset((0, 2, 3, 4))
#: The opcodes that may be locked, with the values of ModRM.reg for which they may: SDM vol. 2, LOCK.
_LOCKABLE = {
    **{op + form: 0xFF for op in range(0, 0x38, 8) for form in (0, 1)},
    **dict.fromkeys((0x80, 0x81, 0x82, 0x83), 0x7F),
    **dict.fromkeys((0x86, 0x87), 0xFF),
    **dict.fromkeys((0xF6, 0xF7), 0x0C),
    **dict.fromkeys((0xFE, 0xFF), 0x03),
}
_LOCKABLE_0F = {
    **dict.fromkeys((0xAB, 0xB0, 0xB1, 0xB3, 0xBB, 0xC0, 0xC1), 0xFF),
    0xBA: 0xE0,
    0xC7: 0x02,
}
_POP, _TEST, _NEG = 0x8F, 1, 3
_LOCK, _REPEATS = 0xF0, frozenset((0xF2, 0xF3))
_FXSAVE = 0xAE
_X87 = frozenset((*range(0xD8, 0xE0), 0x9B))  # FWAIT, too
_GROUP_3 = (0xF6, 0xF7)

CodeByte = Callable[[int], int]


def classify(byte: CodeByte, address: int) -> int:
    """The KIND_ of the instruction that starts here; 0 for most."""
    prefixes = bytearray()
    for at in range(address, address + LONGEST):
        opcode = byte(at)
        if opcode in _PREFIXES:
            prefixes.append(opcode)
            continue
        if opcode < 0:
            return 0
        if _LOCK in prefixes:
            return _locked(byte, at, opcode)
        return _unlocked(byte, at, opcode, bytes(prefixes))
    return 0


def _locked(byte: CodeByte, at: int, opcode: int) -> int:
    if not _may_lock(byte, at, opcode):
        return KIND_UNDEFINED
    if (opcode, byte(at + 1)) == (0x0F, _CMPXCHG8B):
        return KIND_READS_FLAGS
    # Of LOCK NEG the engine makes the wrong flags.
    return KIND_EMULATED if opcode in _GROUP_3 and _digit(byte(at + 1)) == _NEG else 0


def _unlocked(byte: CodeByte, at: int, opcode: int, prefixes: bytes) -> int:
    if opcode in (0xC4, 0xC5):  # LES and LDS of a register: the engine sees VEX
        return KIND_UNDEFINED if byte(at + 1) >= 0xC0 else 0
    if opcode in _STRING_IO:
        return KIND_EMULATED
    if opcode in _IO:
        return KIND_IO
    if opcode in _STRINGS:
        return KIND_REP if _REPEATS & {*prefixes} else 0
    if opcode == 0xCF:
        return KIND_IRET
    if opcode == 0x0F:
        return _two_bytes(byte, at + 1, prefixes)
    if is_absent(opcode, byte(at + 1)):
        return KIND_UNDEFINED
    if opcode == _POP:  # which has /0 only
        return KIND_UNDEFINED if _digit(byte(at + 1)) > 0 else 0
    if opcode in _GROUP_3:  # the second opcode of TEST, which the engine does not know
        return KIND_EMULATED if _digit(byte(at + 1)) == _TEST else 0
    if (
        opcode in (0xDB, 0xDF) and 0xE8 <= byte(at + 1) <= 0xF7
    ):  # FUCOMI and FCOMI, with and without POP
        return KIND_X87 | KIND_CLEARS_FLAGS
    return KIND_X87 if opcode in _X87 else 0


def _two_bytes(byte: CodeByte, at: int, prefixes: bytes) -> int:
    second, modrm = byte(at), byte(at + 1)
    if is_absent_0f(second, form_of(prefixes), modrm):
        return KIND_UNDEFINED
    if modrm >= 0 and _is_shown_otherwise(byte, at, prefixes):
        return KIND_EMULATED
    if second in (_RDTSC, _RDPMC):
        return KIND_EMULATED
    if second == _CMPXCHG8B:
        return KIND_READS_FLAGS
    if second in (_FROM_CR, _TO_CR):
        digit = _digit(modrm)
        if digit >= 0 and digit not in _CONTROL_REGISTERS:
            return KIND_UNDEFINED
    # FXRSTOR, too, SSE and MMX.
    if second == _FXSAVE or second in OPERATIONS or is_form(second, modrm):
        return KIND_X87
    return KIND_SYSTEM if second in _SYSTEM else 0


def _is_shown_otherwise(byte: CodeByte, at: int, prefixes: bytes) -> bool:
    """See emu/shown_code.py; the byte behind 0F is at `at`, and a ModRM byte follows."""
    second, start = byte(at), at - 1 - len(prefixes)
    if is_hint_of_register(second, byte(at + 1)) or is_doubled(second, prefixes):
        return True
    return second == COMPARE and wide_predicate(byte, start, at + 1, prefixes) is not None


def _digit(modrm: int) -> int:
    """ModRM.reg; -1 where nothing is mapped."""
    return -1 if modrm < 0 else modrm >> 3 & 7


def _may_lock(byte: CodeByte, at: int, opcode: int) -> bool:
    """Whether LOCK may stand before the instruction with this opcode byte at `at`."""
    digits = _LOCKABLE.get(opcode, 0)
    if opcode == 0x0F:
        at += 1
        digits = _LOCKABLE_0F.get(byte(at), 0)
    modrm = byte(at + 1)
    return modrm < 0 or (modrm < 0xC0 and bool(digits >> (modrm >> 3 & 7) & 1))


def transfers(byte: CodeByte, address: int) -> bool:
    """Whether an instruction can be its own successor: a jump, a call or a return."""
    for at in range(address, address + LONGEST):
        opcode = byte(at)
        if opcode in _PREFIXES:
            continue
        second = byte(at + 1)
        if opcode == 0x0F:
            return 0x80 <= second <= 0x8F
        if opcode == 0xFF:
            return second >= 0 and 2 <= second >> 3 & 7 <= 5
        return opcode in _TRANSFERS
    return False
