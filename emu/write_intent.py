"""Instructions that write the memory operand they read (Intel SDM vol. 2, opcode maps).

The processor asks for write access before it reads such an operand, so its page fault has W = 1
(SDM vol. 3, 4.7), and a page at the start of the operand that may not be written comes before one at its
end that is not there. The engine reads first and reports a read. Forms with a second memory operand
(MOVS, PUSH m, POP m) ask for each operand by itself and are not here.
"""

from __future__ import annotations

_ALL = frozenset(range(8))
_ALU = frozenset(range(7))  # all of the group but CMP
_ONE_BYTE = {
    **{row << 3 | wide: _ALL for row in range(7) for wide in (0, 1)},  # ADD to XOR, m, r
    **dict.fromkeys((0x80, 0x81, 0x82, 0x83), _ALU),
    **dict.fromkeys((0x86, 0x87), _ALL),  # XCHG
    **dict.fromkeys((0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3), _ALL),  # rotates and shifts
    **dict.fromkeys((0xF6, 0xF7), frozenset((2, 3))),  # NOT, NEG
    **dict.fromkeys((0xFE, 0xFF), frozenset((0, 1))),  # INC, DEC
}
_TWO_BYTE = {
    **dict.fromkeys((0xA4, 0xA5, 0xAC, 0xAD), _ALL),  # SHLD, SHRD
    **dict.fromkeys((0xAB, 0xB3, 0xBB), _ALL),  # BTS, BTR, BTC
    0xBA: frozenset((5, 6, 7)),
    **dict.fromkeys((0xB0, 0xB1, 0xC0, 0xC1), _ALL),  # CMPXCHG, XADD
    0xC7: frozenset((1,)),  # CMPXCHG8B
}


PREFIXES = bytes((0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))


def holds_form(code: bytes) -> bool:
    """Whether these bytes reach far enough to tell: to the byte behind the opcode."""
    opcode = code.lstrip(PREFIXES)
    return len(opcode) >= (3 if opcode[:1] == b"\x0f" else 2)


def writes_what_it_reads(code: bytes) -> bool:
    """Whether the instruction that starts here reads and writes one memory operand."""
    forms, opcode = _ONE_BYTE, code.lstrip(PREFIXES)
    if opcode[:1] == b"\x0f":
        forms, opcode = _TWO_BYTE, opcode[1:]
    if len(opcode) < 2:
        return False
    modrm = opcode[1]
    return modrm < 0xC0 and modrm >> 3 & 7 in forms.get(opcode[0], ())
