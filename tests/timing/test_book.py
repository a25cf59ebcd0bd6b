"""Clocks by the books, form by form (80386 Programmer's Reference Manual; i486 manual, appendix E).

Written down here again, apart from the table that the machine reads: what a form is charged alone, from the
caches, aligned, without what depends on values. "-": the CPU has no such instruction.
"""

from __future__ import annotations

import pytest

from emu.timing import rules
from emu.timing.cost import (
    ADDRESS16,
    IMMEDIATE_MULTIPLIER,
    MEMORY_SOURCE,
    POPS_SEGMENT,
    SIGNED,
    Cost,
    Kind,
    cost,
)
from emu.timing.decode import decode, unknown
from emu.timing.profiles import PROFILES

#: bytes: clocks of the i386 and of the i486, of a conditional one those of both outcomes.
BOOK = """
mov      89c8 2 1     8b03 4 1      8903 2 1     b905000000 2 1   c60305 2 1    c70305000000 2 1
mov      a100000300 4 1  a300000300 2 1  b005 2 1   a000000300 4 1  a200000300 2 1
segment  8cd8 2 3     8c1b 2 3      8ed8 18 9    8e1b 19 9        1e 2 3        1f 21 9           c503 22 12
extend   0fb6c1 3 3   0fb603 6 3    0fbfc1 3 3   0fbe03 6 3       98 3 3        99 2 3            0fc8 - 1
stack    50 2 1       6a05 2 1      ff33 5 4     58 4 1           8f03 5 6      60 18 11          61 24 9
stack    9c 4 3       9d 5 6        c9 4 5       c8000000 10 14   c8000001 12 17  c8000003 23 26
address  8d03 2 1     8d0400 2 2    8d4304 2 1   8d440304 2 2
exchange 87c8 3 3     91 3 3        8703 5 5     d7 5 4           0fc1c8 - 3    0fc103 - 4        0fb1c8 - 6
flags    9f 2 3       9e 3 2        f8 2 2       f9 2 2           f5 2 2        fc 2 2            fd 2 2
flags    fa 3 5       fb 3 5        90 3 1       f4 5 4           0f06 5 7
alu      01c8 2 1     0303 6 2      0103 7 3     83c005 2 1       0500010000 2 1  830305 7 3
alu      81c000010000 2 1
alu      11c8 2 1     1303 6 2      1103 7 3     29c8 2 1         2b03 6 2      2903 7 3          19c8 2 1
alu      21c8 2 1     2303 6 2      2103 7 3     09c8 2 1         0903 7 3      31c8 2 1          3103 7 3
compare  39c8 2 1     3b03 6 2      3903 5 2     83f805 2 1       833b05 5 2    85c8 2 1          8503 5 2
compare  a801 2 1     a901000000 2 1  f6c101 2 1  f60301 5 2
unary    40 2 1       48 2 1        fec0 2 1     ff03 6 3         fe0b 6 3      f7d0 2 1          f713 6 3
unary    f7d8 2 1     f71b 6 3
divide   f6f1 14 16   f633 17 16    66f7f1 22 24  66f733 25 24    f7f1 38 40    f733 41 40        f6f9 19 19
divide   f63b 22 20   66f7f9 27 27  66f73b 30 28  f7f9 43 43      f73b 46 44
shift    d1e0 3 3     d123 7 4      c1e004 3 2   c12304 7 4       d3e0 3 3      d323 7 4          c0c805 3 2
shift    d1f8 3 3     d328 7 4      d1d0 9 3     d113 10 4        d1d8 9 3
double   0fa4c804 3 2  0fa40b04 7 3  0fa5c8 3 3  0fa50b 7 4       0facc804 3 2  0fad0b 7 4
bits     0fa3c8 3 3   0fa30b 12 8   0fbae005 3 3  0fba2305 6 3    0fabc8 6 6    0fab0b 13 13      0fba2b05 8 8
bits     0fbaf005 6 6  0fb30b 13 13  0fba3b05 8 8  0fbbc8 6 6
setcc    0f94c0 4:4 3:4  0f9503 5:5 4:3
jump     eb00 7 3     e900000000 7 3  ffe0 7 5   ff23 10 5        ea000000000800 27 19  ff2b 31 18
call     e800000000 7 3  ffd0 7 5   ff13 10 5    9a000000000800 34 20  ff1b 38 20
return   c3 10 5      c20400 10 5   cb 32:68 17:35  cf 38:82 20:36
branch   7400 3:7 1:3  0f8400000000 3:7 1:3  e300 5:9 5:8  e200 11:11 6:7  e100 11:11 6:9  e000 11:11 6:9
strings  a4 7 7       a5 7 7        aa 4 5       ad 5 5           af 7 6        a6 10 8
port     e480 6:26 9:29  ec 7:27 8:28  e680 4:24 11:31  ee 5:25 10:30
decimal  37 4 3       3f 4 3        27 4 2       2f 4 2           d40a 17 15    d50a 19 14
tables   0f0113 11 12  0f011b 11 12  0f0103 9 10  0f00d0 20 11    0f00d8 23 20  0f00c0 2 2        0f0003 2 3
tables   0f01f0 10 13  0f01e0 2 2   0f0123 3 3   0f00e0 10 11     0f00e8 15 11  63c8 20 9         6308 21 9
control  0f20c0 6 4   0f20d8 6 4    0f22c0 10 17  0f22d0 4 4      0f22d8 5 4    0f21c0 22 9       0f23c0 22 10
control  0f21f0 14 9   0f23f8 16 10
control  0f08 - 4     0f09 - 5      0f013b - 11:12  0fa2 - 9:14   ce 3:0 3:2
bound    620b 10 7
x87      d903 - 3     dd03 - 3      db2b - 6     d9c1 - 4         d913 - 7      dd13 - 8          ddd1 - 3
x87      d91b - 7     dd1b - 8      db3b - 6     ddd9 - 3         df03 - 14     db03 - 11         df2b - 16
x87      df13 - 33    db13 - 32     df1b - 33    db1b - 33        df3b - 33     d803 - 10         dc03 - 10
x87      d8c1 - 10    d823 - 10     d8e1 - 10    d82b - 10        d8e9 - 10     de03 - 24         da03 - 22
x87      da23 - 22    da2b - 22     d80b - 11    dc0b - 14        d8c9 - 16     de0b - 25         da0b - 23
x87      d833 - 73    dc3b - 73     d8f1 - 73    def9 - 73        de33 - 87     da3b - 85         dec1 - 10
x87      d813 - 4     dc1b - 4      d8d1 - 4     d8d9 - 4         ded9 - 5      de13 - 18         da1b - 16
x87      dde1 - 4     dde9 - 4      dae9 - 5     d9e4 - 4         d9e5 - 8      d9ee - 4          d9e8 - 4
x87      d9e9 - 8     d9ea - 8      d9eb - 8     d9ec - 8         d9ed - 8      d9e1 - 3          d9e0 - 6
x87      d9c9 - 4     d9fa - 85     d9fc - 29    d9fd - 31        d9f4 - 19     d9f8 - 84         d9f5 - 94
x87      d9fe - 241   d9ff - 241    d9fb - 291   d9f2 - 244       d9f3 - 289    d9f0 - 242        d9f1 - 311
x87      d9f9 - 313   dbe3 - 17     dbe2 - 7     dfe0 - 3         dd3b - 3      d92b - 4          d93b - 3
x87      d923 - 34    d933 - 56     dd23 - 120   dd33 - 143       d9f7 - 3      d9f6 - 3          ddc1 - 3
x87      d9d0 - 3     df23 - 75     df33 - 175   9b 6 1
newer    0f40c8 - -   0f31 - -      dac1 - -     0f77 - -
"""


