"""Blocks that look at L1 and the TLB in part, or not at all (emu/_block_quiet.h), cost what the reference
says: loops by lot over lines and pages that get in each other's way."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from bare import Bare, asm

#: Pages: two of the code's set of the TLB, one of another set.
BASES = {"ebx": 0x30000, "esi": 0x38000, "edi": 0x31000}
#: Within a line; other lines of its set of L1; other pages of its set of the TLB; over a word, a line.
OFFSETS = (0, 4, 8, 0x10, 0x800, 0x804, 0x1000, 0x1800, 0x2000, 0x8000, 0x10000, 0x18000, 1, 0xE)
FORMS = """
    movl {at}, %eax | movl %eax, {at} | movb %cl, {at} | movzbl {at}, %edx | addl %edx, {at} | incl {at}
    movw %ax, {at} | imull {at}, %eax | xchgl %eax, {at} | cmpl %eax, {at} | fldl {at}; fstpl {at}
    pushl {at}; popl %eax | pushl %eax; pushl %edx; popl %edx; popl %eax
    movl %eax, {at}; movl %edx, {at}; movl %ecx, {at} | imull %edx, %eax; movl %eax, {at}
    mull %ecx; movl %eax, {at}; movl %edx, {at} | addl $3, %eax | movb $1, %al | xorl %edx, %eax
    testl %eax, %eax; sete %dl; movl %edx, {at}; movl %eax, {at} | movl {base}, %edx; movl (%edx), %eax
    leal 4({base}), {base}; leal -4({base}), {base}; movl ({base}), %eax
"""
#: More stores than there are buffers, behind clocks that are not known before.
STORES = (
    "addl $-1, %ecx; setc %dl; " + "pushl %eax; " * 7 + "addl $0x1c, %esp",
    "pushl %eax; " * 9 + "addl $0x24, %esp",
    "imull %ecx, %eax; " + "movl %eax, {at}; " * 6 + "nop",
    "fldl {at}; fstl {at}; fstl {at}; fstl {at}; fstpl {at}",
    "imull {at}, %eax; fldl {at}; fstl {at}; fstpl {at}",
    "movl %eax, {at}; " * 3 + "mull %edx; " + "movl %eax, {at}; " * 5 + "movl {at}, %edx",
)
#: The last of these write what the next block begins with.
ENDS = """
    testl $4, %ecx; jz {next}; nop; {next}: | jmp {next}; nop; {next}: | cmpl %eax, %edx; jb {next}; {next}:
    calll {next}; {next}: movl (%esp), %ebp; popl %ebp | calll {next}; {next}: popl %ebp
    movl $1, %ebp; xchgl %ebp, %ecx; loop {next}; {next}: movl (%edi,%ecx), %eax; xchgl %ebp, %ecx
    xchgl %ebp, %ecx; loop {next}; {next}: movl %eax, (%edi,%ecx); {stores}
"""


def choices(table: str) -> list[str]:
    return [one.strip() for line in table.strip().splitlines() for one in line.split("|")]


#: Where loops reach: within a line or two, so that nothing has to be fetched; lines of one set of L1; pages
#: of the code's set of the TLB; all of that.
KINDS = (
    ("edi", (0, 4, 8, 0x10)),
    ("edi", tuple(range(0, 0x3800, 0x800))),
    ("ebx", tuple(range(0, 0x38000, 0x8000))),
    ("ebx esi edi", OFFSETS),
)


def loop(random: Random, kind: int) -> str:
    """A few short blocks out of few forms, at few places: the same ones meet again and again."""
    bases, offsets = KINDS[kind][0].split(), KINDS[kind][1]
    chosen = random.sample(
        offsets, random.choice((1, 2, 4)) if kind in (0, 3) else len(offsets) - 1
    )
    places = [
        (f"{offset:#x}(%{base})", f"%{base}")
        for offset in chosen
        for base in [random.choice(bases)]
    ]
    forms = random.sample(choices(FORMS), random.choice((2, 3, 5)))
    forms += random.choices(STORES, k=2) if kind == 0 else ["movl %eax, {at}", "movl {at}, %eax"]
    lines = ["again: incl %ecx"]
    for block in range(random.randint(1, 5)):
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            at, base = random.choice(places)
            lines.append(random.choice(forms).format(at=at, base=base))
        lines.append(
            random.choice(choices(ENDS)).format(next=f"b{block}", stores="movl %eax, 8(%edi); " * 7)
        )
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
        "user": 0 if b.cpu.timing is None else b.cpu.timing.user_cycles,
        "registers": b.cpu.general_registers(),
    }


def assert_costs_as_the_reference_says(source: str, profile: str, limits: tuple[int, ...]) -> None:
    seen = [costs(source, profile, limits, native=native) for native in (True, False)]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("profile", ["i486-ideal", "i486"])
@pytest.mark.parametrize("seed", range(64))
def test_loops_by_lot(seed: int, profile: str) -> None:
    random = Random(seed)
    source = loop(random, seed % len(KINDS))
    limits = (2_000, 2_000 + random.randint(1, 60), 5_000)
    assert_costs_as_the_reference_says(source, profile, limits)


@pytest.mark.parametrize(
    "source",
    [
        "again: movl $5, %ecx; loop next; next: movl %eax, (%edi,%ecx); "
        + "movl %eax, 8(%edi); " * 9,
        "movl $0x33400, %ebp; again: movl $0x31005, %ecx; loop next; next: movl %eax, (%ecx); "
        + "movl %eax, 8(%edi); " * 9
        + "movl (%ebp), %edx; xorl $0x800, %ebp; ",
        "again: movl %eax, 8(%edi); movl %eax, 8(%edi); addl $-1, %ecx; setc %dl; "
        + "movl %eax, 8(%edi); " * 9
        + "incl %ecx; ",
    ],
    ids=[
        "a register of an address that was just written",
        "the same, beside two lines of a set",
        "SETcc, which nobody can foresee",
    ],
)
@pytest.mark.parametrize("idle", [0, 60], ids=["in one stream", "in bursts"])
def test_what_delays_stores(source: str, idle: int) -> None:
    """In bursts, nothing that is charged too much is made good by a shorter wait behind it."""
    source += "nop; " * idle + "jmp again"
    assert_costs_as_the_reference_says(source, "i486", (3_000, 6_000))


@pytest.mark.parametrize(
    ("place", "step", "end"),
    [("0x10", 0x800, 0x34000), ("0x200", 0x8000, 0x48000), ("0x10", 0x8000, 0x48000)],
    ids=["a set of L1", "a set of the TLB", "both"],
)
def test_code_that_follows_data_into_its_set(place: str, step: int, end: int) -> None:
    """The second line of the block is fetched behind an operand that has its set, or its page's."""
    source = (
        f"again: movl {place}(%ebx), %eax; {'nop; ' * 16} addl ${step:#x}, %ebx; cmpl ${end:#x}, %ebx; "
        "jb again; movl $0x30000, %ebx; jmp again"
    )
    assert_costs_as_the_reference_says(source, "i486", (500, 507, 800, 1_500, 3_001))


