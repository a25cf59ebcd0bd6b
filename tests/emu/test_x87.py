"""The x87 unit: its two forms against each other, and through the engine.

test_x87_host.py compares it with a processor.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from emu.cpu import load_native
from emu.descriptors import SEG_ACCESSED, SEG_WRITABLE, pack_segment
from emu.machine import Stop
from emu.x87.execute import execute
from emu.x87.state import FPU_SIZE, Fpu
from emu.x87.unit import Outcome
from tests.emu.bare import DATA, SPARE, UCODE_AT, Bare, asm
from tests.emu.x87_cases import Case, cases

DRIVERS = ["native", "python"]
IN, OUT, OPERAND = DATA, DATA + 0x8000, DATA + 0x10000
SLOT = 0x80
BP, NM, PF, MF = 3, 7, 14, 16


class NativeInsn(ctypes.Structure):
    """struct x87_insn."""

    _fields_ = (
        *((n, ctypes.c_uint8) for n in ("op", "modrm")),
        *((n, ctypes.c_uint16) for n in ("cs", "ds")),
        *((n, ctypes.c_uint32) for n in ("ip", "dp", "eflags")),
        ("operand", ctypes.c_uint8 * 16),
    )


class NativeResult(ctypes.Structure):
    """struct x87_result."""

    _fields_ = (
        *(("sig", ctypes.c_uint64), ("se", ctypes.c_uint16), ("unused", ctypes.c_uint16 * 3)),
        ("stored", ctypes.c_uint8 * 16),
        *((n, ctypes.c_uint8) for n in ("size", "carries", "fixes")),
    )


def native_execute() -> Callable[[Case], tuple[Any, ...]]:
    module = load_native()
    if module is None:
        pytest.skip("no native hooks here: nothing to compare the Python ones with")
    call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(module.x87_execute)

    def run(case: Case) -> tuple[Any, ...]:
        image = ctypes.create_string_buffer(case.image, FPU_SIZE)
        i, out = case.insn, NativeResult()
        insn = NativeInsn(i.op, i.modrm, i.cs, i.ds, i.ip, i.dp, i.eflags)
        insn.operand[: len(i.operand)] = i.operand
        outcome = Outcome(call(image, ctypes.byref(insn), ctypes.byref(out)))
        stored = bytes(out.stored[: out.size])
        after = case.image if outcome is Outcome.ENGINE else Fpu(image.raw).image()
        carrier = (out.sig, out.se) if out.carries and not out.fixes else None
        return outcome, after, stored, carrier, bool(out.fixes)

    return run


def python_execute(case: Case) -> tuple[Any, ...]:
    f = case.f
    outcome, unit = execute(f, case.insn)
    image = case.image if outcome is Outcome.ENGINE else f.image()
    carrier = None if unit.fixes else unit.carrier
    return outcome, image, unit.stored, carrier, unit.fixes


@pytest.mark.parametrize("seed", range(1, 5))
def test_both_forms_are_one(seed: int) -> None:
    run = native_execute()
    for case in cases(seed, 5_000):
        mine, other = python_execute(case), run(case)
        assert mine == other, (case.insn, case.f.words(), case.f.regs)


def tag_word(f: Fpu) -> int:
    return f.words()[2]


def frstor_image(f: Fpu) -> bytes:
    words = (f.control, f.status_word, tag_word(f), f.ip, f.cs | f.opcode << 16, f.dp, f.ds)
    data = b"".join(word.to_bytes(4, "little") for word in words)
    for n in range(8):
        sig, exp = f.regs[f.top + n & 7]
        data += sig.to_bytes(8, "little") + exp.to_bytes(2, "little")
    return data


def empties(tags: int) -> int:
    """Of a full tag word, what is empty."""
    return sum(3 << 2 * n for n in range(8) if tags >> 2 * n & 3 == 3)


def program(case: Case, slot: int) -> bytes:
    """FRSTOR; set EFLAGS; the instruction; FNSAVE."""

    def at(address: int) -> bytes:
        return address.to_bytes(4, "little")

    i = case.insn
    operand = at(OPERAND + 16 * slot) if i.modrm < 0xC0 else b""
    return (
        b"\x68"
        + at(i.eflags)
        + b"\xdd\x25"
        + at(IN + SLOT * slot)
        + b"\x9d"
        + bytes((i.op, i.modrm))
        + operand
        + b"\xdd\x35"
        + at(OUT + SLOT * slot)
    )


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_the_engine_ends_where_the_unit_does(driver: str, timing: str) -> None:
    """Numbers, flags, tags, pointers and what is stored, for whatever the unit does."""
    wanted = 2_000 if driver == "native" else 250
    batch = 200
    usable = (c for c in cases(99, 10 * wanted) if python_execute(c)[0] is not Outcome.ENGINE)
    while wanted > 0:
        group = list(islice(usable, batch))
        b = Bare(native=driver == "native", timing=timing)
        starts, code = [], b""
        for slot, case in enumerate(group):
            b.ram.write(IN + SLOT * slot, frstor_image(case.f))
            b.ram.write(OPERAND + 16 * slot, case.insn.operand.ljust(16, b"\xaa"))
            starts.append(b.cpu.eip + len(code) + 12)
            code += program(case, slot)
        event = b.run(code + b"\xcc", until=1 << 40)
        assert (event.stop, event.value) == (Stop.TRAP, 3)
        for slot, case in enumerate(group):
            check_saved(b, slot, case, starts[slot])
        wanted -= batch


def check_saved(b: Bare, slot: int, case: Case, ip: int) -> None:
    case.insn.ip, case.insn.cs, case.insn.ds = ip, 0x1B, 0x23
    case.insn.dp = OPERAND + 16 * slot
    f = case.f
    outcome, unit = execute(f, case.insn)
    wanted = bytearray(frstor_image(f))
    data = bytearray(b.ram.read(OUT + SLOT * slot, len(wanted)))
    saved_tags = int.from_bytes(data[8:10], "little")
    data[8:10] = empties(saved_tags).to_bytes(2, "little")
    for upper in (2, 6, 10, 26):
        wanted[upper : upper + 2] = b"\xff\xff"
    assert data == wanted, (case.insn, case.f.words(), data.hex(" ", 4), wanted.hex(" ", 4))
    operand = b.ram.read(OPERAND + 16 * slot, 16)
    stored = unit.stored if outcome is Outcome.STORE else case.insn.operand
    assert operand == stored + case.insn.operand.ljust(16, b"\xaa")[len(stored) :], case


def bare(driver: str) -> Bare:
    return Bare(native=driver == "native")


NE = 0x20


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("waiting", ["fld1", "fwait", "fldcw 0x30000", "fstps 0x30100", "fxch"])
def test_an_exception_is_reported_by_the_next_instruction_that_waits(
    driver: str, waiting: str
) -> None:
    b = bare(driver)
    b.cpu.set_cr(0, b.cpu.cr0 | NE)
    b.ram.write(DATA, b"\x5f\x03")  # all masked but the inexact result
    b.code(f"fninit; fldcw 0x30000; fld1; fldpi; fdivrp; fnstsw %ax; nop; {waiting}; int3")
    assert b.trap().vector == MF
    assert b.cpu.eax & 0x80A0 == 0x80A0  # B, ES and PE
    assert b.cpu.retired == 7


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("silent", ["fnstsw 0x30100", "fnstcw 0x30100", "fnclex", "fninit", "nop"])
def test_the_others_do_not_report(driver: str, silent: str) -> None:
    b = bare(driver)
    b.cpu.set_cr(0, b.cpu.cr0 | NE)
    b.ram.write(DATA, b"\x5f\x03")
    b.code(f"fninit; fldcw 0x30000; fld1; fldpi; fdivrp; {silent}; int3")
    assert b.trap().vector == BP


@pytest.mark.parametrize("driver", DRIVERS)
def test_unmasking_an_old_exception_reports_it(driver: str) -> None:
    b = bare(driver)
    b.cpu.set_cr(0, b.cpu.cr0 | NE)
    b.ram.write(DATA, b"\x5f\x03")
    b.code("fninit; fld1; fldpi; fdivrp; fldcw 0x30000; fnstsw %ax; fwait; int3")
    assert b.trap().vector == MF
    assert b.cpu.eax & 0x80A0 == 0x80A0


@pytest.mark.parametrize("driver", DRIVERS)
def test_without_an_fpu_it_is_not_looked_at(driver: str) -> None:
    """CR0.TS: the instruction traps, whatever is pending."""
    b = bare(driver)
    b.ram.write(DATA, b"\x5f\x03")
    b.cpu.set_cr(0, b.cpu.cr0 | NE)
    b.code("fninit; fldcw 0x30000; fld1; fldpi; fdivrp; int3; fld1")
    assert b.trap().vector == BP
    eip = b.frame().eip
    b.ring3()
    b.cpu.eip = eip
    b.cpu.set_cr(0, b.cpu.cr0 | 8)
    assert b.trap().vector == NM


STORES = {
    "fstps": ("40490fda", 4),
    "fstpl": ("400921fb54442d18", 8),
    "fistpl": ("00000003", 4),
    "fbstp": ("00000000000000000003", 10),
    "fstpt": ("4000c90fdaa22168c234", 10),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("store", sorted(STORES))
def test_a_store_that_faults_leaves_the_number(driver: str, store: str) -> None:
    """What the engine was given to store in its place is gone; the retry stores the right thing."""
    b = bare(driver)
    b.page(0x41000, 0x41000 | 5)
    b.ram.write(DATA, b"\x7f\x0f")  # round towards zero
    b.code(f"fninit; fldcw 0x30000; fldpi; {store} 0x41000; int3")
    fault = b.trap()
    assert fault.vector == PF
    assert b.cpu.fpu_state()[70:80] == bytes.fromhex("34c26821a2da0fc90040")
    retry = b.frame(error_code=True).eip
    b.page(0x41000, 0x41000 | 7)
    b.ring3()
    b.cpu.eip = retry
    assert b.trap().vector == BP
    number, size = STORES[store]
    assert b.ram.read(0x41000, size)[::-1].hex() == number


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("text", "address", "selector"),
    [
        ("flds 0x30104", 0x30104, 0x23),
        ("flds (%ebx)", 0x30104, 0x23),
        ("flds 4(%ebx)", 0x30108, 0x23),
        ("flds 0x100(%ebx,%ecx,4)", 0x30210, 0x23),
        ("flds -4(%ebp)", 0x9FFFC, 0x23),
        ("flds (%esp)", 0xA0000, 0x23),
        ("flds (,%ecx,8)", 0x18, 0x23),
        ("flds %gs:(%ebx)", 0x30104, 0x33),
        (b"\x67\xd9\x07", 0x2000, 0x23),  # flds (%bx)
        (b"\x67\xd9\x42\xfc", 0x9FFF & 0xFFFF, 0x23),
        (b"\x67\xd9\x06\x34\x12", 0x1234, 0x23),
    ],
)
def test_the_operand_is_found(driver: str, text: str | bytes, address: int, selector: int) -> None:
    """Every form of address; FDP is an offset, the selector the segment's."""
    b = bare(driver)
    data = SEG_WRITABLE | SEG_ACCESSED
    gs = b.descriptor(SPARE // 8, pack_segment(0x1000, 0xFFFFFFFF, data, dpl=3)) | 3
    b.cpu.ebx, b.cpu.ecx, b.cpu.ebp, b.cpu.edi, b.cpu.esi = 0x30104, 3, 0xA0000, 0, 0
    b.cpu.eax = gs
    if isinstance(text, bytes):
        b.cpu.ebx, b.cpu.ebp, b.cpu.edi, b.cpu.esi = 0x52000, 0x56FA0, 0x52000, 0x53063
        if text[1:3] == b"\xd9\x42":
            address = 0x6FA0 + 0x3063 - 4
    insn = asm(text) if isinstance(text, str) else text
    b.run(asm("mov %eax, %gs; fninit") + insn + asm("fnstenv 0x30200; int3"))
    assert b.word(DATA + 0x214) == address
    assert b.word(DATA + 0x218) & 0xFFFF == selector


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_environment_goes_round(driver: str) -> None:
    """FLDENV, FXRSTOR and FXSAVE keep the last instruction, operand and opcode; FNINIT forgets them."""
    b = bare(driver)
    b.cpu.set_cr(4, b.cpu.cr4 | 0x200)
    b.run(
        "fninit; flds 0x30000; fnstenv 0x30100; fxsave 0x30400; fninit; fnstenv 0x30200;"
        "fldenv 0x30100; fnstenv 0x30300; fninit; fxrstor 0x30400; fnstenv 0x30380; int3"
    )
    words = [
        [b.word(DATA + at + 4 * n) for n in range(3, 7)] for at in (0x100, 0x200, 0x300, 0x380)
    ]
    assert words[0] == [UCODE_AT + 2, 0x1B | 0x105 << 16, DATA, 0xFFFF0023]
    assert words[1] == [0, 0, 0, 0xFFFF0000]
    assert words[2] == words[3] == words[0]


@pytest.mark.parametrize("driver", DRIVERS)
def test_stepping_is_running(driver: str) -> None:
    """The same in single steps, with the state looked at behind each."""
    text = "fninit; fldpi; fldln2; fdivp; fsts 0x30000; fprem; fistpl 0x30004; fnsave 0x30100; int3"
    whole, stepped = bare(driver), bare(driver)
    whole.run(text)
    stepped.code(text)
    while not stepped.deliveries:
        stepped.machine.step()
        assert len(stepped.cpu.fpu_state()) == 224
    assert stepped.state() == whole.state()
    assert stepped.cpu.fpu_state() == whole.cpu.fpu_state()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("operation", "status", "result"),
    [
        ("fld1; fsin", 0x20, "3ffed76aa47848677021"),
        ("fld1; fcos", 0x20, "3ffe8a51407da8345c92"),
        ("fld1; fsincos; fstp %st", 0x20, "3ffed76aa47848677021"),
        ("fldl2e; fptan; fstp %st", 0x20, "4001f86f363edb18e7dd"),
        ("fld1; fld1; fpatan", 0x20, "3ffec90fdaa22168c235"),
        ("fld1; fldl2t; fyl2x", 0x20, "3fffddb2dbec0456f846"),
        ("fld1; fldlg2; fyl2xp1", 0x20, "3ffdc26209d9c3f33238"),
        ("fldlg2; f2xm1", 0x20, "3ffced979e2b4429fa81"),
        ("fldpi; fsin", 0x20, "bfbf8000000000000000"),
        ("fldt 0x30000; fsin", 0x400, "403e8000000000000000"),
        ("fldt 0x30010; fsin", 0x20, "bffee0ab9300da6d2684"),
    ],
)
def test_functions(driver: str, operation: str, status: int, result: str) -> None:
    """As a processor has them: to the last bit, with an angle reduced by a pi of 66 bits."""
    b = bare(driver)
    b.ram.write(DATA, bytes.fromhex("00000000000000803e40"))
    b.ram.write(DATA + 16, bytes.fromhex("ffffffffffffffff3dc0"))
    b.run(f"fninit; {operation}; fnstsw %ax; fstpt 0x30100; int3")
    assert b.cpu.eax & 0x43F == status
    assert b.ram.read(DATA + 0x100, 10)[::-1].hex() == result


