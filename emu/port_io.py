"""I/O instructions as the CPU decodes them: which port, how wide, and the string forms' operands.

    E4 E5 IN imm8    E6 E7 OUT imm8    EC ED IN dx    EE EF OUT dx    6C 6D INS    6E 6F OUTS

The engine stops in front of the ones that need a decision (see engine_quirks); it is made with
this.
"""

from __future__ import annotations

from emu.linear import LinearMemory
from emu.paging import PageFault
from emu.record import dataclass

LONGEST = 15
_SEGMENTS = {0x26: "es", 0x2E: "cs", 0x36: "ss", 0x3E: "ds", 0x64: "fs", 0x65: "gs"}
_PREFIXES = frozenset((*_SEGMENTS, 0x66, 0x67, 0xF2, 0xF3))
_INS, _OUTS = (0x6C, 0x6D), (0x6E, 0x6F)


@dataclass(frozen=True)
class IoInstruction:
    """One decoded I/O instruction. `length` and `size` (of the operand) in bytes."""

    opcode: int
    length: int
    size: int
    repeated: bool
    address16: bool
    segment: str
    immediate: int | None

    @property
    def is_string(self) -> bool:
        """Whether it is INS or OUTS, which move memory, not IN or OUT."""
        return self.opcode in _INS or self.opcode in _OUTS

    @property
    def is_input(self) -> bool:
        """INS or IN, as opposed to OUTS or OUT."""
        return self.opcode in (*_INS, 0xE4, 0xE5, 0xEC, 0xED)


def code_bytes(linear: LinearMemory, address: int, length: int = LONGEST) -> bytes:
    """The instruction bytes at a linear address, as many as are mapped, at most `length`."""
    code = bytearray()
    for offset in range(length):
        try:
            code += linear.read((address + offset) & 0xFFFFFFFF, 1)
        except PageFault:
            break
    return bytes(code)


def split_prefixes(code: bytes) -> tuple[frozenset[int], str, int]:
    """The prefixes (LOCK excepted), the segment override (or "") and the offset of the opcode."""
    segment = ""
    for at, byte in enumerate(code):
        if byte not in _PREFIXES:
            return frozenset(code[:at]), segment, at
        segment = _SEGMENTS.get(byte, segment)
    return frozenset(code), segment, len(code)


def decode_io(code: bytes, *, wide: bool) -> IoInstruction:
    """Decode the bytes of an I/O instruction; `wide` in a 32-bit code segment."""
    prefixes, segment, at = split_prefixes(code)
    opcode = code[at]
    operand32 = wide ^ (0x66 in prefixes)
    immediate = code[at + 1] if 0xE4 <= opcode <= 0xE7 else None
    return IoInstruction(
        opcode=opcode,
        length=at + 1 + (immediate is not None),
        size=(4 if operand32 else 2) if opcode & 1 else 1,
        repeated=bool(prefixes & {0xF2, 0xF3}),
        address16=wide == (0x67 in prefixes),
        segment=segment or "ds",
        immediate=immediate,
    )