def forms() -> dict[str, tuple[str, str]]:
    found = {}
    for line in BOOK.split("\n"):
        words = line.split()[1:]
        for code, i386, i486 in zip(words[::3], words[1::3], words[2::3], strict=True):
            found[code] = (i386, i486)
    return found


FORMS = forms()


def charged(code: bytes, profile: str) -> Cost:
    return cost(decode(code) or unknown(len(code)), PROFILES[profile])


@pytest.mark.parametrize("code", FORMS)
def test_clocks(code: str) -> None:
    for profile, text in zip(("i386", "i486-ideal"), FORMS[code], strict=True):
        c = charged(bytes.fromhex(code), profile)
        if text == "-":
            assert not c.known
            assert (c.base, c.taken, c.fixed) == (0, 0, rules.UNKNOWN_CLOCKS)
            continue
        first, _, second = text.partition(":")
        assert c.known
        assert (c.base, c.taken) == (int(first), int(second or first)), profile


#: bytes: the i386's penalty for an index; the i486's for that, a displacement and immediate, prefixes.
PENALTIES = {
    "8b03": (0, 0, 0, 0), "8b0400": (1, 1, 0, 0), "8b048500000300": (0, 1, 0, 0), "8d0400": (1, 0, 0, 0),
    "8d048500000300": (0, 0, 0, 0), "c6430405": (0, 0, 1, 0), "c70500000300ffffffff": (0, 0, 1, 0),
    "c60305": (0, 0, 0, 0), "83441b0405": (1, 1, 1, 0), "894304": (0, 0, 0, 0), "66b80100": (0, 0, 0, 1),
    "678b07": (0, 0, 0, 1), "678b00": (1, 1, 0, 1), "648b03": (0, 0, 0, 1), "f00103": (0, 0, 0, 1),
    "266667a5": (0, 0, 0, 3),
    "f3a4": (0, 0, 0, 0), "a300000300": (0, 0, 0, 0), "d80443": (0, 1, 0, 0), "c8040000": (0, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("code", PENALTIES)
def test_penalties(code: str) -> None:
    i386, *i486 = PENALTIES[code]
    c = charged(bytes.fromhex(code), "i386")
    assert (c.index, c.disp_imm, c.prefix) == (i386, 0, 0)
    for profile in ("i486", "i486-ideal"):
        c = charged(bytes.fromhex(code), profile)
        assert [c.index, c.disp_imm, c.prefix] == i486
        assert c.fixed == c.base + sum(i486)


#: bytes: what is added to by the value, and what is charged beside it, on the i386 and on the i486.
VALUES = {
    "f7e1": (Kind.MULTIPLY, 6, 10), "f723": (Kind.MULTIPLY, 9, 10), "0fafc8": (Kind.MULTIPLY, 6, 10),
    "6bc805": (Kind.MULTIPLY, 6, 10), "660faf03": (Kind.MULTIPLY, 9, 10), "f6eb": (Kind.MULTIPLY, 6, 10),
    "0fbcc1": (Kind.BSF, 0, 0), "0fbd03": (Kind.BSR, 0, 1), "d323": (Kind.PLAIN, 7, 4),
    "d3d0": (Kind.ROTATE, 9, 0), "d313": (Kind.ROTATE, 10, 1), "c1d004": (Kind.PLAIN, 9, 12),
    "c11b14": (Kind.PLAIN, 10, 29), "c1d01f": (Kind.PLAIN, 9, 30),
    "f3a4": (Kind.REP, 0, 0), "f2ae": (Kind.REP, 0, 0), "0fb10b": (Kind.CMPXCHG, 0, 10),
    "cd80": (Kind.INT, 0, 0),
    "cc": (Kind.INT, 0, 0), "f1": (Kind.INT, 0, 0), "0f22d8": (Kind.FLUSH, 5, 4),
    "0f22e0": (Kind.FLUSH, 0, 0),
    "0f22d0": (Kind.PLAIN, 4, 4), "8ed8": (Kind.SEGMENT, 18, 9), "1f": (Kind.SEGMENT, 21, 9),
}  # fmt: skip


@pytest.mark.parametrize("code", VALUES)
def test_clocks_that_depend_on_values(code: str) -> None:
    kind, i386, i486 = VALUES[code]
    for profile, base in (("i386", i386), ("i486-ideal", i486)):
        c = charged(bytes.fromhex(code), profile)
        if c.known and not (profile == "i386" and kind is Kind.ROTATE):
            assert c.kind is kind
        assert c.base == base, profile


def test_what_the_values_of_operands_are() -> None:
    flags = {code: charged(bytes.fromhex(code), "i486").flags for code in (*VALUES, "a4", "67aa")}
    signed = {code for code, found in flags.items() if found & SIGNED}
    assert signed == {"0fafc8", "6bc805", "660faf03", "f6eb"}
    assert {code for code, found in flags.items() if found & IMMEDIATE_MULTIPLIER} == {"6bc805"}
    assert {code for code, found in flags.items() if found & POPS_SEGMENT} == {"1f"}
    assert {code for code, found in flags.items() if found & ADDRESS16} == {"67aa"}
    memory = {"f723", "660faf03", "0fbd03", "d323", "d313", "c11b14", "0fb10b"}
    assert {code for code, found in flags.items() if found & MEMORY_SOURCE} == memory


@pytest.mark.parametrize(
    ("code", "miss"),
    [
        ("8b03", 2), ("a4", 2), ("f3a4", 4), ("ac", 2), ("f3ac", 2), ("ae", 2), ("f2ae", 4), ("a6", 3),
        ("f3a6", 3), ("aa", 0), ("f3aa", 0),
    ],
)  # fmt: skip
def test_what_a_read_that_misses_costs(code: str, miss: int) -> None:
    assert charged(bytes.fromhex(code), "i486").read_miss == miss


@pytest.mark.parametrize(
    ("name", "i386", "i486"),
    [
        ("movs", (5, 9, 13), (5, 13, 18)), ("stos", (5, 10, 15), (5, 11, 15)),
        ("lods", (5, 10, 15), (5, 11, 15)),
        ("cmps", (5, 14, 23), (5, 14, 21)), ("scas", (5, 13, 21), (5, 12, 17)),
    ],
)  # fmt: skip
def test_repeated_strings(name: str, i386: tuple[int, ...], i486: tuple[int, ...]) -> None:
    for table, clocks in ((rules.REP_I386, i386), (rules.REP_I486, i486)):
        assert tuple(table[name].clocks(n) for n in range(3)) == clocks


def test_rules() -> None:
    assert [rules.rotate_carry(n) for n in (0, 1, 21, 22, 23, 31, 33)] == [8, 9, 29, 30, 30, 30, 9]
    assert [rules.enter(n) for n in (0, 1, 2, 3, 31, 32)] == [14, 17, 23, 26, 110, 14]
    assert [rules.enter(n, i386=True) for n in (0, 1, 2, 3, 31)] == [10, 12, 19, 23, 135]
    assert [rules.bsr(n) for n in (0, 1, 2, 1 << 31)] == [6, 103, 100, 10]
    assert [rules.bsr(n, i386=True) for n in (0, 1, 1 << 31)] == [10, 103, 10]
    assert rules.bsr(1, i386=True, bits=16) == 55
    assert [rules.bsf(n) for n in (0, 1, 2, 8, 16, 128, 256, 1 << 31)] == [
        6,
        18,
        21,
        27,
        21,
        30,
        22,
        42,
    ]
    assert [rules.bsf(n, i386=True) for n in (0, 1, 2, 1 << 31)] == [10, 10, 13, 103]
    assert [rules.multiply(n) for n in (0, 1, 8, 9, -1, -32, -33, 1 << 31)] == [
        3,
        3,
        3,
        4,
        5,
        5,
        6,
        31,
    ]
    assert [rules.multiply(n, i386=True) for n in (0, -1, 8, 9, -9)] == [3, 3, 3, 4, 4]
    assert [rules.crossings(0x1000 + n, 4) for n in range(4)] == [0, 1, 1, 1]
    assert [rules.crossings(0x1000 + n, 2) for n in range(4)] == [0, 0, 0, 1]
    assert [rules.crossings(0x1000 + n, 8) for n in range(4)] == [0, 2, 2, 2]
    assert [rules.crossings(0x1000 + n, 10) for n in range(4)] == [0, 2, 2, 3]
    assert [rules.crossings(0x1000 + n, 1) for n in range(4)] == [0, 0, 0, 0]
    assert [rules.code_miss(n, sequential=False) for n in (0, 1, 2, 3, 4, 5)] == [2, 2, 3, 4, 5, 5]
    assert rules.code_miss(4, sequential=True) == 3
    assert [rules.walk(n, bits) for n, bits in ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2))] == [
        9,
        11,
        13,
        21,
        28,
    ]
    assert [rules.share(17, n, 5) for n in (0, 1, 3, 5)] == [0, 4, 11, 17]
    assert rules.share(17, 0, 0) == 0


