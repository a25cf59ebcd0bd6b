"""From bytes to what the timing rules ask of an instruction: its form, and what it reads and writes.

Nothing here knows a clock. Registers are bit masks (bit 0 = EAX ... bit 7 = EDI).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from emu.record import dataclass
from emu.timing.instruction_bytes import NO_REGISTER, InstructionBytes, ShortError
from emu.timing.uses import (
    EAX,
    EBP,
    EBX,
    ECX,
    EDX,
    ESP,
    IMPLICIT,
    ON_STACK,
    ONE_POP,
    ONE_PUSH,
    STRINGS,
    USES,
    Implicit,
)
from emu.timing.x87 import READ, RMW, WRITE, decode_x87

#: Where a memory operand is: ModRM or a bare offset; the stack; ESI, EDI; [EBP]; [EBX+AL]; a bit string.
AT_MODRM, AT_PUSH, AT_POP, AT_ESI, AT_EDI, AT_EBP, AT_XLAT, AT_BIT = range(8)
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_ES, _SS, _DS = 0, 2, 3
_NAMES = {"al": EAX, "eax": EAX, "cl": ECX, "dx": EDX}


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
        """Whether it has an explicit memory operand, a moffs included."""
        return "m" in self.operands or "o" in self.operands


def _width(code: str, operand16: bool) -> int:
    """Bytes of an operand code such as Ev."""
    kind = code[1:2]
    fixed = {"b": 1, "w": 2, "d": 4, "q": 8, "s": 6, "n": 0}.get(kind)
    if fixed is not None:
        return fixed
    wide = 2 if operand16 else 4
    return {"p": wide + 2, "a": 2 * wide}.get(kind, wide)


@lru_cache(maxsize=1 << 15)
def decode(code: bytes) -> Decoded | None:
    """The instruction at the start of `code`; None when the map has none (or the bytes end)."""
    try:
        return _decode(InstructionBytes(code))
    except ShortError:
        return None


def _decode(d: InstructionBytes) -> Decoded | None:
    opcode, entry = d.opcode()
    if entry is None:
        return None
    mnemonic, operands = entry
    if mnemonic == "x87":
        return _decode_x87(d, opcode)
    if mnemonic[:-1] in STRINGS and mnemonic[-1] in "bv":
        return _decode_string(d, mnemonic)
    uses = USES.get(mnemonic, "-" * len(operands))
    if mnemonic == "imul":
        uses = {1: "r", 2: "mr", 3: "wr-"}[len(operands)]
    uses = uses.ljust(len(operands), "-")[: len(operands)]
    implicit = IMPLICIT.get(mnemonic, Implicit())
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
    if mnemonic in ON_STACK:
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
        writes=writes & ~(ESP if mnemonic in ON_STACK and mnemonic != "pop" else 0),
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


def _operand(d: InstructionBytes, code: str, width: int) -> tuple[str, int]:
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
    if mnemonic in ONE_PUSH:
        return [Access(AT_PUSH, WRITE, wide)]
    if mnemonic in ONE_POP:
        return [Access(AT_POP, READ, wide)]
    many = {
        "pusha": Access(AT_PUSH, WRITE, 8 * wide),
        "popa": Access(AT_POP, READ, 8 * wide),
        "callf": Access(AT_PUSH, WRITE, 2 * wide),
        "retf": Access(AT_POP, READ, 2 * wide),
        "leave": Access(AT_EBP, READ, wide),
    }
    return [many[mnemonic]] if mnemonic in many else []


def _decode_string(d: InstructionBytes, name: str) -> Decoded:
    mnemonic = name[:-1]
    size = 1 if name[-1] == "b" else 2 if d.operand16 else 4
    accesses = {
        "movs": (Access(AT_ESI, READ, size), Access(AT_EDI, WRITE, size)),
        "cmps": (Access(AT_ESI, READ, size), Access(AT_EDI, READ, size)),
        "stos": (Access(AT_EDI, WRITE, size),),
        "scas": (Access(AT_EDI, READ, size),),
        "lods": (Access(AT_ESI, READ, size),),
    }[mnemonic]
    reads, writes, bytes_written = IMPLICIT[mnemonic]
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


def _decode_x87(d: InstructionBytes, opcode: int) -> Decoded | None:
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
