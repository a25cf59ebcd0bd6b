"""Forms of an opcode that there are not, and forms that the engine takes for others: the twin of
emu/_absent_forms.h. SDM vol. 2, opcode maps; checked against a processor by tests/fuzz.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.x87.sse import PD, PS, SD, SS

LONGEST = 15  # bytes of an instruction
HINT, COMPARE = 0x18, 0xC2  # behind 0F
_GROUP_11 = (0xC6, 0xC7)
_FORMS = {0xF2: SD, 0xF3: SS}
_REPEATS = frozenset(_FORMS)
_DATA, _ADDRESS = 0x66, 0x67
#: Behind 0F, for which 66, F2 and F3 choose an instruction.
_CHOSEN_BY_PREFIX = frozenset(
    (*range(0x10, 0x18), *range(0x28, 0x30), *range(0x50, 0x80), 0xC2, *range(0xC4, 0xC7), *range(0xD0, 256))
)  # fmt: skip
_REGISTERS_ONLY = frozenset((0x50, 0x71, 0x72, 0x73, 0xF7))


def form_of(prefixes: bytes) -> int:
    """Which instruction they choose: by the last of F2 and F3, or else by 66."""
    repeats = [p for p in prefixes if p in _REPEATS]
    return _FORMS[repeats[-1]] if repeats else PD if _DATA in prefixes else PS


def is_absent(op: int, modrm: int) -> bool:
    """Whether ModRM names no instruction of this opcode; it is -1 where nothing is mapped."""
    return op in _GROUP_11 and modrm >= 0xC0 and bool(modrm >> 3 & 7)


def is_absent_0f(op: int, form: int, modrm: int) -> bool:
    """The same of the opcode behind 0F."""
    if modrm < 0:
        return False
    memory = modrm < 0xC0
    match op:
        case 0x12 | 0x16:
            return form == PD and not memory
        case 0x78 | 0x79:
            return True
        case 0xAE:
            return form != PS
        case 0xBA:
            return modrm >> 3 & 7 < 4
        case 0xC3:
            return form != PS or not memory
        case 0xD6:
            return form in (SS, SD) and memory
    return memory and op in _REGISTERS_ONLY


def is_hint_of_register(op: int, modrm: int) -> bool:
    """PREFETCH of a register, which does nothing, and which the engine does not know."""
    return op == HINT and 0xC0 <= modrm < 0xE0


def is_doubled(op: int, prefixes: bytes) -> bool:
    """Whether more than one prefix would choose: to the engine 66 counts first, then F3."""
    kinds = {*prefixes} & {_DATA, *_REPEATS}
    return op in _CHOSEN_BY_PREFIX and len(kinds) > 1


def behind_operand(byte: Callable[[int], int], at: int, prefixes: bytes) -> int:
    """Where the operand of the ModRM byte at `at` ends. `byte` gives the code at an address."""
    modrm = byte(at)
    at += 1
    mod, rm = modrm >> 6, modrm & 7
    if mod == 3:
        return at
    if _ADDRESS in prefixes:
        return at + (mod or 2 * (rm == 6))
    if rm == 4:
        rm = byte(at) & 7
        at += 1
    return at + (4 * (rm == 5), 1, 4)[mod]


def wide_predicate(
    byte: Callable[[int], int], start: int, modrm_at: int, prefixes: bytes
) -> int | None:
    """Where the predicate of CMPPS and its kin stands, when it has more than the three bits that the
    processor looks at; the engine knows no others.
    """
    end = behind_operand(byte, modrm_at, prefixes)
    return end if end - start < LONGEST and byte(end) > 7 else None
