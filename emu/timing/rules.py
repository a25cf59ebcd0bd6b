"""The timing rules, one function each: its number in docs/timing.md, and where it comes from.

Numbers are clocks. Data that the rules take (base clocks) are in emu.timing.tables.
"""

from __future__ import annotations

from typing import NamedTuple

#: The ledger's rules that instructions are charged under, in the order of EngineState and C.
INSTRUCTION_RULES = (
    "base",
    "agi",
    "index",
    "disp+imm",
    "prefix",
    "byte register",
    "misaligned",
    "multiply",
    "rep",
    "descriptor",
    "l1 data",
    "l1 code",
    "write buffer",
    "tlb",
    "unknown",
)
RULE = {name: number for number, name in enumerate(INSTRUCTION_RULES)}

#: An instruction without a row: charged this, and counted. Ours: about the mean of the table.
UNKNOWN_CLOCKS = 10
#: Setting a descriptor's Accessed bit (Intel 80486 manual, appendix E, note).
ACCESSED_CLOCKS = 11
#: Extra of a page fault and of an external interrupt over the bare gate (i486 manual; recollected).
PAGE_FAULT_CLOCKS, EXTERNAL_CLOCKS = 24, 11
#: L1 (rule 11): a read that misses; a read-modify-write that misses (i486 manual, appendix E).
READ_MISS, RMW_MISS = 2, 6
#: A segment load whose descriptor misses (i486 manual, appendix E).
SEGMENT_MISS = 3
#: Per missed line of a string instruction (i486 manual, appendix E, notes 16-19), by REP or not.
STRING_MISS = {"movs": (2, 4), "lods": (2, 2), "scas": (2, 4), "cmps": (3, 3), "stos": (0, 0)}
#: A missed line of sequential code: 2.6 measured (Abrash, listing 12.2 unrolled), 3 charged.
SEQUENTIAL_CODE_MISS = 3
#: TLB (rule 13): a walk; each of its two entries that misses L1; A and D bits to write (none, 1, 2).
WALK, WALK_LINE = 9, 2
WALK_UPDATES = (0, 8, 15)
#: The bus is busy so long with one store; so many stores can wait (i486 data sheet; bus 2-1-2).
STORE_CLOCKS, WRITE_BUFFERS = 2, 4
INVLPG_HIT, INVLPG_MISS = 12, 11
#: What a gate or IRET adds when all it touches misses L1: (same privilege, other privilege).
GATE_MISS, IRET_MISS = (6, 17), (11, 19)


class Rep(NamedTuple):
    """Clocks of a repeated string instruction: n = 0, n = 1, else `start` + `each` * n."""

    none: int
    one: int
    start: int
    each: int

    def clocks(self, n: int) -> int:
        """Rule 9 (i486 manual, appendix E; 80386 manual): n iterations were done."""
        if n == 0:
            return self.none
        return self.one if n == 1 else self.start + self.each * n


NO_REP = Rep(0, 0, 0, 0)
REP_I486 = {
    "movs": Rep(5, 13, 12, 3),
    "stos": Rep(5, 11, 7, 4),
    "lods": Rep(5, 11, 7, 4),
    "cmps": Rep(5, 14, 7, 7),
    "scas": Rep(5, 12, 7, 5),
}
REP_I386 = {
    "movs": Rep(5, 9, 5, 4),
    "stos": Rep(5, 10, 5, 5),
    "lods": Rep(5, 10, 5, 5),
    "cmps": Rep(5, 14, 5, 9),
    "scas": Rep(5, 13, 5, 8),
}


class StringIo(NamedTuple):
    """INS or OUTS: alone, and repeated `start` + `each` * n; for CPL <= IOPL, and beyond."""

    alone: tuple[int, int]
    start: tuple[int, int]
    each: int

    def clocks(self, n: int, *, repeated: bool, outer: bool) -> int:
        """n elements were moved (80386 and i486 manuals)."""
        return self.start[outer] + self.each * n if repeated else self.alone[outer]


#: By CPU; input, then output.
STRING_IO = {
    "i486": (StringIo((10, 32), (10, 30), 8), StringIo((10, 32), (11, 31), 5)),
    "i386": (StringIo((9, 29), (7, 27), 6), StringIo((8, 28), (6, 26), 5)),
}


def ceil_log2(value: int) -> int:
    """Smallest n with 2**n >= value; 0 for 0 and 1."""
    return max(value - 1, 0).bit_length()


def multiply(m: int, *, i386: bool = False) -> int:
    """Rule 8, clocks beside the constant: the multiplier's size (i486 manual, appendix E, note 11).

    i486: 10 + this, 3 at least for m >= 0, 5 for m < 0. i386: 6 + this, 3 at least.
    """
    least = 5 if m < 0 and not i386 else 3
    return max(ceil_log2(abs(m)), least)


MULTIPLY_I486, MULTIPLY_I386 = 10, 6


def bsf(source: int, *, i386: bool = False) -> int:
    """BSF of a register (i486 manual, notes 12 and 13: zero bytes, nibbles and bits that are skipped).

    How the skipped parts are counted is inferred; it reproduces the documented maximum of 42.
    """
    if i386:
        return 10 + 3 * _trailing_zeros(source)
    if not source:
        return 6
    zeros = _trailing_zeros(source)
    return 8 + 4 * (zeros // 8 + 1) + 3 * (zeros % 8 // 4 + 1) + 3 * (zeros % 4 + 1)


def _trailing_zeros(value: int) -> int:
    return (value & -value).bit_length() - 1 if value else 0


def bsr(source: int, *, i386: bool = False, bits: int = 32) -> int:
    """BSR of a register (80386 manual; i486 manual, appendix E)."""
    top = source.bit_length() - 1
    if i386:
        return 10 + 3 * (bits - 1 - top if source else 0)
    return 7 + 3 * (32 - top) if source else 6


def rotate_carry(count: int) -> int:
    """RCL and RCR by CL or an immediate: the manual says 8 to 30 and not how. Ours: 8 + the count."""
    return min(8 + (count & 31), 30)


def enter(level: int, *, i386: bool = False) -> int:
    """ENTER by nesting level (80386 and i486 manuals)."""
    level &= 31
    if level < 2:
        return ((10, 12) if i386 else (14, 17))[level]
    return 15 + 4 * (level - 1) if i386 else 17 + 3 * level


def crossings(address: int, size: int) -> int:
    """Rule 7: how many of an access's dwords cross a dword boundary."""
    skew = address & 3
    count = 0
    for at in range(0, size, 4):
        count += skew + min(4, size - at) > 4
    return count


def code_miss(dwords: int, *, sequential: bool) -> int:
    """Rule 11 for code: a line that follows, or a jump's target, whose first instruction needs `dwords`.

    2 to 5 clocks for a jump's: 2 for the first dword of the line fill, 1 for each further one.
    """
    return SEQUENTIAL_CODE_MISS if sequential else 1 + min(max(dwords, 1), 4)


def walk(missed_lines: int, updates: int) -> int:
    """Rule 13: a TLB miss (Liedtke: 9; i486 manual: 13, 21, 28; the interpolation is ours)."""
    return WALK + WALK_LINE * missed_lines + WALK_UPDATES[updates]


def share(full: int, missed: int, touched: int) -> int:
    """The part of a documented all-miss penalty for `missed` of `touched` lines, rounded up. Ours."""
    return -(-full * missed // touched) if touched else 0
