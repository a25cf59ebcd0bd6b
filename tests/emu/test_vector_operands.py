"""Operands of SSE and whole-state instructions that are refused: both forms of the hooks.

tests/programs/test_native_vector_faults.py compares all forms with a processor.
"""

from __future__ import annotations

import struct

import pytest

from emu.x87.forms import ALIGNED
from emu.x87.sse import PD, PS, SD, SS
from tests.emu.bare import DATA, Bare, asm

DRIVERS = ["native", "python"]
PREFIXES = {PS: b"", PD: b"\x66", SS: b"\xf3", SD: b"\xf2"}
BP, GP, PF = 3, 13, 14
OSFXSR = 0x200
EDGE = 0x41000


def bare(driver: str) -> Bare:
    b = Bare(native=driver == "native")
    b.cpu.set_cr(4, b.cpu.cr4 | OSFXSR)
    return b


def vector(b: Bare, text: str | bytes) -> int:
    """What comes of it, in ring 3; 3 when it goes through."""
    b.ring3()
    code = asm(text) if isinstance(text, str) else text
    return b.trap(code + b"\xcc").vector


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_operand_that_is_not_aligned(driver: str) -> None:
    """#GP(0), whatever there is in memory; with the exception of scalars and of what is told not to care."""
    b = bare(driver)
    b.ram.write(DATA, (0x1F80).to_bytes(4, "little"))
    assert vector(b, "ldmxcsr 0x30000") == BP
    for op, form in sorted(ALIGNED):
        tail = b"\0" if op in (0x70, 0xC2, 0xC6) else b""
        for offset, wanted in (0x40, BP), (0x41, GP), (0x48, GP):
            where = (DATA + offset).to_bytes(4, "little")
            code = PREFIXES[form] + bytes((0x0F, op, 0x05)) + where + tail
            assert vector(b, code) == wanted, (hex(op), form, offset)
    assert b.frame(error_code=True).error_code == 0


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "text",
    [
        *("movups 0x30041, %xmm0", "movupd 0x30041, %xmm0", "movdqu 0x30041, %xmm0"),
        *("lddqu 0x30041, %xmm0", "movups %xmm0, 0x30041", "addss 0x30041, %xmm0"),
        *("movsd 0x30041, %xmm0", "cvtps2pd 0x30041, %xmm0", "pand 0x30041, %mm0"),
        *("movddup 0x30041, %xmm0", "movlps 0x30041, %xmm0", "movq %xmm0, 0x30041"),
    ],
)
def test_those_that_need_not_be_aligned(driver: str, text: str) -> None:
    assert vector(bare(driver), text) == BP


@pytest.mark.parametrize("driver", DRIVERS)
def test_bits_that_mxcsr_does_not_have(driver: str) -> None:
    b = bare(driver)
    for word, wanted in (0x1F80, BP), (0xFFBF, BP), (0x11F80, GP), (0x80001F80, GP):
        b.ram.write(DATA, word.to_bytes(4, "little"))
        assert vector(b, "ldmxcsr 0x30000") == wanted
        assert vector(b, "fxsave 0x30100") == BP
        b.ram.write(DATA + 0x118, word.to_bytes(4, "little"))
        assert vector(b, "fxrstor 0x30100") == wanted
    b.cpu.set_cr(4, b.cpu.cr4 & ~OSFXSR)
    assert vector(b, "fxrstor 0x30100") == BP  # MXCSR is none of its business


STORES = {
    "fnsave": (108, 107), "fnstenv": (28, 27), "fxsave": (512, 511), "fstpt": (10, None),
    "fbstp": (10, None), "movups %xmm0,": (16, None), "movdqu %xmm0,": (16, None),
}  # fmt: skip


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", STORES)
def test_half_of_an_operand_is_not_stored(driver: str, name: str) -> None:
    """Its last byte is asked for before it is begun; up to 16 bytes are one access."""
    size, last = STORES[name]
    start = EDGE - (16 if size == 512 else 9)
    where = EDGE if last is None else start + last
    b = bare(driver)
    text = f"fninit; fldpi; {name} {start:#x}"
    b.page(EDGE, EDGE | 5)
    assert vector(b, text) == PF
    assert (b.cpu.cr2, b.frame(error_code=True).error_code) == (where, 7)
    assert b.ram.read(start, 16) == bytes(16)
    state = b.cpu.fpu_state()
    assert state[70:80] == bytes.fromhex("35c26821a2da0fc90040")  # still there
    b.page(EDGE - 0x1000, 0)
    assert vector(b, text) == PF
    assert (b.cpu.cr2, b.frame(error_code=True).error_code) == (start, 6)
    b.page(EDGE - 0x1000, EDGE - 0x1000 | 7)
    b.page(EDGE, EDGE | 7)
    assert vector(b, text) == BP
    assert b.ram.read(start, 16) != bytes(16) or "mm0" in name


@pytest.mark.parametrize("driver", DRIVERS)
def test_half_of_an_environment_is_not_loaded(driver: str) -> None:
    b = bare(driver)
    b.ram.write(EDGE - 20, struct.pack("<5I", 0x27F, 0, 0xFFFF, 0, 0))
    b.page(EDGE, 0)
    assert vector(b, f"fninit; fldenv {EDGE - 20:#x}") == PF
    assert b.cpu.cr2 == EDGE + 7
    assert vector(b, "fnstcw 0x30000") == BP
    assert b.word(DATA) & 0xFFFF == 0x37F


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_kernel_may_write_what_may_be_read(driver: str) -> None:
    """Without CR0.WP; with it the second page refuses."""
    b = bare(driver)
    b.page(EDGE, EDGE | 1)
    for wp, wanted in (0, BP), (0x10000, PF):
        b.cpu.set_cr(0, b.cpu.cr0 & ~0x10000 | wp)
        b.ring0()
        code = asm(f"fninit; fnsave {EDGE - 8:#x}")
        assert b.trap(code + b"\xcc").vector == wanted


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_mmx_register_that_is_written_ends_in_ones(driver: str) -> None:
    """Its upper 16 bits (SDM vol. 1, 9.2.2): FXSAVE stores them, FXAM finds a sign."""
    writers = {
        0: ("movq 0x30000, %mm0", "pxor %mm0, %mm0", "movd %eax, %mm0", "cvttps2pi 0x30000, %mm0",
            "cvtpd2pi %xmm1, %mm0", "psllw $1, %mm0", "movdq2q %xmm1, %mm0", "pinsrw $1, %eax, %mm0"),
        3: ("movq 0x30000, %mm3", "psrlq $3, %mm3", "paddd %mm0, %mm3", ".byte 0x0f, 0x7f, 0xc3"),
        None: ("movq %mm1, 0x30000", "movd %mm1, %eax", "pmovmskb %mm1, %eax", "pextrw $1, %mm1, %eax",
               "movntq %mm1, 0x30000", "cvtpi2ps %mm1, %xmm0", "movq2dq %mm1, %xmm0"),
    }  # fmt: skip
    for number, texts in writers.items():
        for text in texts:
            b = bare(driver)
            assert vector(b, f"fninit; {text}; fxsave 0x30200") == BP
            upper = [b.ram.read(DATA + 0x228 + 16 * n, 2) for n in range(8)]
            assert upper == [b"\xff\xff" if n == number else b"\0\0" for n in range(8)], text


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_mmx_write_that_faults_leaves_the_register(driver: str) -> None:
    b = bare(driver)
    assert vector(b, "fninit; fldz; movq 0x70000000, %mm7") == PF
    assert vector(b, "fxsave 0x30200") == BP
    assert b.ram.read(DATA + 0x220, 10) == bytes(10)
