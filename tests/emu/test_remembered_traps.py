"""Deliveries taken without Python (emu/_traps.h) against those that Python makes (A1, K1).

A machine with a trap listener takes every trap in Python. Each change below comes after both machines
have taken the same trap many times, so that it was remembered; then both go on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from bare import (
    DATA,
    DIRECTORY,
    FLAT,
    GDT,
    HANDLERS,
    IDT,
    KCODE,
    KCODE_AT,
    KDATA,
    KSTACK,
    SPARE,
    TABLE,
    TSS,
    UCODE_AT,
    Bare,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.descriptors import (
    SEG_ACCESSED,
    SEG_CODE,
    SEG_EXPAND_DOWN,
    SEG_READABLE,
    SEG_WRITABLE,
    TYPE_INTERRUPT_GATE,
    Segment,
    pack_segment,
)

CALLS = "again: int $0x80; incl %ecx; jmp again"
FAULTS = f"movl ${DATA:#x}, %edx; again: incl %ecx; movl %ecx, (%edx); jmp again"
MISSING = f"movl ${DATA:#x}, %edx; movl %ecx, (%edx)"
RING_0 = "again: int $0x21; incl %ecx; jmp again"
PRESENT, DIRTY, ACCESSED = 1, 0x40, 0x20


#: Of generated programs. What may fault has six bytes, which its handlers step over; or two.
PARTS = {
    "call": "int $0x80",
    "nested call": "int3",
    "refused call": "int $0x21",
    "store": f"movl %ecx, {DATA:#x}",
    "update": f"incl {DATA + 8:#x}",
    "load": f"movl {DATA + 4:#x}, %ebx",
    "push": "pushl %eax; popl %eax",
    "work": "imull %ecx, %eax; movb %al, %bl; addl %ebx, %eax",
}


def ready(bare: Bare, period: int) -> None:
    """Handlers that get on, and the timer, every `period` cycles."""
    bare.handler(3, "int $0x21; iret")
    bare.handler(13, "addl $4, %esp; addl $2, (%esp); iret")
    bare.handler(14, "addl $4, %esp; addl $6, (%esp); iret")
    bare.handler(0x20, "pushl %eax; movb $0x20, %al; outb %al, $0x20; popl %eax; iret")
    bare.machine.pic.base, bare.machine.pic.mask = 0x20, 0
    bare.machine.timer.write(0x40, 4, period)


def entry(bare: Bare, linear: int, clear: int) -> None:
    at = TABLE + 4 * (linear >> 12)
    bare.page(linear, bare.ram.read32(at) & ~clear)


CHANGES: dict[str, Callable[[Bare], None]] = {
    "nothing": lambda bare: None,
    "gate moved": lambda bare: bare.gate(0x80, dpl=3, offset=HANDLERS + 16 * 0x81),
    "gate of the other type": lambda bare: bare.gate(0x80, dpl=3, type_=TYPE_INTERRUPT_GATE),
    "gate refused": lambda bare: bare.gate(0x80, dpl=0),
    "gate gone": lambda bare: bare.gate(0x80, dpl=3, present=False),
    "page fault's gate gone": lambda bare: bare.gate(14, present=False),
    "IDT cut": lambda bare: setattr(bare.cpu, "idt_limit", 0x3FF),
    "GDT cut": lambda bare: setattr(bare.cpu, "gdt_limit", 0xF),
    "TSS cut": lambda bare: setattr(bare.cpu, "tr_limit", 7),
    "other IDT": lambda bare: setattr(bare.cpu, "idt_base", IDT + 8),
    "code segment not accessed": lambda bare: bare.ram.write(
        GDT + KCODE, pack_segment(0, FLAT, SEG_CODE | SEG_READABLE)
    ),
    "stack elsewhere": lambda bare: bare.ram.write(TSS + 4, struct.pack("<I", KSTACK - 0x800)),
    "stack across pages": lambda bare: bare.ram.write(TSS + 4, struct.pack("<I", KSTACK + 8)),
    "stack at the bottom": lambda bare: bare.ram.write(TSS + 4, struct.pack("<I", 8)),
    "null stack": lambda bare: bare.ram.write(TSS + 8, bytes(4)),
    "stack of an empty slot": lambda bare: bare.ram.write(TSS + 8, struct.pack("<I", SPARE)),
    "stack page gone": lambda bare: entry(bare, KSTACK - 1, PRESENT),
    "stack page read-only": lambda bare: entry(bare, KSTACK - 1, 2),
    "stack page clean": lambda bare: entry(bare, KSTACK - 1, DIRTY),
    "stack page elsewhere": lambda bare: bare.page(KSTACK - 1, 0x7000 | 7),
    "IDT page not accessed": lambda bare: entry(bare, IDT, ACCESSED),
    "IDT page gone": lambda bare: entry(bare, IDT, PRESENT),
    "data missing": lambda bare: bare.page(DATA, DATA),
    "data read-only": lambda bare: bare.page(DATA, DATA | 5),
    "data fresh": lambda bare: bare.page(DATA, DATA | 7),
    "data used": lambda bare: bare.page(DATA, DATA | 0x67),
}


#: Clocks that an instruction of these programs takes, or more: so many slices are cut by time.
CLOCKS = {"off": 1, "i386": 15, "i486-ideal": 12, "i486": 12}
PROFILES = [pytest.param(name, id=name) for name in CLOCKS]


def both(
    program: str, *, ring0: bool = False, timing: str = "off", period: int | None = None
) -> tuple[Bare, Bare]:
    """Two machines that have run for a while, one with a listener. `period`: see ready."""
    machines = []
    for heard in (True, False):
        bare = Bare(stop_on_traps=False, timing=timing)
        if not heard:
            bare.machine.trap_listeners.clear()
        if period is not None:
            ready(bare, period)
        if program is FAULTS or program is MISSING:
            bare.page(DATA, bare.ram.read32(TABLE + 4 * (DATA >> 12)) & ~(2 | PRESENT))
        if ring0:
            bare.ring0()
        bare.code(program)
        bare.machine.run(200 * CLOCKS[timing])
        machines.append(bare)
    return machines[0], machines[1]


def agree(one: Bare, other: Bare) -> None:
    states = [bare.state()[:-1] + time(bare) for bare in (one, other)]
    assert states[0] == states[1]


def time(bare: Bare) -> tuple[object, ...]:
    """What later clocks depend on, and where they went."""
    m = bare.machine
    timing = m.cpu.timing
    insns = [(i.address, i.count, i.spent) for i in timing.insns() if i.count] if timing else []
    user = timing.user_cycles if timing else 0
    return m.position, m.clock.save(), m.clock.save_state(), user, insns


@pytest.mark.parametrize("timing", PROFILES)
@pytest.mark.parametrize("program", [CALLS, FAULTS], ids=["int", "page fault"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_table_is_noticed(
    change: Callable[[Bare], None], program: str, timing: str
) -> None:
    one, other = both(program, timing=timing)
    agree(one, other)
    assert one.deliveries
    for bare in (one, other):
        change(bare)
    for until in (217, 300, 333):
        ends = [bare.machine.run(until * CLOCKS[timing]) for bare in (one, other)]
        assert ends[0] == ends[1]
        agree(one, other)


@pytest.mark.parametrize("timing", PROFILES)
@settings(max_examples=12, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(1, 400)), min_size=1, max_size=8
    ),
    parts=st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=12),
    timer=st.integers(0, 3),
)
def test_generated_traps(
    timing: str, steps: list[tuple[str, int]], parts: list[str], timer: int
) -> None:
    """Calls, faults, nested and double faults in any order, cut anywhere, with tables that change."""
    body = "\n".join(PARTS[part] for part in parts)
    machines = both(
        f"again: {body}; incl %ecx; jmp again", timing=timing, period=97 * timer * CLOCKS[timing]
    )
    until = 200 * CLOCKS[timing]
    for change, further in steps:
        until += further * CLOCKS[timing]
        ends = [bare.machine.run(until) for bare in machines]
        assert ends[0] == ends[1]
        agree(*machines)
        for bare in machines:
            CHANGES[change](bare)


def pair(timing: str = "off") -> list[Bare]:
    """Two machines that have not run, one with a listener."""
    machines = [Bare(stop_on_traps=False, timing=timing) for _ in range(2)]
    machines[1].machine.trap_listeners.clear()
    return machines


def to_next_trap(bare: Bare) -> None:
    bare.machine.run(deliveries=bare.machine.position.deliveries + 1)


@pytest.mark.parametrize("timing", PROFILES)
def test_a_directory_entry_that_was_not_used_is_marked(timing: str) -> None:
    """The stack is reached through it; the table's own entry has been used before."""
    machines = both(CALLS, timing=timing)
    for bare in machines:
        bare.ram.write32(DIRECTORY + 4, TABLE | 7)
        bare.ram.write(TSS + 4, struct.pack("<I", (4 << 20) + KSTACK))
        to_next_trap(bare)
        assert bare.cpu.esp == (4 << 20) + KSTACK - 20
        assert bare.ram.read32(DIRECTORY + 4) & ACCESSED
    agree(*machines)


