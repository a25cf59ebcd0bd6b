"""What one decoded instruction costs under a profile, as far as its bytes alone say it.

`Cost` is the static part; what depends on values (taken or not, the multiplier, iterations, addresses)
is named by its `kind` and added by the model when the instruction runs.
"""

from __future__ import annotations

from enum import IntEnum

from emu.record import dataclass
from emu.timing import rules, tables
from emu.timing.decode import Access, Decoded
from emu.timing.instruction_bytes import NO_REGISTER
from emu.timing.profiles import Profile


class Kind(IntEnum):
    """What an instruction's clocks depend on. `taken` is charged where `base` would be."""

    PLAIN = 0
    BRANCH = 1  # on whether the next instruction is somewhere else
    JUMP = 2  # always somewhere else
    MULTIPLY = 3  # on the multiplier
    BSF = 4
    BSR = 5
    SETCC = 6  # on the flags
    CMPXCHG = 7  # on whether they are equal
    REP = 8  # on iterations
    ROTATE = 9  # RCL, RCR by CL
    IO = 10  # on CPL > IOPL
    SEGMENT = 11  # on the descriptor's Accessed bit
    IRET = 12  # on whether CPL changes
    RETF = 13
    INT = 14  # the gate is charged when it is taken
    INTO = 15
    CPUID = 16
    INVLPG = 17
    FLUSH = 18  # MOV CR0, CR3 or CR4: the TLB is empty afterwards


MEMORY_SOURCE, SIGNED, IMMEDIATE_MULTIPLIER, PLUS_M, ADDRESS16, POPS_SEGMENT = (
    1 << n for n in range(6)
)

_BRANCHES = frozenset(("jcc", "loop", "loope", "loopne", "jecxz"))
_JUMPS = frozenset(("jmp", "call", "ret", "jmpf", "callf"))
_KINDS = {
    **dict.fromkeys(_BRANCHES, Kind.BRANCH),
    **dict.fromkeys(_JUMPS, Kind.JUMP),
    **dict.fromkeys(("mul", "imul"), Kind.MULTIPLY),
    **dict.fromkeys(("in", "out"), Kind.IO),
    **dict.fromkeys(("int", "int3", "int1"), Kind.INT),
    "bsf": Kind.BSF,
    "bsr": Kind.BSR,
    "setcc": Kind.SETCC,
    "into": Kind.INTO,
    "iret": Kind.IRET,
    "retf": Kind.RETF,
    "cpuid": Kind.CPUID,
    "invlpg": Kind.INVLPG,
}


@dataclass(slots=True)
class Cost:
    """Clocks and the operands that the model looks at. See Decoded for the masks."""

    decoded: Decoded
    kind: Kind = Kind.PLAIN
    flags: int = 0
    base: int = 0
    taken: int = 0
    index: int = 0
    disp_imm: int = 0
    prefix: int = 0
    unknown: int = 0
    rep: rules.Rep = rules.NO_REP
    read_miss: int = rules.READ_MISS
    accesses: tuple[Access, ...] = ()
    row: str = ""
    confidence: str = "-"

    @property
    def fixed(self) -> int:
        """Clocks when nothing dynamic is added and no branch is taken."""
        return self.base + self.index + self.disp_imm + self.prefix + self.unknown

    @property
    def known(self) -> bool:
        """Whether it has a row in the table; else it is charged UNKNOWN_CLOCKS."""
        return not self.unknown


def cost(d: Decoded, p: Profile) -> Cost:
    """What is known of an instruction's clocks before it runs; its Kind says what is added then."""
    c = Cost(d, accesses=d.accesses)
    c.kind = _kind(d, p)
    if d.memory:
        c.flags |= MEMORY_SOURCE
    if d.address16:
        c.flags |= ADDRESS16
    if not d.known or not _clocks(c, p):
        c.kind, c.unknown = Kind.PLAIN, rules.UNKNOWN_CLOCKS
        c.base = c.taken = 0
        return c
    _penalties(c, p)
    return c