def test_code_between_two_pages_of_its_set() -> None:
    """Which of them has to go when a fifth comes: fetched between two operands, the code's page does not."""
    source = (
        f"movl $0x40000, %ebp; again: nop; jc a; a: movl 0x200(%ebx), %eax; {'nop; ' * 16}"
        "movl 0x210(%esi), %eax; jc b; b: movl 0x220(%ebp), %eax; xorl $0x8000, %ebp; jmp again"
    )
    assert_costs_as_the_reference_says(source, "i486", (500, 507, 800, 1_500, 3_001))


@pytest.mark.parametrize("forget", ["movl %cr3, %eax; movl %eax, %cr3", "invlpg (%edi)"])
def test_a_page_that_the_tlb_has_forgotten(forget: str) -> None:
    """It was touched last, and is reached for again by a block that runs whole."""
    source = (
        f"again: {forget}; movl $0xc8, %ecx; a: decl %ecx; jnz a; movl (%edi), %edx; movl $0xc8, %ecx; "
        "b: decl %ecx; jnz b; jmp again"
    )
    seen = []
    for native in (True, False):
        b = Bare(native=native, timing="i486")
        b.ring0()
        b.code(asm(source))
        b.cpu.edi = 0x31000
        b.machine.run(20_000)
        seen.append((b.machine.clock.by_rule(), b.machine.clock.save_state()))
    assert seen[0] == seen[1]
    assert seen[0][0]["tlb"] > 100


def test_memory_of_caches_does_not_outlive_a_snapshot() -> None:
    seen = []
    for native in (True, False):
        b = Bare(native=native, timing="i486")
        b.code(asm("again: movl (%edi), %eax; addl %eax, 4(%edi); jmp again"))
        b.cpu.edi = 0x31000
        clock = b.machine.clock
        before = clock.save_state(), clock.by_rule()
        b.machine.run(3_000)
        clock.load_state(*before)
        b.machine.run(6_000)
        seen.append((clock.by_rule(), clock.save_state()))
    assert seen[0] == seen[1]


def multiplied(
    source: str, profile: str, *, native: bool, remapped: bool
) -> tuple[int, int, dict[str, int]]:
    """With a small number at EDI and a large one at ESI; EDI's page may get ESI's frame between two runs."""
    b = Bare(native=native, timing=profile)
    b.code(asm(source))
    b.cpu.edi, b.cpu.esi, b.cpu.ecx, b.cpu.edx = 0x31000, 0x32000, 3, 0
    b.ram.write32(0x31000, 1)
    b.ram.write32(0x32000, 0x7FFFFFF1)
    b.machine.run(4_000)
    if remapped:
        b.page(0x31000, 0x32000 | 7)
    b.machine.run(8_000)
    return b.machine.clock.cycles, b.machine.clock.instructions, b.machine.clock.by_rule()


@pytest.mark.parametrize("profile", ["i486-ideal", "i486"])
@pytest.mark.parametrize(
    ("source", "remapped"),
    [
        ("again: movl $3, %eax; imull (%edi), %eax; incl %edx; jmp again", True),
        (
            "again: movl $3, %eax; imull (%edi), %eax; imull (%esi), %ecx; incl %edx; jmp again",
            False,
        ),
    ],
    ids=["the page that is there now", "each of its own page"],
)
def test_numbers_that_are_read_in_advance(source: str, profile: str, remapped: bool) -> None:
    """What IMUL costs depends on them."""
    seen = [
        multiplied(source, profile, native=native, remapped=remapped) for native in (True, False)
    ]
    assert seen[0] == seen[1]