@pytest.mark.parametrize("timing", PROFILES)
def test_int_n_does_not_go_through_the_gate_of_an_exception(timing: str) -> None:
    """#UD comes by itself, and INT 6 is #GP: its gate is not for ring 3."""
    machines = pair(timing)
    for bare in machines:
        bare.handler(6, "addl $2, (%esp); iret")
        bare.handler(13, "incl %ebx; addl $4, %esp; addl $2, (%esp); iret")
        bare.code("again: ud2; incl %ecx; testl $0x3f, %ecx; jnz again; int $6; jmp again")
        bare.machine.run(4_000 * CLOCKS[timing])
        assert bare.cpu.ebx == bare.cpu.ecx >> 6 > 3
    agree(*machines)


@pytest.mark.parametrize("timing", PROFILES)
def test_a_trap_of_virtual_8086_mode_is_another_one(timing: str) -> None:
    """It pushes the data segments, too; the same call of ring 3 is remembered."""
    machines = both(CALLS, timing=timing)
    for bare in machines:
        bare.ring0()
        bare.code(
            "pushl $0x40; pushl $0x30; pushl $0x20; pushl $0x10; pushl $0x3000; pushl $0x100;"
            "pushl $0x23002; pushl $0x2000; pushl $0x8; iret"
        )
        bare.code(b"\x90\xcd\x80", at=0x20008)
        to_next_trap(bare)
        assert bare.cpu.esp == KSTACK - 36
        assert bare.word(bare.cpu.esp) == 0xB
    agree(*machines)