@pytest.mark.parametrize(
    ("cpu", "direction", "clocks"),
    [
        ("i486", 0, [(10, 32), (18, 38), (26, 46)]), ("i486", 1, [(10, 32), (16, 36), (21, 41)]),
        ("i386", 0, [(9, 29), (13, 33), (19, 39)]), ("i386", 1, [(8, 28), (11, 31), (16, 36)]),
    ],
)  # fmt: skip
def test_strings_of_ports(cpu: str, direction: int, clocks: list[tuple[int, int]]) -> None:
    """Alone, one and two repeated; with and without the privilege."""
    rule = rules.STRING_IO[cpu][direction]
    found = [
        tuple(rule.clocks(n, repeated=repeated, outer=outer) for outer in (False, True))
        for n, repeated in ((1, False), (1, True), (2, True))
    ]
    assert found == clocks


@pytest.mark.parametrize(
    ("profile", "clocks"), [("i486", (71, 95, 82, 44, 68)), ("i386", (99, 99, 99, 59, 59))]
)
def test_gates(profile: str, clocks: tuple[int, ...]) -> None:
    p = PROFILES[profile]
    assert clocks == (
        p.gate(inward=True),
        p.gate(inward=True, page_fault=True),
        p.gate(inward=True, external=True),
        p.gate(inward=False),
        p.gate(inward=False, page_fault=True),
    )
