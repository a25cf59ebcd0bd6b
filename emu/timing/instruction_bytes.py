"""The bytes of an instruction, read once from the front: prefixes, opcode, ModRM, immediates."""

from __future__ import annotations

from emu.timing.opcodes import ONE_BYTE, ONE_BYTE_GROUPS, TWO_BYTE, TWO_BYTE_GROUPS, Entry

NO_REGISTER = 0xFF
_SS, _DS = 2, 3
_OVERRIDES = {0x26: 0, 0x2E: 1, 0x36: 2, 0x3E: 3, 0x64: 4, 0x65: 5}
_COUNTED_PREFIXES = frozenset((*_OVERRIDES, 0x66, 0x67, 0xF0))


class ShortError(Exception):
    """The bytes end inside the instruction."""


class InstructionBytes:
    """One pass over the bytes; the fields are those of Decoded. Raises ShortError where they end too soon."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.at = 0
        self.components = 0
        self.operand16 = self.address16 = self.rep = False
        self.segment: int | None = None
        self.prefixes = 0
        self.head = self.displacement_size = 0
        self.modrm = -1
        self.register_only = False
        self.base = self.index = NO_REGISTER
        self.scale, self.displacement = 1, 0
        self.has_displacement = self.has_immediate = False
        self.immediate = self.immediate_size = 0
        self.default_segment = _DS

    def byte(self) -> int:
        if self.at >= len(self.code):
            raise ShortError
        value = self.code[self.at]
        self.at += 1
        return value

    def number(self, size: int, *, signed: bool = True) -> int:
        if self.at + size > len(self.code):
            raise ShortError
        value = int.from_bytes(self.code[self.at : self.at + size], "little", signed=signed)
        self.at += size
        return value

    def opcode(self) -> tuple[int, Entry | None]:
        """Read prefixes, opcode and, for a group, look at ModRM."""
        while True:
            byte = self.byte()
            self.components += 1
            if ONE_BYTE.get((byte, -1), ("",))[0] != "prefix":
                break
            if byte in _COUNTED_PREFIXES:
                self.prefixes += 1
            self.operand16 |= byte == 0x66
            self.address16 |= byte == 0x67
            self.rep |= byte in (0xF2, 0xF3)
            self.segment = _OVERRIDES.get(byte, self.segment)
        self.head = self.at
        table, groups = ONE_BYTE, ONE_BYTE_GROUPS
        two = byte == 0x0F
        if two:
            byte = self.byte()
            self.components += 1
            table, groups = TWO_BYTE, TWO_BYTE_GROUPS
            self.head = self.at
        digit = -1
        if byte in groups:
            if self.at >= len(self.code):
                raise ShortError
            digit = self.code[self.at] >> 3 & 7
        return byte, table.get((byte, digit))

    def read_modrm(self) -> None:
        if self.modrm >= 0:
            return
        self.modrm = self.byte()
        self.components += 1
        self.head = self.at
        mode, rm = self.modrm >> 6, self.modrm & 7
        if mode == 3 or self.register_only:
            return
        if self.address16:
            pairs: tuple[tuple[int, ...], ...] = (
                (3, 6),
                (3, 7),
                (5, 6),
                (5, 7),
                (6,),
                (7,),
                (5,),
                (3,),
            )
            registers: tuple[int, ...] = pairs[rm]
            width = (0, 1, 2)[mode]
            if mode == 0 and rm == 6:
                registers, width = (), 2
            self.base = registers[0] if registers else NO_REGISTER
            self.index = registers[1] if len(registers) > 1 else NO_REGISTER
        else:
            width = (0, 1, 4)[mode]
            self.base = rm
            if rm == 4:
                sib = self.byte()
                self.components += 1
                self.base, index = sib & 7, sib >> 3 & 7
                if index != 4:
                    self.index, self.scale = index, 1 << (sib >> 6)
            if mode == 0 and self.base == 5:
                self.base, width = NO_REGISTER, 4
        if self.base in (4, 5):
            self.default_segment = _SS
        self.head = self.at
        if width:
            self.displacement, self.displacement_size = self.number(width), width
            self.has_displacement = True
            self.components += 1

    def read_immediate(self, size: int) -> None:
        self.immediate, self.immediate_size = self.number(size), size
        self.components += 1
        self.has_immediate = True