def _kind(d: Decoded, p: Profile) -> Kind:
    if d.rep and d.mnemonic in p.rep:
        return Kind.REP
    if d.mnemonic == "cmpxchg":
        return Kind.CMPXCHG if d.memory else Kind.PLAIN
    if d.mnemonic in ("rcl", "rcr") and d.operands[1] == "cl" and not p.i386:
        return Kind.ROTATE
    if d.mnemonic in ("mov", "pop") and d.operands[0] == "s":
        return Kind.SEGMENT
    if d.mnemonic == "mov" and d.operands[0] == "c":
        return Kind.FLUSH if d.control != 2 else Kind.PLAIN
    if d.mnemonic in ("lds", "les", "lfs", "lgs", "lss"):
        return Kind.PLAIN
    return _KINDS.get(d.mnemonic, Kind.PLAIN)


def _clocks(c: Cost, p: Profile) -> bool:
    """Base and taken clocks from the table; False when it has no row."""
    d = c.decoded
    if c.kind == Kind.INT:
        return True
    if d.mnemonic == "enter":
        c.base = c.taken = rules.enter(d.immediate, i386=p.i386)
        return True
    name = tables.mnemonic_of(d)
    found = [tables.rows(p.cpu).get((name, form)) for form in tables.forms(d)]
    if None in found:
        return False
    base_row, taken_row = found
    assert base_row is not None
    assert taken_row is not None
    c.row, c.confidence = f"{base_row.mnemonic} {base_row.form}", base_row.confidence
    # Of two numbers the second is a memory operand's, or that of DR6 and DR7.
    choice = 1 if d.memory or ("d" in d.operands and d.control > 5) else 0
    base, taken = tables.number(base_row.clocks, choice), tables.number(taken_row.clocks, choice)
    if c.kind == Kind.IO:
        base, taken = (tables.number(base_row.clocks, n) for n in (0, 1))
    if base is None or taken is None:
        return False
    c.base, c.taken = base, taken
    if "+m" in taken_row.clocks:
        c.flags |= PLUS_M
    _dynamic(c, p)
    return True


def _dynamic(c: Cost, p: Profile) -> None:
    """What is left of `base` where a formula does the rest."""
    d = c.decoded
    match c.kind:
        case Kind.MULTIPLY:
            c.base = rules.MULTIPLY_I386 if p.i386 else rules.MULTIPLY_I486
            c.base += 3 if p.i386 and d.memory else 0
            if d.mnemonic == "imul":
                c.flags |= SIGNED
            if len(d.operands) == 3:
                c.flags |= IMMEDIATE_MULTIPLIER
        case Kind.REP:
            c.rep, c.base = p.rep[d.mnemonic], 0
        case Kind.BSF | Kind.BSR:
            c.base = 1 if d.memory and not p.i386 else 0
        case Kind.ROTATE:
            c.base = 1 if d.memory else 0
        case Kind.CPUID:
            c.taken = 14  # EAX = 1; 9 otherwise
        case Kind.INTO:
            c.taken = 0 if p.i386 else 2  # INT + 2; the gate is charged when it is taken
        case Kind.INVLPG:
            c.base, c.taken = rules.INVLPG_MISS, rules.INVLPG_HIT
        case Kind.SEGMENT if d.mnemonic == "pop":
            c.flags |= POPS_SEGMENT
        case _:
            pass
    if d.mnemonic in ("rcl", "rcr") and d.operands[1] == "i" and not p.i386:
        c.base = rules.rotate_carry(d.immediate) + (1 if d.memory else 0)
    if d.mnemonic in rules.STRING_MISS:
        c.read_miss = rules.STRING_MISS[d.mnemonic][d.rep]


def _penalties(c: Cost, p: Profile) -> None:
    """What the form alone costs: index (3), displacement with immediate (4), prefixes (5)."""
    d = c.decoded
    if d.has_index and (d.mnemonic != "lea" or p.i386):  # LEA's row already holds it
        both = d.base != NO_REGISTER
        c.index = p.index if both or not p.i386 else 0
    if d.memory and d.has_displacement and d.has_immediate:
        c.disp_imm = p.disp_imm
    c.prefix = p.prefix * d.prefixes