def test_ring_0_traps_on_its_present_stack() -> None:
    one, other = both(RING_0, ring0=True)
    agree(one, other)
    for bare in (one, other):
        bare.cpu.esp = KCODE_AT - 0x100
        bare.machine.run(400)
    agree(one, other)


_DATA = SEG_WRITABLE | SEG_ACCESSED
STACKS = {
    "based": Segment(0x1000, FLAT, _DATA, False, 0, True, True),
    "short": Segment(0, 0x3FFF, _DATA, False, 0, True, True),
    "16-bit": Segment(0, FLAT, _DATA, False, 0, True, False),
    "downwards": Segment(0, FLAT, _DATA | SEG_EXPAND_DOWN, False, 0, True, True),
}


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_ring_0_traps_on_a_stack_that_is_not_flat(stack: Segment) -> None:
    """The gate was used with a flat one before."""
    machines = both(RING_0, ring0=True)
    ends = []
    for bare in machines:
        bare.cpu.set_segment("ss", KDATA, stack)
        bare.cpu.esp = 0x1_5000  # of which a 16-bit stack has 5000
        ends.append(bare.machine.run(deliveries=bare.machine.position.deliveries + 1))
    assert ends[0] == ends[1]
    agree(*machines)


def test_a_frame_that_is_code() -> None:
    """The handler is the frame itself, which starts with INC EAX and INC EDX by turns (EIP 0x20040 and
    0x20042): no stale translation of it is run."""
    machines = both("int $0x80")
    for bare in machines:
        cpu = bare.cpu
        cpu.eip = UCODE_AT + 0x3E
        bare.code("again: int $0x80; int $0x80; jmp again")
        cpu.eax = cpu.ebx = cpu.ecx = cpu.edx = cpu.esi = DATA
        bare.ram.write(KSTACK, b"\xcf\xcf")
        bare.gate(0x80, dpl=3, offset=KSTACK - 20)
        bare.machine.run(2_000)
        assert cpu.edx > DATA
    agree(*machines)


@pytest.mark.parametrize("timing", PROFILES)
def test_a_handler_that_is_run_by_whole_blocks(timing: str) -> None:
    """From a loop that is, too: they are counted as the code hook counts, and not by both."""
    machines = []
    for heard in (True, False):
        bare = Bare(stop_on_traps=False, timing=timing)
        if not heard:
            bare.machine.trap_listeners.clear()
        bare.handler(0x80, "incl %edx; jmp over; nop; over: jnz out; out: iret")
        bare.code("again: movl $0x90, %ebx; l: decl %ebx; jnz l; int $0x80; jmp again")
        bare.machine.run(9_000 * CLOCKS[timing])
        machines.append(bare)
    agree(*machines)


