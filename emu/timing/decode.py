"""From bytes to what the timing rules ask of an instruction: its form, and what it reads and writes.

Nothing here knows a clock. Registers are bit masks (bit 0 = EAX ... bit 7 = EDI). Implicit operands
are listed in this file, not taken from a disassembler, whose lists have gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from emu.timing.opcodes import (
    ALU,
    ONE_BYTE,
    ONE_BYTE_GROUPS,
    TWO_BYTE,
    TWO_BYTE_GROUPS,
    Entry,
)
from emu.timing.x87 import READ, RMW, WRITE, decode_x87

EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = (1 << n for n in range(8))
NO_REGISTER = 0xFF
#: Where a memory operand is: ModRM or a bare offset; the stack; ESI, EDI; [EBP]; [EBX+AL]; a bit string.
AT_MODRM, AT_PUSH, AT_POP, AT_ESI, AT_EDI, AT_EBP, AT_XLAT, AT_BIT = range(8)
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_ES, _SS, _DS = 0, 2, 3
_OVERRIDES = {0x26: 0, 0x2E: 1, 0x36: 2, 0x3E: 3, 0x64: 4, 0x65: 5}
_SHIFTS = ("rol", "ror", "rcl", "rcr", "shl", "shr", "sar")
_NAMES = {"al": EAX, "eax": EAX, "cl": ECX, "dx": EDX}
_COUNTED_PREFIXES = frozenset((*_OVERRIDES, 0x66, 0x67, 0xF0))

#: How explicit operands are used, in order: r read, w write, m both, - neither (an address, a target).
_USES: dict[str, str] = {
    **dict.fromkeys(ALU, "mr"),
    "cmp": "rr",
    "test": "rr",
    "mov": "wr",
    "movzx": "wr",
    "movsx": "wr",
    "lea": "w-",
    **dict.fromkeys(("inc", "dec", "neg", "not", "bswap"), "m"),
    **dict.fromkeys(_SHIFTS, "mr"),
    "xchg": "mm",
    "xadd": "mm",
    "cmpxchg": "mr",
    "cmpxchg8b": "m",
    "setcc": "w",
    "cmovcc": "mr",
    "push": "r",
    "pop": "w",
    "mul": "r",
    "imul": "r",
    "div": "r",
    "idiv": "r",
    "bt": "rr",
    "bts": "mr",
    "btr": "mr",
    "btc": "mr",
    "shld": "mrr",
    "shrd": "mrr",
    "bsf": "wr",
    "bsr": "wr",
    "call": "r",
    "jmp": "r",
    "callf": "r",
    "jmpf": "r",
    **dict.fromkeys(("lds", "les", "lfs", "lgs", "lss"), "wr"),
    "in": "wr",
    "out": "rr",
    "bound": "rr",
    "arpl": "mr",
    "lar": "wr",
    "lsl": "wr",
    "sldt": "w",
    "str": "w",
    "smsw": "w",
    "lldt": "r",
    "ltr": "r",
    "lmsw": "r",
    "verr": "r",
    "verw": "r",
    "sgdt": "w",
    "sidt": "w",
    "lgdt": "r",
    "lidt": "r",
    "invlpg": "-",
}


class Implicit(NamedTuple):
    """Registers an instruction uses without naming them: full ones read and written, bytes written."""

    reads: int = 0
    writes: int = 0
    bytes_written: int = 0


_IMPLICIT: dict[str, Implicit] = {
    "cwde": Implicit(EAX, EAX),
    "cdq": Implicit(EAX, EAX | EDX),
    "lahf": Implicit(0, 0, EAX),
    "xlat": Implicit(EBX, 0, EAX),
    "pusha": Implicit(0xFF),
    "popa": Implicit(0, 0xFF & ~ESP),
    "enter": Implicit(EBP, EBP),
    "leave": Implicit(EBP, EBP),
    "movs": Implicit(ESI | EDI, ESI | EDI),
    "cmps": Implicit(ESI | EDI, ESI | EDI),
    "stos": Implicit(EDI, EDI),
    "scas": Implicit(EDI, EDI),
    "lods": Implicit(ESI, ESI),
    "loop": Implicit(ECX, ECX),
    "loope": Implicit(ECX, ECX),
    "loopne": Implicit(ECX, ECX),
    "jecxz": Implicit(ECX),
    "cpuid": Implicit(EAX, EAX | ECX | EDX | EBX),
    "rdtsc": Implicit(0, EAX | EDX),
    "cmpxchg": Implicit(EAX, EAX),
    "cmpxchg8b": Implicit(EAX | ECX | EDX | EBX, EAX | EDX),
    **dict.fromkeys(("aaa", "aas", "aam", "aad"), Implicit(EAX, EAX)),
    **dict.fromkeys(("daa", "das"), Implicit(0, 0, EAX)),
}
#: Instructions whose address is the stack pointer: an ESP just written costs them a clock.
_ON_STACK = frozenset(
    (
        "push",
        "pop",
        "pusha",
        "popa",
        "pushf",
        "popf",
        "call",
        "ret",
        "callf",
        "retf",
        "iret",
        "enter",
    )
)
_STRINGS = frozenset(("movs", "stos", "lods", "scas", "cmps"))
#: Operand size is 32 or 16 by prefix, one stack slot each.
_ONE_PUSH = frozenset(("push", "pushf", "call", "enter"))
_ONE_POP = frozenset(("pop", "popf", "ret"))


class Access(NamedTuple):
    """One memory operand: where it is (AT_), how it is used (READ, WRITE, RMW), its bytes."""

    where: int
    use: int
    size: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """One instruction. `operands` are its kinds: r m i a(ccumulator) 1 cl s(egment) c d o(ffset) j."""

    mnemonic: str
    operands: tuple[str, ...]
    length: int
    components: int
    size: int
    prefixes: int = 0
    rep: bool = False
    address_registers: int = 0
    reads: int = 0
    writes: int = 0
    byte_writes: int = 0
    has_index: bool = False
    has_displacement: bool = False
    has_immediate: bool = False
    accesses: tuple[Access, ...] = ()
    base: int = NO_REGISTER
    index: int = NO_REGISTER
    scale: int = 1
    #: POP [ESP+n] addresses what ESP is afterwards: the 4 is added here.
    displacement: int = 0
    segment: int = _DS
    address16: bool = False
    source: int = NO_REGISTER
    immediate: int = 0
    immediate_size: int = 0
    condition: int = 0
    control: int = 0
    #: Bytes up to the displacement and the immediate, and the displacement's own.
    head: int = 0
    displacement_size: int = 0
    known: bool = True

    @property
    def memory(self) -> bool:
        """It has an explicit memory operand."""
        return "m" in self.operands or "o" in self.operands


class _Short(Exception):
    """The bytes end inside the instruction."""


class _Decoder:
    """One pass over the bytes; the fields are those of Decoded."""

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
            raise _Short
        value = self.code[self.at]
        self.at += 1
        return value

    def number(self, size: int, *, signed: bool = True) -> int:
        if self.at + size > len(self.code):
            raise _Short
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
                raise _Short
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


def _width(code: str, operand16: bool) -> int:
    """Bytes of an operand code such as Ev."""
    kind = code[1:2]
    fixed = {"b": 1, "w": 2, "d": 4, "q": 8, "s": 6, "n": 0}.get(kind)
    if fixed is not None:
        return fixed
    wide = 2 if operand16 else 4
    return wide + 2 if kind == "p" else wide


@lru_cache(maxsize=1 << 15)
def decode(code: bytes) -> Decoded | None:
    """The instruction at the start of `code`; None when the map has none (or the bytes end)."""
    try:
        return _decode(_Decoder(code))
    except _Short:
        return None


def _decode(d: _Decoder) -> Decoded | None:
    opcode, entry = d.opcode()
    if entry is None:
        return None
    mnemonic, operands = entry
    if mnemonic == "x87":
        return _decode_x87(d, opcode)
    if mnemonic[:-1] in _STRINGS and mnemonic[-1] in "bv":
        return _decode_string(d, mnemonic)
    uses = _USES.get(mnemonic, "-" * len(operands))
    if mnemonic == "imul":
        uses = {1: "r", 2: "mr", 3: "wr-"}[len(operands)]
    uses = uses.ljust(len(operands), "-")[: len(operands)]
    implicit = _IMPLICIT.get(mnemonic, Implicit())
    reads, writes, bytes_written = implicit
    kinds: list[str] = []
    accesses: list[Access] = []
    source = NO_REGISTER
    size = 0
    wide = 2 if d.operand16 else 4
    bit_string = opcode in (0xA3, 0xAB, 0xB3, 0xBB) and mnemonic in ("bt", "bts", "btr", "btc")
    d.register_only = "Rd" in operands  # MOV of control registers: the mode bits are ignored
    for use, code in zip(uses, operands, strict=True):
        width = {"al": 1, "eax": wide}.get(code) or _width(code, d.operand16)
        kind, register = _operand(d, code, width)
        kinds.append(kind)
        if code[0] in "EGZae":
            size = size or width
        if kind in "mo" and use in "rwm":
            where = AT_BIT if bit_string else AT_MODRM
            accesses.append(Access(where, {"r": READ, "w": WRITE, "m": RMW}[use], width))
        if register == NO_REGISTER:
            continue
        if code[0] == "E":
            source = register
        full = 0 if width == 1 else 1 << register
        part = 1 << (register & 3) if width == 1 else 0
        reads |= full if use in "rm" else 0
        writes |= full if use in "wm" else 0
        bytes_written |= part if use in "wm" else 0
    reads |= EDX if "dx" in operands else 0
    if mnemonic in ("mul", "imul", "div", "idiv") and len(operands) == 1:
        wide_divide = size > 1 and mnemonic in ("div", "idiv")
        reads |= (0 if size == 1 and mnemonic in ("mul", "imul") else EAX) | (
            EDX if wide_divide else 0
        )
        writes |= EAX if size == 1 else EAX | EDX
    if mnemonic == "cwde" and d.operand16:
        reads = 0  # CBW reads AL only
    if mnemonic == "cmpxchg" and size == 1:
        reads, writes, bytes_written = reads & ~EAX, writes & ~EAX, bytes_written | EAX
    address = 0
    if "m" in kinds:
        address |= 0 if d.base == NO_REGISTER else 1 << d.base
        address |= 0 if d.index == NO_REGISTER else 1 << d.index
    if mnemonic == "xlat":
        address |= EBX
    if mnemonic in _ON_STACK:
        address |= ESP
    if mnemonic == "leave":
        address |= EBP
    accesses += _stack_accesses(mnemonic, wide)
    if mnemonic == "xlat":
        accesses.append(Access(AT_XLAT, READ, 1))
    return Decoded(
        mnemonic=mnemonic,
        operands=tuple(kinds),
        length=d.at,
        components=d.components,
        size=size or wide,
        prefixes=d.prefixes,
        rep=d.rep,
        address_registers=address,
        reads=reads | address,
        writes=writes & ~(ESP if mnemonic in _ON_STACK and mnemonic != "pop" else 0),
        byte_writes=bytes_written,
        has_index=d.index != NO_REGISTER,
        has_displacement=d.has_displacement,
        has_immediate=d.has_immediate and "j" not in kinds,
        accesses=tuple(accesses),
        base=d.base,
        index=d.index,
        scale=d.scale,
        displacement=d.displacement + (wide if mnemonic == "pop" and d.base == 4 else 0),
        segment=d.default_segment if d.segment is None else d.segment,
        address16=d.address16,
        source=source,
        immediate=d.immediate,
        immediate_size=d.immediate_size,
        condition=opcode & 15,
        control=d.modrm >> 3 & 7 if d.modrm >= 0 else 0,
        head=d.head,
        displacement_size=d.displacement_size,
    )


def _operand(d: _Decoder, code: str, width: int) -> tuple[str, int]:
    """Kind and register number of one operand; reads the bytes it takes."""
    head = code[0]
    if code in _NAMES:
        return ("a", 0) if code in ("al", "eax") else (code, NO_REGISTER)
    if code == "1":
        return "1", NO_REGISTER
    if head in "EM":
        d.read_modrm()
        return ("r", d.modrm & 7) if d.modrm >> 6 == 3 else ("m", NO_REGISTER)
    if head == "G":
        d.read_modrm()
        return "r", d.modrm >> 3 & 7
    if head == "Z":
        return "r", d.code[d.at - 1] & 7
    if head == "I":
        d.read_immediate(width)
        return "i", NO_REGISTER
    if head == "J":
        d.read_immediate(width)
        return "j", NO_REGISTER
    if head == "A":
        d.read_immediate(width)
        return "p", NO_REGISTER
    if head == "O":
        d.displacement_size = 2 if d.address16 else 4
        d.displacement = d.number(d.displacement_size)
        d.has_displacement = True
        d.components += 1
        return "o", NO_REGISTER
    if head == "S":
        if len(code) > 1 and code[1] == "w":
            d.read_modrm()
        return "s", NO_REGISTER
    d.read_modrm()  # C, D: the register is in ModRM.reg; R: in r/m
    return ("r", d.modrm & 7) if head == "R" else (head.lower(), NO_REGISTER)


def _stack_accesses(mnemonic: str, wide: int) -> list[Access]:
    if mnemonic in _ONE_PUSH:
        return [Access(AT_PUSH, WRITE, wide)]
    if mnemonic in _ONE_POP:
        return [Access(AT_POP, READ, wide)]
    many = {
        "pusha": Access(AT_PUSH, WRITE, 8 * wide),
        "popa": Access(AT_POP, READ, 8 * wide),
        "callf": Access(AT_PUSH, WRITE, 2 * wide),
        "retf": Access(AT_POP, READ, 2 * wide),
        "leave": Access(AT_EBP, READ, wide),
    }
    return [many[mnemonic]] if mnemonic in many else []


def _decode_string(d: _Decoder, name: str) -> Decoded:
    mnemonic = name[:-1]
    size = 1 if name[-1] == "b" else 2 if d.operand16 else 4
    accesses = {
        "movs": (Access(AT_ESI, READ, size), Access(AT_EDI, WRITE, size)),
        "cmps": (Access(AT_ESI, READ, size), Access(AT_EDI, READ, size)),
        "stos": (Access(AT_EDI, WRITE, size),),
        "scas": (Access(AT_EDI, READ, size),),
        "lods": (Access(AT_ESI, READ, size),),
    }[mnemonic]
    reads, writes, bytes_written = _IMPLICIT[mnemonic]
    if mnemonic in ("stos", "scas") and size > 1:
        reads |= EAX
    if mnemonic == "lods":
        writes, bytes_written = (writes, EAX) if size == 1 else (writes | EAX, 0)
    if d.rep:
        reads, writes = reads | ECX, writes | ECX
    return Decoded(
        mnemonic=mnemonic,
        operands=(),
        length=d.at,
        components=d.components,
        size=size,
        prefixes=d.prefixes,
        rep=d.rep,
        reads=reads,
        writes=writes,
        byte_writes=bytes_written,
        accesses=accesses,
        segment=_DS if d.segment is None else d.segment,
        address16=d.address16,
    )


def _decode_x87(d: _Decoder, opcode: int) -> Decoded | None:
    d.read_modrm()
    found = decode_x87(opcode, d.modrm)
    if found is None:
        return None
    mnemonic, form, size, use = found
    memory = d.modrm < 0xC0
    address = 0
    if memory:
        address |= 0 if d.base == NO_REGISTER else 1 << d.base
        address |= 0 if d.index == NO_REGISTER else 1 << d.index
    return Decoded(
        mnemonic=mnemonic,
        operands=(form, "m") if memory else (form,),
        length=d.at,
        components=d.components,
        size=size,
        prefixes=d.prefixes,
        address_registers=address,
        reads=address,
        writes=EAX if form == "ax" else 0,
        has_index=d.index != NO_REGISTER,
        has_displacement=d.has_displacement,
        accesses=(Access(AT_MODRM, use, size),) if memory else (),
        base=d.base,
        index=d.index,
        scale=d.scale,
        displacement=d.displacement,
        segment=d.default_segment if d.segment is None else d.segment,
        address16=d.address16,
    )


def unknown(length: int) -> Decoded:
    """An instruction without a row: only its length is known."""
    return Decoded("(unknown)", (), length, length, 4, known=False)
