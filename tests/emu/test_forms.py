"""Forms of instructions that the engine gets wrong, against the right form or the manual (SDM vol. 2)."""

from __future__ import annotations

from itertools import product

import pytest
from bare import DATA, KCODE_AT, UCODE_AT, Bare, asm

INT80 = b"\xcd\x80"
PUSHF_POP_EBX = b"\x9c\x5b"
ARITHMETIC = 0x8D5  # CF PF AF ZF SF OF
CF, SF = 1, 0x80
OSFXSR = 0x200

pytestmark = [
    pytest.mark.parametrize("native", [True, False], ids=["native", "python"]),
    pytest.mark.parametrize("timing", ["off", "i486", "i386"]),
]


def finish(bare: Bare, *, stepped: bool = False) -> Bare:
    """Run to the first trap."""
    while not bare.deliveries:
        if stepped:
            bare.machine.step()
        else:
            bare.run()
    return bare


def outcome(
    code: bytes, native: bool, timing: str, stepped: bool = False, word: int = 0
) -> tuple[int, ...]:
    """Registers, flags, memory, instructions and cycles behind this, with CF set before it."""
    bare = Bare(native=native, timing=timing)
    bare.cpu.edi, bare.cpu.eax = DATA, 0x8765FEDC
    bare.ram.write32(DATA, word)
    bare.code(b"\xf9" + code + PUSHF_POP_EBX + INT80)
    finish(bare, stepped=stepped)
    assert bare.deliveries[0].vector == 0x80
    kept = (bare.cpu.eax, bare.cpu.ebx & ARITHMETIC, bare.ram.read32(DATA))
    return (*kept, bare.cpu.retired, bare.machine.clock.cycles)


TESTS = [
    bytes.fromhex(form)
    for form in ("f60f7f", "f6c87f", "f6cc80", "f70fff00ff00", "f7c800000080", "66f70f0180", "67f60d05")
]  # fmt: skip


@pytest.mark.parametrize("stepped", [False, True], ids=["whole", "stepped"])
@pytest.mark.parametrize("form", TESTS, ids=bytes.hex)
def test_the_second_opcode_of_test(form: bytes, stepped: bool, native: bool, timing: str) -> None:
    at = form.index(0xF6 if 0xF6 in form else 0xF7) + 1
    known = form[:at] + bytes((form[at] & ~0x38,)) + form[at + 1 :]
    for word in (0, 1, 0x80, 0xFFFFFFFF, 0x80008000):
        found = outcome(form, native, timing, stepped, word)
        assert found == outcome(known, native, timing, False, word)


@pytest.mark.parametrize("digit", range(8))
def test_the_second_opcode_of_the_byte_group(digit: int, native: bool, timing: str) -> None:
    for modrm in (0xC0, 0x07):
        body = bytes((modrm | digit << 3, 0x9A))
        found = outcome(b"\x82" + body, native, timing, word=0x66)
        assert found == outcome(b"\x80" + body, native, timing, word=0x66)


def test_neither_test_nor_neg_of_a_register_may_be_locked(native: bool, timing: str) -> None:
    for code in ("f0f60f01", "f0f7c801000000", "f0f7d8", "f082f801"):
        assert finish(started(bytes.fromhex(code), native, timing)).deliveries[0].vector == 6


def started(code: bytes, native: bool, timing: str, *, ring: int = 3, model: str = "max") -> Bare:
    bare = Bare(native=native, timing=timing, model=model)
    if ring == 0:
        bare.ring0()
    bare.cpu.edi = DATA
    bare.code(code + INT80)
    return bare


NEGS = [bytes.fromhex(form) for form in ("f0f71f", "f0f61f", "66f0f71f", "f064f71f", "f036f71f")]


@pytest.mark.parametrize("stepped", [False, True], ids=["whole", "stepped"])
@pytest.mark.parametrize("form", NEGS, ids=bytes.hex)
def test_lock_neg_has_the_flags_of_neg(
    form: bytes, stepped: bool, native: bool, timing: str
) -> None:
    plain = form.replace(b"\xf0", b"")
    for word in (0, 1, 2, 0x10, 0x80, 0xFF, 0x8000, 0x80000000, 0x7FFFFFFF, 0xFFFFFFF0):
        locked = outcome(form, native, timing, stepped, word)
        alone = outcome(plain, native, timing, stepped, word)
        assert locked[:4] == alone[:4]
        assert locked[4] - alone[4] == (1 if timing == "i486" else 0)  # a prefix is a clock there


def test_lock_neg_that_faults_leaves_everything(native: bool, timing: str) -> None:
    bare = started(b"\xf9\xf0\xf7\x1f", native, timing)
    bare.page(DATA, DATA | 5)
    trap = finish(bare).deliveries[0]
    assert (trap.vector, trap.error_code, trap.cr2, trap.eip) == (14, 7, DATA, UCODE_AT + 1)
    assert bare.frame(error_code=True).eflags & ARITHMETIC == CF
    assert bare.ram.read(UCODE_AT, 4) == b"\xf9\xf0\xf7\x1f"