def test_steps_end_behind_each_trap() -> None:
    one, other = both(CALLS)
    for _ in range(9):
        for bare in (one, other):
            bare.machine.step()
        agree(one, other)


def test_traps_in_the_run_are_what_is_compared() -> None:
    """Without a listener, calls do not come back to Python one by one."""
    bare = both(CALLS)[1]
    runs = 0
    inner = bare.cpu.run

    def counted(*limits: int) -> int:
        nonlocal runs
        runs += 1
        return inner(*limits)

    bare.cpu.run = counted  # type: ignore[method-assign]
    bare.machine.run(20_000)
    assert runs <= 2


def test_a_run_ends_at_its_deliveries() -> None:
    machines = both(CALLS)
    for _ in range(5):
        for bare in machines:
            wanted = bare.machine.position.deliveries + 3
            bare.machine.run(deliveries=wanted)
            assert bare.machine.position.deliveries == wanted
        agree(*machines)


@pytest.mark.parametrize("timing", PROFILES)
def test_a_pusha_over_a_border_faults_for_its_highest_missing_word(timing: str) -> None:
    """The engine begins with the lowest word (emu/page_fault.py); the gate was used before."""
    other = f"movl %ecx, {DATA + 0x1000 - 64:#x}"
    machines = []
    for heard in (True, False):
        bare = Bare(stop_on_traps=False, timing=timing)
        if not heard:
            bare.machine.trap_listeners.clear()
        bare.handler(14, "addl $4, %esp; addl %edx, (%esp); iret")
        bare.page(DATA, 0)
        bare.code(
            f"again: movl $6, %edx; {other}; {other}; movl $1, %edx; movl ${DATA + 0x1008:#x}, %esp; "
            "pusha; incl %ecx; jmp again"
        )
        bare.machine.run(300 * CLOCKS[timing])
        machines.append(bare)
    agree(*machines)
    faults = [one for one in machines[0].deliveries if one.vector == 14]
    assert len(faults) > 9
    while machines[1].cpu.eip != HANDLERS + 16 * 14 or machines[1].cpu.edx != 1:
        machines[1].machine.step()
    assert machines[1].cpu.cr2 == DATA + 0xFFC


def test_a_single_step_through_the_gate_is_trapped() -> None:
    """A #DB that is due behind the gate's OUT comes before the function behind the gate is asked."""
    stopped = []
    asked: list[int] = []

    def goes_on() -> bool:
        asked.append(1)
        return True

    for inside in (True, False):
        bare = Bare(stop_on_traps=False)
        machine = bare.machine
        machine.trap_listeners.clear()
        machine.add_gate(0x99)
        bare.handler(1, "incl %esi; andl $0xfffffeff, 8(%esp); iret")
        bare.ring0()
        bare.cpu.esi = 0
        bare.code(
            "outb %al, $0x99; outb %al, $0x99; pushl $0x102; popfl; outb %al, $0x99; incl %ebx; hlt"
        )
        while not machine.halted:
            machine.run(machine.clock.cycles + 40, at_gate=goes_on if inside else None)
        stopped.append((bare.registers(), bare.cpu.retired, machine.position))
    assert stopped[0] == stopped[1]
    assert stopped[0][0]["esi"] == 1
    assert len(asked) == 1  # of the first, paging is new; of the last, the trap is due


def test_a_gate_that_changes_paging_is_followed() -> None:
    """What is known of linear addresses is known no more when the function behind a gate sets CR0."""
    bare = Bare(stop_on_traps=False)
    machine = bare.machine
    machine.trap_listeners.clear()
    machine.add_gate(0x99)
    generations = []

    def changes() -> bool:
        bare.cpu.set_cr(0, bare.cpu.cr0 ^ 8)
        generations.append(machine.linear._generation)
        return True

    bare.ring0()
    bare.code("outb %al, $0x99; outb %al, $0x99; outb %al, $0x99; hlt")
    while not machine.halted:
        machine.run(machine.clock.cycles + 100, at_gate=changes)
    assert len(generations) == 2
    assert generations[1] > generations[0]