MMX = [
    "pxor %mm0, %mm0",
    "movq 0x30010, %mm1",
    "emms",
    "cvtpi2ps %mm0, %xmm0",
    "cvttps2pi 0x30010, %mm0",
]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("mmx", MMX)
def test_mmx_reports(driver: str, mmx: str) -> None:
    b = bare(driver)
    b.cpu.set_cr(0, b.cpu.cr0 | NE)
    b.cpu.set_cr(4, b.cpu.cr4 | 0x600)
    b.ram.write(DATA, b"\x5f\x03")
    b.code(asm(f"fninit; fldcw 0x30000; fldpi; fstps 0x30100; {mmx}; int3"))
    assert b.trap().vector == MF
    assert b.cpu.retired == 4


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("silent", ["cvtpi2ps 0x30010, %xmm0", "movd %eax, %xmm0", "nop"])
def test_what_touches_no_mmx_register_does_not(driver: str, silent: str) -> None:
    """Natively neither does CVTPI2PS of memory."""
    b = bare(driver)
    b.cpu.set_cr(0, b.cpu.cr0 | NE)
    b.cpu.set_cr(4, b.cpu.cr4 | 0x600)
    b.ram.write(DATA, b"\x5f\x03")
    b.code(asm(f"fninit; fldcw 0x30000; fldpi; fstps 0x30100; {silent}; int3"))
    assert b.trap().vector == BP