def test_a_shown_form_that_crosses_a_page(native: bool, timing: str) -> None:
    for code, length in ((b"\xf0\xf7\x1f", 3), (b"\xf7\x0f\x01\x00\x00\x00", 6)):
        for before in range(1, length):
            bare = Bare(native=native, timing=timing)
            at = UCODE_AT + 0x1000 - before
            bare.page(UCODE_AT + 0x1000, 0x50000 | 7)  # not the frame behind it
            bare.ram.write(at, code[:before])
            bare.ram.write(0x50000, code[before:] + INT80)
            bare.cpu.eip, bare.cpu.edi = at, DATA
            bare.ram.write32(DATA, 1)
            assert finish(bare).deliveries[0].vector == 0x80
            assert bare.ram.read32(DATA) == (0xFFFFFFFF if length == 3 else 1)


SETTERS = ("xorl %eax,%eax", "movl $0x7fffffff,%eax; addl $0x1,%eax", "subl $0x1,%ecx; stc",
           "movb $0x9,%al; addb $0x9,%al", "movl $0x80000000,%eax; addl %eax,%eax")  # fmt: skip
COMPARES = [b"\xdb\xf1", b"\xdb\xe9", b"\xdf\xf1", b"\xdf\xe9"]


@pytest.mark.parametrize("stepped", [False, True], ids=["whole", "stepped"])
@pytest.mark.parametrize("compare", COMPARES, ids=bytes.hex)
def test_fcomi_clears_the_flags_that_it_does_not_set(
    compare: bytes, stepped: bool, native: bool, timing: str
) -> None:
    """OF, SF and AF: SDM vol. 2, FCOMI, which agrees with the processor."""
    for setter, (push, flags) in product(
        SETTERS, ((b"\xd9\xe8\xd9\xee", CF), (b"\xd9\xee\xd9\xe8", 0), (b"\xd9\xee" * 2, 0x40))
    ):
        bare = started(b"", native, timing)
        bare.code(b"\xdb\xe3" + push + asm(setter) + compare + PUSHF_POP_EBX + INT80)
        assert finish(bare, stepped=stepped).cpu.ebx & ARITHMETIC == flags


def test_fcomi_that_is_refused_leaves_the_flags(native: bool, timing: str) -> None:
    bare = started(asm("movl $0x80000000,%eax; addl %eax,%eax") + b"\xdb\xf1", native, timing)
    bare.cpu.set_cr(0, bare.cpu.cr0 | 8)  # TS
    assert finish(bare).deliveries[0].vector == 7
    assert bare.frame().eflags & ARITHMETIC == 0x845  # CF PF ZF OF


@pytest.mark.parametrize(
    ("ring", "number"), [*product((0, 3), (1, 5, 6, 7)), *product((3,), (0, 2, 3, 4))]
)
@pytest.mark.parametrize("opcode", [0x20, 0x22], ids=["from", "to"])
def test_control_registers_that_there_are_not(
    opcode: int, number: int, ring: int, native: bool, timing: str
) -> None:
    """#UD comes before #GP for the privilege."""
    code = bytes((0x0F, opcode, 0xC1 | number << 3))
    trap = finish(started(code, native, timing, ring=ring)).deliveries[0]
    start = UCODE_AT if ring == 3 else KCODE_AT
    assert (trap.vector, trap.eip) == (6 if number in (1, 5, 6, 7) else 13, start)


@pytest.mark.parametrize(
    ("model", "ring", "vector"),
    [("max", 3, 13), ("max", 0, 13), ("pentium3", 3, 13), ("pentium", 3, 6), ("486", 0, 6)],
)
def test_rdpmc(model: str, ring: int, vector: int, native: bool, timing: str) -> None:
    """In ring 3 only with CR4.PCE, and an index that names no counter is #GP in any ring."""
    bare = finish(started(b"\x0f\x33", native, timing, ring=ring, model=model))
    assert (bare.deliveries[0].vector, bare.cpu.retired) == (vector, 0)


@pytest.mark.parametrize("code", [b"\x0f\x01\xd0", b"\x0f\x01\xd1"], ids=["xgetbv", "xsetbv"])
@pytest.mark.parametrize("ring", [0, 3])
def test_xgetbv_waits_for_osxsave(code: bytes, ring: int, native: bool, timing: str) -> None:
    """#UD with CR4.OSXSAVE = 0, and CPUID says that it cannot be set."""
    bare = started(code, native, timing, ring=ring)
    assert finish(bare).deliveries[0].vector == 6
    asked = finish(started(asm("movl $0x1,%eax; cpuid"), native, timing))
    assert asked.cpu.ecx >> 26 & 3 == 0  # XSAVE, OSXSAVE


@pytest.mark.parametrize("digit", range(1, 8))
def test_pop_has_one_opcode(digit: int, native: bool, timing: str) -> None:
    for modrm in (0xC0, 0x07):
        bare = finish(started(bytes((0x8F, modrm | digit << 3)), native, timing))
        assert (bare.deliveries[0].vector, bare.frame().esp) == (6, 0xA0000)


