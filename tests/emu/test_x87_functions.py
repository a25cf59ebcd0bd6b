"""x87 instructions on numbers that are special to them: the unit in Python and the native one agree.

The native one is compared with a processor in test_x87_host.py.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from test_x87 import native_execute, python_execute
from x87_cases import Case

from emu.x87.float80 import BIAS, Number, infinity, make, zero
from emu.x87.state import FPU_SIZE, Fpu
from emu.x87.unit import X87Insn

_ONE, _QUIET, _MIDDLE = 1 << 63, 3 << 62, 0xB504F333F9DE6484
_LARGEST = 0x7FFF
#: Zero, infinity, NaNs, a denormal, the extremes, one and its neighbours, halves, what functions reduce by.
NUMBERS: list[Number] = [
    zero(0), infinity(0), make(0, _LARGEST, _QUIET), make(0, _LARGEST, _ONE | 1), make(0, 0, 1),
    make(0, 1, _ONE), make(0, _LARGEST - 1, (1 << 64) - 1), make(0, BIAS, _ONE), make(0, BIAS, _ONE | 1),
    make(0, BIAS - 1, (1 << 64) - 1), make(0, BIAS - 1, _ONE), make(0, BIAS + 1, _ONE),
    make(0, BIAS, _MIDDLE), make(0, BIAS - 2, 0x95F619980C4336F8), make(0, BIAS + 63, _ONE),
    make(0, BIAS + 62, _ONE), make(0, BIAS, 0xC90FDAA22168C235), make(0, BIAS - 70, _ONE),
]  # fmt: skip
NUMBERS += [make(1, number[1] & _LARGEST, number[0]) for number in NUMBERS]
ALONE = [
    (0xD9, modrm)
    for modrm in (0xE0, 0xE1, 0xE4, 0xE5, 0xF0, 0xF2, 0xF4, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF)
]
#: FYL2X, FPATAN, FPREM1, FPREM, FYL2XP1, FSCALE; comparisons and arithmetic, with and without POP.
PAIRS = [
    *((0xD9, modrm) for modrm in (0xF1, 0xF3, 0xF5, 0xF8, 0xF9, 0xFD)),
    *((0xD8, modrm) for modrm in (0xC1, 0xC9, 0xD1, 0xE1, 0xE9, 0xF1, 0xF9)),
    *((op, modrm) for op in (0xDD, 0xDB) for modrm in (0xE1, 0xE9)),
    *((0xDE, 0xD9), (0xDE, 0xE9), (0xDE, 0xF9), (0xDC, 0xC9), (0xDB, 0xF1), (0xDA, 0xE9)),
]


@pytest.fixture(scope="module")
def native() -> Any:
    return native_execute()


def case(insn: tuple[int, int], first: Number, second: Number, control: int) -> Case:
    """ST(0) and ST(1), and no more."""
    f = Fpu(bytes(FPU_SIZE))
    f.top, f.control, f.status = 6, control, 0
    f.regs[6], f.regs[7] = first, second
    f.empty = [1] * 6 + [0, 0]
    return Case(X87Insn(*insn, eflags=0x202), f.image())


@pytest.mark.parametrize("insn", ALONE, ids=str)
def test_of_one_number(insn: tuple[int, int], native: Any) -> None:
    for number, control in product(NUMBERS, (0x37F, 0x340, 0xB7F, 0x7F)):
        one = case(insn, number, zero(0), control)
        assert python_execute(one) == native(one), (number, control)


@pytest.mark.parametrize("insn", PAIRS, ids=str)
def test_of_two_numbers(insn: tuple[int, int], native: Any) -> None:
    for n, (first, second) in enumerate(product(NUMBERS, NUMBERS)):
        one = case(insn, first, second, (0x37F, 0x340)[n % 7 == 0])
        assert python_execute(one) == native(one), (first, second)
