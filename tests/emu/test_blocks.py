"""Whole blocks (emu/blocks.py) count, charge and do what single instructions do."""

from __future__ import annotations

import platform
import sys
from typing import Any

import pytest
from bare import DATA, TABLE, UCODE_AT, USTACK, Bare, asm

from emu.blocks import Blocks
from emu.machine import Event, Machine, Stop
from emu.timing.insn import Insn

PROFILES = ["off", "i486-ideal", "i486"]
LOOP = (
    "again: movl (%ebx), %eax; addl %ecx, %eax; movl %eax, 4(%ebx); pushl %eax; incl %edx; "
    "testl $0x3, %edx; jz over; subl $1, %eax; over: popl %esi; jmp again"
)
CALLS = (
    "again: calll f; jmp again; f: pushl %ebp; movl %esp, %ebp; leal 8(%ebp), %edi; "
    "movl -4(%edi), %eax; addl $1, 1(%ebx); popl %ebp; retl"
)
STRINGS = (
    "again: movl $0x28, %ecx; movl $0x30000, %esi; movl $0x31000, %edi; cld; rep movsl; movl $9, %ecx;"
    "movl $0x31001, %edi; rep stosl; lodsb; stosb; incl %edx; jmp again"
)
#: EBX points behind the patch: code that writes into its own block, ahead, behind, and over itself.
PATCHES = {
    "ahead": "again: movb %dl, over-again-0x20+2(%ebx); incl %edx; over: addl $0, %eax; jmp again",
    "behind": "again: addl $0, %eax; movb %dl, again-again-0x20+2(%ebx); incl %edx; jmp again",
    "itself": "again: movb $0x5, again-again-0x20+6(%ebx); incl %edx; jmp again",
    "the next": "again: incl %edx; movb $0x42, over-again-0x20(%ebx); over: nop; jmp again",
    "the same again": "again: movb $0x90, over-again-0x20(%ebx); over: nop; incl %edx; jmp again",
    "the first": "again: movb %cl, again-again-0x20+6(%ebx); jmp again",
}


def machine(source: str | bytes, profile: str, *, native: bool = True, **registers: int) -> Bare:
    b = Bare(native=native, timing=profile)
    b.code(asm(source) if isinstance(source, str) else source)
    for name, value in {"ebx": DATA, "ecx": 5, "edx": 0, "eax": 0, **registers}.items():
        setattr(b.cpu, name, value)
    return b


def runs(b: Bare, *limits: int) -> dict[str, Any]:
    """Run to each limit in turn; what can be seen of the machine then."""
    for limit in limits:
        event = b.machine.run(limit)
        if event.stop is not Stop.LIMIT:
            break
    return seen(b, event)


def stepped(b: Bare, cycles: int) -> dict[str, Any]:
    """The same in single steps."""
    while b.machine.clock.cycles < cycles:
        event = b.machine.step()
        if event.stop is not Stop.STEP:
            return seen(b, event)
    return runs(b, cycles)


def seen(b: Bare, event: Event) -> dict[str, Any]:
    """All that must not depend on how the machine was run."""
    m = b.machine
    timing = m.cpu.timing
    return {
        "stop": (event.stop, event.value, event.address),
        "retired": m.cpu.retired,
        "cycles": m.clock.cycles,
        "registers": m.cpu.general_registers(),
        "data": b.ram.read(DATA, 0x3000),
        "stack": b.ram.read(USTACK - 0x200, 0x200),
        "code": b.ram.read(UCODE_AT, 0x100),
        "ledger": m.clock.by_rule(),
        "model": timing.save() if timing is not None else None,
        "insns": [
            (i.address, i.code, i.count, i.taken, i.by_rule())
            for i in (timing.insns() if timing is not None else ())
            if i.count or any(i.by_rule())
        ],
    }


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("source", [LOOP, CALLS, STRINGS], ids=["loop", "calls", "strings"])
def test_the_same_as_single_instructions(source: str, profile: str) -> None:
    whole = runs(machine(source, profile), 5000)
    assert whole == stepped(machine(source, profile), 5000)
    assert whole == runs(machine(source, profile, native=False), 5000)
    assert whole == runs(machine(source, profile), *range(3, 5000, 61), 5000)


@pytest.mark.parametrize("profile", PROFILES)
def test_loops_do_run_whole(profile: str) -> None:
    b = machine("again: incl (%ebx); decl %ecx; jnz again; int $0x80", profile, ecx=500)
    instructions = b.cpu.instructions
    assert instructions is not None
    assert b.machine.run(100_000).stop is Stop.TRAP
    assert instructions.blocks.whole
    b.cpu.eip = UCODE_AT
    b.machine.step()
    assert not instructions.blocks.whole


