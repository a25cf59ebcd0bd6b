"""SSE's flags, exceptions, FTZ and DAZ: both forms of the unit against each other, and through the engine.

test_x87_host.py compares them with a processor.
"""

from __future__ import annotations

import ctypes
import random
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from emu.cpu import load_native
from emu.machine import Stop
from emu.x87 import sse
from emu.x87.convert import DOUBLE, SINGLE, Small
from emu.x87.float80 import PE
from emu.x87.sse import DAZ, FTZ, PD, PS, SD, SS, SseInsn
from tests.emu.bare import DATA, Bare, asm

DRIVERS = ["native", "python"]
PREFIXES = {PS: b"\x3e", PD: b"\x66", SS: b"\xf3", SD: b"\xf2"}
OSFXSR, OSXMMEXCPT = 0x200, 0x400
UD, XM, PF = 6, 19, 14
SLOT = 0x50


class NativeSse(ctypes.Structure):
    """struct sse_insn."""

    _fields_ = (
        *((n, ctypes.c_uint8) for n in ("op", "form", "predicate", "whole")),
        ("mxcsr", ctypes.c_uint32),
        *((n, ctypes.c_uint8 * 16) for n in ("a", "b", "r")),
    )


def element(r: random.Random, f: Small) -> int:
    sign, frac = r.getrandbits(1), r.getrandbits(f.frac)
    exp = f.bias + r.randrange(-4, 4)
    match r.randrange(14):
        case 0:
            exp, frac = 0, 0
        case 1:
            exp, frac = f.top, 0
        case 2:
            exp, frac = f.top, frac | 1 << f.frac - 1
        case 3:
            exp, frac = f.top, frac >> 1 | 1
        case 4 | 5:
            exp = 0
        case 6:
            exp = 1 + r.randrange(2 * f.frac)
        case 7:
            exp = f.top - 1 - r.randrange(40)
        case 8:
            exp = f.bias + r.randrange(28, 34)
        case 9:
            exp, frac = f.bias + r.randrange(8), 0
        case 10:
            exp = f.bias + r.choice((90, -100)) + r.randrange(40 if f is DOUBLE else 20)
    return (sign * (f.top + 1) | exp) << f.frac | frac