def faults(code: bytes, native: bool, timing: str) -> tuple[int, ...]:
    """Vector, error code and CR2 of what this ends with; EDI is at DATA, and the next page is not there."""
    bare = started(code, native, timing)
    bare.page(DATA + 0x1000, 0)
    trap = finish(bare).deliveries[0]
    assert trap.vector == 0x80 or trap.eip == UCODE_AT
    return trap.vector, trap.error_code, trap.cr2


#: Absent forms of MMX, SSE and two groups, which an AMD EPYC refuses; Intel's manual has none of them.
ABSENT = (
    "c6c801 c6f801 c7c801000000 c7fe01000000 660f12c1 660f16c1 0f5007 660f5007 0f711701 660f722701 0f733701 "
    "660f733f01 660f784000 660f790f f20f790f f20f7807 660fae07 f30fae07 f20fae17 660faee8 f30faef0 0fba0701 "
    "0fba1f01 660fc307 f20fc307 f30fc307 f20fd607 f30fd607 0ff707 660ff707 f3660ffd07 66f20f6fc1"
)


@pytest.mark.parametrize("form", ABSENT.split())
def test_a_form_that_there_is_not_is_undefined(form: str, native: bool, timing: str) -> None:
    assert faults(bytes.fromhex(form), native, timing)[0] == 6


def test_an_absent_form_is_undefined_whatever_its_operand_is(native: bool, timing: str) -> None:
    for form in ("ff3d00000010", "0fba250000001001", "0fba2d0000001001", "0fba0d0000001001"):
        code = bytes.fromhex(form)
        exists = code[:2] == b"\x0f\xba" and code[2] >> 3 & 7 >= 4
        assert faults(code, native, timing)[0] == (14 if exists else 6)


def test_a_group_has_its_first_form(native: bool, timing: str) -> None:
    assert outcome(b"\xc7\xc0\x01\0\0\0", native, timing)[0] == 1
    assert outcome(b"\xc6\x07\x05", native, timing)[2] == 5


def xmm0(code: str, native: bool, timing: str) -> bytes:
    """What this leaves in XMM0, of 16 bytes of 1.0, 2.0, 3.0, 4.0, and of 2.0 four times in XMM1."""
    bare = started(b"", native, timing)
    bare.cpu.set_cr(4, bare.cpu.cr4 | OSFXSR)
    ones, twos = b"\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", b"\0\0\0\x40" * 4
    bare.ram.write(DATA, ones + twos)
    store = b"\x0f\x11\x47\x20"  # movups %xmm0, 32(%edi)
    bare.code(b"\x0f\x10\x07\x0f\x10\x4f\x10" + bytes.fromhex(code) + store + INT80)
    assert finish(bare).deliveries[0].vector == 0x80
    return bytes(bare.ram.read(DATA + 32, 16))


def test_a_predicate_has_three_bits(native: bool, timing: str) -> None:
    for form in ("0fc2c1", "660fc2c1", "f30fc24710", "f20fc28710000000", "0fc2443c00"):
        for predicate in (8, 0x41, 0xFF):
            known = xmm0(f"{form}{predicate & 7:02x}", native, timing)
            assert xmm0(f"{form}{predicate:02x}", native, timing) == known


def test_of_two_prefixes_that_choose_the_last_repeat_does(native: bool, timing: str) -> None:
    for both, one in (
        ("66f30f10c1", "f30f10c1"),
        ("f3660f10c1", "f30f10c1"),
        ("f3f20f10c1", "f20f10c1"),
        ("f266f30f58c1", "f30f58c1"),
        ("66f33e0f5cc1", "f30f5cc1"),
        ("66f30fc2c109", "f30fc2c101"),
    ):
        assert xmm0(both, native, timing) == xmm0(one, native, timing)


def test_a_hint_about_a_register_does_nothing(native: bool, timing: str) -> None:
    for form in (b"\x0f\x18\xc0", b"\x0f\x18\xd9", b"\xf3\x0f\x18\xc8"):
        nop = form.replace(b"\x18", b"\x1f")
        assert outcome(form, native, timing)[:4] == outcome(nop, native, timing)[:4]


def test_a_decimal_number_is_asked_for_from_its_start(native: bool, timing: str) -> None:
    for code, word in (("dfa700100000", 4), ("dfb700100000", 6), ("dfa7fa0f0000", 4)):
        start = DATA + int.from_bytes(bytes.fromhex(code)[2:], "little")
        expected = (14, word, max(start, DATA + 0x1000))
        assert faults(bytes.fromhex(code), native, timing) == expected
    bare = started(bytes.fromhex("df37"), native, timing)
    bare.page(DATA, DATA | 5)
    trap = finish(bare).deliveries[0]
    assert (trap.vector, trap.error_code, trap.cr2) == (14, 7, DATA)
