"""Rules that depend on values, each against the manual's formula worked out by hand, on both drivers."""

from __future__ import annotations

import pytest
from bare import DATA, Bare

MINUS = 1 << 32


def cost(native: bool, code: str, profile: str = "i486-ideal", **registers: int) -> int:
    """Clocks of the last of some instructions; EAX, ECX, EDX start at 0, EBX at DATA."""
    b = Bare(timing=profile, native=native)
    b.ring0()
    *before, last = [bytes.fromhex(word) for word in code.split()]
    b.code(b"".join(before) + last)
    for name, value in {"eax": 0, "ecx": 0, "edx": 0, "ebx": DATA, **registers}.items():
        setattr(b.cpu, name, value)
    for _ in before:
        b.machine.step()
    start = b.machine.clock.cycles
    b.machine.step()
    return b.machine.clock.cycles - start


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize(
    ("code", "registers", "clocks"),
    [
        # imul %ecx: 10 + max(ceil(log2 |m|), 3 or 5)
        ("f7e9", {"ecx": 0}, 13),
        ("f7e9", {"ecx": 8}, 13),
        ("f7e9", {"ecx": 9}, 14),
        ("f7e9", {"ecx": MINUS - 1}, 15),
        ("f7e9", {"ecx": MINUS - 33}, 16),
        ("f7e9", {"ecx": 0x80000000}, 41),
        ("f7e1", {"ecx": MINUS - 1}, 42),  # mul: unsigned
        ("f6e9", {"ecx": 0xFF}, 15),  # imul %cl: -1
        ("6bc1fe", {"ecx": 1000}, 15),  # the immediate -2 is the multiplier
        # bsf: 6, or 8 + 4(b+1) + 3(i+1) + 3(n+1)
        ("0fbcc1", {"ecx": 0}, 6),
        ("0fbcc1", {"ecx": 1}, 18),
        ("0fbcc1", {"ecx": 0x80000000}, 42),
        ("0fbdc1", {"ecx": 0}, 6),
        ("0fbdc1", {"ecx": 0x80000000}, 7 + 3 * (32 - 31)),
        # misaligned: 3 for each crossing, two for a read-modify-write
        ("8b03", {"ebx": DATA + 2}, 1 + 3),
        ("0103", {"ebx": DATA + 1}, 3 + 6),
        ("668b03", {"ebx": DATA + 2}, 1 + 1),
        ("668b03", {"ebx": DATA + 3}, 1 + 1 + 3),
        # a byte register, then the whole of it
        ("b001 89c1", {}, 1 + 1),
        ("b401 89c1", {}, 1 + 1),
        ("b001 88c1", {}, 1),
        ("b001 0fb6c8", {}, 3),
        # AGI: base, index, LEA, ESP; not after an implicit change of ESP
        ("89d9 8b01", {}, 1 + 1),
        ("31c9 8b040b", {}, 1 + 1 + 1),
        ("83ec04 50", {}, 1 + 1),
        ("50 58", {}, 1),
        ("5b 8b03", {}, 1 + 1),
        # conditions
        ("39c0 0f94c0", {}, 4),
        ("39c0 0f95c0", {}, 3),
        ("39c0 0f9403", {}, 3),
        ("39c0 0f9503", {}, 4),
        ("0fb10b", {"eax": 5}, 10),
        ("0fb10b", {"eax": 0}, 7),
        ("d3d0", {"ecx": 5}, 13),
        ("c8000000", {}, 14),
        ("8ed8", {"eax": 0x10}, 9),
    ],
)
def test_clocks(native: bool, code: str, registers: dict[str, int], clocks: int) -> None:
    assert cost(native, code, **registers) == clocks


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize(
    ("code", "registers", "clocks"),
    [
        ("f7e9", {"ecx": 0}, 9),
        ("f7e9", {"ecx": 9}, 10),
        ("0fbcc1", {"ecx": 4}, 10 + 3 * 2),
        ("8b03", {"ebx": DATA + 2}, 4 + 2),
        ("89d9 8b01", {}, 4),
        ("8b040b", {}, 4 + 1),
    ],
)
def test_clocks_of_the_i386(
    native: bool, code: str, registers: dict[str, int], clocks: int
) -> None:
    assert cost(native, code, "i386", **registers) == clocks


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
@pytest.mark.parametrize(
    ("code", "bits"),
    [("c60355 0fb00b", 8), ("66c7035581 660fb10b", 16), ("c70355aa0081 0fb10b", 32)],
)
def test_compare_and_exchange_with_memory(native: bool, code: str, bits: int) -> None:
    """7 clocks when the accumulator, as much of it as counts, is what is there, else 10."""
    there = {8: 0x55, 16: 0x8155, 32: 0x8100AA55}[bits]
    prefix = bits == 16
    assert cost(native, code, eax=there) == 7 + prefix
    for bit in range(32):
        assert cost(native, code, eax=there ^ 1 << bit) == (10 if bit < bits else 7) + prefix, bit