def register(r: random.Random, f: Small) -> bytes:
    size = 8 if f is DOUBLE else 4
    return b"".join(element(r, f).to_bytes(size, "little") for _ in range(16 // size))


def instructions(seed: int) -> Iterator[SseInsn]:
    """Without end; for the same seed always the same. Everything is masked."""
    r = random.Random(seed)
    operations = sorted(sse.OPERATIONS)
    while True:
        op, form = r.choice(operations), r.randrange(4)
        if not sse.source_size(op, form):
            continue
        mxcsr = 0x1F80 | r.randrange(4) << 13 | r.choice((0, 0, DAZ, FTZ, DAZ | FTZ))
        f = DOUBLE if op == 0xE6 or (form in (PD, SD) and op != 0x5B) else SINGLE
        a, b = register(r, f), register(r, f)
        if (op == 0x2A or (op, form) in ((0x5B, PS), (0xE6, SS))) and r.randrange(4):
            b = b"".join(
                struct.pack("<i", r.getrandbits(32) - (1 << 31) >> r.randrange(32))
                for _ in range(4)
            )
        yield SseInsn(op, form, r.randrange(8), mxcsr, a, b)


@pytest.mark.parametrize("seed", range(1, 4))
def test_both_forms_are_one(seed: int) -> None:
    module = load_native()
    if module is None:
        pytest.skip("no native hooks here: nothing to compare the Python ones with")
    call = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)(module.sse_execute)
    for n, insn in enumerate(islice(instructions(seed), 6_000)):
        if n & 1:
            insn.mxcsr ^= 0x80 << n % 6  # one is not masked
        native = NativeSse(insn.op, insn.form, insn.predicate, 0, insn.mxcsr)
        native.a[:], native.b[:] = insn.a, insn.b
        other: Any = call(ctypes.byref(native)), bytes(native.r) if native.whole else None
        assert sse.execute(insn) == other, insn


def bare(driver: str, timing: str = "off") -> Bare:
    b = Bare(native=driver == "native", timing=timing)
    b.cpu.set_cr(4, b.cpu.cr4 | OSFXSR | OSXMMEXCPT)
    return b


def program(insn: SseInsn, slot: int, *, memory: bool) -> bytes:
    """LDMXCSR; load XMM0, XMM1, ECX or MM1; the instruction; store XMM0 and MXCSR."""
    at = [(DATA + SLOT * slot + 16 * n).to_bytes(4, "little") for n in range(5)]
    code = (
        b"\x0f\xae\x15"
        + at[0]
        + b"\x0f\x10\x05"
        + at[1]
        + b"\x0f\x10\x0d"
        + at[2]
        + (b"\x0f\x6f\x0d" if insn.op == 0x2A and insn.form in (PS, PD) else b"\x8b\x0d")
        + at[2]
    )
    code += PREFIXES[insn.form] + bytes((0x0F, insn.op))
    target = 2 if insn.op in (0x2C, 0x2D) else 0  # EDX, MM2
    code += (bytes((5 | target << 3,)) + at[2]) if memory else bytes((0xC1 | target << 3,))
    if insn.op == 0xC2:
        code += bytes((insn.predicate,))
    return code + b"\x0f\x11\x05" + at[3] + b"\x0f\xae\x1d" + at[4]


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_the_engine_ends_where_the_unit_does(driver: str, timing: str, memory: bool) -> None:
    group = list(islice(instructions(17), 1_000 if driver == "native" else 200))
    b = bare(driver, timing)
    code = b""
    for slot, insn in enumerate(group):
        b.ram.write(DATA + SLOT * slot, insn.mxcsr.to_bytes(16, "little") + insn.a + insn.b)
        code += program(insn, slot, memory=memory)
    event = b.run(code + b"\xcc", until=1 << 40)
    assert (event.stop, event.value) == (Stop.TRAP, 3)
    for slot, insn in enumerate(group):
        flags, result = sse.execute(insn)
        at = DATA + SLOT * slot
        assert b.ram.read(at + 48, 16) == (insn.a if result is None else result), insn
        assert b.word(at + 64) == insn.mxcsr | flags, insn


LOAD = "ldmxcsr 0x30000; movss 0x30010, %xmm0; movss 0x30014, %xmm1;"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize(
    ("mask", "a", "b", "text"),
    [
        (0, 0x3F800000, 0x7F800001, "addss %xmm1, %xmm0"),
        (1, 0x3F800000, 0x00000001, "mulss %xmm1, %xmm0"),
        (2, 0x3F800000, 0x00000000, "divss %xmm1, %xmm0"),
        (3, 0x7F000000, 0x7F000000, "mulss %xmm1, %xmm0"),
        (3, 0x7F123457, 0x7F123457, "mulss %xmm1, %xmm0"),
        (4, 0x00800000, 0x3F000000, "mulss %xmm1, %xmm0"),
        (4, 0x00800001, 0x3F000001, "mulss %xmm1, %xmm0"),
        (5, 0x3F800000, 0x40400000, "divss %xmm1, %xmm0"),
    ],
)
def test_what_is_not_masked_is_reported(
    driver: str, reports: bool, mask: int, a: int, b: int, text: str
) -> None:
    """#XM, or #UD where the system does not ask for it; the target stays, the flag is in MXCSR."""
    m = bare(driver)
    if not reports:
        m.cpu.set_cr(4, m.cpu.cr4 & ~OSXMMEXCPT)
    m.ram.write(DATA, struct.pack("<I12xII", 0x1F80 & ~(0x80 << mask), a, b))
    delivery = m.trap(f"{LOAD} {text}; int3")
    assert delivery.vector == (XM if reports else UD)
    assert m.cpu.retired == 3
    state = m.cpu.fpu_state()
    assert state[80:84] == a.to_bytes(4, "little")
    inexact = PE if a & 0xFF else 0
    assert state[-4] & 0x3F == 1 << mask | inexact


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_operand_that_faults_leaves_no_flag(driver: str) -> None:
    m = bare(driver)
    m.page(0x41000, 0)
    m.ram.write(DATA, struct.pack("<I12xII", 0x1F80, 0x3F800000, 0x40400000))
    assert m.trap(f"{LOAD} divss 0x41000, %xmm0; int3").vector == PF
    assert m.cpu.fpu_words[2] == 0x1F80


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_x87_stores_denormals_whatever_mxcsr_says(driver: str) -> None:
    """FZ and DAZ are for SSE (SDM vol. 1, 10.2.3.3)."""
    b = bare(driver)
    number = bytes.fromhex("80ffffff21000000")  # a double that is denormal
    b.ram.write(DATA, (0x9FC0).to_bytes(4, "little") + bytes(4) + number)
    b.code(asm("fninit; ldmxcsr 0x30000; fldl 0x30008; fstl 0x30010; fldl 0x30010; fsts 0x30020;"
               "fstpt 0x30030; fstpl 0x30018; int3"))  # fmt: skip
    assert b.trap().vector == 3
    assert b.ram.read(DATA + 0x10, 16) == number * 2
    assert b.ram.read(DATA + 0x38, 2) != bytes(2)