@pytest.mark.parametrize("profile", PROFILES)
def test_every_deadline_is_exact(profile: str) -> None:
    for limit in range(300, 400):
        b = machine(CALLS, profile)
        b.machine.run(limit)
        s = machine(CALLS, profile)
        while s.machine.clock.cycles < limit:
            s.machine.step()
        assert runs(b, limit) == runs(s, limit)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("patch", PATCHES)
def test_code_that_patches_itself(patch: str, profile: str) -> None:
    where = {"ebx": UCODE_AT + 0x20, "ecx": 7}
    source = asm(PATCHES[patch])
    whole = runs(machine(source, profile, **where), 900)
    assert whole["retired"] > 100
    assert whole == stepped(machine(source, profile, **where), 900)
    assert whole == runs(machine(source, profile, native=False, **where), 900)


@pytest.mark.parametrize("profile", PROFILES)
def test_host_writes_to_code_are_seen(profile: str) -> None:
    b = machine("again: incl %eax; jmp again", profile)
    b.machine.run(1000)
    before = b.cpu.eax
    b.code(b"\x4a", at=UCODE_AT)  # decl %edx
    b.machine.run(2000)
    assert b.cpu.eax in (before, before + 1)
    assert b.cpu.edx > 0xFFFF0000


@pytest.mark.parametrize("profile", PROFILES)
def test_a_fault_counts_what_stands_before_it(profile: str) -> None:
    """The page behind the data is missing: the fourth pass faults in the middle of the block."""
    source = (
        "again: incl %edx; addl %edx, %eax; pushl %eax; popl %esi; movl %eax, (%ebx); "
        "addl $0xffe, %ebx; jmp again"
    )

    def build(native: bool) -> Bare:
        b = machine(source, profile, native=native)
        b.page(DATA + 0x2000, 0)
        return b

    whole = runs(build(True), 900)
    assert whole["stop"][:2] == (Stop.TRAP, 14)
    assert whole["registers"]["edx"] == 4
    assert whole == runs(build(False), 900)
    assert whole == stepped(build(True), 900)


@pytest.mark.parametrize("profile", PROFILES)
def test_rep_that_faults_is_charged_for_what_it_did(profile: str) -> None:
    source = "movl $0x1000, %ecx; movl $0x30000, %edi; cld; rep stosl; jmp . + 2"

    def build(native: bool) -> Bare:
        b = machine(source, profile, native=native)
        b.page(DATA + 0x2000, 0)
        return b

    whole = runs(build(True), 90_000)
    assert whole["stop"][:2] == (Stop.TRAP, 14)
    assert whole["registers"]["ecx"] == 0x800
    assert whole == runs(build(False), 90_000)


@pytest.mark.parametrize("profile", ["i486-ideal", "i486"])
def test_accessed_and_dirty_bits_are_charged_when_they_are_set(profile: str) -> None:
    """A block that meets clean page-table entries is run exactly: its walks read the tables in time."""
    source = "again: movl (%ebx), %eax; incl 4(%ebx); addl $0x1000, %ebx; incl %edx; jmp again"

    def build(native: bool) -> Bare:
        b = machine(source, profile, native=native)
        for page in range(DATA, DATA + 0x40000, 0x1000):
            b.ram.write32(TABLE + 4 * (page >> 12), page | 7)
        return b

    assert runs(build(True), 1500) == runs(build(False), 1500)


def blocks_of(b: Bare) -> Blocks:
    instructions = b.cpu.instructions
    assert instructions is not None
    return instructions.blocks


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the engine's code is another"
)
@pytest.mark.parametrize("profile", PROFILES)
def test_the_engine_calls_for_the_block_itself(profile: str) -> None:
    """For each of those of the loop, but only when it has been translated; in other machines, too, whose
    code lies so far away that the engine calls in another way."""
    engines = [machine(LOOP, profile) for _ in range(3)]
    for b in engines:
        b.machine.run(100_000)
        assert 3 <= blocks_of(b).given <= 8


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("source", [LOOP, CALLS, STRINGS, *PATCHES.values()])
def test_a_block_that_is_given_is_the_one_that_is_looked_up(source: str, profile: str) -> None:
    found, looked_up = (machine(source, profile, ebx=UCODE_AT + 0x20) for _ in range(2))
    blocks_of(looked_up).look_up_always()
    assert runs(found, 3_000, 3_001, 20_000) == runs(looked_up, 3_000, 3_001, 20_000)
    assert blocks_of(looked_up).given == 0


