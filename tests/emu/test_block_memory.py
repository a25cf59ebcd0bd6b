"""Blocks that look at L1 and the TLB in part, or not at all (emu/_block_quiet.h), cost what the reference
says: loops by lot over lines and pages that get in each other's way."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from bare import Bare, asm

#: Pages: two of the code's set of the TLB, one of another set.
BASES = {"ebx": 0x30000, "esi": 0x38000, "edi": 0x31000}
#: Within a line; in other lines of the same set of L1; in the next page; over a word, a line, a page.
OFFSETS = (0, 4, 8, 0x10, 0x800, 0x804, 0x1000, 0x1800, 0x2000, 1, 0xE, 0xFFE)
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
    *(
        "mull %ecx; movl %eax, {at}; movl %edx, {at}",
        "addl $3, %eax",
        "movb $1, %al",
        "xorl %edx, %eax",
    ),
    *(
        "testl %eax, %eax; sete %dl; movl %edx, {at}; movl %eax, {at}",
        "movl {base}, %edx; movl (%edx), %eax",
    ),
    "leal 4({base}), {base}; leal -4({base}), {base}; movl ({base}), %eax",
)
#: The last of these write what the next block begins with.
ENDS = (
    *(
        "testl $4, %ecx; jz {next}; nop; {next}:",
        "jmp {next}; nop; {next}:",
        "cmpl %eax, %edx; jb {next}; {next}:",
    ),
    *("calll {next}; {next}: movl (%esp), %ebp; popl %ebp", "calll {next}; {next}: popl %ebp"),
    "movl $1, %ebp; xchgl %ebp, %ecx; loop {next}; {next}: movl (%ebx,%ecx), %eax; xchgl %ebp, %ecx",
)


def loop(random: Random) -> str:
    """A few short blocks out of few forms, at few places: the same ones meet again and again."""
    bases = random.sample(sorted(BASES), random.choice((1, 1, 2, 3)))
    places = [
        (f"{offset:#x}(%{base})", "%" + base)
        for base, offset in zip(random.choices(bases, k=4), random.sample(OFFSETS, 4), strict=True)
    ][: random.choice((1, 2, 2, 4))]
    forms = random.sample(FORMS, random.choice((2, 3, 5)))
    lines = ["again: incl %ecx"]
    for block in range(random.randint(1, 5)):
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            at, base = random.choice(places)
            lines.append(random.choice(forms).format(at=at, base=base))
        lines.append(random.choice(ENDS).format(next=f"b{block}"))
    return "; ".join([*lines, "incl %ecx; jmp again"]).replace(":;", ":")


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
@pytest.mark.parametrize("seed", range(40))
def test_loops_by_lot(seed: int, profile: str) -> None:
    random = Random(seed)
    source = loop(random)
    limits = (2_000, 2_000 + random.randint(1, 60), 5_000)
    assert costs(source, profile, limits, native=True) == costs(
        source, profile, limits, native=False
    )