@pytest.mark.parametrize("driver", DRIVERS)
def test_without_ne_nothing_is_reported(driver: str) -> None:
    b = bare(driver)
    b.cpu.set_cr(0, b.cpu.cr0 & ~NE)
    b.ram.write(DATA, b"\x5f\x03")
    b.code("fninit; fldcw 0x30000; fld1; fldpi; fdivrp; fldpi; int3")
    assert b.trap().vector == BP


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("load", ["fldenv", "frstor"])
def test_word_sized_environment(driver: str, load: str) -> None:
    """16 bits of each pointer, no opcode (SDM vol. 1, figure 8-11); natively the same."""
    b = bare(driver)
    store = {"fldenv": "fnstenv", "frstor": "fnsave"}[load]
    b.ram.write(DATA, struct.pack("<f", 3.5).ljust(0x100, b"\xcc"))
    text = asm("fninit; fld1; flds 0x30000") + b"\x66" + asm(f"{store} 0x30010; fninit; fldpi")
    b.run(text + b"\x66" + asm(f"{load} 0x30010; fnsave 0x30100; int3"))
    words = struct.unpack("<7H", b.ram.read(DATA + 0x10, 14))
    assert words == (0x37F, 0x3000, 0x0FFF, UCODE_AT + 4 & 0xFFFF, 0x1B, DATA & 0xFFFF, 0x23)
    size = 94 if load == "frstor" else 14
    assert b.ram.read(DATA + 0x10 + size, 2) == b"\xcc\xcc"
    loaded = [b.word(DATA + 0x100 + 4 * n) for n in range(7)]
    assert loaded[:3] == [0xFFFF037F, 0xFFFF3000, 0xFFFF0FFF]
    assert loaded[3:] == [UCODE_AT + 4 & 0xFFFF, 0x1B, DATA & 0xFFFF, 0xFFFF0023]
    if load == "frstor":
        assert b.ram.read(DATA + 0x100 + 28, 10) == bytes.fromhex("00000000000000e00040")