@pytest.mark.parametrize("profile", PROFILES)
def test_a_block_of_tables_that_were_emptied_is_not_found_again(profile: str) -> None:
    """Translations of one loop remain, while another loop's blocks take the places of its blocks."""
    b, expected = (machine(LOOP, profile) for _ in range(2))
    blocks_of(expected).look_up_always()
    for m in (b, expected):
        m.code(asm(CALLS), UCODE_AT + 0x400)
    for times in range(1, 5):
        for m in (b, expected):
            m.cpu.eip = UCODE_AT + 0x400 * (times % 2)
        assert runs(b, times * 2_000) == runs(expected, times * 2_000)
        for m in (b, expected):
            blocks_of(m).fold()
            blocks_of(m).forget()


def test_breakpoints_come_and_go_at_blocks_that_the_engine_calls_for() -> None:
    """Of many, too; and a loop without one goes on being found at once."""
    b = machine(LOOP, "i486")
    b.machine.run(5_000)
    given = blocks_of(b).given
    for breaks in ([UCODE_AT], [UCODE_AT + 2], [UCODE_AT, *range(0x30000, 0x30100)]):
        b.cpu.set_breakpoints(breaks)
        before = b.cpu.retired
        event = b.machine.run(b.machine.clock.cycles + 5_000)
        assert (event.stop, event.address) == (Stop.BREAKPOINT, breaks[0])
        assert b.cpu.retired - before < 30  # the first time round
        b.cpu.set_breakpoints([0x30000])
        assert b.machine.run(b.machine.clock.cycles + 5_000).stop is Stop.LIMIT
    assert blocks_of(b).given <= given + 8


def test_the_mark_of_whole_blocks_is_not_seen() -> None:
    b = machine(LOOP, "off")
    b.machine.run(50_000)
    assert b.cpu.hflags >> 30 == 0
    assert b.cpu.hflags == machine(LOOP, "off", native=False).cpu.hflags


def test_breakpoints_are_noticed_in_the_middle_of_a_block() -> None:
    b = machine(LOOP, "off")
    b.machine.run(10_000)
    b.cpu.set_breakpoints([UCODE_AT + 2])
    event = b.machine.run(20_000)
    assert (event.stop, event.address) == (Stop.BREAKPOINT, UCODE_AT + 2)


def test_records_are_emptied_when_they_are_full() -> None:
    """65,536 different instructions at one address are more than the table holds."""
    b = machine("again: addl $0, %eax; incl (%ebx); jmp again", "i486-ideal", ebx=UCODE_AT + 2)
    b.code(asm("again: .byte 0x81, 0xc0, 0, 0, 0, 0; incl (%ebx); jmp again"))
    m = b.machine
    m.run(1_200_000)
    assert sum(m.clock.by_rule().values()) == m.clock.cycles
    timing = m.cpu.timing
    assert timing is not None
    counts = [i.count for i in timing.insns() if i.address == UCODE_AT]
    assert len(counts) > 1 << 16
    assert set(counts) <= {1}


def test_putting_records_aside_costs_what_there_is_to_put_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not what was put aside before: code that goes on for long would take the square of its length."""
    made: list[int] = []

    def counted(address: int, *rest: Any) -> Insn:
        made.append(address)
        return Insn(address, *rest)

    monkeypatch.setattr("emu.timing.native.CAPACITY", 2048)
    monkeypatch.setattr("emu.timing.native.Insn", counted)
    length = 30_000
    b = Bare(timing="i486")
    b.run(b"\x90" * length + b"\xcc", until=100 * length)
    assert length // 2 < len(made) == len(set(made)) < length + 1
    timing = b.machine.cpu.timing
    assert timing is not None
    assert [i.count for i in timing.insns()] == [1] * (length + 1)
    assert sum(b.machine.clock.by_rule().values()) == b.machine.clock.cycles


def test_without_the_hooks_bounds_everything_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emu.cpu.locate_bounds", lambda uc: 0)
    m = Machine(1 << 20)
    m.ram.write(0x1000, b"\x40\xeb\xfd")
    m.cpu.eip = 0x1000
    m.run(10_000)
    assert m.cpu.instructions is not None
    assert not m.cpu.instructions.blocks.whole
    assert m.cpu.eax == 5000
