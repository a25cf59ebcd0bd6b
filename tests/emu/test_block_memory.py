"""Blocks that look at L1 and the TLB in part, or not at all (emu/_block_quiet.h), cost what the reference
says: loops by lot over lines and pages that get in each other's way."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from bare import Bare, asm

#: Pages of one set of the TLB, which is the code's, too.
BASES = {"ebx": 0x30000, "esi": 0x38000, "edi": 0x40000, "ebp": 0x48000}
#: Within a line; in another line of the same set of L1; in the next page; over a word, a line, a page.
NEAR, FAR, CROSSING = (0, 4, 8, 12), (0x10, 0x14, 0x800, 0x804, 0x1000, 0x1800), (1, 14, 0x0FFE)
FORMS = (
    *(
        "movl {at}, %eax",
        "movl %eax, {at}",
        "movb %cl, {at}",
        "movzbl {at}, %edx",
        "addl %edx, {at}",
    ),
    *("incl {at}", "movw %ax, {at}", "imull {at}, %eax", "xchgl %eax, {at}", "cmpl %eax, {at}"),
    *(
        "fldl {at}; fstpl {at}",
        "pushl {at}; popl %eax",
        "pushl %eax; pushl %edx; popl %edx; popl %eax",
    ),
    *("movl %eax, {at}; movl %edx, {at}; movl %ecx, {at}", "imull %edx, %eax; movl %eax, {at}"),
    *("mull %ecx", "addl $3, %eax", "movb $1, %al", "xorl %edx, %eax", "leal 1(%eax,%ecx), %edx"),
    *(
        "testl %eax, %eax; sete %dl",
        "leal 4({base}), {base}; leal -4({base}), {base}; movl ({base}), %eax",
    ),
    "movl {base}, %edx; movl (%edx), %eax",
)


def loop(random: Random) -> str:
    """Blocks of up to six instructions; most at one place, as loops are, and few that cross anything."""
    lines, near = [], random.sample(sorted(BASES), random.choice((1, 1, 2, 4)))
    for block in range(random.randint(1, 5)):
        lines.append(f"b{block}:")
        for _ in range(random.randint(1, 6)):
            base = "%" + random.choice(near)
            offset = random.choice(random.choice((NEAR, NEAR, NEAR, FAR, FAR, CROSSING)))
            lines.append(random.choice(FORMS).format(at=f"{offset:#x}({base})", base=base))
        lines.append(
            random.choice(("testl $4, %ecx; jz", "jmp", "cmpl %eax, %edx; jb")) + f" b{block}e; nop"
        )
        lines.append(f"b{block}e: incl %ecx")
    return "; ".join(["again: nop", *lines, "jmp again"]).replace(":;", ":")


def costs(source: str, profile: str, limits: tuple[int, ...], *, native: bool) -> dict[str, Any]:
    b = Bare(native=native, timing=profile)
    b.code(asm(source))
    for name, value in {"eax": 3, "ecx": 5, "edx": 0, **BASES}.items():
        setattr(b.cpu, name, value)
    for limit in limits:
        event = b.machine.run(limit)
    clock = b.machine.clock
    return {
        "stop": (event.stop, event.address),
        "counts": (clock.cycles, clock.instructions, clock.by_rule()),
        "state": clock.save_state(),
        "registers": b.cpu.general_registers(),
    }


@pytest.mark.parametrize("profile", ["i486-ideal", "i486"])
@pytest.mark.parametrize("seed", range(24))
def test_loops_by_lot(seed: int, profile: str) -> None:
    random = Random(seed)
    source = loop(random)
    limits = (2_000, 2_000 + random.randint(1, 60), 9_000)
    assert costs(source, profile, limits, native=True) == costs(
        source, profile, limits, native=False
    )
